"""Products of matrices and tensors, and triangles of matrices."""

from __future__ import annotations

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.node import Node
from dlspec.ops.matrix import Einsum, Tril, Triu


@lowers(Einsum)
def einsum(e: Emitter, op: Einsum, node: Node, xs: list[str], ws: list[str]) -> str:
    terms, output = op.labels(tuple(value.type for value in node.inputs))
    return e.op("Einsum", xs, equation=f"{','.join(terms)}->{output}")


@lowers(Tril, Triu)
def triangle(e: Emitter, op: Tril | Triu, node: Node, xs: list[str], ws: list[str]) -> str:
    e.require_opset(14, f"`{op.function}`")
    return e.op("Trilu", [xs[0], e.constant(op.diagonal)], upper=int(isinstance(op, Triu)))
