"""A laid-out picture as marks on a page: rectangles, lines and text, in the order in which they are painted.

Every format that has a page writes the same marks, so SVG, PNG and PDF show the same picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from dlspec.backends.diagram.layout import Drawing, Placed
from dlspec.backends.diagram.legend import SIGN, Item
from dlspec.backends.diagram.length import Length
from dlspec.backends.diagram.looks import BAR, Style, badge, costs_of
from dlspec.backends.diagram.metrics import clean, shortened
from dlspec.backends.diagram.pieces import STACK
from dlspec.backends.diagram.scene import ENDS, Box, Scene
from dlspec.backends.diagram.sketch import Point, Sketch, Words
from dlspec.backends.diagram.theme import Theme

ROUND = 4.0
_BEND = 5.0
_ARROW_LENGTH, _ARROW_WIDTH = 6.0, 6.0
_DASH = (4.0, 3.0)


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle with round corners."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    stroke: str = ""
    stroke_width: float = 1.0
    dashed: bool = False
    round: float = ROUND


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line with corners, which are rounded by ``bend``."""

    points: tuple[Point, ...]
    colour: str
    width: float = 1.2
    dashed: bool = False
    bend: float = _BEND


@dataclass(frozen=True, slots=True)
class Fill:
    """A filled polygon, with an outline where ``stroke`` is a colour."""

    points: tuple[Point, ...]
    colour: str
    stroke: str = ""


@dataclass(frozen=True, slots=True)
class Letters:
    """A line of text in several styles, from ``x`` on its baseline ``y``. ``colours`` are those of its spans."""

    words: Words
    colours: tuple[str, ...]


Mark: TypeAlias = Rect | Stroke | Fill | Letters


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """Marks that are painted together wherever a box of their kind stands. ``ends`` where they are the last of the box."""

    marks: tuple[Mark, ...]
    ends: bool


class Painted(NamedTuple):
    """A patch with its place, counted from ``origin``. ``box`` where it is the first of the box."""

    patch: Patch
    x: float
    y: float
    origin: Point
    box: Box | None


@dataclass(frozen=True, slots=True, repr=False)
class Figure:
    """A picture of another kind than a `Drawing`, which knows its marks: those of a box together, in their order."""

    scene: Scene
    width: float
    height: float
    marks: Callable[[Theme], Iterator[tuple[Box | None, tuple[Mark, ...]]]]
    paper: Length | None = None
    scale: float = 1.0

    @property
    def paper_height(self) -> float:
        """In points."""
        return self.height * self.scale


Sheet: TypeAlias = Drawing | Figure


def patches(drawing: Sheet, theme: Theme) -> Iterator[Painted]:
    """All that is painted of a picture, the ground first."""
    ground = Rect(0, 0, drawing.width, drawing.height, theme.background, round=0)
    yield Painted(Patch((ground,), False), 0, 0, (0, 0), None)
    if isinstance(drawing, Figure):
        for box, marks in drawing.marks(theme):
            yield Painted(Patch(marks, box is not None), 0, 0, (0, 0), box)
        return
    painter = _Painter(theme)
    for top in (drawing.root, *drawing.others):
        yield from painter.paint(top)
    if drawing.legend is not None:
        explained = tuple(mark for item in drawing.legend.items for mark in _explained(item, theme))
        yield Painted(Patch(explained, False), drawing.legend.x, drawing.legend.y, (0, 0), None)


def _explained(item: Item, theme: Theme) -> Iterator[Mark]:
    """An item of the legend."""
    (width, height), fill, border = SIGN, theme.fill(item.family), theme.border(item.family)
    match item.sign:
        case "bar":
            yield Rect(item.x, item.y + 4, width, BAR - 1.5, theme.ground(1), round=1)
            yield Rect(item.x, item.y + 4, width * 0.6, BAR - 1.5, border, round=1)
        case "colour" | "folded" | "training":
            pen = 1.4 if item.sign == "folded" else 1.0
            yield Rect(item.x, item.y, width, height, fill, border, pen, item.sign == "training", 3.0)
        case "text":
            pass
    yield coloured(item.words, theme)


class _Painter:
    def __init__(self, theme: Theme) -> None:
        self._theme = theme
        self._known: dict[tuple[Sketch, int], tuple[Patch, Patch]] = {}

    def paint(self, top: Placed) -> Iterator[Painted]:
        todo: list[tuple[Placed, int, Patch | None]] = [(top, 0, None)]
        while todo:
            placed, level, ending = todo.pop()
            if ending:
                yield Painted(ending, placed.x, placed.y, placed.origin, None)
                continue
            first, last = self._patches(placed.sketch, level)
            yield Painted(first, placed.x, placed.y, placed.origin, placed.box)
            if first is not last:
                todo.append((placed, level, last))
                todo += [(child, level + 1, None) for child in reversed(list(placed.children))]

    def _patches(self, sketch: Sketch, level: int) -> tuple[Patch, Patch]:
        """What is painted of a box before what is in it, and after: one where it is folded."""
        known = self._known.get((sketch, level))
        if known is None:
            text = [coloured(words, self._theme) for words in sketch.lines]
            if sketch.box.open:
                first = Patch(tuple(_frame(sketch, self._theme, level)), False)
                known = first, Patch((*_edges(sketch, self._theme), *text), True)
            else:
                only = Patch((*_folded(sketch, self._theme), *text), True)
                known = only, only
            self._known[sketch, level] = known
        return known


