"""Operators of several tensors: arithmetic, choice and joining."""

from __future__ import annotations

from functools import reduce
from operator import add, mul

from dlspec.ir.dims import Dim
from dlspec.ops import combine as ops
from dlspec.ops.algebra import Term
from dlspec.ops.rules import one_axis
from dlspec.passes.derivatives.registry import Cotangents, derives
from dlspec.passes.derivatives.step import Step, compared, where


@derives(ops.Add)
def plus(s: Step, op: ops.Add) -> Cotangents:
    return (s.g,) * len(s.xs)


@derives(ops.Sub)
def minus(s: Step, op: ops.Sub) -> Cotangents:
    return s.g, -s.g


@derives(ops.Mul)
def times(s: Step, op: ops.Mul) -> Cotangents:
    return tuple(reduce(mul, (x for other, x in enumerate(s.xs) if other != index), s.g) for index in range(len(s.xs)))


@derives(ops.Div)
def over(s: Step, op: ops.Div) -> Cotangents:
    part = s.g / s.xs[1]
    return part, -part * s.y


@derives(ops.Mod)
def remainder(s: Step, op: ops.Mod) -> Cotangents:
    return s.g, -s.g * s.x.call("floor_divide", s.xs[1])


@derives(ops.Pow)
def power(s: Step, op: ops.Pow) -> Cotangents:
    x, exponent = s.xs
    made = s.node.inputs[1].producer
    number = made.op.value if made and isinstance(made.op, ops.Const) else None
    if isinstance(number, int | float):
        match number:
            case 0:
                return None, None
            case 1:
                return s.g, None
            case 2:
                return s.g * x * 2, None
            case _:
                return s.g * number * x ** (number - 1), None
    of_x = where(compared("eq", exponent, 0), 0 * s.g, s.g * exponent * x ** (exponent - 1))
    if not s.wanted[1]:
        return of_x, None
    at_zero = compared("eq", x, 0).call("logical_and", compared("ge", exponent, 0))
    return of_x, where(at_zero, 0 * s.g, s.g * s.y * x.call("log"))


@derives(ops.Max, ops.Min)
def extreme(s: Step, op: ops.Max | ops.Min) -> Cotangents:
    """Equal ones share."""
    shares = [compared("eq", x, s.y).call("cast", dtype=s.y.type.dtype.label) for x in s.xs]
    each = s.g / reduce(add, shares)
    return tuple(each * share for share in shares)


@derives(ops.Where)
def choice(s: Step, op: ops.Where) -> Cotangents:
    condition = s.xs[0]
    return None, where(condition, s.g, 0), where(condition, s.g.lifted(0), s.g)


@derives(ops.Lerp)
def lerp(s: Step, op: ops.Lerp) -> Cotangents:
    x, y, weight = s.xs
    return s.g * (1 - weight), s.g * weight, s.g * (y - x)


@derives(ops.Concat)
def concat(s: Step, op: ops.Concat) -> Cotangents:
    axis = one_axis(op.dim, s.y.type.rank, "Concat")
    parts: list[Term] = []
    start: Dim = 0
    for x in s.xs:
        end = start + x.type.shape[axis]
        parts.append(s.g.call("slice", dim=axis, start=start, end=end))
        start = end
    return tuple(parts)


@derives(ops.MeshGrid)
def meshgrid(s: Step, op: ops.MeshGrid) -> Cotangents:
    axes = op.axes(len(s.xs))
    others = (tuple(other for other in range(len(axes)) if other != axis) for axis in axes)
    return tuple(g.call("sum", dim=gone) if gone else g for g, gone in zip(s.gs, others, strict=True))


@derives(ops.Stack)
def stack(s: Step, op: ops.Stack) -> Cotangents:
    axis = one_axis(op.dim, s.y.type.rank, "Stack")
    slices = (s.g.call("slice", dim=axis, start=index, end=index + 1) for index in range(len(s.xs)))
    return tuple(part.call("squeeze", dim=axis) for part in slices)
