"""Where everything in a picture is: blocks are laid out by themselves and put into one another.

The engine is asked about all blocks of one nesting at a time, each distinct one once: it sees sizes and edges, no names, so
that a network costs what its few distinct blocks cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, TypeAlias

from dlspec.backends.diagram.block_layout import Blocked, BlockLayout
from dlspec.backends.diagram.engine import Engine
from dlspec.backends.diagram.looks import SIZES, Line, Look, head, line_height, line_width, look, shape_line
from dlspec.backends.diagram.pieces import LABEL_GAP, PADDING, PORT_GAP, Laid, Shape
from dlspec.backends.diagram.scene import Box, Edge, Scene
from dlspec.backends.diagram.snake import BEND, in_rows

Direction: TypeAlias = Literal["TB", "LR"]
Point: TypeAlias = tuple[float, float]

MARGIN = 12.0
STACK = 5.0
"""How far a repeated box's copies stand out behind it."""


@dataclass(slots=True, eq=False)
class Words:
    """A line of text: ``x`` is where it begins, ``y`` its baseline."""

    line: Line
    x: float
    y: float

    @property
    def width(self) -> float:
        return line_width(self.line)


@dataclass(slots=True, eq=False)
class Way:
    """An edge as a line with corners, from its source to its target. ``arrow`` where it ends at a box."""

    edge: Edge
    points: list[Point]
    arrow: bool


@dataclass(slots=True, eq=False, repr=False)
class Placed:
    """A box where it is drawn: the upper left corner and the size, in pixels.

    ``lines`` is its text: of an open box, that of its head, which is ``head`` high. ``children``, ``ways`` and ``shapes``
    (texts beside edges) are those of an open box. ``ties`` join boxes in it that share their weights.
    """

    box: Box
    x: float
    y: float
    width: float
    height: float
    look: Look
    head: float = 0.0
    lines: list[Words] = field(default_factory=list[Words])
    children: list[Placed] = field(default_factory=list["Placed"])
    ways: list[Way] = field(default_factory=list[Way])
    shapes: list[Words] = field(default_factory=list[Words])
    ties: list[tuple[Point, Point]] = field(default_factory=list[tuple[Point, Point]])

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    def walk(self) -> Iterator[Placed]:
        """This and all inside it, each before what is inside it."""
        stack: list[Placed] = [self]
        while stack:
            placed = stack.pop()
            yield placed
            stack.extend(reversed(placed.children))


@dataclass(frozen=True, slots=True, repr=False)
class Drawing:
    """A picture that is laid out, from (0, 0) to (``width``, ``height``). ``root`` is the network, whose own frame is
    not drawn, and ``others`` are pictures of blocks below it (`poster`)."""

    scene: Scene
    width: float
    height: float
    root: Placed
    others: Sequence[Placed] = ()


def lay_out(scene: Scene, direction: Direction = "TB", wrap: float | None = None) -> Drawing:
    """Lays out what is open in a scene.

    ``wrap`` cuts a network that flows from left to right into rows that are no wider, where it can be cut. Raises
    `EngineError`.
    """
    with Engine() as engine:
        root = place(scene.root, direction, engine, wrap)
    width, height = settle([root])
    return Drawing(scene, width, height, root)


def place(top: Box, direction: Direction, engine: Engine, wrap: float | None = None) -> Placed:
    """An open box with all that is in it, somewhere in the plane. Raises `EngineError`."""
    return _Assembly(lay_out_blocks([top], direction, engine, wrap), direction == "LR").all(top)


def lay_out_blocks(
    tops: Sequence[Box], direction: Direction, engine: Engine, wrap: float | None = None
) -> dict[Box, Laid]:
    """The layouts of open boxes and of all open boxes in them, each by itself. Raises `EngineError`."""
    sideways = direction == "LR"
    boxes = list(dict.fromkeys(box for top in tops for box in top.drawn()))
    depths = dict.fromkeys(tops, 0)
    for box in boxes:
        depths |= dict.fromkeys(box.children, depths[box] + 1) if box.open else {}
    heights: dict[Box, int] = {}
    for box in reversed(boxes):
        heights[box] = 1 + max((heights[child] for child in box.children), default=0) if box.open else 0
    shapes: dict[Box, Shape] = {box: _folded(box, sideways) for box in boxes if not box.open}
    laid: dict[Box, Laid] = {}
    for height in range(1, max(heights.values(), default=0) + 1):
        for box, made in _solve([box for box in boxes if heights[box] == height], shapes, sideways, engine).items():
            if wrap is not None:
                room = wrap - 2 * MARGIN - depths[box] * 2 * (BEND + PADDING)
                made = in_rows(box, made, shapes.__getitem__, room, head_size(box)[1])
            laid[box], shapes[box] = made, made.shape
    return laid


