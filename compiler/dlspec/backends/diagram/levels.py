"""Which boxes of a scene are at which resolution."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from copy import copy
from functools import cached_property
from math import prod

from dlspec.analyses.resolution import Strides, joined_levels, resolutions
from dlspec.backends.diagram.looks import Line, Span
from dlspec.backends.diagram.metrics import TIMES, clean
from dlspec.backends.diagram.scene import Box, Port, Scene
from dlspec.diagnostics import Hinted

_SEVERAL = 2
"""At how many resolutions a network joins what was coarser with what was not, for it to be drawn by them unasked."""


class NoLevels(Hinted):
    """Nothing that is drawn stands at several resolutions."""

    def __init__(self, several: bool) -> None:
        if several:
            super().__init__(
                "nothing that is open stands at several resolutions", "open more, with --depth or --expand"
            )
        else:
            super().__init__("the network has one resolution, so it has no levels", "leave --layout levels out")


class Levels:
    """The levels of a scene's boxes: a box is at the resolution of what it makes, at the finest where it makes several."""

    def __init__(self, scene: Scene) -> None:
        self._graph, self._root = scene.graph, scene.root
        self._found = resolutions(scene.graph, scene.summary.shown)
        values = [*scene.graph.inputs, *(value for node in scene.graph.nodes for value in node.outputs)]
        self._strides = {value.name: self._found.strides[value] for value in values if value in self._found.strides}
        results = {output.name: output.value for output in scene.graph.outputs}
        self._results = {name: self._found.strides.get(value) for name, value in results.items()}
        self._finest: Strides = min(self._found.names, key=prod, default=())

    def over(self, root: Box) -> Levels:
        """The same of other boxes of the same graph."""
        made = copy(self)
        made.__dict__.pop("named", None)
        made._root = root
        return made

    @property
    def several(self) -> bool:
        """Whether there is more than one resolution."""
        return len(self._found.names) > 1

    @cached_property
    def skipping(self) -> bool:
        """Whether skips over resolutions make the network, as those of a U-Net or a pyramid do."""
        train = any(box.kind == "update" for box in self._root.children)
        return not train and len(joined_levels(self._graph, self._found)) >= _SEVERAL

    def of_port(self, port: Port) -> Strides:
        return self._strides.get(port.name, self._finest)

    def of(self, box: Box) -> Strides:
        if box.kind == "output":
            return self._results.get(box.title) or self._finest
        for ports in (box.outputs, box.inputs):
            known = [self._strides[port.name] for port in ports if port.name in self._strides]
            if known:
                return min(known, key=prod)
        return self._finest

    def rows(self, box: Box) -> list[Strides]:
        """The levels within an open box, the finest first."""
        found = {self.of(child) for child in box.children} | {
            self.of_port(port) for port in (*box.inputs, *box.outputs)
        }
        return sorted(found, key=lambda strides: (prod(strides), strides))

    def apart(self, box: Box) -> bool:
        """Whether what is in an open box stands at several levels: not where all of them are within one block, or most of
        them are levels of what one block makes."""
        rows = self.rows(box)
        return len(rows) > 1 and not any(
            (child.open and {*rows} <= {*self.rows(child)})
            or 1 < len({self.of_port(port) for port in child.outputs}) > len(rows) / 2
            for child in box.children
        )

    @cached_property
    def named(self) -> Mapping[Box, frozenset[Strides]]:
        """The boxes in which levels stand apart, with those that are named at their side: that no box around it names."""
        named: dict[Box, frozenset[Strides]] = {}
        todo: list[tuple[Box, frozenset[Strides]]] = [(self._root, frozenset())]
        while todo:
            box, known = todo.pop()
            if self.apart(box):
                named[box] = frozenset(self.rows(box)) - known
                known |= named[box]
            todo += [(child, known) for child in box.children if child.open]
        return named

    def seen(self, box: Box) -> Hashable:
        """What tells apart boxes that are drawn alike but for the level of what is in them."""
        ports = [self.of_port(port) for port in (*box.inputs, *box.outputs)]
        return self.named.get(box), *map(self.of, box.children), *ports

    def name(self, strides: Strides) -> Line:
        return (Span(clean(f" {TIMES} ".join(self._found.names.get(strides, ()))), "level"),)
