"""What needs no node of its own, or none that works on tensors: declared weights, sizes used as numbers, Identity."""

from __future__ import annotations

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.node import Node
from dlspec.ir.types import DType
from dlspec.ops.constant import Param, Size, Tied
from dlspec.ops.dropout import Identity
from dlspec.ops.gradient import Detach


@lowers(Param, Tied)
def param(e: Emitter, op: Param | Tied, node: Node, xs: list[str], ws: list[str]) -> str:
    return ws[0]


@lowers(Size)
def size(e: Emitter, op: Size, node: Node, xs: list[str], ws: list[str]) -> str:
    number = e.dim(op.value)
    return number if op.dtype is DType.INT64 else e.cast(number, op.dtype)


@lowers(Identity, Detach)
def identity(e: Emitter, op: Identity | Detach, node: Node, xs: list[str], ws: list[str]) -> str:
    return xs[0]
