"""A legend: what the colours and signs of a picture mean, of those that are in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

from dlspec.backends.diagram.looks import Line, Span, line_width
from dlspec.backends.diagram.metrics import TIMES
from dlspec.backends.diagram.scene import Scene
from dlspec.backends.diagram.sketch import Words
from dlspec.backends.diagram.theme import HUES

Sign: TypeAlias = Literal["colour", "bar", "folded", "training", "text"]

SIGN = 20.0, 11.0
"""The width and height of a sign."""
_APART, _LINE, _GAP = 16.0, 18.0, 5.0
_NAMES = {"conv": "convolution", "norm": "normalization", "combine": "join", "linear": "linear layer"}
_NO_LAYERS = frozenset({"block", "network", "repeat", "scan", "input", "output", "update", "fault"})


class Item(NamedTuple):
    """A sign with its text behind it. ``family`` gives a colour."""

    sign: Sign
    family: str
    x: float
    y: float
    words: Words


class Legend(NamedTuple):
    """The items, counted from (``x``, ``y``), and how high they are together."""

    items: tuple[Item, ...]
    x: float
    y: float
    height: float


def lay_out_legend(scene: Scene, x: float, y: float, width: float) -> Legend:
    """The legend of what is drawn of a scene, in lines of that width."""
    items: list[Item] = []
    left, top = 0.0, 0.0
    for sign, family, line in _entries(scene):
        before = 0.0 if sign == "text" else SIGN[0] + _GAP
        room = before + line_width(line)
        if left and left + room > width:
            left, top = 0.0, top + _LINE
        items.append(Item(sign, family, left, top, Words(line, left + before, top, SIGN[1] - 2)))
        left += room + _APART
    return Legend(tuple(items), x, y, top + _LINE if items else 0.0)


def _entries(scene: Scene) -> Iterator[tuple[Sign, str, Line]]:
    drawn = [box for box in scene.root.drawn() if box is not scene.root]
    folded = [box for box in drawn if not box.open]
    hues: dict[str, list[str]] = {}
    for family in dict.fromkeys(box.family for box in folded if box.family not in _NO_LAYERS):
        hues.setdefault(HUES.get(family, ""), []).append(family)
    for families in hues.values():
        yield "colour", families[0], _text(", ".join(_NAMES.get(family, family) for family in families))
    if any(box.children for box in folded):
        yield "folded", "block", _text("block, folded")
    if any(box.share for box in folded if box.kind != "network") and "counts" in scene.root.seen:
        macs = scene.summary.costs.total.macs != 0
        yield "bar", "conv", _text(f"share of the {'MACs' if macs else 'parameters'}")
    if any(run.bold for box in drawn for port in box.outputs for run in port.runs):
        yield "text", "", (Span("[N, ", "shape"), Span("64", "changed"), Span("]  an axis that changes", "shape"))
    if any(box.count > 1 for box in drawn):
        yield "text", "", (Span(f"{TIMES}3", "accent"), Span("  repeated, 3 in a row", "small"))
    if any(box.shared for box in drawn):
        yield "text", "", (Span("shared A", "accent"), Span("  the same weights", "small"))
    if any(box.training for box in drawn):
        yield "training", "block", _text("for training only")


def _text(text: str) -> Line:
    return (Span(text, "small"),)
