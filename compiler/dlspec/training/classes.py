"""Whether class numbers of the data are among those that a `train` knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dlspec.backends.runtime import RunError
from dlspec.ir.graph import Node, Value
from dlspec.training.table import Column, Table

_CHUNK = 1 << 16


def check_classes(table: Table) -> None:
    """Raises `RunError` for a number that is no class where the data is used as one."""
    for column in table.columns:
        if column.data.value.type.dtype.is_integer:
            for node, count, ignored in _uses(table.training.graph.nodes, column.data.value):
                _check(column, table.examples, node, count, ignored)


def _uses(nodes: list[Node], data: Value) -> Iterator[tuple[Node, int, int | None]]:
    """Where the numbers of a tensor are classes: how many there are, and the number that stands for none."""
    same = {data}
    for node in nodes:
        known = node.op.classes(tuple([value.type for value in node.inputs]))
        if known is not None and node.inputs[known[0]] in same:
            _, count, ignored = known
            if isinstance(count, int):
                yield node, count, ignored
        elif node.op.copies and same.intersection(node.inputs):
            same.update(value for value in node.outputs if value.type.dtype.is_integer)


def _check(column: Column, examples: int, node: Node, count: int, ignored: int | None) -> None:
    import numpy as np

    for start in range(0, examples, _CHUNK):
        indices: Any = np.arange(start, min(start + _CHUNK, examples))
        numbers = np.asarray(column.source.rows(indices)).astype(np.int64)
        wrong = (numbers < 0) | (numbers >= count)
        if ignored is not None:
            wrong &= numbers != ignored
        if wrong.any():
            name = type(node.op).function or type(node.op).__name__
            place = f"{node.span.source.name}:{node.span.line}"
            found = numbers[wrong].reshape(-1)[0]
            message = f"`{column.name}` has the number {found}, and `{name}` at {place} knows 0 to {count - 1}"
            raise RunError(message, f"{column.source.origin} has to fit the network: a setting for more classes?")
