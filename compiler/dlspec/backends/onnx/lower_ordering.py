"""Elements in order along an axis."""

from __future__ import annotations

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.dims import Dim
from dlspec.ir.node import Node
from dlspec.ir.types import DType
from dlspec.ops import ordering as ops


def _ordered(e: Emitter, op: ops.Ordered, node: Node, x: str, k: Dim, largest: bool) -> tuple[str, str]:
    """TopK, whose positions are ascending where elements are equal: ONNX Runtime has it in float32 for float16."""
    type_ = node.inputs[0].type
    half = type_.dtype is DType.FLOAT16
    given = e.cast(x, "float32") if half else x
    values, places = e.op("TopK", [given, e.dim1(k)], 2, axis=op.axis(type_), largest=int(largest), sorted=1)
    return (e.cast(values, "float16") if half else values), places


@lowers(ops.TopK)
def topk(e: Emitter, op: ops.TopK, node: Node, xs: list[str], ws: list[str]) -> tuple[str, ...]:
    return _ordered(e, op, node, xs[0], op.k, op.largest)


@lowers(ops.Sort)
def sort(e: Emitter, op: ops.Sort, node: Node, xs: list[str], ws: list[str]) -> tuple[str, ...]:
    type_ = node.inputs[0].type
    return _ordered(e, op, node, xs[0], type_.shape[op.axis(type_)], op.descending)


@lowers(ops.ArgSort)
def argsort(e: Emitter, op: ops.ArgSort, node: Node, xs: list[str], ws: list[str]) -> str:
    type_ = node.inputs[0].type
    return _ordered(e, op, node, xs[0], type_.shape[op.axis(type_)], op.descending)[1]


def _found(e: Emitter, sequence: str, x: str, right: bool) -> str:
    """How many elements of the sequences, which end with their own axis, come before each of the others."""
    before = e.op("LessOrEqual" if right else "Less", [sequence, e.op("Unsqueeze", [x, e.constant([-1])])])
    return e.op("ReduceSum", [e.cast(before, "int64"), e.constant([-1])], keepdims=0)


@lowers(ops.SearchSorted)
def searchsorted(e: Emitter, op: ops.SearchSorted, node: Node, xs: list[str], ws: list[str]) -> str:
    sequence, x = xs
    if node.inputs[0].type.rank > 1:
        sequence = e.op("Unsqueeze", [sequence, e.constant([-2])])
    return _found(e, sequence, x, op.right)


@lowers(ops.Bucketize)
def bucketize(e: Emitter, op: ops.Bucketize, node: Node, xs: list[str], ws: list[str]) -> str:
    return _found(e, xs[1], xs[0], op.right)
