"""What is said of boxes and edges once all of them are there: the main path, shared weights, and what a first turn has
that the others have not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from dlspec.analyses.written import MOST_ITEMS, written_given
from dlspec.backends.diagram.kinds import argument, step, template
from dlspec.backends.diagram.scene import Box, Edge
from dlspec.ir.node import Parameter


def mark_main_paths(root: Box) -> None:
    """Marks in every box the edges of the path with the most operators, the first written where several have as many."""
    sizes: dict[Box, int] = {}
    boxes = list(root.walk())
    for box in reversed(boxes):
        sizes[box] = sum(sizes[child] for child in box.children) or 1
    for box in boxes:
        if box.children:
            _mark_main_path(box, sizes)


def _mark_main_path(box: Box, sizes: dict[Box, int]) -> None:
    into: dict[Box | None, list[Edge]] = {}
    for edge in box.edges:
        into.setdefault(edge.target, []).append(edge)
    longest: dict[Box | None, int] = {None: 0}
    best: dict[Box | None, Edge] = {}
    for child in box.children:  # in the order of running, so what flows in is known
        longest[child] = sizes[child]
        for edge in into.get(child, ()):
            if longest.get(edge.source, 0) + sizes[child] > longest[child] or child not in best:
                longest[child] = longest.get(edge.source, 0) + sizes[child]
                best[child] = edge
    ends = [edge for edge in into.get(None, ()) if edge.into == 0]
    for child in box.children:
        if child.kind == "output" and not child.training and not ends:
            ends = into.get(child, [])
    if not ends and box.children:
        last = max(box.children, key=lambda child: longest[child])
        ends = [best[last]] if last in best else []
    edge = ends[0] if ends else None
    while edge is not None:
        edge.main = True
        edge = best.get(edge.source) if edge.source is not None else None


def mark_shared(root: Box) -> None:
    """Gives boxes with the same weights the same letters: blocks that are used again, and operators outside of them."""
    groups: dict[Parameter | str, list[Box]] = {}
    stack = [root]
    while stack:
        box = stack.pop()
        if box.scope is not None and box.scope.shared and box.path:
            groups.setdefault(box.path, []).append(box)
            continue
        if box.nodes and box.nodes[0].weights:
            groups.setdefault(box.nodes[0].weights[0], []).append(box)
        stack.extend(reversed(box.children))
    marks = 0
    for group in groups.values():
        if len(group) > 1:
            for box in group:
                box.shared = _letters(marks)
            marks += 1


def _letters(number: int) -> str:
    """A, B, ... Z, AA, AB, ..."""
    text = ""
    number += 1
    while number:
        number, digit = divmod(number - 1, 26)
        text = chr(ord("A") + digit) + text
    return text


def mark_differences(root: Box) -> None:
    """Says of a block that stands before a repeated one of the same template what it has that the other has not."""
    for box in root.walk():
        for one, other in pairwise(box.children):
            if other.count > 1 and one.count == 1 and one.kind == other.kind == "block":
                one.differs = tuple(_differences(one, other))


def _differences(one: Box, other: Box) -> Iterator[str]:
    """What a block is given that is another value in the other, and the labelled steps that ran in it only."""
    assert one.scope is not None
    assert other.scope is not None
    if template(one.scope) is not template(other.scope):
        return
    known = other.scope.arguments
    for name, text in written_given(one.scope, MOST_ITEMS).items():
        if name not in known or argument(one.scope.arguments[name]) != argument(known[name]):
            yield text
    steps = {step(child) for child in other.children}
    for child in one.children:
        if child.title and step(child) not in steps:
            yield f"{child.title}: {child.name}" if child.name else child.title
