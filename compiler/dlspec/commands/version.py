"""`dlspec version`."""

from __future__ import annotations

from argparse import Namespace

from dlspec import __version__
from dlspec.commands.common import OK


def run(arguments: Namespace) -> int:
    print(f"dlspec {__version__}")
    return OK
