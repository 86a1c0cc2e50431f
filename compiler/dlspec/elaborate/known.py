"""What is known of operators whatever network they stand in: it is found out once for a file, and kept for its next text."""

from __future__ import annotations

from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from dlspec.ir.bounds import check_numbers, check_size
from dlspec.ir.dims import at_least
from dlspec.ir.op import Needs, Op, Requirement, Types, Weight
from dlspec.ir.types import TensorType

Inferred: TypeAlias = tuple[Types, tuple[Weight, ...]]


Key = TypeVar("Key")
Found = TypeVar("Found")


class Table(Generic[Key, Found]):
    """What was found out, by what it follows from; also what an ``older`` table has, but not what that has from another."""

    __slots__ = ("_older", "_own")

    def __init__(self, older: Table[Key, Found] | None = None) -> None:
        self._own: dict[Key, Found] = {}
        self._older: dict[Key, Found] = {} if older is None else older._own

    def get(self, key: Key) -> Found | None:
        found = self._own.get(key)
        if found is None and key in self._older:
            found = self._own[key] = self._older[key]
        return found

    def __setitem__(self, key: Key, found: Found) -> None:
        self._own[key] = found


class Known:
    """What is known of operators in any network: those ``made`` of plain arguments, and what they give and demand of input
    types, as ``inferred``."""

    __slots__ = ("inferred", "made")

    def __init__(self, older: Known | None = None) -> None:
        self.made: Table[Any, Op] = Table(older and older.made)
        self.inferred: Table[tuple[Op, Types], tuple[Inferred, list[Requirement]]] = Table(older and older.inferred)


def infer(op: Op, types: Types) -> tuple[Inferred, list[Requirement]]:
    """What an operator makes of input types, and what it demands of their sizes. Raises `OpError`."""
    need = Needs()
    inferred = op.infer(need, types)
    outputs = (inferred,) if isinstance(inferred, TensorType) else inferred
    weights = op.weights(types)
    for output in outputs:
        for size in output.shape:
            if not at_least(size, 1):
                need.at_least(size, 1, partial("the result would have a size of {}".format, size))
        check_size(output)
    for weight in weights:
        check_size(weight)
    check_numbers(op, types, weights)
    return (outputs, weights), need.requirements
