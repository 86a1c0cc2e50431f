"""Products of matrices and tensors."""

from __future__ import annotations

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.graph import Node
from dlspec.ops.matrix import Einsum


@lowers(Einsum)
def einsum(e: Emitter, op: Einsum, node: Node, xs: list[str], ws: list[str]) -> str:
    terms, output = op.labels(tuple(value.type for value in node.inputs))
    return e.op("Einsum", xs, equation=f"{','.join(terms)}->{output}")
