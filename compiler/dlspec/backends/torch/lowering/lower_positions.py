"""Elements at positions that tensors hold, as expressions."""

from __future__ import annotations

from typing import Any

from dlspec.backends.torch.lowering.registry import Lower, Size, lowers
from dlspec.backends.torch.python.expressions import Const, Py, Subscript, method
from dlspec.backends.torch.python.symbols import Arg
from dlspec.ir.types import DType
from dlspec.ops import positions as ops


@lowers(ops.IndexSelect)
def index_select(e: Lower, op: ops.IndexSelect, xs: list[Py]) -> Py:
    return method(xs[0], "index_select", Arg(op.dim, "dim"), xs[1])


@lowers(ops.Gather)
def gather(e: Lower, op: ops.Gather, xs: list[Py]) -> Py:
    return method(xs[0], "gather", Arg(op.dim, "dim"), xs[1])


@lowers(ops.Narrow)
def narrow(e: Lower, op: ops.Narrow, xs: list[Py]) -> Py:
    start = xs[1] if not e.node.inputs[1].type.rank else Subscript(xs[1], (Const(0),))
    return method(xs[0], "narrow", Arg(op.dim, "dim"), start, e.size(op.length, "length"))


_SCATTERS = {ops.Scatter: "scatter", ops.ScatterAdd: "scatter_add"}


@lowers(*_SCATTERS)
def scatter(e: Lower, op: Any, xs: list[Py]) -> Py:
    x, index, src = xs
    number = isinstance(src, Const | Size) and not isinstance(op, ops.ScatterAdd)
    if not e.node.inputs[2].type.rank and not number:
        src = method(src, "expand_as", index)
    return method(x, _SCATTERS[type(op)], Arg(op.dim, "dim"), index, src)


@lowers(ops.ScatterReduce)
def scatter_reduce(e: Lower, op: ops.ScatterReduce, xs: list[Py]) -> Py:
    x, index, src = xs
    keep = (Arg(op.include_self, "include_self"), True)
    return method(x, "scatter_reduce", Arg(op.dim, "dim"), index, src, Arg(op.reduce, "reduce"), include_self=keep)


@lowers(ops.MaskedFill)
def masked_fill(e: Lower, op: ops.MaskedFill, xs: list[Py]) -> Py:
    dtype = e.node.inputs[0].type.dtype
    value = Const(bool(op.value) if dtype is DType.BOOL else int(op.value)) if not dtype.is_float else None
    return method(xs[0], "masked_fill", xs[1], value or Arg(op.value, "value"))
