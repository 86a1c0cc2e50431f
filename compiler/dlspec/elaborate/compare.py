"""Comparisons of constants, sizes among them: decided where they can be."""

from __future__ import annotations

import operator as operators
from collections.abc import Callable
from typing import Any

from dlspec.elaborate.values import Failure, kind_of
from dlspec.ir.conditions import Condition, Conditions
from dlspec.ir.constants import is_dim
from dlspec.ir.dims import Dim, Expr, lower_bound, symbols, upper_bound
from dlspec.source import Span

_PYTHON: dict[str, Callable[[Any, Any], bool]] = {
    "==": operators.eq,
    "!=": operators.ne,
    "<": operators.lt,
    "<=": operators.le,
    ">": operators.gt,
    ">=": operators.ge,
}


def compare(operator: str, a: object, b: object, conditions: Conditions, span: Span) -> bool:
    """``a operator b``. Raises `Failure` where it depends on a size that is open."""
    if isinstance(a, Expr) or isinstance(b, Expr):
        if is_dim(a) and is_dim(b):
            decided = _decide(operator, a, b, conditions)
            if decided is None:
                names = ", ".join(f"{name}=..." for name in sorted(symbols(a) | symbols(b)))
                raise Failure(
                    "DL0406",
                    f"`{a} {operator} {b}` depends on a size that is open",
                    span,
                    hint=f"pin it with --size {names}, write a number in the signature, or state it with `where`",
                )
            return decided
        if operator in ("==", "!="):
            return operator == "!="
    if operator in ("==", "!="):
        return _PYTHON[operator](a, b)
    ordered = (isinstance(a, int | float) and isinstance(b, int | float)) or (isinstance(a, str) and isinstance(b, str))
    if not ordered:
        raise Failure("DL0305", f"`{operator}` does not go with {kind_of(a)} and {kind_of(b)}", span)
    return _PYTHON[operator](a, b)


def _decide(operator: str, a: Dim, b: Dim, conditions: Conditions) -> bool | None:
    """Whether the comparison holds for every size that is allowed (True), for none (False), or for some (None)."""
    difference = a - b
    minima = {name: conditions.least(name) for name in symbols(difference)}
    low = difference if isinstance(difference, int) else lower_bound(difference, minima)
    high = difference if isinstance(difference, int) else upper_bound(difference, minima)
    match operator:
        case "==" | "!=":
            if conditions.implies(Condition.equal(a, b)):
                return operator == "=="
            if (low is not None and low > 0) or (high is not None and high < 0):
                return operator == "!="
            return None
        case "<" | ">=":
            if low is not None and low >= 0:
                return operator == ">="
            if high is not None and high < 0:
                return operator == "<"
            return None
        case _:
            if low is not None and low > 0:
                return operator == ">"
            if high is not None and high <= 0:
                return operator == "<="
            return None
