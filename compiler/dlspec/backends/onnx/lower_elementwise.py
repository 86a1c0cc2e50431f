"""Functions of one tensor, element by element."""

from __future__ import annotations

from math import pi

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.node import Node
from dlspec.ir.types import DType
from dlspec.ops import elementwise as ops


@lowers(ops.Expm1)
def expm1(e: Emitter, op: ops.Expm1, node: Node, xs: list[str], ws: list[str]) -> str:
    """``tanh(x / 2) * (exp(x) + 1)``: keeps the digits that ``exp(x) - 1`` loses near 0."""
    dtype = node.inputs[0].type.dtype
    half = e.op("Tanh", [e.op("Mul", [xs[0], e.scalar(0.5, dtype)])])
    return e.op("Mul", [half, e.op("Add", [e.op("Exp", xs), e.scalar(1, dtype)])])


@lowers(ops.Log1p)
def log1p(e: Emitter, op: ops.Log1p, node: Node, xs: list[str], ws: list[str]) -> str:
    """Near 0 ``2 * atanh(x / (x + 2))``, which keeps the digits that ``log(1 + x)`` loses there."""
    x, dtype = xs[0], node.inputs[0].type.dtype
    near = e.op("Less", [e.op("Abs", [x]), e.scalar(0.5, dtype)])
    ratio = e.op("Div", [x, e.op("Add", [x, e.scalar(2, dtype)])])
    exact = e.op("Mul", [e.op("Atanh", [ratio]), e.scalar(2, dtype)])
    plain = e.op("Log", [e.op("Add", [x, e.scalar(1, dtype)])])
    return e.op("Where", [near, exact, plain])


@lowers(ops.Log2)
def log2(e: Emitter, op: ops.Log2, node: Node, xs: list[str], ws: list[str]) -> str:
    return e.op("Div", [e.op("Log", xs), e.scalar(0.6931471805599453, node.inputs[0].type.dtype)])


@lowers(ops.Rsqrt)
def rsqrt(e: Emitter, op: ops.Rsqrt, node: Node, xs: list[str], ws: list[str]) -> str:
    return e.op("Reciprocal", [e.op("Sqrt", xs)])


@lowers(ops.Square)
def square(e: Emitter, op: ops.Square, node: Node, xs: list[str], ws: list[str]) -> str:
    return e.op("Mul", [xs[0], xs[0]])


@lowers(ops.Clamp)
def clamp(e: Emitter, op: ops.Clamp, node: Node, xs: list[str], ws: list[str]) -> str:
    dtype = node.inputs[0].type.dtype
    low = "" if op.min is None else e.scalar(op.min, dtype)
    high = "" if op.max is None else e.scalar(op.max, dtype)
    return clipped(e, xs[0], low, high, dtype)


def clipped(e: Emitter, x: str, low: str, high: str, dtype: DType) -> str:
    """Between bounds of which one may be empty. ONNX Runtime does not load a Clip of float64 behind a Relu: what joins the
    two knows no such bounds."""
    if dtype is DType.FLOAT64:
        x = e.op("Max", [x, low]) if low else x
        return e.op("Min", [x, high]) if high else x
    return e.op("Clip", [x, low, high] if high else [x, low])


@lowers(ops.Cast)
def cast(e: Emitter, op: ops.Cast, node: Node, xs: list[str], ws: list[str]) -> str:
    return xs[0] if op.dtype is node.inputs[0].type.dtype else e.cast(xs[0], op.dtype)


@lowers(ops.Atan2)
def atan2(e: Emitter, op: ops.Atan2, node: Node, xs: list[str], ws: list[str]) -> str:
    """The arctangent of ``y / x``, half a turn further left of the y axis, and a quarter turn on it."""
    (y, x), dtype = xs, node.inputs[0].type.dtype
    zero = e.scalar(0, dtype)
    turn = e.op("Where", [e.op("Less", [y, zero]), e.scalar(-pi, dtype), e.scalar(pi, dtype)])
    beside = e.op("Where", [e.op("Less", [x, zero]), turn, zero])
    angle = e.op("Add", [e.op("Atan", [e.op("Div", [y, x])]), beside])
    above = e.op("Mul", [e.op("Sign", [y]), e.scalar(pi / 2, dtype)])
    return e.op("Where", [e.op("Equal", [x, zero]), above, angle])
