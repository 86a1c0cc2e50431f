"""What must hold of every laid-out picture; each rule yields what breaks it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np

from dlspec.backends.diagram.layout import Drawing, Placed
from dlspec.backends.diagram.looks import SIZES
from dlspec.backends.diagram.pieces import MARGIN, STACK
from dlspec.backends.diagram.sketch import Way, Words

SLACK = 0.6
"""Pixels by which things may touch."""


class Area(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Area) -> bool:
        return (
            self.left < other.right - SLACK
            and other.left < self.right - SLACK
            and self.top < other.bottom - SLACK
            and other.top < self.bottom - SLACK
        )

    def holds(self, other: Area) -> bool:
        return (
            self.left <= other.left + SLACK
            and self.top <= other.top + SLACK
            and other.right <= self.right + SLACK
            and other.bottom <= self.bottom + SLACK
        )


def area(placed: Placed) -> Area:
    """A box with what shows behind it."""
    (x, y), sketch = corner(placed), placed.sketch
    behind = STACK if placed.box.count > 1 and not placed.box.open else 0.0
    return Area(x, y, x + sketch.width + behind, y + sketch.height + behind)


def frame(placed: Placed, canvas: Area) -> Area:
    """The area of a box; of the network, whose frame is not drawn, all within the margin."""
    return widened(canvas, -MARGIN) if placed.box.kind == "network" else area(placed)


def corner(placed: Placed) -> tuple[float, float]:
    return placed.origin[0] + placed.x, placed.origin[1] + placed.y


def text_area(words: Words, around: Placed) -> Area:
    x, y = corner(around)
    size = max(SIZES[span.style] for span in words.line)
    left, baseline = x + words.x, y + words.y + words.drop
    return Area(left, baseline - size * 0.75, left + words.width, baseline + size * 0.22)


def lines(placed: Placed) -> list[tuple[Way, Area]]:
    """The stretches of edges in a box, of no width."""
    x, y = corner(placed)
    return [
        (way, Area(x + min(x1, x2), y + min(y1, y2), x + max(x1, x2), y + max(y1, y2)))
        for way in placed.sketch.ways
        for (x1, y1), (x2, y2) in pairwise(way.points)
    ]


def widened(own: Area, by: float) -> Area:
    return Area(own.left - by, own.top - by, own.right + by, own.bottom + by)


def faults(drawing: Drawing) -> list[str]:
    """Everything that is wrong with a picture."""
    found: list[str] = []
    canvas = Area(0, 0, drawing.width, drawing.height)
    for top in (drawing.root, *drawing.others):
        for placed in top.walk():
            found += _of_box(placed, canvas)
            if placed.box.open:
                found += _of_children(placed, canvas)
                found += _of_edges(placed)
                found += _of_shapes(placed, canvas)
    return found


def _of_box(placed: Placed, canvas: Area) -> Iterator[str]:
    name = placed.box.id or "the network"
    own, head = frame(placed, canvas), placed.sketch.head
    if not canvas.holds(own):
        yield f"{name} is outside of the picture"
    room = own._replace(bottom=own.top + head) if head else own
    for words in placed.sketch.lines:
        if not room.holds(text_area(words, placed)):
            yield f"{name}: its text {''.join(s.text for s in words.line)!r} does not fit"
    for one, other in combinations(placed.sketch.lines, 2):
        if text_area(one, placed).meets(text_area(other, placed)):
            yield f"{name}: two of its lines lie on one another"


def _of_children(placed: Placed, canvas: Area) -> Iterator[str]:
    own, children = frame(placed, canvas), placed.children
    inside = own._replace(top=own.top + placed.sketch.head)
    areas = [area(child) for child in children]
    for child, each in zip(children, areas, strict=True):
        if not inside.holds(each):
            yield f"{child.box.id} is outside of {placed.box.id or 'the network'}"
    for index, other in _meetings(areas, areas):
        if index < other:
            yield f"{children[index].box.id} and {children[other].box.id} lie on one another"


def _of_edges(placed: Placed) -> Iterator[str]:
    children, strokes = placed.children, lines(placed)
    for way, stroke in strokes:
        if stroke.left != stroke.right and stroke.top != stroke.bottom:
            yield f"the edge {_ends(way)} is askew"
    wide = [widened(stroke, SLACK / 2) for _, stroke in strokes]
    for index, child in _meetings(wide, [area(child) for child in children]):
        yield f"the edge {_ends(strokes[index][0])} runs through {children[child].box.id}"
    by_place: dict[tuple[bool, int], list[tuple[Way, float, float, float]]] = {}
    for way, (left, top, right, bottom) in strokes:
        upright = left == right
        place, start, end = (left, top, bottom) if upright else (top, left, right)
        for bucket in {round(place / 2), round(place / 2) + 1}:
            by_place.setdefault((upright, bucket), []).append((way, place, start, end))
    for stretches in by_place.values():
        for (one, place, start, end), (other, place2, start2, end2) in combinations(stretches, 2):
            together = abs(place - place2) < 2 and min(end, end2) - max(start, start2) > 2
            if together and (one.edge.source, one.edge.out) != (other.edge.source, other.edge.out):
                yield f"the edges {_ends(one)} and {_ends(other)} lie on one another"


def _ends(way: Way) -> str:
    edge = way.edge
    return f"{edge.source.id if edge.source else 'in'} -> {edge.target.id if edge.target else 'out'}"


def _of_shapes(placed: Placed, canvas: Area) -> Iterator[str]:
    children, shapes = placed.children, placed.sketch.shapes
    texts = ["".join(span.text for span in words.line) for words in shapes]
    areas = [text_area(words, placed) for words in shapes]
    for text, own in zip(texts, areas, strict=True):
        if not canvas.holds(own):
            yield f"the shape {text} is outside of the picture"
    for index, child in _meetings(areas, [area(child) for child in children]):
        yield f"the shape {texts[index]} lies on {children[child].box.id}"
    strokes = lines(placed)
    for index, stroke in _meetings(areas, [widened(stroke, 0.6) for _, stroke in strokes]):
        yield f"the shape {texts[index]} lies on the edge {_ends(strokes[stroke][0])}"
    for index, other in _meetings(areas, areas):
        if index < other:
            yield f"the shapes {texts[index]} and {texts[other]} lie on one another"


def _meetings(some: list[Area], others: list[Area]) -> Iterator[tuple[int, int]]:
    """The indices of all pairs that meet, but of a thing with itself."""
    if not some or not others:
        return
    left, top, right, bottom = np.array(others).T
    for index, own in enumerate(some):
        apart = (own.left >= right - SLACK) | (left >= own.right - SLACK)
        apart |= (own.top >= bottom - SLACK) | (top >= own.bottom - SLACK)
        for other in np.flatnonzero(~apart):
            if some is not others or index != other:
                yield index, int(other)
