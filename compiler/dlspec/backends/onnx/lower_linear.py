"""Affine maps, and rows of a table."""

from __future__ import annotations

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.node import Node
from dlspec.ops.embedding import Embedding
from dlspec.ops.linear import Bilinear, Linear, LinearFunction


@lowers(Linear)
def linear(e: Emitter, op: Linear, node: Node, xs: list[str], ws: list[str]) -> str:
    return _affine(e, node, xs[0], ws)


@lowers(LinearFunction)
def linear_function(e: Emitter, op: LinearFunction, node: Node, xs: list[str], ws: list[str]) -> str:
    return _affine(e, node, xs[0], xs[1:])


def _affine(e: Emitter, node: Node, x: str, weights: list[str]) -> str:
    if node.inputs[0].type.rank == 2:
        return e.op("Gemm", [x, *weights], transB=1)
    y = e.op("MatMul", [x, e.op("Transpose", weights[:1], perm=[1, 0])])
    return e.op("Add", [y, weights[1]]) if len(weights) > 1 else y


@lowers(Bilinear)
def bilinear(e: Emitter, op: Bilinear, node: Node, xs: list[str], ws: list[str]) -> str:
    # [..., 1, 1, A] times W [out, A, B] gives [..., out, 1, B]; that times [..., 1, B, 1] gives [..., out, 1, 1].
    rows = e.op("Unsqueeze", [xs[0], e.constant([-3, -2])])
    columns = e.op("Unsqueeze", [xs[1], e.constant([-3, -1])])
    y = e.op("MatMul", [e.op("MatMul", [rows, ws[0]]), columns])
    y = e.op("Squeeze", [y, e.constant([-2, -1])])
    return e.op("Add", [y, ws[1]]) if op.bias else y


@lowers(Embedding)
def embedding(e: Emitter, op: Embedding, node: Node, xs: list[str], ws: list[str]) -> str:
    return e.op("Gather", [ws[0], xs[0]], axis=0)