def _frame(sketch: Sketch, theme: Theme, level: int) -> Iterator[Mark]:
    """The ground and head of an open block."""
    box = sketch.box
    if box.kind == "network":
        return
    border = theme.border(box.family)
    ground = theme.ground(level)
    dashed = box.training or box.kind in ("repeat", "scan")
    yield Rect(0, 0, sketch.width, sketch.height, ground, border, 1.0, dashed)
    yield Rect(0.5, 0.5, sketch.width - 1, sketch.head - 0.5, theme.fill(box.family))


def _folded(sketch: Sketch, theme: Theme) -> Iterator[Mark]:
    box = sketch.box
    fill, border = theme.fill(box.family), theme.border(box.family)
    if box.kind == "fault":
        border = theme.fault
    if box.count > 1:
        for behind in (STACK, STACK / 2):
            yield Rect(behind, behind, sketch.width, sketch.height, fill, border)
    width = 2.0 if box.kind == "fault" else 1.4 if box.children else 1.0
    corner = sketch.height / 2 if box.kind in ("input", "output") else ROUND
    yield Rect(0, 0, sketch.width, sketch.height, fill, border, width, box.training, min(corner, 14.0))
    if sketch.look.bar and box.share:
        room = sketch.width - 2 * ROUND
        y = sketch.height - BAR - 0.5
        yield Rect(ROUND, y, room, BAR - 1.5, theme.ground(1), round=1)
        yield Rect(ROUND, y, max(room * box.share, 1.0), BAR - 1.5, border, round=1)


def _edges(sketch: Sketch, theme: Theme) -> Iterator[Mark]:
    for tie in sketch.ties:
        yield Stroke(tie, theme.accent, 1.2, True)
    for way in sketch.ways:
        colour = theme.fault if way.edge.fault else theme.line
        points = _without_repeats(way.points)
        if way.arrow:
            points = [*points[:-1], _before(points[-1], points[-2], _ARROW_LENGTH - 1)]
        yield Stroke(tuple(points), colour, 1.8 if way.edge.fault else 1.2, way.edge.training)
        if way.arrow:
            yield Fill(arrow(way.points), colour)
    for points in sketch.returns:
        yield Stroke((*points[:-1], _before(points[-1], points[-2], _ARROW_LENGTH - 1)), theme.accent, 1.2, True)
        yield Fill(arrow(points), theme.accent)
    for words in sketch.shapes:
        yield coloured(words, theme)


def _without_repeats(points: list[Point]) -> list[Point]:
    return [point for i, point in enumerate(points) if i == 0 or point != points[i - 1]]


def _before(end: Point, previous: Point, by: float) -> Point:
    (x, y), (px, py) = end, previous
    length = abs(x - px) + abs(y - py)
    by = min(by, length)
    return (x - by * (x - px) / length, y - by * (y - py) / length) if length else end


def arrow(points: list[Point]) -> tuple[Point, ...]:
    """The head of an arrow at the end of a line."""
    points = _without_repeats(points)
    (x, y), (px, py) = points[-1], points[-2]
    dx, dy = (x > px) - (x < px), (y > py) - (y < py)
    bx, by = x - dx * _ARROW_LENGTH, y - dy * _ARROW_LENGTH
    half = _ARROW_WIDTH / 2
    return (x, y), (bx + dy * half, by + dx * half), (bx - dy * half, by - dx * half)


def coloured(words: Words, theme: Theme) -> Letters:
    """Text in the colours of a theme."""
    colours: dict[Style, str] = {
        "label": theme.muted, "name": theme.text, "argument": theme.text, "accent": theme.accent,
        "small": theme.muted, "shape": theme.muted, "changed": theme.text, "fault": theme.fault,
        "level": theme.muted,
    }  # fmt: skip
    return Letters(words, tuple(colours[span.style] for span in words.line))


def tip(box: Box) -> str:
    """What a box says where the mouse is: all of its text, its place in the source and its costs."""
    name = f"{box.name}({', '.join(box.arguments)})" if box.arguments and box.kind not in ENDS else box.name
    parts = [f"{box.path}: {name}" if box.path else name, f"{box.span.source.name}:{box.span.line}"]
    if box.count > 1:
        parts.append(f"{badge(box)}: {', '.join(box.turns)}" if box.turns else badge(box))
    if box.message:
        parts.append(box.message)
    parts += costs_of(box.cost)
    if box.count > 1 and costs_of(box.together):
        parts.append(f"together {', '.join(costs_of(box.together))}")
    if box.share:
        parts.append(f"{100 * box.share:.3g} % of the network")
    return clean(" | ".join(shortened(part) for part in parts))
