"""Reductions."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.dims import product
from dlspec.ir.graph import Node
from dlspec.ir.types import DType, TensorType
from dlspec.ops import reduce as ops

_NODES: dict[type[ops.Reduction], str] = {
    ops.Mean: "ReduceMean",
    ops.Sum: "ReduceSum",
    ops.Prod: "ReduceProd",
    ops.AMax: "ReduceMax",
    ops.AMin: "ReduceMin",
    ops.LogSumExp: "ReduceLogSumExp",
    ops.All: "ReduceMin",
    ops.Any: "ReduceMax",
}


def _reduce(e: Emitter, op_type: str, x: str, axes: Sequence[int], keepdim: bool) -> str:
    """Axes are an input since opset 18, in ReduceSum since 13, and an attribute before. None of a 0-d tensor."""
    if not axes:
        return e.op(op_type, [x], keepdims=int(keepdim))
    if e.opset >= 18 or op_type == "ReduceSum":
        return e.op(op_type, [x, e.constant(list(axes))], keepdims=int(keepdim))
    return e.op(op_type, [x], axes=list(axes), keepdims=int(keepdim))


@lowers(*_NODES)
def reduction(e: Emitter, op: ops.Reduction, node: Node, xs: list[str], ws: list[str]) -> str:
    type_, out = node.inputs[0].type, node.outputs[0].type.dtype
    axes = ops.reduced_axes(op.dim, type_, type(op).__name__)
    if out is DType.BOOL:
        return e.cast(_reduce(e, _NODES[type(op)], e.cast(xs[0], "int32"), axes, op.keepdim), "bool")
    x = xs[0] if type_.dtype is out else e.cast(xs[0], out)
    return _reduce(e, _NODES[type(op)], x, axes, op.keepdim)


@lowers(ops.Var, ops.Std)
def spread(e: Emitter, op: ops.Spread, node: Node, xs: list[str], ws: list[str]) -> str:
    type_ = node.inputs[0].type
    axes = ops.reduced_axes(op.dim, type_, type(op).__name__)
    x, dtype = xs[0], type_.dtype
    distance = e.op("Sub", [x, _reduce(e, "ReduceMean", x, axes, keepdim=True)])
    if op.correction == 0:
        result = _reduce(e, "ReduceMean", e.op("Mul", [distance, distance]), axes, op.keepdim)
    else:
        squares = _reduce(e, "ReduceSumSquare", distance, axes, op.keepdim)
        count = product(type_.shape[axis] for axis in axes) - op.correction
        divisor = e.scalar(count, dtype) if isinstance(count, int) else e.cast(e.dim(count), dtype)
        result = e.op("Div", [squares, divisor])
    return e.op("Sqrt", [result]) if isinstance(op, ops.Std) else result


@lowers(ops.Norm)
def norm(e: Emitter, op: ops.Norm, node: Node, xs: list[str], ws: list[str]) -> str:
    type_ = node.inputs[0].type
    axes = ops.reduced_axes(op.dim, type_, "`norm`")
    return vector_norm(e, xs[0], type_, op.p, axes, op.keepdim)


def vector_norm(e: Emitter, x: str, type_: TensorType, p: float, axes: Sequence[int], keepdim: bool = False) -> str:
    """The p-norm of a tensor of this type over axes."""
    dtype = type_.dtype
    match p:
        case 1.0:
            result = _reduce(e, "ReduceL1", x, axes, keepdim)
        case 2.0:
            result = _reduce(e, "ReduceL2", x, axes, keepdim)
        case 0.0:
            zeros = e.op("Equal", [x, e.scalar(0, dtype)])
            result = _reduce(e, "ReduceSum", e.cast(e.op("Not", [zeros]), dtype), axes, keepdim)
        case p if abs(p) == inf:
            result = _reduce(e, "ReduceMax" if p > 0 else "ReduceMin", e.op("Abs", [x]), axes, keepdim)
        case p:
            powers = e.op("Pow", [e.op("Abs", [x]), e.scalar(p, dtype)])
            result = e.op("Pow", [_reduce(e, "ReduceSum", powers, axes, keepdim), e.scalar(1 / p, dtype)])
    return result


@lowers(ops.ArgMax, ops.ArgMin)
def extreme(e: Emitter, op: ops.Extreme, node: Node, xs: list[str], ws: list[str]) -> str:
    rank = node.inputs[0].type.rank
    kind = "ArgMax" if isinstance(op, ops.ArgMax) else "ArgMin"
    if op.dim is not None and rank:
        return e.op(kind, xs, axis=op.dim % rank, keepdims=int(op.keepdim))
    position = e.op(kind, [e.op("Reshape", [xs[0], e.constant([-1])])], axis=0, keepdims=0)
    return e.op("Reshape", [position, e.constant([1] * rank, "int64")]) if op.keepdim and rank else position


@lowers(ops.CumSum)
def cumsum(e: Emitter, op: ops.CumSum, node: Node, xs: list[str], ws: list[str]) -> str:
    type_, out = node.inputs[0].type, node.outputs[0].type.dtype
    x = xs[0] if type_.dtype is out else e.cast(xs[0], out)
    return e.op("CumSum", [x, e.constant(op.dim % type_.rank)])
