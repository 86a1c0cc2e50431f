"""Operators and blocks as a spec would write them, and numbers as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from dlspec.elaborate.values import has_tensor, show
from dlspec.ir.dims import Dim
from dlspec.ir.fields import Fielded
from dlspec.ir.init import Init
from dlspec.ir.op import Op
from dlspec.ir.scope import Scope
from dlspec.ir.types import DType

MOST_ITEMS = 5
"""Of a list in a box or a table: ``[1, 2, ... 64]``."""


def operator_name(operator: type[Op]) -> str:
    """The name an operator goes by: of its layer, else of its function, else (a declared weight) in lower case."""
    return operator.__name__ if operator.layer else operator.function or operator.__name__.lower()


def written_op(op: Op, most: int | None = None) -> str:
    """``Conv(64, 7, stride=2, bias=false)``: what must be given by position, and what differs from its default; ``x[:, 0]``.
    Of lists ``most`` items."""
    return op.syntax() or _call(operator_name(type(op)), written_arguments(op, most))


def written_call(made: Fielded) -> str:
    """``Adam(lr=0.0002)``, like `written_op` of what is no operator."""
    return _call(type(made).__name__, written_arguments(made))


def written_arguments(op: Fielded, most: int | None = None) -> list[str]:
    """``64``, ``7``, ``stride=2``, ``bias=false``; of lists ``most`` items, see `written_value`."""
    arguments: list[str] = []
    for field in op.fields:
        value = getattr(op, field.name)
        if field.name == op.more:
            arguments += [f"{name}={written_value(length, most)}" for name, length in value]
        elif field.required:
            arguments.append(written_value(value, most))
        elif value != field.converted_default:
            arguments.append(f"{field.name}={written_value(value, most)}")
    return arguments


def positional(op: Fielded) -> int:
    """How many of `written_arguments` come first and have no name."""
    return next((index for index, field in enumerate(op.fields) if not field.required), len(op.fields))


def written_scope(scope: Scope, most: int | None = None) -> str:
    """``Bottleneck(planes=64, stride=2)``; nothing for labelled braces."""
    if not scope.declaration:
        return ""
    return _call(scope.declaration, [f"{name}={written_value(value, most)}" for name, value in scope.arguments.items()])


def written_given(scope: Scope, most: int | None = None) -> dict[str, str]:
    """``stride=2`` and so on, by name: what a block is given, but for tensors; of lists ``most`` items."""
    return {
        name: f"{name}={written_value(value, most)}"
        for name, value in scope.arguments.items()
        if name in scope.given and not has_tensor(value)
    }


def number(dim: Dim) -> str:
    """``25,557,032``, or an expression as it is."""
    return f"{dim:,}" if isinstance(dim, int) else str(dim)


def scaled(dim: Dim, unit: str, digits: int = 4) -> str:
    """``4.09 GMACs``; an expression as it is."""
    if not isinstance(dim, int):
        return f"{dim} {unit}"
    for prefix, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if dim >= size:
            return f"{dim / size:.{digits}g} {prefix}{unit}"
    return f"{dim} {unit}"


def written_value(value: Any, most: int | None = None) -> str:
    """A value as a spec would have it. A list of more than ``most`` items is shortened: ``[1, 2, ... 64]``."""
    match value:
        case DType():
            return value.label
        case Fielded():
            return written_call(value)
        case Init():
            return _call(value.kind, [f"{name}={number}" for name, number in value.arguments])
        case tuple() | list():
            items = cast("Sequence[Any]", value)
            if most is not None and len(items) > most:
                *beginning, last = (written_value(item, most) for item in (*items[: most // 2], items[-1]))
                return f"[{', '.join(beginning)}, ... {last}]"
            return f"[{', '.join(written_value(item, most) for item in items)}]"
        case _:
            return show(value)


def _call(name: str, arguments: list[str]) -> str:
    return f"{name}({', '.join(arguments)})" if arguments else name
