"""`dlspec fmt`: specs in their canonical form, in place."""

from __future__ import annotations

from argparse import Namespace

from dlspec.commands.arguments import Parser, takes_limits
from dlspec.commands.common import OK, WRONG_SPEC, read, say, show
from dlspec.diagnostics import DlspecError
from dlspec.render import printable


def declare(parser: Parser) -> None:
    takes_limits(parser)
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where something would change")


def run(arguments: Namespace) -> int:
    """Formats files that parse. With ``--check`` nothing is written, and the status says whether something would be."""
    status = OK
    for name in arguments.files:
        try:
            changed = _format(name, arguments.check)
        except DlspecError as error:
            show(error.diagnostics)
            status = WRONG_SPEC
            continue
        if changed:
            say(f"{'would format' if arguments.check else 'formatted'} {printable(name)}")
            status = WRONG_SPEC if arguments.check else status
    return status


def _format(name: str, check_only: bool) -> bool:
    """Whether the file is, or was, not in its canonical form."""
    from dlspec.backends.files import write_bytes
    from dlspec.syntax.format import format_source

    source = read(name)
    formatted = format_source(source)
    if formatted == source.text:
        return False
    if not check_only and source.path:
        mode = source.path.stat().st_mode
        write_bytes(source.path, formatted.encode())
        source.path.chmod(mode)
    return True
