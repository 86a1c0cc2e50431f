"""Where the numbers of a tensor stand for classes, or for positions along an axis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dlspec.ir.dims import Dim
from dlspec.ir.node import Node, Value


def uses_as_classes(nodes: Iterable[Node], numbers: Value) -> Iterator[tuple[Node, Dim, int | None]]:
    """The nodes that take the numbers of a tensor for classes: how many there are, and the number that stands for none."""
    same = {numbers}
    for node in nodes:
        known = node.op.classes(tuple([value.type for value in node.inputs]))
        if known is not None and node.inputs[known[0]] in same:
            _, count, ignored = known
            yield node, count, ignored
        elif node.op.copies and same.intersection(node.inputs):
            same.update(value for value in node.outputs if value.type.dtype.is_integer)
