"""Finds the files that are shipped with the package."""

from __future__ import annotations

from pathlib import Path


def resource(name: str) -> Path:
    """The path of a shipped file or folder: beside the package where it is installed, else in the checkout."""
    here = Path(__file__)
    for base in (here.parent, here.parents[2]):
        if (base / name).exists():
            return base / name
    raise FileNotFoundError(f"dlspec is installed without {name}")
