"""Leads the tensors of a graph through the boxes around their ends."""

from __future__ import annotations

from collections.abc import Callable

from dlspec.backends.diagram.scene import Box, Edge, Port
from dlspec.ir.node import Value
from dlspec.ir.types import TensorType


class Router:
    """Adds edges and ports to a tree of boxes. A tensor that is used several times in a box enters it once."""

    def __init__(self, root: Box, shown: Callable[[TensorType], TensorType]) -> None:
        self._shown = shown
        self._parent: dict[Box, Box] = {}
        self._level: dict[Box, int] = {root: 0}
        for box in root.walk():
            for child in box.children:
                self._parent[child] = box
                self._level[child] = self._level[box] + 1
        self._into: dict[tuple[Box, Value, bool], int] = {}
        self._out: dict[tuple[Box, Value, bool], int] = {}

    def route(
        self,
        value: Value,
        source: Box,
        out: int,
        target: Box,
        into: int,
        *,
        training: bool = False,
        fault: bool = False,
        each: tuple[Box, str] | None = None,
    ) -> None:
        """Adds the edges from an output of one box to an input of another, and ports to the boxes between. Of what
        ``each`` turn of a loop gives that is another one than of what its last turn does."""
        around = self._common(source, target)
        loop, words = each or (None, "")
        beyond = False
        while source is not around and self._parent[source] is not around:
            box = self._parent[source]
            beyond = beyond or box is loop
            port = self._out.get((box, value, beyond))
            if port is None:
                port = self._out[box, value, beyond] = len(box.outputs)
                box.outputs.append(Port(value.name, self._shown(value.type), each=words if beyond else ""))
                self._edge(box, value, source, out, None, port, training, fault)
            source, out = box, port
        while target is not around and self._parent[target] is not around:
            box = self._parent[target]
            port = self._into.get((box, value, each is not None))
            entered = port is not None
            if port is None:
                port = self._into[box, value, each is not None] = len(box.inputs)
                box.inputs.append(Port(value.name, self._shown(value.type)))
            self._edge(box, value, None, port, target, into, training, fault)
            if entered:
                return
            target, into = box, port
        self._edge(around, value, source, out, target, into, training, fault)

    def _edge(
        self,
        box: Box,
        value: Value,
        source: Box | None,
        out: int,
        target: Box | None,
        into: int,
        training: bool,
        fault: bool,
    ) -> None:
        box.edges.append(Edge(source, out, target, into, self._shown(value.type), training=training, fault=fault))

    def _common(self, one: Box, other: Box) -> Box:
        """The innermost box around both."""
        one, other = self._parent[one], self._parent[other]
        while one is not other:
            if self._level[one] >= self._level[other]:
                one = self._parent[one]
            else:
                other = self._parent[other]
        return one
