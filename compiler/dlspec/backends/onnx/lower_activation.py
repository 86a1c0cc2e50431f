"""Activations."""

from __future__ import annotations

import math

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.lower_elementwise import clipped
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.node import Node
from dlspec.ir.types import DType
from dlspec.ops.activation import (
    CELU,
    ELU,
    GELU,
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    SiLU,
    Softplus,
    Softshrink,
    Tanhshrink,
    Threshold,
)
from dlspec.ops.softmax import GLU, LogSoftmax, Softmax, Softmin


def _dtype(node: Node) -> DType:
    return node.inputs[0].type.dtype


@lowers(ReLU)
def relu(e: Emitter, op: ReLU, node: Node, xs: list[str], ws: list[str]) -> str:
    dtype = _dtype(node)
    return e.op("Relu", xs) if dtype.is_float else e.op("Max", [*xs, e.scalar(0, dtype)])


@lowers(PReLU)
def prelu(e: Emitter, op: PReLU, node: Node, xs: list[str], ws: list[str]) -> str:
    slope, rank = ws[0], node.inputs[0].type.rank
    if op.num_parameters > 1 and rank > 2:
        slope = e.op("Reshape", [slope, e.constant([-1] + [1] * (rank - 2))])
    elif not rank:
        slope = e.op("Reshape", [slope, e.constant([], "int64")])
    return e.op("PRelu", [xs[0], slope])


@lowers(LeakyReLU)
def leaky_relu(e: Emitter, op: LeakyReLU, node: Node, xs: list[str], ws: list[str]) -> str:
    return e.op("LeakyRelu", xs, alpha=op.negative_slope)


@lowers(Softplus)
def softplus(e: Emitter, op: Softplus, node: Node, xs: list[str], ws: list[str]) -> str:
    (x,), dtype = xs, _dtype(node)
    scaled = x if op.beta == 1 else e.op("Mul", [x, e.scalar(op.beta, dtype)])
    y = e.op("Softplus", [scaled])
    if op.beta != 1:
        y = e.op("Div", [y, e.scalar(op.beta, dtype)])
    # Above 20 log(1 + exp(x)) is x in every element type but float64.
    if op.threshold >= 20 and dtype is not DType.FLOAT64:
        return y
    return e.op("Where", [e.op("Greater", [scaled, e.scalar(op.threshold, dtype)]), x, y])


@lowers(ELU)
def elu(e: Emitter, op: ELU, node: Node, xs: list[str], ws: list[str]) -> str:
    return e.op("Elu", xs, alpha=op.alpha)


@lowers(CELU)
def celu(e: Emitter, op: CELU, node: Node, xs: list[str], ws: list[str]) -> str:
    (x,), dtype = xs, _dtype(node)
    if dtype is DType.FLOAT32 and abs(op.alpha) <= 8:  # the only type that ONNX has Celu for
        return e.op("Celu", [x], alpha=op.alpha)
    zero, one, half, twice = (e.scalar(value, dtype) for value in (0.0, 1.0, 0.5 / op.alpha, 2 * op.alpha))
    t = e.op("Tanh", [e.op("Mul", [x, half])])  # exp(x) - 1 = 2 t / (1 - t), which keeps the digits of a small x
    curve = e.op("Div", [e.op("Mul", [t, twice]), e.op("Sub", [one, t])])
    return e.op("Add", [e.op("Max", [x, zero]), e.op("Min", [curve, zero])])


@lowers(GELU)
def gelu(e: Emitter, op: GELU, node: Node, xs: list[str], ws: list[str]) -> str:
    (x,), dtype = xs, _dtype(node)
    if e.opset >= 20:
        return e.op("Gelu", [x], approximate=op.approximate)
    half, one = e.scalar(0.5, dtype), e.scalar(1.0, dtype)
    if op.approximate == "tanh":
        cubic = e.op("Mul", [e.op("Mul", [e.op("Mul", [x, x]), x]), e.scalar(0.044715, dtype)])
        inner = e.op("Mul", [e.op("Add", [x, cubic]), e.scalar(math.sqrt(2 / math.pi), dtype)])
        curve = e.op("Tanh", [inner])
    else:
        curve = e.op("Erf", [e.op("Mul", [x, e.scalar(math.sqrt(0.5), dtype)])])
    return e.op("Mul", [e.op("Mul", [x, half]), e.op("Add", [curve, one])])


def _clip(e: Emitter, x: str, low: float, high: float, dtype: DType) -> str:
    return clipped(e, x, e.scalar(low, dtype), e.scalar(high, dtype), dtype)


