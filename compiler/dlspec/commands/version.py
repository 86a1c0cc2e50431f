"""`dlspec version`."""

from __future__ import annotations

from argparse import Namespace

from dlspec import __version__
from dlspec.commands.arguments import Parser
from dlspec.commands.common import OK


def declare(parser: Parser) -> None:
    """Takes nothing."""


def run(arguments: Namespace) -> int:
    print(f"dlspec {__version__}")
    return OK
