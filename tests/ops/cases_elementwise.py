"""Functions of one tensor against torch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from harness import Case, Input, Refusal

from dlspec.ir.op import Op
from dlspec.ops import elementwise as ops

INF, NAN = float("inf"), float("nan")


def function(op: Op, x: Input, torchs: Callable[..., Any], tolerance: tuple[float, float] = (1e-5, 1e-6)) -> Case:
    return Case(op, (x,), lambda: torchs, tolerance=tolerance)


ANY = Input((2, 3, 5))
POSITIVE = Input((2, 3, 5), low=0.01, high=4.0)
INSIDE = Input((2, 3, 5), low=-0.99, high=0.99)
INTS = Input((2, 3, 5), "int64", -5, 6)
SMALL = Input((4,), values=[1e-7, -1e-6, 3e-4, 0.0])

CASES: list[Case] = [
    function(ops.Exp(), ANY, torch.exp),
    function(ops.Exp(), Input((2, 3), "float64"), torch.exp),
    function(ops.Exp(), Input((2, 3), "float16"), torch.exp, (2e-3, 1e-3)),
    function(ops.Expm1(), ANY, torch.expm1),
    function(ops.Expm1(), SMALL, torch.expm1, (1e-5, 0)),
    function(ops.Expm1(), Input((4,), values=[-200.0, 80.0, 200.0, -INF]), torch.expm1),
    function(ops.Log(), POSITIVE, torch.log),
    function(ops.Log1p(), POSITIVE, torch.log1p),
    function(ops.Log1p(), SMALL, torch.log1p, (1e-5, 0)),
    function(ops.Log1p(), Input((5,), values=[-1.0, 1e30, INF, -0.75, -0.3]), torch.log1p),
    function(ops.Log2(), POSITIVE, torch.log2),
    function(ops.Sqrt(), POSITIVE, torch.sqrt),
    function(ops.Rsqrt(), POSITIVE, torch.rsqrt),
    function(ops.Reciprocal(), POSITIVE, torch.reciprocal),
    function(ops.Sin(), ANY, torch.sin),
    function(ops.Cos(), ANY, torch.cos),
    function(ops.Tan(), INSIDE, torch.tan),
    function(ops.Asin(), INSIDE, torch.asin),
    function(ops.Acos(), INSIDE, torch.acos),
    function(ops.Atan(), ANY, torch.atan),
    function(ops.Sinh(), ANY, torch.sinh),
    function(ops.Cosh(), ANY, torch.cosh),
    function(ops.Erf(), ANY, torch.erf),
    function(ops.Floor(), ANY, torch.floor),
    function(ops.Ceil(), ANY, torch.ceil),
    function(ops.Round(), Input((7,), values=[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.7]), torch.round),
    function(ops.Abs(), ANY, torch.abs),
    function(ops.Abs(), INTS, torch.abs),
    function(ops.Neg(), ANY, torch.neg),
    function(ops.Neg(), INTS, torch.neg),
    function(ops.Sign(), ANY, torch.sign),
    function(ops.Sign(), INTS, torch.sign),
    function(ops.Square(), ANY, torch.square),
    function(ops.Square(), Input((2, 3), "int32", -5, 6), torch.square),
    function(ops.Clamp(min=-0.5), ANY, lambda x: torch.clamp(x, min=-0.5)),
    function(ops.Clamp(max=0.5), ANY, lambda x: torch.clamp(x, max=0.5)),
    function(ops.Clamp(-0.5, 0.5), ANY, lambda x: torch.clamp(x, -0.5, 0.5)),
    function(ops.Clamp(-2, 3), INTS, lambda x: torch.clamp(x, -2, 3)),
    function(ops.Clamp(0, 0.25), Input((2, 3), "float64"), lambda x: torch.clamp(x, 0, 0.25)),
    function(ops.Cast("int"), Input((2, 3, 5), low=-3, high=3), lambda x: x.long()),
    function(ops.Cast("int32"), INTS, lambda x: x.int()),
    function(ops.Cast("bool"), Input((4,), values=[0.0, 0.3, -1.0, 2.0]), lambda x: x.bool()),
    function(ops.Cast("float"), Input((2, 3), "bool"), lambda x: x.float()),
    function(ops.Cast("float"), ANY, lambda x: x),
    function(ops.Cast("float16"), ANY, lambda x: x.half(), (1e-3, 1e-3)),
    function(ops.IsNaN(), Input((3,), values=[1.0, NAN, INF]), torch.isnan),
    function(ops.IsInf(), Input((4,), values=[1.0, NAN, INF, -INF]), torch.isinf),
    function(ops.Not(), Input((2, 3), "bool"), torch.logical_not),
    Case(ops.Atan2(), ((2, 3, 5), (3, 5)), lambda: torch.atan2, symbols={1: (3, "S5")}),
    Case(
        ops.Atan2(),
        (Input((9,), values=[1, -1, 0, 0, 1, -1, 1, -1, 0]), Input((9,), values=[0, 0, 1, -1, 1, 1, -1, -1, 0])),
        lambda: torch.atan2,
    ),
]

REFUSED: list[Refusal] = [
    (ops.Exp, (INTS,), "takes floating-point numbers, not int"),
    (ops.Abs, (Input((2,), "bool"),), "takes numbers, not bool"),
    (ops.Not, (ANY,), "takes a bool tensor, not float"),
    (ops.Clamp, (ANY,), "needs `min`, `max` or both"),
    (lambda: ops.Clamp(1, 0), (ANY,), "`min` 1 above its `max` 0"),
    (lambda: ops.Clamp(0.5), (INTS,), "cannot limit int[2, 3, 5] to 0.5"),
    (lambda: ops.Cast("complex"), (ANY,), "`dtype` takes an element type: float, int, bool"),
    (ops.Atan2, ((2, 3), (4,)), "cannot join [2, 3] with [4]: axis 1 is 3 in one and 4 in the other"),
    (ops.Atan2, ((2, 3), Input((3,), "float64")), "takes tensors of one element type, not float32 and float64"),
]
