"""Reductions.

ONNX Runtime adds up one element after another, in float32: a sum of squares of a million is off by 4e-4. What is added over
many elements, or over open sizes, is added in float64, so its error is that of its elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.lower_slicing import cut
from dlspec.backends.onnx.registry import lowers
from dlspec.backends.onnx.wire import OnnxGraph, OnnxNode
from dlspec.ir.dims import product
from dlspec.ir.node import Node
from dlspec.ir.types import DType, TensorType
from dlspec.ops import reduce as ops
from dlspec.ops.rules import many_axes

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


_ADDED = (ops.Mean, ops.Sum, ops.LogSumExp)
_MANY = 1 << 12


def added_in(type_: TensorType, axes: Sequence[int]) -> DType:
    """The element type in which floating-point numbers are added over axes."""
    count = product(type_.shape[axis] for axis in axes)
    return type_.dtype if isinstance(count, int) and count <= _MANY else DType.FLOAT64


def as_type(e: Emitter, x: str, have: DType, want: DType) -> str:
    return x if have is want else e.cast(x, want)


@lowers(*_NODES)
def reduction(e: Emitter, op: ops.Reduction, node: Node, xs: list[str], ws: list[str]) -> str:
    type_, out = node.inputs[0].type, node.outputs[0].type.dtype
    axes = ops.reduced_axes(op.dim, type_, type(op).__name__)
    if out is DType.BOOL:
        return e.cast(_reduce(e, _NODES[type(op)], e.cast(xs[0], "int32"), axes, op.keepdim), "bool")
    if out is DType.INT64 and axes and isinstance(op, ops.Prod):
        return _product(e, as_type(e, xs[0], type_.dtype, out), type_, axes, op.keepdim)
    if type_.dtype is DType.INT64 and isinstance(op, ops.Sum):
        return _sum(e, xs[0], axes, op.keepdim)
    wide = added_in(type_, axes) if out.is_float and isinstance(op, _ADDED) else out
    result = _reduce(e, _NODES[type(op)], as_type(e, xs[0], type_.dtype, wide), axes, op.keepdim)
    return as_type(e, result, wide, out)


_HALF = 1 << 32


def _sum(e: Emitter, x: str, axes: Sequence[int], keepdim: bool) -> str:
    """The sum of int64, in two halves: ONNX Runtime adds in float64, which rounds from 2**53 on."""
    half = e.constant(_HALF)
    high = e.op("Div", [x, half])
    low = e.op("Sub", [x, e.op("Mul", [high, half])])
    sums = [_reduce(e, "ReduceSum", part, axes, keepdim) for part in (high, low)]
    return e.op("Add", [e.op("Mul", [sums[0], half]), sums[1]])


def _product(e: Emitter, x: str, type_: TensorType, axes: Sequence[int], keepdim: bool) -> str:
    """The product of int64, turn by turn: ONNX Runtime multiplies in float64, which rounds from 2**53 on, and stops at the
    greatest number where int64 begins anew."""
    kept = [axis for axis in range(type_.rank) if axis not in axes]
    if list(axes) != list(range(len(axes))):
        x = e.op("Transpose", [x], perm=[*axes, *kept])
    rest = tuple(type_.shape[axis] for axis in kept)
    if len(axes) > 1:
        x = e.op("Reshape", [x, e.shape([product(type_.shape[axis] for axis in axes), *rest])])
    result, _ = _multiplied(e, x, TensorType(DType.INT64, rest), 0)
    return e.op("Unsqueeze", [result, e.constant(list(axes))]) if keepdim else result


def _multiplied(e: Emitter, x: str, slice_: TensorType, axis: int) -> tuple[str, str]:
    """The product of all slices along an axis, and at each place that of those up to it."""
    before, own, after, shown = (e.unique(f"product/{name}") for name in ("before", "own", "after", "shown"))
    nodes = [
        OnnxNode("Mul", after, [before, own], [after], {}),
        OnnxNode("Identity", shown, [after], [shown], {}),
    ]
    body = OnnxGraph("product", nodes, [(before, slice_), (own, slice_)], [(after, slice_), (shown, slice_)])
    one = e.scalar(1, slice_.dtype)
    start = e.op("Expand", [one, e.shape(slice_.shape)]) if slice_.shape else one
    last, each = e.op(
        "Scan", [start, x], 2, body=body, num_scan_inputs=1, scan_input_axes=[axis], scan_output_axes=[axis]
    )
    return last, each


@lowers(ops.Var, ops.Std)
def spread(e: Emitter, op: ops.Spread, node: Node, xs: list[str], ws: list[str]) -> str:
    type_ = node.inputs[0].type
    axes = ops.reduced_axes(op.dim, type_, type(op).__name__)
    wide = added_in(type_, axes)
    x = as_type(e, xs[0], type_.dtype, wide)
    distance = e.op("Sub", [x, _reduce(e, "ReduceMean", x, axes, keepdim=True)])
    if op.correction == 0:
        result = _reduce(e, "ReduceMean", e.op("Mul", [distance, distance]), axes, op.keepdim)
    else:
        squares = _reduce(e, "ReduceSumSquare", distance, axes, op.keepdim)
        count = product(type_.shape[axis] for axis in axes) - op.correction
        divisor = e.scalar(count, wide) if isinstance(count, int) else e.cast(e.dim(count), wide)
        result = e.op("Div", [squares, divisor])
    return as_type(e, e.op("Sqrt", [result]) if isinstance(op, ops.Std) else result, wide, type_.dtype)


@lowers(ops.Norm)
def norm(e: Emitter, op: ops.Norm, node: Node, xs: list[str], ws: list[str]) -> str:
    type_ = node.inputs[0].type
    axes = ops.reduced_axes(op.dim, type_, "`norm`")
    return vector_norm(e, xs[0], type_, op.p, axes, op.keepdim)


def vector_norm(e: Emitter, x: str, type_: TensorType, p: float, axes: Sequence[int], keepdim: bool = False) -> str:
    """The p-norm of a tensor of this type over axes."""
    wide = added_in(type_, () if abs(p) == inf else axes)
    x = as_type(e, x, type_.dtype, wide)
    match p:
        case 1.0:
            result = _reduce(e, "ReduceSum", e.op("Abs", [x]), axes, keepdim)
        case 2.0:
            result = e.op("Sqrt", [_reduce(e, "ReduceSumSquare", x, axes, keepdim)])
        case 0.0:
            zeros = e.op("Equal", [x, e.scalar(0, wide)])
            result = _reduce(e, "ReduceSum", e.cast(e.op("Not", [zeros]), wide), axes, keepdim)
        case p if abs(p) == inf:
            result = _reduce(e, "ReduceMax" if p > 0 else "ReduceMin", e.op("Abs", [x]), axes, keepdim)
        case p:
            powers = e.op("Pow", [e.op("Abs", [x]), e.scalar(p, wide)])
            result = e.op("Pow", [_reduce(e, "ReduceSum", powers, axes, keepdim), e.scalar(1 / p, wide)])
    return as_type(e, result, wide, type_.dtype)


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


@lowers(ops.CumProd)
def cumprod(e: Emitter, op: ops.CumProd, node: Node, xs: list[str], ws: list[str]) -> str:
    """Products of 2, 4, 8 ... neighbours on an axis of known size, else turn by turn."""
    type_, out = node.inputs[0].type, node.outputs[0].type.dtype
    x = as_type(e, xs[0], type_.dtype, out)
    axis, one = op.dim % type_.rank, e.scalar(1, out)
    size = type_.shape[axis]
    if isinstance(size, int):
        step = 1
        while step < size:
            shape = e.shape([*type_.shape[:axis], step, *type_.shape[axis + 1 :]])
            moved = e.op("Concat", [e.op("Expand", [one, shape]), cut(e, x, [(axis, None, -step, 1)])], axis=axis)
            x, step = e.op("Mul", [x, moved]), 2 * step
        return x
    slice_ = TensorType(out, (*type_.shape[:axis], *type_.shape[axis + 1 :]))
    return _multiplied(e, x, slice_, axis)[1]


@lowers(ops.Normalize)
def normalize(e: Emitter, op: ops.Normalize, node: Node, xs: list[str], ws: list[str]) -> str:
    type_ = node.inputs[0].type
    length = vector_norm(e, xs[0], type_, op.p, many_axes(op.dim, type_.rank, "`normalize`"), keepdim=True)
    return e.op("Div", [xs[0], e.op("Max", [length, e.scalar(op.eps, type_.dtype)])])
