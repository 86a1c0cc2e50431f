"""Boxes as they are drawn, with all that is in them, wherever they stand: one sketch for all that are drawn alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, TypeAlias

from dlspec.backends.diagram.blocks import LaidBlocks, folded_shape
from dlspec.backends.diagram.looks import BAR, PADDING_X, SIZES, Line, Look, head, line_height, line_width, look
from dlspec.backends.diagram.pieces import BACK, LABEL_GAP, STACK, Laid, Shape
from dlspec.backends.diagram.scene import Box, Edge

Point: TypeAlias = tuple[float, float]
Bounds: TypeAlias = tuple[float, float, float, float]
"""Left, upper, right and lower end."""
Anchor: TypeAlias = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Words:
    """A line of text: ``x`` is where it begins, ``y`` where its room begins, its baseline ``drop`` below. ``anchor`` is the
    part of it that stays in its place with a font of other widths."""

    line: Line
    x: float
    y: float
    drop: float
    anchor: Anchor = "start"

    @property
    def width(self) -> float:
        return line_width(self.line)


@dataclass(frozen=True, slots=True)
class Way:
    """An edge as a line with corners, from its source to its target. ``arrow`` where it ends at a box."""

    edge: Edge
    points: list[Point]
    arrow: bool


@dataclass(slots=True, eq=False, repr=False)
class Sketch:
    """A box as it is drawn, with all that is in it. Places are counted from its upper left corner, in pixels.

    ``box`` is the first of those that are drawn so. Its first tensor comes in ``before`` across the flow. ``lines`` is its
    text: of an open box, that of its head, which is ``head`` high. ``parts`` are the sketches of its children, each with
    its place, ``ways`` and ``shapes`` (texts beside edges) those of an open box. ``ties`` join boxes in it that share their
    weights, and ``returns`` lead from where the turn of a scan ends to where it begins. ``bounds`` are those of all of this.
    """

    box: Box
    look: Look
    width: float
    height: float
    before: float
    head: float = 0.0
    lines: list[Words] = field(default_factory=list[Words])
    parts: list[tuple[float, float, Sketch]] = field(default_factory=list["tuple[float, float, Sketch]"])
    ways: list[Way] = field(default_factory=list[Way])
    shapes: list[Words] = field(default_factory=list[Words])
    ties: list[tuple[Point, Point]] = field(default_factory=list[tuple[Point, Point]])
    returns: list[list[Point]] = field(default_factory=list[list[Point]])
    bounds: Bounds = (0.0, 0.0, 0.0, 0.0)


class Sketcher:
    """Puts laid-out blocks into one another. Where a picture is ``sideways``, it flows from left to right."""

    def __init__(self, blocks: LaidBlocks, sideways: bool) -> None:
        self._blocks = blocks
        self._sideways = sideways
        self._known: dict[int, Sketch] = {}

    def sketch(self, box: Box) -> Sketch:
        todo = [box]
        while todo:
            missing = [inside for inside in self._inside(todo[-1]) if not self._find(inside)]
            if missing:
                todo += missing
                continue
            part = todo.pop()
            self._known[self._blocks.numbers[part]] = self._find(part) or self._made(part)
        return self._known[self._blocks.numbers[box]]

    def _find(self, box: Box) -> Sketch | None:
        return self._known.get(self._blocks.numbers[box])

    def _inside(self, box: Box) -> Sequence[Box]:
        return list(self._blocks.laid[self._blocks.numbers[box]].places) if box.open else ()

    def _made(self, box: Box) -> Sketch:
        shape = self._shape(box) if box.open else folded_shape(box, self._sideways)
        stack = STACK if box.count > 1 and not box.open else 0.0
        size, length = shape.left + shape.right - stack, shape.length - stack
        made = Sketch(box, head(box) if box.open else look(box), *self._point(size, length), shape.left)
        if box.kind == "network":  # it has no frame
            made.width = made.height = made.before = 0.0
        _write(made)
        if box.open:
            self._fill(made, self._blocks.laid[self._blocks.numbers[box]])
        made.bounds = _bounds(made)
        return made

    def _fill(self, made: Sketch, laid: Laid) -> None:
        def point(across: float, along: float) -> Point:
            return self._point(made.before + across, along)

        for child, (across, along) in laid.places.items():
            part = self._known[self._blocks.numbers[child]]
            made.parts.append((*point(across - part.before, along), part))
        if made.box.returns:
            made.returns = [self._return(made)]
        for route in laid.routes:
            made.ways.append(
                Way(route.edge, [point(*corner) for corner in route.points], route.edge.target is not None)
            )
        made.ties = _ties(made.parts, made.ways)
        made.shapes = [self._beside(text.line, *point(text.across, text.along)) for text in laid.texts]
        made.shapes += [Words(level.name, *point(level.across, PADDING_X), -LABEL_GAP) for level in laid.levels]

    def _return(self, made: Sketch) -> list[Point]:
        """From the last box to the first, along the frame, where nothing else runs."""
        (x, y, begin), (x2, y2, end) = made.parts[0], made.parts[-1]
        near, top = BACK, made.head + BACK
        if self._sideways:
            low = made.height - BACK
            aside, back = x2 + end.width + BACK, y + begin.height * 0.75
            return [
                (x2 + end.width, y2 + end.height * 0.75), (aside, y2 + end.height * 0.75), (aside, low), (near, low),
                (near, back), (x, back),
            ]  # fmt: skip
        low = y2 + end.height + BACK
        leave, back = x2 + end.width * 0.25, x + begin.width * 0.25
        return [(leave, y2 + end.height), (leave, low), (near, low), (near, top), (back, top), (back, y)]

    def _shape(self, box: Box) -> Shape:
        return self._blocks.shapes[self._blocks.numbers[box]]

    def _point(self, across: float, along: float) -> Point:
        return (along, across) if self._sideways else (across, along)

    def _beside(self, line: Line, x: float, y: float) -> Words:
        """The text beside an edge that begins at a point: above it where it runs sideways, else to its right."""
        drop = 1 - LABEL_GAP if self._sideways else max(SIZES[span.style] for span in line) + 1
        return Words(line, x + LABEL_GAP, y, drop)


def _write(made: Sketch) -> None:
    """Puts the lines of text into a box: in its middle, or at the left of a head."""
    shown, box = made.look, made.box
    if box.kind == "network":
        return
    made.head = shown.height if box.open else 0.0
    room = shown.height if box.open else made.height - BAR * shown.bar
    y = (room - sum(map(line_height, shown.lines))) / 2
    for line in shown.lines:
        size = max(SIZES[span.style] for span in line)
        x = PADDING_X if box.open else (made.width - line_width(line)) / 2
        anchor = "start" if box.open else "middle"
        made.lines.append(Words(line, x, y, (line_height(line) + size * 0.72) / 2, anchor))
        y += line_height(line)


def _ties(parts: Sequence[tuple[float, float, Sketch]], ways: Sequence[Way]) -> list[tuple[Point, Point]]:
    """Lines between boxes with the same weights that stand beside each other, where no edge runs between them."""
    areas = [(x, y, x + sketch.width, y + sketch.height) for x, y, sketch in parts]
    shared = [(area, part[2].box.shared) for area, part in zip(areas, parts, strict=True) if part[2].box.shared]
    shared.sort(key=lambda pair: (pair[0][1], pair[0][0]))
    ties: list[tuple[Point, Point]] = []
    for ((_, top, right, bottom), mark), ((left, top2, _, bottom2), mark2) in pairwise(shared):
        if mark == mark2 and abs(top - top2) < 1 and left > right:
            between = [area for area in areas if right <= area[0] < left and area[1] < bottom and area[3] > top]
            if not between:
                y = top + min(bottom - top, bottom2 - top2) / 2
                if not any(_crosses(way, right, left, y) for way in ways):
                    ties.append(((right, y), (left, y)))
    return ties


def _crosses(way: Way, left: float, right: float, y: float) -> bool:
    """Whether an edge meets a level line."""
    return any(
        max(min(x, x2), left) <= min(max(x, x2), right) and min(y1, y2) <= y <= max(y1, y2)
        for (x, y1), (x2, y2) in pairwise(way.points)
    )


def _bounds(made: Sketch) -> Bounds:
    """The ends of all that is drawn of a box."""
    xs: list[float] = []
    ys: list[float] = []
    if made.box.kind != "network":
        stack = STACK if made.box.count > 1 and not made.box.open else 0.0
        xs += [0.0, made.width + stack]
        ys += [0.0, made.height + stack]
    for x, y, part in made.parts:
        left, upper, right, lower = part.bounds
        xs += [x + left, x + right]
        ys += [y + upper, y + lower]
    for way in made.ways:
        xs += [x for x, _ in way.points]
        ys += [y for _, y in way.points]
    for words in (*made.shapes, *made.lines):
        xs += [words.x, words.x + words.width]
        baseline = words.y + words.drop
        ys += [baseline - max(SIZES[span.style] for span in words.line), baseline + 3]
    return min(xs, default=0.0), min(ys, default=0.0), max(xs, default=0.0), max(ys, default=0.0)
