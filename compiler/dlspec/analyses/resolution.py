"""At which resolution each tensor of a graph flows: how far its positions lie apart, in those of the input.

That is a matter of strides and not of sizes: a valid convolution and a crop take from the size and keep the stride. Strides
are worked out in numbers, sizes without a default counting as `ASSUMED`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import NamedTuple, TypeAlias

from dlspec.analyses.reach.registry import Slide, reach
from dlspec.analyses.sizes import Sizing
from dlspec.ir.dims import Dim, Expr
from dlspec.ir.graph import Graph
from dlspec.ir.node import Node, Value
from dlspec.ir.types import TensorType

ASSUMED = 256
"""What a size counts as that has no default."""

_NEAR = Fraction(3, 20)
"""By how much of it a ratio of sizes may differ from a whole one: halves of odd sizes are rounded."""

Strides: TypeAlias = tuple[Fraction, ...]
"""How many positions of the input lie between two that follow each other, for each axis behind the channels."""


class _Known(NamedTuple):
    """The strides of a tensor, and those from ``base`` on, the sizes of the tensor that they are counted from."""

    strides: Strides
    base: tuple[Dim, ...]
    since: Strides


@dataclass(frozen=True, slots=True)
class Resolutions:
    """The ``strides`` of tensors: those that are not in ``space`` (vectors, tokens) have those of what they are made of,
    else of what is made of them. ``names`` say which sizes tensors with such strides have, as in ``("H/4", "W/4")``."""

    strides: Mapping[Value, Strides]
    space: Collection[Value]
    names: Mapping[Strides, tuple[str, ...]]

    def finest_first(self) -> list[Strides]:
        return sorted(self.names, key=lambda each: (prod(each), each))


def resolutions(graph: Graph, sizes: Mapping[str, int] | None = None) -> Resolutions:
    """The resolutions of a graph's tensors, ``sizes`` for its symbols. Nothing where no tensor has space."""
    known = {name: default or ASSUMED for name, default in graph.symbols.items()} | dict(sizes or {})
    return _Finder(graph, Sizing(known)).find()


def joined_levels(graph: Graph, found: Resolutions) -> set[Strides]:
    """The resolutions at which what was never coarser is joined with what was: U-Nets and pyramids have several of them."""
    coarsest = {value: prod(found.strides[value]) for value in graph.inputs if value in found.space}
    joined: set[Strides] = set()
    for node in graph.nodes:
        taken = [source for source in node.inputs if source in coarsest]
        for value in node.outputs if taken else ():
            own = found.strides[value]
            here = prod(own)
            if set(found.names[own]) == {"1"}:  # what is said of all places is not coarse: a gate
                coarsest[value] = Fraction(0)
                continue
            level = [coarsest[source] for source in taken if source in found.space and found.strides[source] == own]
            if value in found.space and level and min(level) <= here < max(level):
                joined.add(own)
            coarsest[value] = max([here, *(coarsest[source] for source in taken)])
    return joined