@lowers(ReLU6)
def relu6(e: Emitter, op: ReLU6, node: Node, xs: list[str], ws: list[str]) -> str:
    return _clip(e, xs[0], 0.0, 6.0, _dtype(node))


@lowers(Hardtanh)
def hardtanh(e: Emitter, op: Hardtanh, node: Node, xs: list[str], ws: list[str]) -> str:
    return _clip(e, xs[0], op.min_val, op.max_val, _dtype(node))


@lowers(LogSigmoid)
def log_sigmoid(e: Emitter, op: LogSigmoid, node: Node, xs: list[str], ws: list[str]) -> str:
    # Not the logarithm of Sigmoid, which is 0 from about -100 on.
    return e.op("Neg", [e.op("Softplus", [e.op("Neg", xs)])])


@lowers(SiLU)
def silu(e: Emitter, op: SiLU, node: Node, xs: list[str], ws: list[str]) -> str:
    return e.op("Mul", [xs[0], e.op("Sigmoid", xs)])


@lowers(Hardsigmoid)
def hardsigmoid(e: Emitter, op: Hardsigmoid, node: Node, xs: list[str], ws: list[str]) -> str:
    return e.op("HardSigmoid", xs, alpha=1 / 6, beta=0.5)


@lowers(Hardswish)
def hardswish(e: Emitter, op: Hardswish, node: Node, xs: list[str], ws: list[str]) -> str:
    if e.opset >= 14:
        return e.op("HardSwish", xs)
    return e.op("Mul", [xs[0], e.op("HardSigmoid", xs, alpha=1 / 6, beta=0.5)])


@lowers(Mish)
def mish(e: Emitter, op: Mish, node: Node, xs: list[str], ws: list[str]) -> str:
    if e.opset >= 18:
        return e.op("Mish", xs)
    return e.op("Mul", [xs[0], e.op("Tanh", [e.op("Softplus", xs)])])


@lowers(Tanhshrink)
def tanhshrink(e: Emitter, op: Tanhshrink, node: Node, xs: list[str], ws: list[str]) -> str:
    return e.op("Sub", [xs[0], e.op("Tanh", xs)])


@lowers(Softshrink)
def softshrink(e: Emitter, op: Softshrink, node: Node, xs: list[str], ws: list[str]) -> str:
    # Not Shrink, which has no bfloat16.
    return e.op("Sub", [xs[0], _clip(e, xs[0], -op.lambd, op.lambd, _dtype(node))])


@lowers(Hardshrink)
def hardshrink(e: Emitter, op: Hardshrink, node: Node, xs: list[str], ws: list[str]) -> str:
    dtype = _dtype(node)
    small = e.op("LessOrEqual", [e.op("Abs", xs), e.scalar(op.lambd, dtype)])
    return e.op("Where", [small, e.scalar(0.0, dtype), xs[0]])


@lowers(Threshold)
def threshold(e: Emitter, op: Threshold, node: Node, xs: list[str], ws: list[str]) -> str:
    dtype = _dtype(node)
    below = e.op("LessOrEqual", [xs[0], e.scalar(op.threshold, dtype)])
    return e.op("Where", [below, e.scalar(op.value, dtype), xs[0]])


def _softmax(e: Emitter, op_type: str, op: Softmax | LogSoftmax | Softmin, node: Node, x: str) -> str:
    e.require_opset(13, type(op).__name__)  # older versions flatten the input to two axes first
    return e.op(op_type, [x], axis=op.axis(node.inputs[0].type.rank))


@lowers(Softmax)
def softmax(e: Emitter, op: Softmax, node: Node, xs: list[str], ws: list[str]) -> str:
    return _softmax(e, "Softmax", op, node, xs[0])


@lowers(LogSoftmax)
def log_softmax(e: Emitter, op: LogSoftmax, node: Node, xs: list[str], ws: list[str]) -> str:
    return _softmax(e, "LogSoftmax", op, node, xs[0])


@lowers(Softmin)
def softmin(e: Emitter, op: Softmin, node: Node, xs: list[str], ws: list[str]) -> str:
    return _softmax(e, "Softmax", op, node, e.op("Neg", xs))


@lowers(GLU)
def glu(e: Emitter, op: GLU, node: Node, xs: list[str], ws: list[str]) -> str:
    half = node.outputs[0].type.shape[op.dim]
    values, gates = e.op("Split", [xs[0], e.shape((half, half))], 2, axis=op.dim)
    return e.op("Mul", [values, e.op("Sigmoid", [gates])])
