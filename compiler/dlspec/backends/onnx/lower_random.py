"""Tensors that are made: random draws and regular ones."""

from __future__ import annotations

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.backends.onnx.wire import ELEMENT, Attribute
from dlspec.ir.computed import smax
from dlspec.ir.dims import Dim, Expr
from dlspec.ir.node import Node
from dlspec.ir.types import DType
from dlspec.ops import random as ops
from dlspec.passes.retype import numpy_dtype


def _filled(e: Emitter, shape: tuple[Dim, ...], value: float, dtype: DType) -> str:
    import numpy as np

    return e.op("ConstantOfShape", [e.shape(shape)], value=np.asarray([value], numpy_dtype(dtype)))


def _drawn(e: Emitter, kind: str, shape: tuple[Dim, ...], dtype: DType, parameters: dict[str, float]) -> str:
    """Half precision is drawn as float32. A size that the model computes needs a tensor to take its shape from."""
    wide = dtype if dtype is DType.FLOAT64 else DType.FLOAT32
    sizes = [size for size in shape if not isinstance(size, Expr)]
    attributes: dict[str, Attribute] = {"dtype": ELEMENT[wide], **parameters}
    if len(sizes) == len(shape) > 0:
        drawn = e.op(f"Random{kind}", [], 1, shape=sizes, **attributes)
    else:
        drawn = e.op(f"Random{kind}Like", [_filled(e, shape, 0, wide)], 1, **attributes)
    return drawn if wide is dtype else e.cast(drawn, dtype)


@lowers(ops.Normal)
def normal(e: Emitter, op: ops.Normal, node: Node, xs: list[str], ws: list[str]) -> str:
    return _drawn(e, "Normal", op.shape, op.dtype, {"mean": op.mean, "scale": op.std})


@lowers(ops.Uniform)
def uniform(e: Emitter, op: ops.Uniform, node: Node, xs: list[str], ws: list[str]) -> str:
    return _drawn(e, "Uniform", op.shape, op.dtype, {"low": op.low, "high": op.high})


@lowers(ops.Bernoulli)
def bernoulli(e: Emitter, op: ops.Bernoulli, node: Node, xs: list[str], ws: list[str]) -> str:
    dtype = node.inputs[0].type.dtype
    wide = dtype if dtype is DType.FLOAT64 else DType.FLOAT32
    p = xs[0] if wide is dtype else e.cast(xs[0], wide)
    return e.cast(e.op("Less", [e.op("RandomUniformLike", [p], low=0.0, high=1.0), p]), dtype)


@lowers(ops.Full)
def full(e: Emitter, op: ops.Full, node: Node, xs: list[str], ws: list[str]) -> str:
    return _filled(e, op.shape, op.value, op.dtype)


@lowers(ops.Zeros)
def zeros(e: Emitter, op: ops.Zeros, node: Node, xs: list[str], ws: list[str]) -> str:
    return _filled(e, op.shape, 0, op.dtype)


@lowers(ops.Ones)
def ones(e: Emitter, op: ops.Ones, node: Node, xs: list[str], ws: list[str]) -> str:
    return _filled(e, op.shape, 1, op.dtype)


@lowers(ops.Multinomial)
def multinomial(e: Emitter, op: ops.Multinomial, node: Node, xs: list[str], ws: list[str]) -> str:
    """The positions of the greatest sums of a logarithm and Gumbel noise: of one sum for each draw, or of all at once."""
    x = xs[0]
    if op.replacement:
        rows = node.inputs[0].type.shape
        shape = e.shape([*rows[:-1], op.num_samples, rows[-1]])
        x = e.op("Expand", [e.op("Unsqueeze", [x, e.constant([-2])]), shape])
    drawn = e.op("RandomUniformLike", [x], low=0.0, high=1.0)
    gumbel = e.op("Neg", [e.op("Log", [e.op("Neg", [e.op("Log", [drawn])])])])
    scores = e.op("Add", [e.op("Log", [x]), gumbel])
    if op.replacement:
        return e.op("ArgMax", [scores], axis=-1, keepdims=0)
    return e.op("TopK", [scores, e.constant([op.num_samples])], 2, axis=-1)[1]


def _counting(e: Emitter, end: Dim, dtype: DType) -> str:
    numbers = e.op("Range", [e.constant(0), e.dim(end), e.constant(1)])
    return numbers if dtype is DType.INT64 else e.cast(numbers, dtype)


@lowers(ops.Arange)
def arange(e: Emitter, op: ops.Arange, node: Node, xs: list[str], ws: list[str]) -> str:
    numbers = (op.start, op.end, op.step)
    kind = DType.FLOAT64 if any(isinstance(number, float) for number in numbers) else DType.INT64
    made = e.op("Range", [e.cast(e.dim(n), kind) if isinstance(n, Expr) else e.scalar(n, kind) for n in numbers])
    return made if kind is op.element else e.cast(made, op.element)


@lowers(ops.Linspace)
def linspace(e: Emitter, op: ops.Linspace, node: Node, xs: list[str], ws: list[str]) -> str:
    wide = op.dtype if op.dtype is DType.FLOAT64 else DType.FLOAT32
    gaps = e.cast(e.dim(smax(op.steps - 1, 1)), wide)
    step = e.op("Div", [e.scalar(op.end - op.start, wide), gaps])
    result = e.op("Add", [e.op("Mul", [_counting(e, op.steps, wide), step]), e.scalar(op.start, wide)])
    return result if wide is op.dtype else e.cast(result, op.dtype)


@lowers(ops.Eye)
def eye(e: Emitter, op: ops.Eye, node: Node, xs: list[str], ws: list[str]) -> str:
    square = _filled(e, (op.n, op.n if op.m is None else op.m), 0, DType.FLOAT32)
    ones = e.op("EyeLike", [square], dtype=ELEMENT[DType.FLOAT32])
    return ones if op.dtype is DType.FLOAT32 else e.cast(ones, op.dtype)
