"""A simulator that speaks MX's Atrium wire protocol over real HTTP on its own port, plays Google's and Facebook's
sign-in there, and takes mail that can be read at `/inbox`.

It imports nothing of the rest of donkies. `python -m donkies.sandbox` runs it in the foreground.
"""

from .server import Sandbox

__all__ = ["Sandbox"]
