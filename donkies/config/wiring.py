"""Factories that give a class what its fields ask for."""

from functools import cache

import svcs

autowired = cache(svcs.autowire)
"""`svcs.autowire`, which reads a class's fields once, however many registries a process makes."""
