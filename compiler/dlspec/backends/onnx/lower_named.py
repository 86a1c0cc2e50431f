"""Operators that are one of ONNX."""

from __future__ import annotations

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.node import Node
from dlspec.ir.op import Op
from dlspec.ops import OPERATORS


@lowers(*(operator for operator in OPERATORS if operator.onnx))
def named(e: Emitter, op: Op, node: Node, xs: list[str], ws: list[str]) -> str:
    assert op.onnx
    return e.op(op.onnx, xs)
