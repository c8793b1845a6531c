"""Files that stand beside the package in the source tree, and inside it in a wheel (setup.py puts them there)."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent
_FILES = _PACKAGE / "shipped_files"


def shipped(name: str) -> Path:
    """Where `development.ini`, `production.ini` or `migrations` is.

    Args:
        name: as at the top of the source tree.
    """
    return (_FILES if _FILES.is_dir() else _PACKAGE.parent) / name
