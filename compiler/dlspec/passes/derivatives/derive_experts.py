"""Experts: the gradients of those that were chosen."""

from __future__ import annotations

from dlspec.ir.dims import product
from dlspec.ir.op import Needs
from dlspec.ops.experts import RoutedLinear
from dlspec.passes.derivatives.registry import Cotangents, derives
from dlspec.passes.derivatives.step import Step, reshaped


@derives(RoutedLinear)
def routed_linear(s: Step, op: RoutedLinear) -> Cotangents:
    x, weight, index = s.xs
    rows = op.rows(Needs(), x.type, index.type)
    experts, out, features = weight.type.shape
    back = s.g.call("routed_linear", weight.call("transpose", dim0=1, dim1=2), index)
    count = product(rows)
    flat = reshaped(x.call("expand", shape=(*rows, features)), [count, features])
    own = reshaped(index.call("expand", shape=rows), [count])
    numbers = s.algebra.call("arange", end=experts, dtype=index.type.dtype.label)
    marks = own.call("unsqueeze", dim=1).call("eq", numbers).call("cast", dtype=x.type.dtype.label)
    products = marks.call("einsum", reshaped(s.g, [count, out]), flat, equation="re,ro,ri->eoi")
    return back, products, None
