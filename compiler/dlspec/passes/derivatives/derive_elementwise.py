"""Functions of one tensor, element by element."""

from __future__ import annotations

from math import log, pi, sqrt

from dlspec.ops import elementwise as ops
from dlspec.ops.dropout import Identity
from dlspec.passes.derivatives.registry import Cotangents, derives
from dlspec.passes.derivatives.step import Step, compared, where


@derives(ops.Exp)
def exp(s: Step, op: ops.Exp) -> Cotangents:
    return (s.g * s.y,)


@derives(ops.Expm1)
def expm1(s: Step, op: ops.Expm1) -> Cotangents:
    return (s.g * (s.y + 1),)


@derives(ops.Log)
def natural_log(s: Step, op: ops.Log) -> Cotangents:
    return (s.g / s.x,)


@derives(ops.Log1p)
def log1p(s: Step, op: ops.Log1p) -> Cotangents:
    return (s.g / (s.x + 1),)


@derives(ops.Log2)
def log2(s: Step, op: ops.Log2) -> Cotangents:
    return (s.g / (s.x * log(2)),)


@derives(ops.Sqrt)
def square_root(s: Step, op: ops.Sqrt) -> Cotangents:
    return (s.g / (s.y * 2),)


@derives(ops.Rsqrt)
def rsqrt(s: Step, op: ops.Rsqrt) -> Cotangents:
    return (s.g * -0.5 * s.y / s.x,)


@derives(ops.Reciprocal)
def reciprocal(s: Step, op: ops.Reciprocal) -> Cotangents:
    return (-s.g * s.y * s.y,)


@derives(ops.Sin)
def sin(s: Step, op: ops.Sin) -> Cotangents:
    return (s.g * s.x.call("cos"),)


@derives(ops.Cos)
def cos(s: Step, op: ops.Cos) -> Cotangents:
    return (-s.g * s.x.call("sin"),)


@derives(ops.Tan)
def tan(s: Step, op: ops.Tan) -> Cotangents:
    return (s.g * (s.y * s.y + 1),)


@derives(ops.Asin)
def asin(s: Step, op: ops.Asin) -> Cotangents:
    return (s.g * (1 - s.x * s.x).call("rsqrt"),)


@derives(ops.Acos)
def acos(s: Step, op: ops.Acos) -> Cotangents:
    return (-s.g * (1 - s.x * s.x).call("rsqrt"),)


@derives(ops.Atan)
def atan(s: Step, op: ops.Atan) -> Cotangents:
    return (s.g / (s.x * s.x + 1),)


@derives(ops.Sinh)
def sinh(s: Step, op: ops.Sinh) -> Cotangents:
    return (s.g * s.x.call("cosh"),)


@derives(ops.Cosh)
def cosh(s: Step, op: ops.Cosh) -> Cotangents:
    return (s.g * s.x.call("sinh"),)


@derives(ops.Erf)
def erf(s: Step, op: ops.Erf) -> Cotangents:
    return (s.g * (-s.x * s.x).call("exp") * (2 / sqrt(pi)),)


@derives(ops.Abs)
def absolute(s: Step, op: ops.Abs) -> Cotangents:
    return (s.g * s.x.call("sign"),)


@derives(ops.Neg)
def neg(s: Step, op: ops.Neg) -> Cotangents:
    return (-s.g,)


@derives(ops.Square)
def square(s: Step, op: ops.Square) -> Cotangents:
    return (s.g * s.x * 2,)


@derives(ops.Clamp)
def clamp(s: Step, op: ops.Clamp) -> Cotangents:
    g = s.g
    if op.min is not None:
        g = where(compared("ge", s.x, op.min), g, 0)
    if op.max is not None:
        g = where(compared("le", s.x, op.max), g, 0)
    return (g,)


@derives(ops.Cast)
def cast(s: Step, op: ops.Cast) -> Cotangents:
    return (s.g.call("cast", dtype=s.x.type.dtype.label),)


@derives(Identity)
def identity(s: Step, op: Identity) -> Cotangents:
    return (s.g,)


@derives(ops.Atan2)
def atan2(s: Step, op: ops.Atan2) -> Cotangents:
    y, x = s.xs
    square = x * x + y * y
    part = where(compared("gt", square, 0), s.g / square, 0)  # none at the origin, as torch has it
    return part * x, -part * y
