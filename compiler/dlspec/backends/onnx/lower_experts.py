"""Experts: each computes the rows that chose it, which lie together for that: one node for each of them."""

from __future__ import annotations

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.dims import product
from dlspec.ir.node import Node
from dlspec.ir.op import Needs
from dlspec.ir.types import DType
from dlspec.ops.experts import RoutedLinear


@lowers(RoutedLinear)
def routed_linear(e: Emitter, op: RoutedLinear, node: Node, xs: list[str], ws: list[str]) -> str:
    x, weight, index = (value.type for value in node.inputs)
    out = node.outputs[0].type
    experts = weight.shape[0]
    if not isinstance(experts, int):
        raise e.unsupported("`routed_linear` of an open number of experts", "give the weight a number of experts")
    rows, count = op.rows(Needs(), x, index), product(out.shape[:-1])
    given = xs[0] if x.shape[:-1] == rows else e.op("Expand", [xs[0], e.shape([*rows, x.shape[-1]])])
    given = e.op("Reshape", [given, e.shape([-1, x.shape[-1]])])
    maps = e.op("Transpose", [xs[1]], perm=[0, 2, 1])
    if experts == 1:
        return e.op("Reshape", [e.op("MatMul", [given, maps]), e.shape(out.shape)])
    chosen = xs[2] if index.dtype is DType.INT64 else e.cast(xs[2], DType.INT64)
    chosen = chosen if index.shape == rows else e.op("Expand", [chosen, e.shape(rows)])
    chosen = e.op("Reshape", [chosen, e.constant([-1])])
    order = e.op("TopK", [chosen, e.dim1(count)], 2, axis=0, largest=0)[1]
    own = e.op("Equal", [e.op("Unsqueeze", [chosen, e.constant([-1])]), e.constant(list(range(experts)))])
    counts = e.op("ReduceSum", [e.cast(own, DType.INT64), e.constant([0])], keepdims=0)
    parts = e.op("Split", [e.op("Gather", [given, order]), counts], experts, axis=0)
    each = e.op("Split", [maps, e.constant([1] * experts)], experts, axis=0)
    made = e.op("Concat", [e.op("MatMul", [part, map]) for part, map in zip(parts, each, strict=True)], axis=1)
    back = e.op("TopK", [order, e.dim1(count)], 2, axis=0, largest=0)[1]
    return e.op("Reshape", [e.op("Gather", [made, back], axis=1), e.shape(out.shape)])
