"""Comprehensions in Python, in which variables that nothing reads are `_`."""

from __future__ import annotations

from collections.abc import Iterable

from dlspec.backends.torch.python.expressions import Clause, Comprehension, Name, Py, walk
from dlspec.backends.torch.python.targets import kept


def comprehended(item: Py, clauses: Iterable[Clause]) -> Comprehension:
    used = _names(item)
    made: list[Clause] = []
    for each in reversed([*clauses]):
        used |= _names(*each.conditions)
        made.insert(0, Clause(kept(each.target, used), each.iterable, each.conditions))
        used |= _names(each.iterable)
    *around, own = made
    return Comprehension(item, own.target, own.iterable, around=tuple(around), conditions=own.conditions)


def _names(*values: Py) -> set[str]:
    return {part.text for value in values for part in walk(value) if isinstance(part, Name)}
