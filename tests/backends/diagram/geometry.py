"""What must hold of every laid-out picture; each rule yields what breaks it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np

from dlspec.backends.diagram.layout import STACK, Drawing, Placed, Way, Words
from dlspec.backends.diagram.looks import SIZES

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
    behind = STACK if placed.box.count > 1 and not placed.box.open else 0.0
    return Area(placed.x, placed.y, placed.right + behind, placed.bottom + behind)


def text_area(words: Words) -> Area:
    size = max(SIZES[span.style] for span in words.line)
    return Area(words.x, words.y - size * 0.75, words.x + words.width, words.y + size * 0.22)


def segments(way: Way) -> Iterator[Area]:
    """The stretches of an edge, each as wide as its line."""
    for (x1, y1), (x2, y2) in pairwise(way.points):
        yield Area(min(x1, x2) - 0.6, min(y1, y2) - 0.6, max(x1, x2) + 0.6, max(y1, y2) + 0.6)


def faults(drawing: Drawing) -> list[str]:
    """Everything that is wrong with a picture."""
    found: list[str] = []
    canvas = Area(0, 0, drawing.width, drawing.height)
    for top in (drawing.root, *drawing.others):
        for placed in top.walk():
            found += _of_box(placed, canvas)
            if placed.box.open:
                found += _of_children(placed)
                found += _of_edges(placed)
                found += _of_shapes(placed, canvas)
    return found


def _of_box(placed: Placed, canvas: Area) -> Iterator[str]:
    name = placed.box.id or "the network"
    own = area(placed)
    if not canvas.holds(own):
        yield f"{name} is outside of the picture"
    room = Area(own.left, own.top, own.right, placed.y + placed.head if placed.head else own.bottom)
    for words in placed.lines:
        if not room.holds(text_area(words)):
            yield f"{name}: its text {''.join(s.text for s in words.line)!r} does not fit"
    for one, other in combinations(placed.lines, 2):
        if text_area(one).meets(text_area(other)):
            yield f"{name}: two of its lines lie on one another"


def _of_children(placed: Placed) -> Iterator[str]:
    inside = Area(placed.x, placed.y + placed.head, placed.right, placed.bottom)
    areas = [area(child) for child in placed.children]
    for child, own in zip(placed.children, areas, strict=True):
        if not inside.holds(own):
            yield f"{child.box.id} is outside of {placed.box.id or 'the network'}"
    for index, other in _meetings(areas, areas):
        if index < other:
            yield f"{placed.children[index].box.id} and {placed.children[other].box.id} lie on one another"


def _of_edges(placed: Placed) -> Iterator[str]:
    lines = [(way, *pair) for way in placed.ways for pair in pairwise(way.points)]
    for way, (x1, y1), (x2, y2) in lines:
        if x1 != x2 and y1 != y2:
            yield f"the edge {_ends(way)} is askew"
    strokes = [Area(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)) for _, (x1, y1), (x2, y2) in lines]
    wide = [
        Area(left - SLACK / 2, top - SLACK / 2, right + SLACK / 2, bottom + SLACK / 2)
        for left, top, right, bottom in strokes
    ]
    for index, child in _meetings(wide, [area(child) for child in placed.children]):
        yield f"the edge {_ends(lines[index][0])} runs through {placed.children[child].box.id}"
    by_place: dict[tuple[bool, int], list[tuple[Way, float, float, float]]] = {}
    for (way, _, _), (left, top, right, bottom) in zip(lines, strokes, strict=True):
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
    texts = ["".join(span.text for span in words.line) for words in placed.shapes]
    areas = [text_area(words) for words in placed.shapes]
    for text, own in zip(texts, areas, strict=True):
        if not canvas.holds(own):
            yield f"the shape {text} is outside of the picture"
    for index, child in _meetings(areas, [area(child) for child in placed.children]):
        yield f"the shape {texts[index]} lies on {placed.children[child].box.id}"
    strokes = [(way, segment) for way in placed.ways for segment in segments(way)]
    for index, stroke in _meetings(areas, [segment for _, segment in strokes]):
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
