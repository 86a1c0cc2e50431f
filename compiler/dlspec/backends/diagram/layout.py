"""Where everything in a picture is: blocks are laid out by themselves and put into one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal, TypeAlias

from dlspec.backends.diagram.blocks import lay_out_blocks
from dlspec.backends.diagram.engine import Engine, EngineError
from dlspec.backends.diagram.legend import Legend, lay_out_legend
from dlspec.backends.diagram.length import Length
from dlspec.backends.diagram.levels import Levels
from dlspec.backends.diagram.looks import line_height
from dlspec.backends.diagram.pieces import MARGIN
from dlspec.backends.diagram.scene import Box, Scene
from dlspec.backends.diagram.sketch import Bounds, Point, Sketch, Sketcher, Words
from dlspec.backends.diagram.unframed import as_one_u

Direction: TypeAlias = Literal["TB", "LR"]
Arrangement: TypeAlias = Literal["levels", "flow"]

_ATTEMPTS = 2
"""So often a picture that is wider than asked for is laid out again, before it is as narrow as it gets."""


@dataclass(slots=True, eq=False)
class Placed:
    """A box where it stands: its upper left corner, in pixels from the ``origin`` that what is drawn together has."""

    box: Box
    sketch: Sketch
    x: float = 0.0
    y: float = 0.0
    origin: Point = (0.0, 0.0)

    @property
    def children(self) -> list[Placed]:
        """What is drawn in an open box."""
        parts = self.sketch.parts
        if not parts:
            return []
        return [
            Placed(child, sketch, self.x + x, self.y + y, self.origin)
            for child, (x, y, sketch) in zip(self.box.children, parts, strict=True)
        ]

    def walk(self) -> Iterator[Placed]:
        """This and all inside it, each before what is inside it."""
        stack: list[Placed] = [self]
        while stack:
            placed = stack.pop()
            yield placed
            stack.extend(reversed(placed.children))

    @property
    def bounds(self) -> Bounds:
        (x, y), (left, upper, right, lower) = self.origin, self.sketch.bounds
        return x + self.x + left, y + self.y + upper, x + self.x + right, y + self.y + lower

    def shift(self, x: float, y: float) -> None:
        """Moves all that is drawn together with this box."""
        self.origin = self.origin[0] + x, self.origin[1] + y


@dataclass(frozen=True, slots=True, repr=False)
class Drawing:
    """A picture that is laid out, from (0, 0) to (``width``, ``height``). ``root`` is the network, whose own frame is
    not drawn, and ``others`` are pictures of blocks below it (`poster`). On ``paper`` it has that width, a pixel ``scale``
    points."""

    scene: Scene
    width: float
    height: float
    root: Placed
    others: Sequence[Placed] = ()
    legend: Legend | None = None
    paper: Length | None = None
    scale: float = 1.0

    @property
    def paper_height(self) -> float:
        """In points."""
        return self.height * self.scale


def lay_out(
    scene: Scene, direction: Direction = "TB", wrap: float | None = None, levels: Levels | None = None
) -> Drawing:
    """Lays out what is open in a scene.

    With ``levels`` what is of another resolution stands in another row, and the flow is from left to right; an encoder and
    its decoder are one U.

    ``wrap`` breaks a network that flows from left to right into lines, so that the picture is no wider. Raises
    `EngineError`, of which `TooWide` is one.
    """
    if levels is not None:
        scene, levels = as_one_u(scene, levels)
    with Engine() as engine:
        if wrap is None:
            return settled(scene, place(scene.root, direction, engine, levels=levels))
        return settled(scene, place_within(scene.root, engine, wrap))


class TooWide(EngineError):
    """No lines of the width that is asked for: one box is longer. ``least`` is the width that they need."""

    def __init__(self, name: str, wrap: float, least: int) -> None:
        super().__init__(
            f"{name} does not fit into {wrap:g} pixels",
            f"its boxes need {least} pixels, or draw less with --depth",
            "DL0608",
        )
        self.least = least


def place_within(top: Box, engine: Engine, wrap: float) -> Placed:
    """The same in lines, so that with its margins it is no wider than ``wrap``. Raises `TooWide` and `EngineError`."""
    placed = place(top, "LR", engine, wrap)
    if (width := _width(placed)) <= wrap:
        return placed
    narrowest = place(top, "LR", engine, 0)
    if (least := _width(narrowest)) > wrap:
        raise TooWide(top.name, wrap, least)
    room = wrap
    for _ in range(_ATTEMPTS):
        room -= width - wrap
        placed = place(top, "LR", engine, room)
        if (width := _width(placed)) <= wrap:
            return placed
    return narrowest


def _width(placed: Placed) -> int:
    """Of a picture of what is placed, with its margins and title."""
    left, _, right, _ = placed.bounds
    return ceil(max(right - left, placed.sketch.look.width) + 2 * MARGIN)


def place(
    top: Box, direction: Direction, engine: Engine, wrap: float | None = None, levels: Levels | None = None
) -> Placed:
    """An open box with all that is in it, somewhere in the plane. Raises `EngineError`."""
    sideways = direction == "LR" or levels is not None
    return Placed(top, Sketcher(lay_out_blocks([top], sideways, engine, wrap, levels), sideways).sketch(top))


def settled(scene: Scene, root: Placed, others: Sequence[Placed] = ()) -> Drawing:
    """The drawing that begins at the margin, with room for the title."""
    bounds = [top.bounds for top in (root, *others)]
    left, upper = min(each[0] for each in bounds), min(each[1] for each in bounds)
    right, lower = max(each[2] for each in bounds), max(each[3] for each in bounds)
    title = root.sketch.look.height + 6 * bool(root.sketch.look.lines)
    right = max(right, left + root.sketch.look.width)
    for top in (root, *others):
        top.shift(MARGIN - left, MARGIN + title - upper)
    y = upper - title
    for line in root.sketch.look.lines:
        root.sketch.lines.append(Words(line, left, y, line_height(line)))
        y += line_height(line)
    width, height = round(right - left + 2 * MARGIN), round(lower - upper + title + 2 * MARGIN)
    if "legend" not in scene.root.seen:
        return Drawing(scene, float(width), float(height), root, others)
    legend = lay_out_legend(scene, MARGIN, height, width - 2 * MARGIN)
    return Drawing(scene, float(width), height + legend.height + MARGIN, root, others, legend)
