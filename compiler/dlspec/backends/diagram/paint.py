"""A laid-out picture as marks on a page: rectangles, lines and text, in the order in which they are painted.

Every format that has a page writes the same marks, so SVG, PNG and PDF show the same picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from dlspec.analyses.written import number, scaled
from dlspec.backends.diagram.layout import STACK, Drawing, Placed, Point, Words
from dlspec.backends.diagram.looks import BAR, Style, badge
from dlspec.backends.diagram.metrics import clean, shortened
from dlspec.backends.diagram.scene import ENDS, Box
from dlspec.backends.diagram.theme import Theme

ROUND = 4.0
_BEND = 5.0
_ARROW_LENGTH, _ARROW_WIDTH = 6.0, 6.0
_DASH = (4.0, 3.0)


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle with round corners. ``tip`` is what a viewer may show where the mouse is."""

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
    """A filled polygon."""

    points: tuple[Point, ...]
    colour: str


@dataclass(frozen=True, slots=True)
class Letters:
    """A line of text in several styles, from ``x`` on its baseline ``y``. ``colours`` are those of its spans."""

    words: Words
    colours: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Begins the marks of a box; `END` ends them."""

    box: Box
    tip: str


class _End:
    pass


END = _End()

Mark: TypeAlias = Rect | Stroke | Fill | Letters | Group | _End


def marks(drawing: Drawing, theme: Theme) -> Iterator[Mark]:
    """The marks of a picture, the ground first."""
    yield Rect(0, 0, drawing.width, drawing.height, theme.background, round=0)
    for top in (drawing.root, *drawing.others):
        yield from _box(top, theme, 0)


def _box(placed: Placed, theme: Theme, level: int) -> Iterator[Mark]:
    box = placed.box
    yield Group(box, tip(box))
    if box.open:
        yield from _frame(placed, theme, level)
        for child in placed.children:
            yield from _box(child, theme, level + 1)
        for (x1, y1), (x2, y2) in placed.ties:
            yield Stroke(((x1, y1), (x2, y2)), theme.accent, 1.2, True)
        yield from _edges(placed, theme)
    else:
        yield from _folded(placed, theme)
    for words in placed.lines:
        yield _letters(words, theme)
    yield END


def _frame(placed: Placed, theme: Theme, level: int) -> Iterator[Mark]:
    """The ground and head of an open block."""
    box = placed.box
    if box.kind == "network":
        return
    border = theme.border(box.family)
    ground = theme.ground(level)
    yield Rect(
        placed.x, placed.y, placed.width, placed.height, ground, border, 1.0, box.training or box.kind == "repeat"
    )
    yield Rect(placed.x + 0.5, placed.y + 0.5, placed.width - 1, placed.head - 0.5, theme.fill(box.family))


def _folded(placed: Placed, theme: Theme) -> Iterator[Mark]:
    box = placed.box
    fill, border = theme.fill(box.family), theme.border(box.family)
    if box.kind == "fault":
        border = theme.fault
    if box.count > 1:
        for behind in (STACK, STACK / 2):
            yield Rect(placed.x + behind, placed.y + behind, placed.width, placed.height, fill, border)
    width = 2.0 if box.kind == "fault" else 1.4 if box.children else 1.0
    corner = placed.height / 2 if box.kind in ("input", "output") else ROUND
    yield Rect(placed.x, placed.y, placed.width, placed.height, fill, border, width, box.training, min(corner, 14.0))
    if placed.look.bar and box.share:
        room = placed.width - 2 * ROUND
        y = placed.bottom - BAR - 0.5
        yield Rect(placed.x + ROUND, y, room, BAR - 1.5, theme.ground(1), round=1)
        yield Rect(placed.x + ROUND, y, max(room * box.share, 1.0), BAR - 1.5, border, round=1)


def _edges(placed: Placed, theme: Theme) -> Iterator[Mark]:
    for way in placed.ways:
        colour = theme.fault if way.edge.fault else theme.line
        points = _without_repeats(way.points)
        if way.arrow:
            points = [*points[:-1], _before(points[-1], points[-2], _ARROW_LENGTH - 1)]
        yield Stroke(tuple(points), colour, 1.8 if way.edge.fault else 1.2, way.edge.training)
        if way.arrow:
            yield Fill(_arrow(way.points), colour)
    for words in placed.shapes:
        yield _letters(words, theme)


def _without_repeats(points: list[Point]) -> list[Point]:
    return [point for i, point in enumerate(points) if i == 0 or point != points[i - 1]]


def _before(end: Point, previous: Point, by: float) -> Point:
    (x, y), (px, py) = end, previous
    length = abs(x - px) + abs(y - py)
    by = min(by, length)
    return (x - by * (x - px) / length, y - by * (y - py) / length) if length else end


def _arrow(points: list[Point]) -> tuple[Point, ...]:
    points = _without_repeats(points)
    (x, y), (px, py) = points[-1], points[-2]
    dx, dy = (x > px) - (x < px), (y > py) - (y < py)
    bx, by = x - dx * _ARROW_LENGTH, y - dy * _ARROW_LENGTH
    half = _ARROW_WIDTH / 2
    return (x, y), (bx + dy * half, by + dx * half), (bx - dy * half, by - dx * half)


def _letters(words: Words, theme: Theme) -> Letters:
    colours: dict[Style, str] = {
        "label": theme.muted, "name": theme.text, "argument": theme.text, "accent": theme.accent,
        "small": theme.muted, "shape": theme.muted, "changed": theme.text, "fault": theme.fault,
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
    if box.cost.params:
        parts.append(f"{number(box.cost.params)} params")
    if box.cost.macs != 0:
        parts.append(scaled(box.cost.macs, "MACs"))
    if box.share:
        parts.append(f"{100 * box.share:.3g} % of the network")
    return clean(" | ".join(shortened(part) for part in parts))
