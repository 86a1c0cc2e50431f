"""`dlspec draw`: a picture of a network, by the ending of the file. A network that is wrong is drawn as far as it goes."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from dlspec.commands.common import OK, show
from dlspec.commands.errors import CallError, CallFindings
from dlspec.commands.scenes import scene_of
from dlspec.diagnostics import DlspecError

if TYPE_CHECKING:
    pass


def run(arguments: Namespace) -> int:
    from dlspec.backends.diagram.picture import FORMATS, Picture
    from dlspec.backends.files import write_bytes

    if arguments.watch:
        from dlspec.commands.watch import watch

        return watch(arguments)
    if arguments.output is None:
        raise CallError("draw needs a file to write, or --watch", "-o net.svg")
    ending = Path(arguments.output).suffix
    if ending not in FORMATS:
        what = f"a {ending} file" if ending else "a file without an ending"
        raise CallError(f"cannot draw {what}", f"the formats are {', '.join(FORMATS)}", "DL0607")
    _check_flags(arguments, ending)
    scene, diagnostics, of_call = scene_of(arguments)
    direction = arguments.rankdir or ("LR" if arguments.wrap else "TB")
    picture = Picture(scene, direction, arguments.theme, arguments.wrap, arguments.poster)
    content = picture.content(ending)
    try:
        write_bytes(arguments.output, content)
    except OSError as error:
        raise CallError(f"cannot write {arguments.output}: {error.strerror or error}") from None
    print(f"wrote {arguments.output}")
    if diagnostics.errors:
        raise (CallFindings if of_call else DlspecError)(diagnostics)
    show(diagnostics)
    return OK


def _check_flags(arguments: Namespace, ending: str) -> None:
    """Raises `CallError` for options that the format has no use for, or that contradict each other."""
    pictures = (".svg", ".png", ".pdf")
    for flag, endings in (
        ("theme", (*pictures, ".html")), ("rankdir", (*pictures, ".dot", ".mmd")), ("wrap", pictures), ("poster", pictures),
    ):  # fmt: skip
        if getattr(arguments, flag) and ending not in endings:
            raise CallError(f"--{flag} is for {', '.join(endings)} files")
    if arguments.theme == "print" and ending == ".html":
        raise CallError("--theme print is not for .html files", "a page is light or dark")
    if arguments.wrap and arguments.rankdir == "TB":
        raise CallError("--wrap makes rows, which flow from left to right: leave --rankdir TB out")
    both = sorted(set(arguments.expand) & set(arguments.collapse))
    if both:
        raise CallError(f"--expand and --collapse both name `{both[0]}`")
    if arguments.poster:
        for flag in ("rankdir", "depth", "expand", "collapse"):
            if getattr(arguments, flag):
                raise CallError(f"--poster folds the network and opens each block once: leave --{flag} out")