class _Finder:
    def __init__(self, graph: Graph, sizing: Sizing) -> None:
        self._graph = graph
        self._sizing = sizing
        self._known: dict[Value, _Known] = {}
        self._by_sizes: dict[tuple[int, ...], _Known] = {}
        self._made_of_space: set[Value] = set()
        self._rank, self._whole = self._reference()

    def find(self) -> Resolutions:
        if not self._rank:
            return Resolutions({}, (), {})
        for value in self._graph.inputs:
            if self._space(value):
                self._keep(value, self._fresh(value))
        for node in self._graph.nodes:
            for value in node.outputs:
                if self._space(value):
                    self._keep(value, self._after(node, value))
            if any(value in self._known or value in self._made_of_space for value in node.inputs):
                self._made_of_space.update(node.outputs)
        strides = {value: known.strides for value, known in self._known.items()}
        names: dict[Strides, tuple[str, ...]] = {}
        for value, known in self._known.items():
            names.setdefault(known.strides, tuple(_named(value.type, known)))
        for node in self._graph.nodes:
            own = next((strides[value] for value in node.inputs if value in strides), None)
            if own is not None:
                for value in node.outputs:
                    strides.setdefault(value, own)
        for node in reversed(self._graph.nodes):
            own = next((strides[value] for value in node.outputs if value in strides), None)
            if own is not None:
                for value in node.inputs:
                    if value not in self._known and (value.producer is None or not _reached(value.producer, strides)):
                        strides[value] = own
        return Resolutions(strides, frozenset(self._known), names)

    def _reference(self) -> tuple[int, tuple[int, ...]]:
        """The rank of tensors with space, and the sizes that strides are counted in."""
        results = [output.value for output in self._graph.outputs]
        for value in (*self._graph.inputs, *results):
            sizes = self._sizes(value.type)
            if value.type.rank > 2 and value.type.dtype.is_float and any(size != 1 for size in sizes):
                return value.type.rank, sizes
        return 0, ()

    def _space(self, value: Value) -> bool:
        return value.type.rank == self._rank

    def _sizes(self, type_: TensorType) -> tuple[int, ...]:
        return tuple([size if isinstance(size, int) else ASSUMED for size in self._sizing.type(type_).shape[2:]])

    def _keep(self, value: Value, known: _Known | None) -> None:
        if known is not None:
            self._known[value] = known
            self._by_sizes.setdefault(self._sizes(value.type), known)

    def _fresh(self, value: Value) -> _Known:
        """Of a tensor that is made of none with space, by its sizes."""
        strides = tuple(map(_whole, self._whole, self._sizes(value.type)))
        return _Known(strides, value.type.shape[2:], (Fraction(1),) * len(strides))

    def _after(self, node: Node, value: Value) -> _Known | None:
        """Of a tensor that a node makes."""
        sizes = self._sizes(value.type)
        taken = [(place, source) for place, source in enumerate(node.inputs) if source in self._known]
        for _, source in taken:
            if self._sizes(source.type) == sizes:
                return self._known[source]
        if set(sizes) == {1}:
            return self._fresh(value)
        if not taken:
            return self._by_sizes.get(sizes) or (self._fresh(value) if self._begins(node, sizes) else None)
        place, source = taken[0]
        types = tuple([each.type for each in node.inputs]), tuple([each.type for each in node.outputs])
        slides = reach(node.op, *types)[place]
        if any(slide is not None and (slide.axis > 1) != (axis > 1) for axis, slide in enumerate(slides)):
            return None  # what was space is something else now, or the other way round
        over = {slide.axis: slide for slide in slides if slide is not None}
        steps: list[Fraction] = []
        for axis, (have, want) in enumerate(zip(self._sizes(source.type), sizes, strict=True), 2):
            if axis not in over and have != want and 1 not in (have, want):
                return self._by_sizes.get(sizes)
            steps.append(_whole(have, want) if 1 in (have, want) else self._step(over.get(axis)))
        before = self._known[source]
        return _Known(_times(before.strides, steps), before.base, _times(before.since, steps))

    def _begins(self, node: Node, sizes: tuple[int, ...]) -> bool:
        """Whether space begins with what a node makes of what has none: not with tokens, nor with a kernel."""
        strides = {Fraction(whole, size) for whole, size in zip(self._whole, sizes, strict=True)}
        stride = strides.pop()
        even = not strides and 1 in (stride.numerator, stride.denominator)
        return even and (stride >= 1 or self._made_of_space.isdisjoint(node.inputs))

    def _step(self, slide: Slide | None) -> Fraction:
        if slide is None:
            return Fraction(1)
        step, den = self._sizing.dim(slide.step), self._sizing.dim(slide.den)
        return _whole(step, den) if isinstance(step, int) and isinstance(den, int) and step > 0 < den else Fraction(1)


def _reached(node: Node, strides: Mapping[Value, Strides]) -> bool:
    """Whether a node is given something that has a resolution from what comes before it."""
    return any(value in strides for value in node.inputs)


def _times(strides: Strides, steps: list[Fraction]) -> Strides:
    return tuple([stride * step for stride, step in zip(strides, steps, strict=True)])


def _whole(have: int, want: int) -> Fraction:
    """A ratio of sizes, as a whole number or its inverse where it is near one."""
    ratio = Fraction(have, want)
    near = Fraction(round(ratio)) if ratio >= 1 else 1 / Fraction(round(1 / ratio))
    return near if abs(ratio / near - 1) < _NEAR else ratio.limit_denominator(16)


def _named(type_: TensorType, known: _Known) -> Iterator[str]:
    for size, base, stride in zip(type_.shape[2:], known.base, known.since, strict=True):
        if isinstance(size, int) or isinstance(base, int):
            yield str(size)
            continue
        text = str(base) if stride == 1 or _plain(base) else f"({base})"
        over, under = stride.numerator, stride.denominator
        yield f"{under if under > 1 else ''}{text}{f'/{over}' if over > 1 else ''}"


def _plain(dim: Expr) -> bool:
    return str(dim).isidentifier()
