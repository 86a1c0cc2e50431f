"""Pictures of networks and trains, as `dlspec draw` writes them."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from dlspec.commands.common import Target, say, show
from dlspec.commands.errors import CallFindings
from dlspec.commands.scenes import scene_of, spreads_of
from dlspec.diagnostics import DlspecError

if TYPE_CHECKING:
    from dlspec.pipeline import Program


def picture(program: Program, wanted: Target, arguments: Namespace) -> None:
    """What could be drawn is written before what is wrong with it is raised."""
    from dlspec.backends.diagram.picture import Picture
    from dlspec.backends.diagram.shown import choose_parts
    from dlspec.backends.files import write_bytes

    scene, diagnostics, of_call = scene_of(program, wanted, arguments)
    tensors = spreads_of(scene, arguments, not diagnostics.errors)
    choose_parts(scene, arguments.hide or (), arguments.show or ())
    drawn = Picture(
        scene, arguments.rankdir, arguments.theme, arguments.wrap, arguments.poster, arguments.layout, tensors,
        arguments.style or "boxes", arguments.width,
    )  # fmt: skip
    write_bytes(arguments.output, drawn.content(Path(arguments.output).suffix))
    say(f"wrote {arguments.output}")
    if diagnostics.errors:
        raise (CallFindings if of_call else DlspecError)(diagnostics)
    show(diagnostics)
