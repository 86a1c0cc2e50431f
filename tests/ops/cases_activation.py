"""Activations, and what does nothing at inference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from harness import Case, Input, Refusal
from torch import Tensor, nn

from dlspec.ir.init import normal
from dlspec.ir.op import Op
from dlspec.ops import activation as a
from dlspec.ops.dropout import AlphaDropout, ChannelDropout, Dropout, DropPath, Identity, StochasticDepth
from dlspec.ops.softmax import GLU, LogSoftmax, Softmax, Softmin

# Both sides of every kink, the kinks themselves, and far out.
EDGES = (-200.0, -30.0, -6.0, -3.0, -2.0, -1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 6.0, 21.0, 30.0, 200.0)


def element(op: Op, module: Callable[[], nn.Module]) -> list[Case]:
    return [Case(op, (Input((18,), values=EDGES),), module), Case(op, (Input((2, 3, 4, 5), low=-5, high=5),), module)]


def untyped(value: object) -> Any:
    """A wrong argument that type checkers let pass."""
    return value


def identity(x: Tensor) -> Tensor:
    return x


CASES: list[Case] = [
    *element(a.Sigmoid(), nn.Sigmoid),
    *element(a.Tanh(), nn.Tanh),
    *element(a.ReLU(), nn.ReLU),
    Case(a.ReLU(), (Input((3, 4), "int64", -5, 5),), nn.ReLU),
    Case(a.ReLU(), (Input((3, 4), "int32", -5, 5),), nn.ReLU),
    *element(a.LeakyReLU(), nn.LeakyReLU),
    *element(a.LeakyReLU(0.2), lambda: nn.LeakyReLU(0.2)),
    *element(a.Softplus(), nn.Softplus),
    *element(a.Softplus(2.0, 1.0), lambda: nn.Softplus(2.0, 1.0)),
    *element(a.Softplus(-0.5, 30.0), lambda: nn.Softplus(-0.5, 30.0)),
    *element(a.ELU(), nn.ELU),
    *element(a.ELU(0.3), lambda: nn.ELU(0.3)),
    *element(a.CELU(), nn.CELU),
    *element(a.CELU(0.3), lambda: nn.CELU(0.3)),
    *element(a.SELU(), nn.SELU),
    *element(a.GELU(), nn.GELU),
    *element(a.GELU("tanh"), lambda: nn.GELU("tanh")),
    *element(a.ReLU6(), nn.ReLU6),
    *element(a.LogSigmoid(), nn.LogSigmoid),
    *element(a.SiLU(), nn.SiLU),
    *element(a.Hardswish(), nn.Hardswish),
    *element(a.Hardsigmoid(), nn.Hardsigmoid),
    *element(a.Mish(), nn.Mish),
    *element(a.Hardtanh(), nn.Hardtanh),
    *element(a.Hardtanh(-2.0, 0.5), lambda: nn.Hardtanh(-2.0, 0.5)),
    *element(a.Softsign(), nn.Softsign),
    *element(a.Tanhshrink(), nn.Tanhshrink),
    *element(a.Softshrink(), nn.Softshrink),
    *element(a.Softshrink(2.0), lambda: nn.Softshrink(2.0)),
    *element(a.Hardshrink(), nn.Hardshrink),
    *element(a.Hardshrink(2.0), lambda: nn.Hardshrink(2.0)),
    *element(a.Threshold(0.5, 20.0), lambda: nn.Threshold(0.5, 20.0)),
    *element(a.Threshold(-1.0, -7.0), lambda: nn.Threshold(-1.0, -7.0)),
    Case(a.PReLU(), ((2, 3, 4, 5),), nn.PReLU),
    Case(a.PReLU(), ((7,),), nn.PReLU),
    Case(a.PReLU(3, 0.1), ((2, 3, 4, 5),), lambda: nn.PReLU(3, 0.1)),
    Case(a.PReLU(3), ((2, 3),), lambda: nn.PReLU(3)),
    Case(a.PReLU(3), ((2, 3, 5),), lambda: nn.PReLU(3)),
    Case(a.PReLU(3, weight_init=normal(0, 1)), ((2, 3, 4, 5, 6),), lambda: nn.PReLU(3)),
    *(
        case
        for op, module in ((Softmax, nn.Softmax), (LogSoftmax, nn.LogSoftmax), (Softmin, nn.Softmin))
        for case in (
            Case(op(1), ((3, 5),), lambda module=module: module(1)),
            Case(op(-1), ((2, 3, 4, 5),), lambda module=module: module(-1)),
            Case(op(dim=1), ((2, 3, 4, 5),), lambda module=module: module(1)),
            Case(op(-3), ((2, 3, 4, 5),), lambda module=module: module(-3)),
            Case(op(0), ((6,),), lambda module=module: module(0)),
            Case(op(1), (Input((2, 5), low=-500, high=500),), lambda module=module: module(1)),
        )
    ),
    # torch's implicit axis, which warns
    *(
        Case(op(), (shape,), lambda function=function: function)
        for op, function in ((Softmax, F.softmax), (LogSoftmax, F.log_softmax), (Softmin, F.softmin))
        for shape in ((6,), (3, 5), (2, 3, 4), (2, 3, 4, 5))
    ),
    Case(GLU(), ((3, 5, 6),), nn.GLU, {0: ("N", "T", "D")}),
    Case(GLU(1), ((2, 6, 4, 5),), lambda: nn.GLU(1)),
    Case(GLU(-3), ((2, 6, 4, 5),), lambda: nn.GLU(-3)),
    Case(Identity(), ((2, 3, 4),), nn.Identity),
    Case(Identity(), (Input((2, 3), "int64"),), nn.Identity),
    Case(Dropout(), ((20, 30),), nn.Dropout, training_differs=True),
    Case(Dropout(0.2), ((2, 3, 4, 5),), lambda: nn.Dropout(0.2), training_differs=True),
    Case(ChannelDropout(), ((20, 30, 4),), nn.Dropout1d, training_differs=True),
    Case(ChannelDropout(0.2), ((20, 30, 2, 3),), lambda: nn.Dropout2d(0.2), training_differs=True),
    Case(ChannelDropout(0.7), ((20, 30, 2, 1, 3),), lambda: nn.Dropout3d(0.7), training_differs=True),
    Case(AlphaDropout(), ((20, 30),), nn.AlphaDropout, training_differs=True),
    Case(AlphaDropout(0.2), ((20, 30),), lambda: nn.AlphaDropout(0.2), training_differs=True),
    # torch.nn has no stochastic depth; at inference it is the identity
    Case(StochasticDepth(0.5), ((2, 3, 4),), lambda: identity),
    Case(StochasticDepth(0.1, "batch"), ((2, 3),), lambda: identity),
    Case(DropPath(0.5), ((2, 3, 4),), lambda: identity),
    Case(DropPath(0.1, "batch"), ((2, 3),), lambda: identity),
]

INT = Input((3, 4), "int64")

REFUSED: list[Refusal] = [
    *(
        (lambda op=op: op(), (INT,), "takes floating-point numbers, not int[3, 4]")
        for op in (
            a.Sigmoid,
            a.Tanh,
            a.PReLU,
            a.LeakyReLU,
            a.Softplus,
            a.ELU,
            a.CELU,
            a.SELU,
            a.GELU,
            a.ReLU6,
            a.LogSigmoid,
            a.SiLU,
            a.Hardswish,
            a.Hardsigmoid,
            a.Mish,
            a.Hardtanh,
            a.Softsign,
            a.Tanhshrink,
            a.Softshrink,
            a.Hardshrink,
            Softmax,
            LogSoftmax,
            Softmin,
            GLU,
            Dropout,
            AlphaDropout,
        )
    ),
    (lambda: a.Threshold(0.0, 1.0), (INT,), "Threshold takes floating-point numbers"),
    (lambda: DropPath(0.5), (INT,), "DropPath takes floating-point numbers"),
    (lambda: DropPath(0.5), ((),), "DropPath takes an input of rank 1 or more"),
    (lambda: a.ReLU(), (Input((3, 4), "bool"),), "ReLU takes numbers, not bool[3, 4]"),
    (lambda: a.PReLU(3), ((2, 4, 5),), "PReLU has 3 parameters, and the input float[2, 4, 5] has 4 channels"),
    (lambda: a.PReLU(3), ((3,),), "PReLU with 3 parameters needs a channel axis, not float[3]"),
    (lambda: a.PReLU(0), ((3,),), "`num_parameters` must be at least 1"),
    (lambda: a.Softplus(0.0), ((3,),), "`beta` must not be 0"),
    (lambda: a.CELU(0.0), ((3,),), "`alpha` must not be 0"),
    (lambda: a.GELU(untyped("fast")), ((3,),), '`approximate` takes "none" or "tanh", not "fast"'),
    (lambda: a.Hardtanh(1.0, -1.0), ((3,),), "`min_val` of 1 is larger than `max_val` of -1"),
    (lambda: a.Softshrink(-1.0), ((3,),), "`lambd` must not be negative, and is -1"),
    (lambda: a.Hardshrink(-1.0), ((3,),), "`lambd` must not be negative, and is -1"),
    (lambda: a.LeakyReLU(True), ((3,),), "`negative_slope` takes a number, not true"),
    (lambda: Softmax(2), ((3, 4),), "Softmax has no axis 2"),
    (lambda: LogSoftmax(-3), ((3, 4),), "LogSoftmax has no axis -3"),
    (lambda: Softmin(0), ((),), "Softmin takes an input of rank 1 or more, not []"),
    (lambda: GLU(), ((3, 5),), "GLU halves axis 1, and its size 5 is odd"),
    (lambda: GLU(2), ((3, 4),), "GLU has no axis 2"),
    (lambda: Dropout(1.5), ((3,),), "`p` is a probability, from 0 to 1, and 1.5 is not"),
    (lambda: ChannelDropout(-0.5), ((3, 4, 5),), "`p` is a probability"),
    (lambda: ChannelDropout(), ((3, 4),), "ChannelDropout takes an input of rank 3 or 4 or 5, not [3, 4]"),
    (lambda: AlphaDropout(2.0), ((3,),), "`p` is a probability"),
    (lambda: StochasticDepth(2.0), ((3,),), "`p` is a probability"),
    (lambda: StochasticDepth(0.5, untyped("column")), ((3,),), '`mode` takes "row" or "batch", not "column"'),
]
