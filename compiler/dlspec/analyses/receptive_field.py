"""Receptive fields: which part of the network's inputs a position of a tensor depends on.

Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks" (2019), generalised: windows may
also get finer (transposed convolutions, resizing), so what is kept for an axis is the stretch that each position sees,
for as many positions as it takes until the stretches repeat, shifted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from typing import TypeAlias

from dlspec.analyses.reach.registry import Slide, reach
from dlspec.analyses.sizes import Sizing
from dlspec.ir.dims import Dim
from dlspec.ir.graph import Graph
from dlspec.ir.node import Node, Value

_Stretch: TypeAlias = tuple[int, int]
_LONGEST_PERIOD = 4096


@dataclass(frozen=True, slots=True)
class Axis:
    """What a position of a tensor sees along one axis of an input.

    * ``input`` and ``index``: the network's input, and which of its axes. ``length`` is how long that is.
    * ``size``: how many elements a position sees from the first to the last, the most where that differs (at a transposed
      convolution it alternates). The padding counts, as in the literature, so it may be more than ``length``. None where
      every position sees all there is, whatever the length.
    * ``jump``: how far the stretch moves from a position to the next; 0 where all positions see the same.
    * ``start``: where the stretch of the first position begins, negative in the padding; None with ``size``, and where it
      depends on a size that is open (``padding="same"`` with a stride).
    """

    input: Value
    index: int
    length: Dim
    size: int | None
    jump: Fraction
    start: int | None

    @property
    def whole(self) -> bool:
        """Whether every position sees all of the axis."""
        if self.size is None or self.start is None:
            return self.size is None
        ends = self.length - self.start - self.size
        return self.jump == 0 and self.start <= 0 and isinstance(ends, int) and ends <= 0

    @property
    def seen(self) -> Dim:
        """How much of the axis a position in the middle sees: ``size``, and never more than there is."""
        if self.size is None:
            return self.length
        return min(self.size, self.length) if isinstance(self.length, int) else self.size


@dataclass(frozen=True, slots=True)
class _Field:
    """The stretches that the positions of an ``axis`` see, which repeat after a ``period``, moved by ``advance``.

    ``stretches`` are first and last element for the positions of one period, None for a position that sees nothing (a
    transposed convolution may leave gaps). None as a whole where each position sees everything. With ``axis`` None the
    position does not matter. Where it is not ``placed`` all stretches may lie a little before or after.
    """

    axis: int | None
    advance: int
    stretches: tuple[_Stretch | None, ...] | None
    placed: bool = True

    def at(self, position: int) -> _Stretch | None:
        assert self.stretches is not None
        turns, place = divmod(position, len(self.stretches))
        stretch = self.stretches[place]
        return None if stretch is None else (stretch[0] + turns * self.advance, stretch[1] + turns * self.advance)


_EVERYTHING = _Field(None, 0, None)
_Fields: TypeAlias = dict[tuple[Value, int], _Field]


def receptive_fields(graph: Graph, sizes: Mapping[str, int]) -> dict[Value, tuple[Axis, ...]]:
    """What a position of each tensor sees of each input, along the axes behind batch and channels.

    An input of rank 2 has its second axis followed instead. Normalisation by the batch's statistics does not count, as at
    inference. What is said bounds what is seen: gaps between are counted in, and axes that are joined into one are taken
    to be seen whole, and so is all that a turn of a body is given. Takes time in proportion to the nodes.
    """
    sizing = Sizing(sizes)
    fields: dict[Value, _Fields] = {}
    for value in graph.inputs:
        followed = range(2 if value.type.rank > 2 else 1, value.type.rank)
        fields[value] = {(value, axis): _Field(axis, 1, ((0, 0),)) for axis in followed}
    everything = dict.fromkeys([key for own in fields.values() for key in own], _EVERYTHING)
    for node in graph.nodes:
        for value in node.body.given if node.body is not None else ():
            fields[value] = everything
    for node in graph.nodes:
        fields.update(dict.fromkeys(node.outputs, _through(node, fields, sizing)))
    return {value: tuple(_axis(key, field, sizing) for key, field in own.items()) for value, own in fields.items()}


def _through(node: Node, fields: Mapping[Value, _Fields], sizing: Sizing) -> _Fields:
    outputs = tuple(value.type for value in node.outputs)
    slides = reach(node.op, tuple(value.type for value in node.inputs), outputs)
    seen: dict[tuple[Value, int], list[_Field]] = {}
    for value, links in zip(node.inputs, slides, strict=True):
        for key, field in fields[value].items():
            if field.axis is not None:
                field = _slid(field, links[field.axis], sizing.dim(value.type.shape[field.axis]), sizing)
            seen.setdefault(key, []).append(field)
    return {key: _joined(found, sizing.type(outputs[0]).shape) for key, found in seen.items()}


def _slid(field: _Field, slide: Slide | None, length: Dim, sizing: Sizing) -> _Field:
    """The field of what looks at the positions of another through a window. ``length`` is how many these are."""
    if field.stretches is None:
        return field
    numbers = [] if slide is None else [sizing.dim(number) for number in slide[1:]]
    placed = field.placed
    match numbers:
        case [int(step), int(low), int(high), int(den)] if slide is not None:
            pass
        case [int(step), low, high, 1 as den] if slide is not None and isinstance(width := high - low, int):
            # Half of what is padded lies before, so the middle of the stretch is where that of unpadded ones is.
            low, placed = -(width // 2), False
            high = low + width
        case _:
            return _hull(field, length)
    turn = len(field.stretches) * den
    period = turn // gcd(turn, step) if step else 1
    if period > _LONGEST_PERIOD:
        return _hull(field, length)
    stretches: list[_Stretch | None] = []
    for position in range(period):
        places = range(-((-position * step - low) // den), (position * step + high) // den + 1)
        stretches.append(_around(map(field.at, places)))
    return _Field(slide.axis if step else None, period * step // turn * field.advance, tuple(stretches), placed)


def _hull(field: _Field, length: Dim) -> _Field:
    """All that the positions of an axis see together."""
    if not isinstance(length, int) or field.stretches is None:
        return _EVERYTHING
    return _Field(None, 0, (_around(field.at(position) for position in range(length)),), field.placed)


def _joined(fields: list[_Field], shape: tuple[Dim, ...]) -> _Field:
    """What is seen through several tensors at once."""
    if len(fields) == 1 or all(field == fields[0] for field in fields):
        return fields[0]
    moving = [field for field in fields if field.axis is not None]
    rates = {(field.axis, Fraction(field.advance, len(field.stretches or "-"))) for field in moving}
    if any(field.stretches is None for field in fields):
        return _EVERYTHING
    if len(rates) > 1 or (moving and len(moving) < len(fields)):
        fields = [field if field.axis is None else _hull(field, shape[field.axis]) for field in fields]
        if any(field.stretches is None for field in fields):
            return _EVERYTHING
    periods = [len(field.stretches or "-") for field in fields]
    period = lcm(*periods)
    first = fields[0]
    together = tuple(_around(field.at(position) for field in fields) for position in range(period))
    placed = all(field.placed for field in fields)
    return _Field(first.axis, first.advance * period // periods[0], together, placed)


def _around(stretches: Iterable[_Stretch | None]) -> _Stretch | None:
    ends = [stretch for stretch in stretches if stretch is not None]
    return (min(low for low, _ in ends), max(high for _, high in ends)) if ends else None


def _axis(key: tuple[Value, int], field: _Field, sizing: Sizing) -> Axis:
    value, index = key
    length = sizing.dim(value.type.shape[index])
    if field.stretches is None:
        return Axis(value, index, length, None, Fraction(0), None)
    ends = [stretch for stretch in field.stretches if stretch is not None]
    size = max((high - low + 1 for low, high in ends), default=0)
    jump = Fraction(field.advance, len(field.stretches)) if field.axis is not None else Fraction(0)
    start = ends[0][0] if ends else 0
    return Axis(value, index, length, size, jump, start if field.placed else None)
