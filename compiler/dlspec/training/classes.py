"""Whether class numbers of the data are among those that a `train` knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dlspec.backends.runtime import RunError
from dlspec.ir.graph import Node, Value
from dlspec.ops.embedding import Embedding
from dlspec.ops.loss import CrossEntropyLoss, NLLLoss
from dlspec.ops.rules import DataMovement
from dlspec.ops.shape import OneHot
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
        match node.op:
            case CrossEntropyLoss() | NLLLoss() if node.inputs[1] in same:
                shape = node.inputs[0].type.shape
                count, ignored = shape[min(1, len(shape) - 1)], node.op.ignore_index
                if isinstance(count, int):
                    yield node, count, ignored
            case Embedding() if node.inputs[0] in same:
                yield node, node.op.num_embeddings, None
            case OneHot() if node.inputs[0] in same:
                yield node, node.op.num_classes, None
            case DataMovement() if same.intersection(node.inputs):
                same.update(node.outputs)
            case _:
                pass


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
