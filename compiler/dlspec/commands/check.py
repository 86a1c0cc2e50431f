"""`dlspec check`: everything that is wrong with specs."""

from __future__ import annotations

import sys
from argparse import Namespace

from dlspec.commands.arguments import Parser, takes_limits, takes_project
from dlspec.commands.common import OK, WRONG_CALL, WRONG_SPEC, read, say
from dlspec.diagnostics import Diagnostic, DlspecError, Severity
from dlspec.files import Disk
from dlspec.render import printable, render, summary_line, to_json, wants_colour


def declare(parser: Parser) -> None:
    takes_limits(parser)
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    takes_project(parser)


def run(arguments: Namespace) -> int:
    """Checks every file, also those after one that cannot be read."""
    found: list[Diagnostic] = []
    status = OK
    for name in arguments.files:
        try:
            here = _findings(name, arguments.project)
        except OSError as error:
            say(f"error: cannot read {name}: {error.strerror}", sys.stderr)
            status = WRONG_CALL
            continue
        if arguments.format == "text":
            _print(name, here)
        found += here
    if arguments.format == "json":
        import json

        say(json.dumps([to_json(diagnostic) for diagnostic in found], indent=2))
    if status == OK and any(diagnostic.severity is Severity.ERROR for diagnostic in found):
        status = WRONG_SPEC
    return status


def _findings(name: str, project: str | None) -> list[Diagnostic]:
    from dlspec.pipeline import check_source

    try:
        return list(check_source(read(name), Disk(project)))
    except DlspecError as error:
        return list(error.diagnostics)


def _print(name: str, found: list[Diagnostic]) -> None:
    if found:
        print(render(found, wants_colour(sys.stderr)), file=sys.stderr)
        say(f"\n{printable(name)}: {summary_line(found)}", sys.stderr)
    else:
        say(f"{printable(name)}: ok")
