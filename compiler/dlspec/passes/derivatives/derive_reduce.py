"""Reductions."""

from __future__ import annotations

from math import inf

from dlspec.ops import reduce as ops
from dlspec.ops.algebra import Term
from dlspec.ops.rules import many_axes
from dlspec.passes.derivatives.registry import Cotangents, derives, expands
from dlspec.passes.derivatives.step import NoDerivative, Step, compared, count, divided, filled, where


def restored(x: Term, axes: tuple[int, ...], keepdim: bool) -> Term:
    """What a reduction gave, with the axes that are gone as axes of size 1."""
    if not keepdim:
        for axis in axes:
            x = x.call("unsqueeze", dim=axis)
    return x


def _axes(s: Step, op: ops.Reduction | ops.Spread | ops.Norm) -> tuple[int, ...]:
    return ops.reduced_axes(op.dim, s.x.type, type(op).__name__)


@derives(ops.Sum)
def total(s: Step, op: ops.Sum) -> Cotangents:
    return (restored(s.g, _axes(s, op), op.keepdim),)


@derives(ops.Mean)
def mean(s: Step, op: ops.Mean) -> Cotangents:
    axes = _axes(s, op)
    return (restored(divided(s.g, count(s.x, axes)), axes, op.keepdim),)


@derives(ops.LogSumExp)
def log_sum_exp(s: Step, op: ops.LogSumExp) -> Cotangents:
    g, y = (restored(part, _axes(s, op), op.keepdim) for part in (s.g, s.y))
    return (g * (s.x - y).call("exp"),)


@derives(ops.AMax, ops.AMin)
def extreme(s: Step, op: ops.AMax | ops.AMin) -> Cotangents:
    return (_shared(s, s.x, _axes(s, op), op.keepdim),)


def _shared(s: Step, x: Term, axes: tuple[int, ...], keepdim: bool) -> Term:
    """What the elements get that are the extreme one: equal ones share."""
    g, y = (restored(part, axes, keepdim) for part in (s.g, s.y))
    found = compared("eq", x, y).call("cast", dtype=x.type.dtype.label)
    return g * found / (found.call("sum", dim=axes, keepdim=True) if axes else found)


@derives(ops.Var)
def variance(s: Step, op: ops.Var) -> Cotangents:
    axes = _axes(s, op)
    return (restored(s.g, axes, op.keepdim) * divided(_centred(s.x, axes) * 2, count(s.x, axes) - op.correction),)


@derives(ops.Std)
def deviation(s: Step, op: ops.Std) -> Cotangents:
    axes = _axes(s, op)
    scale = restored(_safe_quotient(s.g, s.y), axes, op.keepdim)
    return (scale * divided(_centred(s.x, axes), count(s.x, axes) - op.correction),)


def _centred(x: Term, axes: tuple[int, ...]) -> Term:
    return x - x.call("mean", dim=axes, keepdim=True) if axes else x - x


def _safe_quotient(x: Term, y: Term) -> Term:
    """0 where the divisor is, as torch has the slope of a length at 0. What is not chosen is finite there, so that the
    quotient can be differentiated again."""
    at_zero = compared("eq", y, 0)
    return where(at_zero, x * 0, x / where(at_zero, y + 1, y))


@derives(ops.Norm)
def norm(s: Step, op: ops.Norm) -> Cotangents:
    axes = _axes(s, op)
    if op.p == 0:
        return (None,)
    if abs(op.p) == inf:
        return (_shared(s, s.x.call("abs"), axes, op.keepdim) * s.x.call("sign"),)
    if op.p == 1:
        return (restored(s.g, axes, op.keepdim) * s.x.call("sign"),)
    if op.p == 2:
        return (restored(_safe_quotient(s.g, s.y), axes, op.keepdim) * s.x,)
    scale = restored(_safe_quotient(s.g, s.y ** (op.p - 1)), axes, op.keepdim)
    return (scale * s.x.call("sign") * s.x.call("abs") ** (op.p - 1),)


@derives(ops.CumSum)
def running_sum(s: Step, op: ops.CumSum) -> Cotangents:
    return (s.g.call("flip", dims=op.dim).call("cumsum", dim=op.dim).call("flip", dims=op.dim),)


@expands(ops.CumProd)
def running_product(s: Step, op: ops.CumProd) -> Term:
    """Products of 2, 4, 8 ... neighbours: no quotient, which would have no value at 0."""
    x = s.x
    axis = op.dim % x.type.rank
    size, step = x.type.shape[axis], 1
    if not isinstance(size, int):
        raise NoDerivative(s.node, "`cumprod` along an open size")
    while step < size:
        ones = filled(s.algebra, x.type.with_shape(*x.type.shape[:axis], step, *x.type.shape[axis + 1 :]), 1.0)
        x = x * ones.call("concat", x.call("slice", dim=axis, start=0, end=size - step), dim=axis)
        step *= 2
    return x


@expands(ops.Normalize)
def normalize(s: Step, op: ops.Normalize) -> Term:
    length = s.x.call("norm", p=op.p, dim=many_axes(op.dim, s.x.type.rank, "`normalize`"), keepdim=True)
    return s.x / length.call("maximum", length.lifted(op.eps))
