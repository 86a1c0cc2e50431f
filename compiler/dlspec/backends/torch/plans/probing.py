"""How the sizes that an operator gives follow from those of its inputs and from what was written for it: its own rule, run
on symbols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from dlspec.ir.dims import Dim, Expr, symbol
from dlspec.ir.evaluation import substitute
from dlspec.ir.fields import FieldError
from dlspec.ir.node import Node
from dlspec.ir.op import Op, OpError
from dlspec.ir.program import Written, is_literal
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
    said = node.origin.written
    written = {name for name, value in _arguments(node.op).items() if name in said and not _known(said[name], value)}
    op, fields, actual = _with_symbols(node, written)
    numbers: _Fields = {}
    for made, places in ((op, fields), (node.op, numbers)):
        for axes, ones in ((9, True), (9, False), (2, True), (2, False)):
            found = _probe(node, made, places, actual, written, axes, ones)
            if found is not None:
                return found
    return None


def _arguments(op: Op) -> dict[str, Any]:
    """The fields by name, and of the one that takes further arguments each of these."""
    fields = {field.name: getattr(op, field.name) for field in op.fields}
    return fields if op.more is None else fields | dict(fields.pop(op.more))


def _probe(
    node: Node, op: Op, fields: _Fields, written_sizes: dict[str, Dim], written: set[str], axes: int, ones: bool
) -> Probe | None:
    sizes: dict[str, tuple[int, int]] = {}
    actual = dict(written_sizes)
    kept: list[tuple[int, int]] = []
    numbers: list[tuple[int, int]] = []
    types: list[TensorType] = []
    for index, value in enumerate(node.inputs):
        shape: list[Dim] = []
        # How many channels or features flow in says nothing of the other axes.
        own = op.out_axis % value.type.rank if index == 0 and op.out_size is not None else None
        for axis, size in enumerate(value.type.shape):
            if not isinstance(size, int) or axis == own:
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
        made = op.infer_any(tuple(types))
    except (OpError, TypeError, ValueError, AssertionError, AttributeError):
        return None
    outputs = made if isinstance(made, tuple) else (made,)
    if len(outputs) != len(node.outputs):
        return None  # how many parts there are hangs on the sizes
    for output, value in zip(outputs, node.outputs, strict=True):
        if tuple(substitute(size, actual) for size in output.shape) != value.type.shape:
            return None
    said = {field for field, _ in fields.values()} | {node.op.out_size}  # nobody asks here for its axis
    pinned = tuple(node.origin.written[name] for name in sorted(written - said))
    return Probe(outputs, sizes, fields, pinned, tuple(kept), tuple(numbers))


def _with_symbols(node: Node, written: set[str]) -> tuple[Op, _Fields, dict[str, Dim]]:
    """The operator with symbols for the sizes that were not written as numbers, and what these are."""
    fields: _Fields = {}
    actual: dict[str, Dim] = {}
    changed: dict[str, Any] = {}
    for index, field in enumerate(node.op.fields):
        value = getattr(node.op, field.name)
        if field.name == node.op.more:
            lengths: list[tuple[str, Dim]] = []
            for place, (name, length) in enumerate(value):
                key = f"f{index}_{place}"
                if name in written and type(length) is int:
                    fields[key], actual[key] = (name, None), length
                lengths.append((name, symbol(key) if key in fields else length))
            changed[field.name] = tuple(lengths)
            continue
        if field.name not in written or field.kind not in _SIZES:
            continue
        if type(value) is int:
            fields[f"f{index}"], actual[f"f{index}"] = (field.name, None), value
            changed[field.name] = symbol(f"f{index}")
        elif isinstance(value, tuple):
            expression = node.origin.written[field.name].expression
            parts: list[Dim] = []
            for place, size in enumerate(value):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
                known = isinstance(expression, ast.List) and is_literal(expression.items[place])
                if known or type(size) is not int:  # pyright: ignore[reportUnknownArgumentType]
                    parts.append(size)  # pyright: ignore[reportUnknownArgumentType]
                    continue
                fields[f"f{index}_{place}"], actual[f"f{index}_{place}"] = (field.name, place), size
                parts.append(symbol(f"f{index}_{place}"))
            changed[field.name] = tuple(parts)
    try:
        return (node.op.changed(**changed), fields, actual) if fields else (node.op, {}, {})
    except (OpError, FieldError, TypeError, ValueError):
        return node.op, {}, {}


def _known(written: Written, value: Any) -> bool:
    """Whether all numbers in a field were written as numbers."""
    expression = written.expression
    if isinstance(expression, ast.List) and isinstance(value, tuple):
        sizes = cast("tuple[Any, ...]", value)
        return all(
            is_literal(item) or isinstance(size, Expr) for item, size in zip(expression.items, sizes, strict=True)
        )
    return is_literal(expression)
