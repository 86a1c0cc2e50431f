"""Names that take lists apart, and lists in them; a tensor along its first axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeAlias, cast

from dlspec.elaborate.values import POISON, Failure, as_list, kind_of
from dlspec.ir.node import Value
from dlspec.source import Span
from dlspec.syntax import ast

_SHOWN = 12
"""Values of a form that a hint shows."""

Targets: TypeAlias = tuple[ast.Target, ...]


def unpack(targets: Targets, value: Any, slice_of: Callable[[Value, int, Span], Any]) -> list[tuple[str, Any]]:
    """The names with their values: one takes all, several take a list apart, or a tensor along its first axis, of which
    ``slice_of`` gives what is at a place. Raises `Failure`."""
    try:
        return _unpacked(targets, value, slice_of)
    except Failure as failure:
        found = failure.diagnostic
        failure.diagnostic = replace(found, hint=_form_hint(targets, value, found.hint))
        raise


def _unpacked(targets: Targets, value: Any, slice_of: Callable[[Value, int, Span], Any]) -> list[tuple[str, Any]]:
    match targets:
        case (ast.Name(name=name),):
            return [(name, value)]
        case (ast.Pattern(items=items, span=span),):
            targets = items
        case _:
            span = Span(targets[0].span.source, targets[0].span.start, targets[-1].span.end)
    if value is POISON:
        return [(name.name, POISON) for name in ast.names_of(targets)]
    n = len(targets)
    if isinstance(value, Value):
        _check_tensor(value, n, span)
        parts: list[Any] = [slice_of(value, place, span) for place in range(n)]
    else:
        parts = _parts(value, n, span)
    return [
        named for target, part in zip(targets, parts, strict=True) for named in _unpacked((target,), part, slice_of)
    ]


def _parts(value: Any, n: int, span: Span) -> list[Any]:
    """What so many names take of a list."""
    if not isinstance(value, list):
        raise Failure("DL0305", f"{_names(n)} {_take(n)} a list of {n}, not {kind_of(value)}", span)
    parts = cast("list[Any]", value)
    if len(parts) != n:
        values = f"{len(parts)} value{'s' * (len(parts) != 1)}"
        raise Failure("DL0305", f"{_names(n)} cannot take {values}", span)
    return parts


def _check_tensor(value: Value, n: int, span: Span) -> None:
    size = value.type.shape[0] if value.type.rank else 0
    if size != n:
        has = f"its first axis is {size}" if value.type.rank else "it has no axis"
        hint = f"part another axis: `-> Split({n})` along the channels, or `-> Split({n}, dim=2)`"
        message = f"{_names(n)} {_take(n)} a tensor apart along its first axis, and {has}"
        raise Failure("DL0305", message, span, hint=hint)


def _names(n: int) -> str:
    return f"{n} name{'s' * (n > 1)}"


def _take(n: int) -> str:
    return "takes" if n == 1 else "take"


def _form_hint(targets: Targets, value: Any, hint: str) -> str:
    """How the names would stand that take all of a list with lists in it, or the hint that there is."""
    parts = as_list(value)
    nested = any(isinstance(each, ast.Pattern) for each in targets) or any(isinstance(part, list) for part in parts)
    names = [name.name for name in ast.names_of(targets)]
    leaves = sum(1 for _ in _leaves(parts))
    fits = leaves == len(names)
    if not isinstance(value, list) or not nested or leaves > _SHOWN or (hint and not fits):
        return hint
    shown = iter(names if fits else ["_"] * leaves)
    return f"what is taken apart has the form `{', '.join(_form(part, shown) for part in parts)}`"


def _leaves(values: list[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from _leaves(cast("list[Any]", value))
        else:
            yield value


def _form(value: Any, names: Iterator[str]) -> str:
    if not isinstance(value, list):
        return next(names)
    return f"[{', '.join(_form(part, names) for part in cast('list[Any]', value))}]"
