"""`dlspec draw`: a picture of a network, by the ending of the file. A network that is wrong is drawn as far as it goes."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence

from dlspec.backends.diagram.length import Length
from dlspec.backends.diagram.shown import HIDDEN, SHOWN
from dlspec.collector import paused_collector
from dlspec.commands.arguments import Parser, positive, takes_network, takes_weight_files
from dlspec.commands.common import OK
from dlspec.commands.errors import CallError
from dlspec.commands.formats import write
from dlspec.diagnostics import did_you_mean


def declare(parser: Parser) -> None:
    takes_network(parser)
    parser.add_argument("-o", "--output", metavar="OUT", help="the file; its ending is the format")
    parser.add_argument("--watch", action="store_true", help="serve it as a page that is drawn again on every save")
    parser.add_argument("--depth", type=positive, metavar="K", help="fold what is nested deeper than K levels")
    parser.add_argument(
        "--expand",
        action="append",
        default=[],
        metavar="PATH",
        help="open a block, or a turn of a loop, as in layer1.0",
    )
    parser.add_argument("--collapse", action="append", default=[], metavar="PATH", help="fold a block")
    parser.add_argument("--unroll", action="store_true", help="draw each turn of a loop, also where all are the same")
    parser.add_argument("--symbolic", action="store_true", help="shapes and costs with open sizes")
    parser.add_argument("--theme", choices=("light", "dark", "print"), help="colours (default light)")
    parser.add_argument("--rankdir", choices=("TB", "LR"), help="draw down (default) or to the right")
    parser.add_argument("--wrap", type=positive, metavar="WIDTH", help="draw in lines, WIDTH pixels wide at most")
    parser.add_argument(
        "--layout",
        choices=("levels", "flow"),
        help="rows by resolution, as a U-Net is a U (chosen for networks with skips over resolutions), or along the flow",
    )
    parser.add_argument(
        "--style",
        choices=("boxes", "volumes"),
        help="layers as boxes (default), or feature maps as boxes in perspective",
    )
    parser.add_argument("--width", type=_width, metavar="WIDTH", help="on paper, as 3.3in, 16cm, 80mm, 240pt or 800px")
    parser.add_argument("--hide", type=_parts(HIDDEN), metavar="PARTS", help=f"leave out some of {','.join(HIDDEN)}")
    parser.add_argument("--show", type=_parts(SHOWN), metavar="PARTS", help=f"add some of {','.join(SHOWN)}")
    parser.add_argument("--poster", action="store_true", help="draw it folded, and each distinct block once below")
    takes_weight_files(parser)


def _width(text: str) -> Length:
    try:
        return Length.parse(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _parts(known: Sequence[str]) -> Callable[[str], list[str]]:
    """Reads names with commas between them."""

    def read(text: str) -> list[str]:
        parts = text.split(",")
        for part in parts:
            if part not in known:
                hint = did_you_mean(part, known) or f"they are {', '.join(known)}"
                raise ArgumentTypeError(f"there is no part {part[:40]!r}: {hint}")
        return parts

    return read


def run(arguments: Namespace) -> int:
    if arguments.watch:
        from dlspec.commands.watch import watch

        return watch(arguments)
    if arguments.output is None:
        raise CallError("draw needs a file to write, or --watch", "-o net.svg")
    _check(arguments)
    with paused_collector():
        write("draw", arguments)
    return OK


def _check(arguments: Namespace) -> None:
    """Raises `CallError` for options that contradict each other."""
    if arguments.theme == "print" and arguments.output.endswith(".html"):
        raise CallError("--theme print is not for .html files", "a page is light or dark")
    if arguments.style == "volumes":
        for flag in ("hide", "show"):
            if getattr(arguments, flag):
                raise CallError(f"--{flag} is for pictures of boxes: leave it or --style volumes out")
    for flag in ("wrap", "rankdir"):
        if arguments.width and getattr(arguments, flag):
            raise CallError(f"--width chooses how the network flows: leave --{flag} out")
    both = sorted(set(arguments.hide or ()) & set(arguments.show or ()))
    if both:
        raise CallError(f"--hide and --show both name {both[0]}")
    if arguments.wrap and arguments.rankdir == "TB":
        raise CallError("--wrap makes lines, which flow from left to right: leave --rankdir TB out")
    if arguments.layout == "levels":
        for flag in ("rankdir", "wrap", "poster"):
            if getattr(arguments, flag):
                raise CallError(f"--layout levels places rows by resolution: leave --{flag} out")
    both = sorted(set(arguments.expand) & set(arguments.collapse))
    if both:
        raise CallError(f"--expand and --collapse both name `{both[0]}`")
    if arguments.style == "volumes":
        for flag in ("rankdir", "poster", "layout", "unroll"):
            if getattr(arguments, flag):
                raise CallError(f"volumes stand in rows, each turn of a loop by itself: leave --{flag} out")
    if arguments.poster:
        for flag in ("rankdir", "depth", "expand", "collapse", "unroll"):
            if getattr(arguments, flag):
                raise CallError(f"--poster folds the network and opens each block once: leave --{flag} out")