def _solve(
    boxes: Sequence[Box], shapes: dict[Box, Shape], sideways: bool, engine: Engine, beside: bool = True
) -> dict[Box, Laid]:
    """The layouts of blocks whose children have known shapes."""
    layouts = {box: BlockLayout(box, shapes, sideways=sideways, beside=beside) for box in boxes}
    laid: dict[Box, Laid] = {}
    blocked: list[Box] = []
    solved = engine.solve([layout.graph() for layout in layouts.values()])
    for (box, layout), points in zip(layouts.items(), solved, strict=True):
        try:
            laid[box] = layout.lay_out(points, head_size(box))
        except Blocked:
            blocked.append(box)
    return laid | _solve(blocked, shapes, sideways, engine, beside=False) if blocked else laid


def head_size(box: Box) -> tuple[float, float]:
    """The width and height of the head of an open box. A network has its title elsewhere."""
    if box.kind == "network":
        return 0.0, 0.0
    title = head(box)
    return title.width, title.height


def _folded(box: Box, sideways: bool) -> Shape:
    """The room of a folded box, with what shows behind it if it is repeated."""
    width, height = folded_size(box, sideways)
    across, along = (height, width) if sideways else (width, height)
    stack = STACK if box.count > 1 else 0.0
    return Shape(across / 2, across / 2 + stack, along + stack, None, _outputs(box, sideways), across / 2)


def folded_size(box: Box, sideways: bool) -> tuple[float, float]:
    """Width and height of a folded box, without what shows behind it."""
    shown = look(box)
    ends = PORT_GAP * (len(box.inputs) + 1) if len(box.inputs) > 1 else 0.0
    if len(box.outputs) > 1:
        outputs = _outputs(box, sideways)
        ends = max(ends, 2 * (max(outputs) + PORT_GAP))
    return (shown.width, max(shown.height, ends)) if sideways else (max(shown.width, ends), shown.height)


def _outputs(box: Box, sideways: bool) -> list[float]:
    """Where tensors leave a folded box, from its middle: far enough apart for the shapes beside them."""
    places: list[float] = []
    here = 0.0
    for port in box.outputs:
        places.append(here)
        here += 16.0 if sideways or not port.runs else line_width(shape_line(port)) + 2 * LABEL_GAP + 4
    middle = round(places[-1] / 2) if places else 0.0
    return [place - middle for place in places]


class _Assembly:
    """Puts laid-out blocks into one another. Where a picture is ``sideways``, a row of a snake may flow back."""

    def __init__(self, laid: dict[Box, Laid], sideways: bool) -> None:
        self._laid = laid
        self._sideways = sideways

    def all(self, top: Box) -> Placed:
        root = self._block(top, 0.0, 0.0, False)
        for each in root.walk():
            each.ties = _ties(each.children)
        return root

    def _shape(self, box: Box) -> Shape:
        return self._laid[box].shape if box in self._laid else _folded(box, self._sideways)

    def _block(self, box: Box, across: float, along: float, back: bool) -> Placed:
        shape = self._shape(box)
        stack = STACK if box.count > 1 and not box.open else 0.0
        low, size, length = across - shape.left, shape.left + shape.right - stack, shape.length - stack
        at = (along, low, length, size) if self._sideways else (low, along, size, length)
        made = Placed(box, *at, look=head(box) if box.open else look(box))
        if box.kind == "network":
            made.x = made.y = made.width = made.height = 0.0
        _write(made)
        if not box.open:
            return made
        own = self._laid[box]
        for child, (a, b) in own.places.items():
            start = shape.length - b - self._shape(child).length if back else b
            made.children.append(self._block(child, across + a, along + start, back ^ (child in own.back)))

        def point(a: float, b: float) -> Point:
            return self._point(across + a, along + (shape.length - b if back else b))

        for route in own.routes:
            made.ways.append(
                Way(route.edge, [point(*corner) for corner in route.points], route.edge.target is not None)
            )
        made.shapes = [self._beside(text.line, *point(text.across, text.along), back ^ text.back) for text in own.texts]
        return made

    def _point(self, across: float, along: float) -> Point:
        return (along, across) if self._sideways else (across, along)

    def _beside(self, line: Line, x: float, y: float, back: bool) -> Words:
        """The text beside an edge that begins at a point: above it where it runs sideways, else to its right."""
        if not self._sideways:
            return Words(line, x + LABEL_GAP, y + max(SIZES[span.style] for span in line) + 1)
        return Words(line, x - LABEL_GAP - line_width(line) if back else x + LABEL_GAP, y - LABEL_GAP + 1)


