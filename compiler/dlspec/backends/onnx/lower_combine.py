"""Arithmetic, comparison, logic and joining."""

from __future__ import annotations

from functools import reduce

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.node import Node
from dlspec.ir.op import Op
from dlspec.ir.types import DType
from dlspec.ops import combine as ops


@lowers(ops.Const)
def const(e: Emitter, op: ops.Const, node: Node, xs: list[str], ws: list[str]) -> str:
    return e.constant(op.value, op.dtype)


@lowers(ops.Add, ops.Mul)
def from_left(e: Emitter, op: Op, node: Node, xs: list[str], ws: list[str]) -> str:
    return reduce(lambda left, right: e.op(type(op).__name__, [left, right]), xs)


@lowers(ops.NotEqual)
def not_equal(e: Emitter, op: ops.NotEqual, node: Node, xs: list[str], ws: list[str]) -> str:
    return e.op("Not", [e.op("Equal", xs)])


@lowers(ops.Where)
def where(e: Emitter, op: ops.Where, node: Node, xs: list[str], ws: list[str]) -> str:
    """ONNX Runtime has no Where for truth values."""
    if node.outputs[0].type.dtype is not DType.BOOL:
        return e.op("Where", xs)
    condition, x, y = xs
    return e.op("Or", [e.op("And", [condition, x]), e.op("And", [e.op("Not", [condition]), y])])


def _remainder(e: Emitter, x: str, y: str, dtype: DType) -> str:
    """With the sign of the divisor. ONNX has that for integers; for floats it has C's, which is then corrected."""
    if dtype.is_integer:
        return e.op("Mod", [x, y])
    rest, zero = e.op("Mod", [x, y], fmod=1), e.scalar(0, dtype)
    other_sign = e.op("Less", [e.op("Mul", [e.op("Sign", [rest]), e.op("Sign", [y])]), zero])
    return e.op("Where", [other_sign, e.op("Add", [rest, y]), rest])


@lowers(ops.Mod)
def mod(e: Emitter, op: ops.Mod, node: Node, xs: list[str], ws: list[str]) -> str:
    return _remainder(e, xs[0], xs[1], node.inputs[0].type.dtype)


@lowers(ops.FloorDiv)
def floor_div(e: Emitter, op: ops.FloorDiv, node: Node, xs: list[str], ws: list[str]) -> str:
    """``(x - x % y) / y``. For floats that is a whole number but for rounding, and x / y where y is 0."""
    (x, y), dtype = xs, node.inputs[0].type.dtype
    quotient = e.op("Div", [e.op("Sub", [x, _remainder(e, x, y, dtype)]), y])
    if dtype.is_integer:
        return quotient
    by_zero = e.op("Equal", [y, e.scalar(0, dtype)])
    return e.op("Where", [by_zero, e.op("Div", [x, y]), e.op("Round", [quotient])])


@lowers(ops.Lerp)
def lerp(e: Emitter, op: ops.Lerp, node: Node, xs: list[str], ws: list[str]) -> str:
    x, y, weight = xs
    return e.op("Add", [x, e.op("Mul", [weight, e.op("Sub", [y, x])])])


@lowers(ops.Concat)
def concat(e: Emitter, op: ops.Concat, node: Node, xs: list[str], ws: list[str]) -> str:
    return e.op("Concat", xs, axis=op.dim % node.outputs[0].type.rank)


@lowers(ops.MeshGrid)
def meshgrid(e: Emitter, op: ops.MeshGrid, node: Node, xs: list[str], ws: list[str]) -> str | tuple[str, ...]:
    shape, count = e.shape(node.outputs[0].type.shape), len(xs)
    grids: list[str] = []
    for axis, x in zip(op.axes(count), xs, strict=True):
        column = e.op("Reshape", [x, e.constant([-1] + [1] * (count - axis - 1))])
        grids.append(e.op("Expand", [column, shape]))
    return tuple(grids)


@lowers(ops.Stack)
def stack(e: Emitter, op: ops.Stack, node: Node, xs: list[str], ws: list[str]) -> str:
    axis = op.dim % node.outputs[0].type.rank
    where = e.constant([axis])
    return e.op("Concat", [e.op("Unsqueeze", [x, where]) for x in xs], axis=axis)
