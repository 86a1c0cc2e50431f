"""Whether class numbers of the data are among those that a `train` knows."""

from __future__ import annotations

from typing import Any

from dlspec.analyses.classes import uses_as_classes
from dlspec.backends.runtime import RunError
from dlspec.ir.node import Node
from dlspec.training.images import MaskSource
from dlspec.training.table import Column, Table

_CHUNK = 1 << 16


def check_classes(table: Table) -> None:
    """Raises `RunError` for a number that is no class where the data is used as one."""
    for column in table.columns:
        if column.data.value.type.dtype.is_integer:
            for node, count, ignored in uses_as_classes(table.training.graph.nodes, column.data.value):
                if isinstance(count, int):
                    _check(column, table.examples, node, count, ignored)


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
            hint = f"{column.source.origin} has to fit the network: a setting for more classes?"
            if isinstance(column.source, MaskSource):
                shades = ", ".join(["N", "1", *map(str, column.source.shape[1:])])
                hint = f"a setting for more classes, ignore_index={found}, or `float[{shades}]` for a mask of shades?"
            raise RunError(message, hint)
