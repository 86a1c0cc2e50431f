"""The variables of loops in Python: `k, (a, b)`, as texts with one for each of the outermost."""

from __future__ import annotations

import ast as python
import re
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any

from dlspec.backends.torch.python.names import variable
from dlspec.syntax import ast

_NAME = re.compile(r"\w+")


def targets_of(targets: tuple[ast.Target, ...]) -> tuple[str, ...]:
    """Those of a loop of the spec."""
    match targets:
        case (ast.Pattern(items=items),) if len(items) > 1:
            return targets_of(items)
        case _:
            return tuple(map(_written, targets))


def _written(target: ast.Target) -> str:
    if isinstance(target, ast.Name):
        return variable(target.name)
    inner = ", ".join(map(_written, target.items))
    return f"({inner})" if len(target.items) > 1 else f"({inner},)"


def names_in(targets: Iterable[str]) -> list[str]:
    """The names of variables."""
    return [name for target in targets for name in _NAME.findall(target)]


def kept(target: str, used: Collection[str]) -> str:
    """A variable, or `_` for what is not used of it."""
    if not any(name in used for name in names_in([target])):
        return "_"
    return _NAME.sub(lambda name: name.group() if name.group() in used else "_", target)


def taken_apart(target: str, value: Any) -> dict[str, Any]:
    """What each variable stands for in a turn. Raises `ValueError` where the value has another form."""
    return _bound(_parsed(target), value)


@cache
def _parsed(target: str) -> python.expr:
    return python.parse(target, mode="eval").body


def _bound(node: python.expr, value: Any) -> dict[str, Any]:
    if isinstance(node, python.Name):
        return {node.id: value}
    assert isinstance(node, python.Tuple)
    found: dict[str, Any] = {}
    for part, inner in zip(node.elts, value, strict=True):
        found |= _bound(part, inner)
    return found
