"""`python -m donkies.cli`."""

from . import main

main()
