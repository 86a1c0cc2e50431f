"""Data that is not between the numbers that a network makes of its kind: pixels from 0 to 1 beside a Tanh."""

from __future__ import annotations

from collections.abc import Iterator
from math import isinf
from typing import TYPE_CHECKING

from dlspec.analyses.ranges import Ranges
from dlspec.diagnostics import Diagnostic, Note, Severity
from dlspec.ir.node import Node, Value
from dlspec.objectives.training import Training
from dlspec.training.batches import settled
from dlspec.training.table import Table

if TYPE_CHECKING:
    from torch import Tensor

_LOOKED_AT = 64
"""So many examples are read."""
_NEAR = 1e-3
"""What a network comes as near to as this, it makes."""


def apart(table: Table) -> Iterator[Diagnostic]:
    """Warnings for data beside what a network makes in the same shape, within bounds that are not those of the data."""
    training = table.training
    made = [(value, interval) for value in _outputs(training) if (interval := _bounds(value)) is not None]
    if not made:
        return
    examples = _some(table)
    for data in training.data:
        numbers = examples[data.value.name]
        if not data.value.type.dtype.is_float or data.value.type.rank < 2:
            continue
        least, most = float(numbers.min()), float(numbers.max())
        for value, (low, high) in made:
            if value.type.shape[1:] != data.value.type.shape[1:] or not least < most:
                continue
            never = least < low - _NEAR or most > high + _NEAR
            if never or low < 0 <= least:
                name = value.producer.scope.path.partition(".")[0] if value.producer else value.name
                what = "it cannot make that" if never else "the half below 0 is none of them"
                has = f"`{data.value.name}` has {least:g} to {most:g}"
                message = f"`{name}` makes numbers from {low:g} to {high:g}, and {has}: {what}"
                hint = _hint(data.value.name, (low, high), (least, most))
                notes = (Note(value.span, "they are made here"),)
                yield Diagnostic("DL0722", message, data.value.span, notes=notes, hint=hint, severity=Severity.WARNING)
                break


def _some(table: Table) -> dict[str, Tensor]:
    import numpy as np

    return settled(table, np.linspace(0, table.examples - 1, min(table.examples, _LOOKED_AT)).astype(np.int64))


def _outputs(training: Training) -> Iterator[Value]:
    """What networks give to anything outside of themselves."""
    named = set(training.named.values())
    for node in training.graph.nodes:
        if _network(node) in training.networks:
            for value in node.outputs:
                if value in named or any(_network(user) != _network(node) for user in value.uses):
                    yield value


def _network(node: Node) -> str:
    return node.scope.path.partition(".")[0]


def _bounds(value: Value) -> tuple[float, float] | None:
    """Both ends, where it has two."""
    found = Ranges().of(value)
    return None if found is None or any(map(isinf, found)) else (round(found[0], 6), round(found[1], 6))


def _hint(name: str, made: tuple[float, float], given: tuple[float, float]) -> str:
    """What brings whole ranges that are usual together."""
    if made == (-1, 1) and given[0] >= 0:
        white = 1 if given[1] <= 1 else 255
        return f"`data {name}: ... -> Normalize({white / 2:g}, {white / 2:g})` makes -1 to 1 of 0 to {white}"
    return f"`data {name}: ... -> Normalize(mean, std)` moves and scales it"
