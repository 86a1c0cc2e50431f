"""How the sizes that an operator gives follow from those of its inputs and from what was written for it: its own rule, run
on symbols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from dlspec.backends.torch.places import literal
from dlspec.ir.dims import Dim, Expr, substitute, symbol
from dlspec.ir.fields import FieldError
from dlspec.ir.graph import Node
from dlspec.ir.op import Needs, Op, OpError
from dlspec.ir.program import Written
from dlspec.ir.types import TensorType
from dlspec.syntax import ast

_Fields: TypeAlias = dict[str, tuple[str, int | None]]

_SIZES = ("Dim", "Sizes", "Shape")
"""Kinds of fields that may hold symbols."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """The types that come out, in symbols: of ``sizes``, an axis of an input, and of ``fields``, a size that was written.

    ``pinned`` is what was written for the other fields, which are numbers here, ``ones`` the axes that had to be 1, and
    ``numbers`` those that had to be numbers.
    """

    types: tuple[TensorType, ...]
    sizes: dict[str, tuple[int, int]]
    fields: _Fields
    pinned: tuple[Written, ...]
    ones: tuple[tuple[int, int], ...]
    numbers: tuple[tuple[int, int], ...]


def probe(node: Node) -> Probe | None:
    """None where an operator needs numbers for all its sizes."""
    written = {
        field.name
        for field in node.op.fields
        if field.name in node.origin.written
        and not _known(node.origin.written[field.name], getattr(node.op, field.name))
    }
    if node.op.more:  # arguments by names of the author's choice
        named = dict(getattr(node.op, node.op.more))
        written |= {
            name for name, each in node.origin.written.items() if name in named and not literal(each.expression)
        }
    op, fields = _with_symbols(node, written)
    numbers: _Fields = {}
    for made, places in ((op, fields), (node.op, numbers)):
        for axes, ones in ((9, True), (9, False), (2, True), (2, False)):
            found = _probe(node, made, places, written, axes, ones)
            if found is not None:
                return found
    return None


def _probe(node: Node, op: Op, fields: _Fields, written: set[str], axes: int, ones: bool) -> Probe | None:
    sizes: dict[str, tuple[int, int]] = {}
    actual: dict[str, Dim] = {name: _item(getattr(node.op, field), place) for name, (field, place) in fields.items()}
    kept: list[tuple[int, int]] = []
    numbers: list[tuple[int, int]] = []
    types: list[TensorType] = []
    for index, value in enumerate(node.inputs):
        shape: list[Dim] = []
        for axis, size in enumerate(value.type.shape):
            if not isinstance(size, int):
                shape.append(size)
            elif axis >= axes:
                shape.append(size)
                numbers.append((index, axis))
            elif size == 1 and not ones:
                kept.append((index, axis))
                shape.append(1)
            else:
                name = f"s{index}_{axis}"
                sizes[name], actual[name] = (index, axis), size
                shape.append(symbol(name))
        types.append(value.type.with_shape(*shape))
    try:
        made = op.infer(Needs(), tuple(types))
    except (OpError, TypeError, ValueError, AssertionError, AttributeError):
        return None
    outputs = made if isinstance(made, tuple) else (made,)
    for output, value in zip(outputs, node.outputs, strict=True):
        if tuple(substitute(size, actual) for size in output.shape) != value.type.shape:
            return None
    pinned = tuple(node.origin.written[name] for name in sorted(written - {field for field, _ in fields.values()}))
    return Probe(outputs, sizes, fields, pinned, tuple(kept), tuple(numbers))


def _with_symbols(node: Node, written: set[str]) -> tuple[Op, _Fields]:
    """The operator with symbols for the sizes that were not written as numbers."""
    fields: _Fields = {}
    changed: dict[str, Any] = {}
    for index, field in enumerate(node.op.fields):
        value = getattr(node.op, field.name)
        if field.name not in written or field.kind not in _SIZES:
            continue
        if type(value) is int:
            fields[f"f{index}"] = field.name, None
            changed[field.name] = symbol(f"f{index}")
        elif isinstance(value, tuple):
            expression = node.origin.written[field.name].expression
            parts: list[Dim] = []
            for place, size in enumerate(value):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
                known = isinstance(expression, ast.List) and literal(expression.items[place])
                if known or type(size) is not int:  # pyright: ignore[reportUnknownArgumentType]
                    parts.append(size)  # pyright: ignore[reportUnknownArgumentType]
                    continue
                fields[f"f{index}_{place}"] = field.name, place
                parts.append(symbol(f"f{index}_{place}"))
            changed[field.name] = tuple(parts)
    try:
        return (node.op.changed(**changed), fields) if fields else (node.op, {})
    except (OpError, FieldError, TypeError, ValueError):
        return node.op, {}


def _known(written: Written, value: Any) -> bool:
    """Whether all numbers in a field were written as numbers."""
    expression = written.expression
    if isinstance(expression, ast.List) and isinstance(value, tuple):
        sizes = cast("tuple[Any, ...]", value)
        return all(literal(item) or isinstance(size, Expr) for item, size in zip(expression.items, sizes, strict=True))
    return literal(expression)


def _item(value: Any, place: int | None) -> Dim:
    return value if place is None else value[place]
