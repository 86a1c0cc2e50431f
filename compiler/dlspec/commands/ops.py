"""`dlspec ops`: the built-in layers, functions and distributions."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from dlspec.commands.arguments import Parser
from dlspec.commands.common import OK
from dlspec.commands.errors import CallError
from dlspec.diagnostics import did_you_mean

if TYPE_CHECKING:
    from dlspec.reference import Entry


def declare(parser: Parser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME")
    parser.add_argument("--format", choices=("text", "markdown", "json"), default="text")


def run(arguments: Namespace) -> int:
    if arguments.name is None:
        print(_all(arguments.format), end="" if arguments.format == "markdown" else "\n")
    else:
        print(_one(_named(arguments.name), arguments.format))
    return OK


def _all(format: str) -> str:
    import json

    from dlspec.ops import OPERATORS
    from dlspec.reference import entries, of_operator, overview, page

    match format:
        case "json":
            return json.dumps([of_operator(operator).facts for operator in OPERATORS], indent=2)
        case "markdown":
            return page(entries())
        case _:
            return overview(entries())


def _one(entry: Entry, format: str) -> str:
    import json

    match format:
        case "json":
            return json.dumps(entry.facts, indent=2)
        case "markdown":
            return entry.markdown()
        case _:
            return entry.text()


def _named(name: str) -> Entry:
    """What goes by a name. Raises `CallError`."""
    from dlspec.ops import FUNCTIONS, LAYERS
    from dlspec.reference import of_operator, stochastic

    known = stochastic()
    if name in known:
        return known[name]
    if name in LAYERS:
        return of_operator(LAYERS[name][0])
    if name in FUNCTIONS:
        return of_operator(FUNCTIONS[name])
    hint = did_you_mean(name, [*LAYERS, *FUNCTIONS, *known]) or "`dlspec ops` lists them"
    raise CallError(f"there is no layer or function `{name}`", hint)