def _write(placed: Placed) -> None:
    """Puts the lines of text into a box: in its middle, or at the left of a head."""
    shown, box = placed.look, placed.box
    if box.kind == "network":
        return
    placed.head = shown.height if box.open else 0.0
    text = sum(map(line_height, shown.lines))
    room = shown.height if box.open else placed.height - (4.0 if shown.bar else 0.0)
    y = placed.y + (room - text) / 2
    for line in shown.lines:
        size = max(SIZES[span.style] for span in line)
        x = placed.x + 9.0 if box.open else placed.x + (placed.width - line_width(line)) / 2
        placed.lines.append(Words(line, x, y + (line_height(line) + size * 0.72) / 2))
        y += line_height(line)


def _ties(children: Sequence[Placed]) -> list[tuple[Point, Point]]:
    """Lines between boxes with the same weights that stand beside each other."""
    ties: list[tuple[Point, Point]] = []
    ordered = sorted((child for child in children if child.box.shared), key=lambda child: (child.y, child.x))
    for one, other in pairwise(ordered):
        if one.box.shared == other.box.shared and abs(one.y - other.y) < 1 and other.x > one.right:
            between = [c for c in children if one.right <= c.x < other.x and c.y < one.bottom and c.bottom > one.y]
            if not between:
                y = one.y + min(one.height, other.height) / 2
                ties.append(((one.right, y), (other.x, y)))
    return ties


def settle(tops: Sequence[Placed]) -> tuple[float, float]:
    """Moves pictures so that they begin at the margin, with room for the title. Returns the width and height of all."""
    boxes = [bounds(top) for top in tops]
    left, upper = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, lower = max(box[2] for box in boxes), max(box[3] for box in boxes)
    root = tops[0]
    title = 0.0
    if root.box.kind == "network":
        title = root.look.height + 6
        right = max(right, left + root.look.width)
    for top in tops:
        shift(top, MARGIN - left, MARGIN + title - upper)
    if root.box.kind == "network":
        root.x, root.y, root.width, root.height = MARGIN, MARGIN, right - left, lower - upper + title
        y = MARGIN
        for line in root.look.lines:
            y += line_height(line)
            root.lines.append(Words(line, MARGIN, y))
    return float(round(right - left + 2 * MARGIN)), float(round(lower - upper + title + 2 * MARGIN))


def bounds(top: Placed) -> tuple[float, float, float, float]:
    """Left, upper, right and lower end of all that is drawn of a box."""
    xs: list[float] = []
    ys: list[float] = []
    for placed in top.walk():
        if placed.box.kind != "network":
            stack = STACK if placed.box.count > 1 and not placed.box.open else 0.0
            xs += [placed.x, placed.right + stack]
            ys += [placed.y, placed.bottom + stack]
        for way in placed.ways:
            xs += [x for x, _ in way.points]
            ys += [y for _, y in way.points]
        for words in (*placed.shapes, *placed.lines):
            xs += [words.x, words.x + words.width]
            ys += [words.y - max(SIZES[span.style] for span in words.line), words.y + 3]
    return min(xs, default=0.0), min(ys, default=0.0), max(xs, default=0.0), max(ys, default=0.0)


def shift(top: Placed, x: float, y: float) -> None:
    """Moves a box with all that is in it."""
    for placed in top.walk():
        placed.x, placed.y = placed.x + x, placed.y + y
        for words in (*placed.lines, *placed.shapes):
            words.x, words.y = words.x + x, words.y + y
        for way in placed.ways:
            way.points = [(a + x, b + y) for a, b in way.points]
        placed.ties = [((a + x, b + y), (c + x, d + y)) for (a, b), (c, d) in placed.ties]
