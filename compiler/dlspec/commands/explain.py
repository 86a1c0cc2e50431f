"""`dlspec explain`: what the codes of diagnostics mean."""

from __future__ import annotations

from argparse import Namespace

from dlspec.codes import CODES
from dlspec.commands.arguments import Parser
from dlspec.commands.common import OK
from dlspec.commands.errors import CallError
from dlspec.diagnostics import did_you_mean


def declare(parser: Parser) -> None:
    parser.add_argument("code", nargs="?", metavar="CODE")


def run(arguments: Namespace) -> int:
    if arguments.code is None:
        print("\n".join(f"{page.code}  {page.title}" for page in CODES.values()))
        return OK
    page = CODES.get(arguments.code.upper())
    if page is None:
        hint = did_you_mean(arguments.code, CODES) or "`dlspec explain` lists them"
        raise CallError(f"there is no code {arguments.code}", hint)
    print(page)
    return OK
