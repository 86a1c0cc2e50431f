"""Pushes together, along the flow, what is laid out by levels: boxes of different levels may stand above each other.

Before, an edge that goes down a level is led out of the bottom of its box, and one that comes up a level into the bottom of
its, where nothing is in the way: a stair then takes half the room. Things keep their order wherever both of them are at some
place across the flow, so that no edge comes to meet a box.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise
from typing import Literal, TypeAlias

from dlspec.backends.diagram.looks import line_height, line_width
from dlspec.backends.diagram.pieces import (
    ARROW,
    BEFORE_TRACKS,
    GAP,
    LABEL_GAP,
    PADDING,
    TRACK,
    Laid,
    Route,
    Shape,
    Text,
)
from dlspec.backends.diagram.scene import Box, Edge

MOST = 800
"""So many things are pushed together at most: each is compared with each."""

_CLEAR = 4.0
"""How far apart, across the flow, things have to be to pass each other."""

_Kind: TypeAlias = Literal["box", "turn", "text"]
_Tensor: TypeAlias = tuple[Box | None, int]

_GAPS: dict[tuple[_Kind, _Kind], float] = {
    ("box", "box"): GAP, ("box", "turn"): BEFORE_TRACKS, ("turn", "box"): ARROW, ("turn", "turn"): TRACK,
}  # fmt: skip


@dataclass(slots=True, eq=False)
class _Body:
    """What moves as one. ``at`` is where it stands along the flow."""

    at: float


@dataclass(slots=True, eq=False)
class _Part:
    """A part of a body: ``begin`` to ``end`` along the flow, counted from where that stands, ``low`` to ``high`` across."""

    kind: _Kind
    body: _Body
    begin: float
    end: float
    low: float
    high: float
    tensor: _Tensor | None = None

    @property
    def left(self) -> float:
        return self.body.at + self.begin

    @property
    def right(self) -> float:
        return self.body.at + self.end


@dataclass(slots=True, eq=False)
class _Turn:
    """Where edges of one tensor run across the flow. ``pinned`` where that is at the bottom of the box they leave or
    enter."""

    part: _Part
    ways: list[_Way] = field(default_factory=list["_Way"])
    pinned: bool = False


@dataclass(slots=True, eq=False)
class _Way:
    """An edge: where it runs along the flow, and between these stretches its turns. ``leaves`` and ``enters`` are the
    bottoms of boxes that it goes out and in at, if not the sides."""

    edge: Edge
    across: list[float]
    turns: list[_Turn] = field(default_factory=list[_Turn])
    leaves: float | None = None
    enters: float | None = None


class Squeeze:
    """One block to be pushed together. Its content begins at ``begins`` along the flow; ``head`` is how wide its head is."""

    def __init__(self, box: Box, laid: Laid, shape_of: Callable[[Box], Shape], begins: float, head: float) -> None:
        self._box = box
        self._laid = laid
        self._begins = begins
        self._head = head
        self._boxes: dict[Box, _Part] = {}
        for child, (across, along) in laid.places.items():
            shape = shape_of(child)
            low, high = across - shape.left, across + shape.right
            self._boxes[child] = _Part("box", _Body(along), 0.0, shape.length, low, high)
        self._outputs = {
            (child, port): laid.places[child][0] + place
            for child in laid.places
            for port, place in enumerate(shape_of(child).outputs)
        }
        self._turns: dict[tuple[_Tensor, float], _Turn] = {}
        self._ways = [self._way(route) for route in laid.routes]
        self._texts = [self._text(text) for text in laid.texts]

    def squeezed(self) -> Laid:
        for turn in self._turns.values():
            self._lead_out(turn)
        for turn in self._turns.values():
            self._lead_in(turn)
        for text in self._texts:
            self._put(text)
        parts = self._parts()
        _push(parts, self._limits(parts))
        end = max(part.right for part in parts)
        framed = self._box.kind != "network"
        end += GAP if self._laid.shape.outputs else PADDING if framed else 0.0
        length = max(end, self._head)
        laid = self._laid
        return replace(
            laid,
            shape=replace(laid.shape, length=length),
            places={child: (across, self._boxes[child].left) for child, (across, _) in laid.places.items()},
            routes=[Route(way.edge, list(self._points(way, length))) for way in self._ways],
            texts=[
                replace(text, across=part.high, along=part.left - LABEL_GAP)
                for text, part in zip(laid.texts, self._texts, strict=True)
            ],
        )

    def _parts(self) -> list[_Part]:
        return [*self._boxes.values(), *(turn.part for turn in self._turns.values()), *self._texts]

    # What there is

    def _way(self, route: Route) -> _Way:
        way = _Way(route.edge, [route.points[0][0]])
        tensor = route.edge.source, route.edge.out
        for (across, along), (across2, _) in pairwise(route.points):
            if across != across2:
                turn = self._turns.get((tensor, along))
                if turn is None:
                    part = _Part("turn", _Body(along), 0.0, 0.0, across, across, tensor)
                    turn = self._turns[tensor, along] = _Turn(part)
                turn.part.low = min(turn.part.low, across, across2)
                turn.part.high = max(turn.part.high, across, across2)
                turn.ways.append(way)
                way.turns.append(turn)
                way.across.append(across2)
        return way

    def _text(self, text: Text) -> _Part:
        """A text above the edge at whose beginning it stands."""
        tensor = next(
            each for each, across in self._outputs.items()
            if across == text.across and self._boxes[each[0]].right == text.along
        )  # fmt: skip
        part, begin = self._boxes[tensor[0]], self._boxes[tensor[0]].end + LABEL_GAP
        low = text.across - LABEL_GAP - line_height(text.line)
        return _Part("text", part.body, begin, begin + line_width(text.line), low, text.across, tensor)

    # Where edges leave and enter

    def _lead_out(self, turn: _Turn) -> None:
        """Leads edges that only go down out of the bottom of their box."""
        box, _ = turn.part.tensor or (None, 0)
        if box is None or box.open or len(box.outputs) > 1:
            return
        own, part = self._boxes[box], turn.part
        first = all(way.turns[0] is turn and self._below(way.edge.target, own) for way in turn.ways)
        goes_down = first and part.low == turn.ways[0].across[0] and part.high > own.high + _CLEAR
        if goes_down and self._free(own.left, part.left, own.high, part.high, (own, part)):
            self._pin(turn, own, own.high)
            for way in turn.ways:
                way.leaves = own.high

    def _lead_in(self, turn: _Turn) -> None:
        """Leads an edge that comes up into the bottom of its box."""
        way, part = turn.ways[0], turn.part
        box = way.edge.target
        if turn.pinned or len(turn.ways) > 1 or way.turns[-1] is not turn or box is None or box.open:
            return
        own = self._boxes[box]
        taken = any(each.pinned and each.part.body is own.body for each in self._turns.values())
        comes_up = self._below(way.edge.source, own) and part.low == way.across[-1] and part.high > own.high + _CLEAR
        if comes_up and not taken and self._free(part.left, own.right, own.high, part.high, (own, part)):
            self._pin(turn, own, own.high)
            way.enters = own.high

    def _below(self, box: Box | None, own: _Part) -> bool:
        """Whether all of a box, or of an end of the block, is further down."""
        return box is None or self._boxes[box].low > own.high

    def _pin(self, turn: _Turn, own: _Part, low: float) -> None:
        turn.pinned = True
        turn.part.body, turn.part.low = own.body, low
        turn.part.begin = turn.part.end = own.end / 2

    def _free(self, left: float, right: float, low: float, high: float, but: Sequence[_Part]) -> bool:
        """Whether nothing else stands in an area."""
        return not any(
            part.left < right + _CLEAR and left < part.right + _CLEAR and part.low < high + _CLEAR and low < part.high
            for part in self._parts() if part not in but and (part.kind != "text" or part.tensor != but[-1].tensor)
        )  # fmt: skip

    def _put(self, text: _Part) -> None:
        """Puts a text where its edge leaves: beside the bottom of the box, or below the edge where that turns up."""
        assert text.tensor is not None
        box, _ = text.tensor
        if box is None or len(box.outputs) > 1:
            return
        ways = [way for way in self._ways if (way.edge.source, way.edge.out) == text.tensor]
        height = text.high - text.low
        if all(way.leaves is not None for way in ways):
            turn = ways[0].turns[0].part
            begin, low = turn.begin + LABEL_GAP, turn.low
        elif all(way.turns and way.leaves is None and way.turns[0].part.high <= text.high for way in ways):
            begin, low = text.begin, text.high + 1
        else:
            return
        text.begin, text.end = begin, begin + text.end - text.begin
        text.low, text.high = low, low + height

    # Where things stand

    def _limits(self, parts: Sequence[_Part]) -> dict[_Body, float]:
        """How far to the left bodies may stand."""
        limits: dict[_Body, float] = {}
        for part in parts:
            room = (GAP if part.kind == "box" else BEFORE_TRACKS) if self._box.inputs else 0.0
            limits[part.body] = max(limits.get(part.body, 0.0), self._begins + room - part.begin)
        return limits

    def _points(self, way: _Way, length: float) -> Iterator[tuple[float, float]]:
        """The corners of an edge."""
        edge = way.edge
        if way.leaves is not None:
            yield way.leaves, way.turns[0].part.left
        else:
            yield way.across[0], 0.0 if edge.source is None else self._boxes[edge.source].right
        for place, turn in enumerate(way.turns):
            if place or way.leaves is None:
                yield way.across[place], turn.part.left
            if turn is not way.turns[-1] or way.enters is None:
                yield way.across[place + 1], turn.part.left
        if way.enters is not None:
            yield way.enters, way.turns[-1].part.left
        else:
            yield way.across[-1], length if edge.target is None else self._boxes[edge.target].left


def _push(parts: Sequence[_Part], limits: dict[_Body, float]) -> None:
    """Moves bodies as far to the left as they may stand."""
    bounds: list[tuple[_Body, _Body, float]] = []
    for one, other in combinations(sorted(parts, key=lambda part: part.left), 2):
        if one.body is other.body:
            continue
        clear = -0.5 if one.tensor is not None and one.tensor == other.tensor else _CLEAR
        if one.low < other.high + clear and other.low < one.high + clear:
            gap = min(_GAPS.get((one.kind, other.kind), LABEL_GAP), other.left - one.right)
            bounds.append((one.body, other.body, one.end + gap - other.begin))
    for body, limit in limits.items():
        body.at = limit
    moved = True
    while moved:
        moved = False
        for one, other, distance in bounds:
            if other.at < one.at + distance:
                other.at = one.at + distance
                moved = True
