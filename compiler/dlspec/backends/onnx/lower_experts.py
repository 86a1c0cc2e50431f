"""Experts: each computes the rows that chose it."""

from __future__ import annotations

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.dims import product
from dlspec.ir.graph import Node
from dlspec.ir.op import Needs
from dlspec.ops.experts import RoutedLinear


@lowers(RoutedLinear)
def routed_linear(e: Emitter, op: RoutedLinear, node: Node, xs: list[str], ws: list[str]) -> str:
    x, weight, index = (value.type for value in node.inputs)
    out = node.outputs[0].type
    experts = weight.shape[0]
    if not isinstance(experts, int):
        raise e.unsupported("`routed_linear` of an open number of experts", "give the weight a number of experts")
    rows, count = op.rows(Needs(), x, index), product(out.shape[:-1])
    given, chosen = xs[0], xs[2]
    if x.shape[:-1] != rows:
        given = e.op("Expand", [given, e.shape([*rows, x.shape[-1]])])
    if index.shape != rows:
        chosen = e.op("Expand", [chosen, e.shape(rows)])
    given = e.op("Reshape", [given, e.shape([-1, x.shape[-1]])])
    chosen = e.op("Reshape", [chosen, e.constant([-1])])
    maps = e.op("Transpose", [xs[1]], perm=[0, 2, 1])
    made = e.op("Expand", [e.scalar(0, out.dtype), e.shape([count, out.shape[-1]])])
    for expert in range(experts):
        own = e.op("Equal", [chosen, e.constant(expert, index.dtype)])
        places = e.op("Transpose", [e.op("NonZero", [own])], perm=[1, 0])
        mine = e.op("GatherND", [given, places])
        made = e.op("ScatterND", [made, places, e.op("MatMul", [mine, e.op("Gather", [maps, e.constant(expert)])])])
    return e.op("Reshape", [made, e.shape(out.shape)])
