"""Activations. At a kink the slope is torch's."""

from __future__ import annotations

from math import pi, sqrt

from dlspec.ops import activation as ops
from dlspec.ops.algebra import Term
from dlspec.ops.rules import one_axis
from dlspec.ops.softmax import GLU, LogSoftmax, Softmax
from dlspec.passes.derivatives.registry import Cotangents, derives
from dlspec.passes.derivatives.step import Step, along, compared, where


@derives(ops.Sigmoid)
def sigmoid(s: Step, op: ops.Sigmoid) -> Cotangents:
    return (s.g * s.y * (1 - s.y),)


@derives(ops.Tanh)
def tanh(s: Step, op: ops.Tanh) -> Cotangents:
    return (s.g * (1 - s.y * s.y),)


@derives(ops.ReLU)
def relu(s: Step, op: ops.ReLU) -> Cotangents:
    return (where(compared("gt", s.x, 0), s.g, 0),)


@derives(ops.PReLU)
def prelu(s: Step, op: ops.PReLU) -> Cotangents:
    slope = s.weight(0)
    if op.num_parameters > 1:
        slope = along(slope, 1, s.x.type.rank)
    return (where(compared("gt", s.x, 0), s.g, s.g * slope),)


@derives(ops.LeakyReLU)
def leaky_relu(s: Step, op: ops.LeakyReLU) -> Cotangents:
    return (where(compared("gt", s.x, 0), s.g, s.g * op.negative_slope),)


@derives(ops.Softplus)
def softplus(s: Step, op: ops.Softplus) -> Cotangents:
    scaled = s.x * op.beta
    return (where(compared("gt", scaled, op.threshold), s.g, s.g * scaled.call("sigmoid")),)


@derives(ops.ELU)
def elu(s: Step, op: ops.ELU) -> Cotangents:
    return (_exponential(s, op.alpha, 1.0, 1.0),)


@derives(ops.CELU)
def celu(s: Step, op: ops.CELU) -> Cotangents:
    return (_exponential(s, 1.0, 1.0, 1 / op.alpha),)


@derives(ops.SELU)
def selu(s: Step, op: ops.SELU) -> Cotangents:
    scale = 1.0507009873554804934193349852946
    return (_exponential(s, 1.6732632423543772848170429916717 * scale, scale, 1.0),)


def _exponential(s: Step, below: float, above: float, rate: float) -> Term:
    negative = s.x.call(
        "clamp", max=0.0
    )  # what is not chosen must not overflow: its cotangent would be 0 times infinity
    return where(compared("gt", s.x, 0), s.g * above, s.g * (negative * rate).call("exp") * below)


@derives(ops.GELU)
def gelu(s: Step, op: ops.GELU) -> Cotangents:
    x = s.x
    if op.approximate == "none":
        below = ((x * sqrt(0.5)).call("erf") + 1) * 0.5
        return (s.g * (below + x * (x * x * -0.5).call("exp") / sqrt(2 * pi)),)
    square = x * x
    bent = (x * (square * 0.044715 + 1) * sqrt(2 / pi)).call("tanh")
    slope = (square * (3 * 0.044715) + 1) * sqrt(2 / pi)
    return (s.g * 0.5 * (bent + 1 + x * (1 - bent * bent) * slope),)


@derives(ops.LogSigmoid)
def log_sigmoid(s: Step, op: ops.LogSigmoid) -> Cotangents:
    return (s.g * (-s.x).call("sigmoid"),)


@derives(ops.SiLU)
def silu(s: Step, op: ops.SiLU) -> Cotangents:
    gate = s.x.call("sigmoid")
    return (s.g * gate * (s.x * (1 - gate) + 1),)


@derives(ops.Mish)
def mish(s: Step, op: ops.Mish) -> Cotangents:
    bent = s.x.call("softplus").call("tanh")
    return (s.g * (bent + s.x * s.x.call("sigmoid") * (1 - bent * bent)),)


@derives(ops.Softsign)
def softsign(s: Step, op: ops.Softsign) -> Cotangents:
    return (s.g / (s.x.call("abs") + 1).call("square"),)


@derives(ops.Tanhshrink)
def tanhshrink(s: Step, op: ops.Tanhshrink) -> Cotangents:
    return (s.g * s.x.call("tanh").call("square"),)


# In pieces that are straight


def _between(s: Step, low: float, high: float, inside: Term, above: Term | float = 0) -> Term:
    """0 below, another cotangent inside, and one above."""
    rest = where(compared("lt", s.x, high), inside, above)
    return where(compared("gt", s.x, low), rest, 0)


@derives(ops.ReLU6)
def relu6(s: Step, op: ops.ReLU6) -> Cotangents:
    return (_between(s, 0, 6, s.g),)


@derives(ops.Hardtanh)
def hardtanh(s: Step, op: ops.Hardtanh) -> Cotangents:
    return (_between(s, op.min_val, op.max_val, s.g),)


@derives(ops.Hardsigmoid)
def hardsigmoid(s: Step, op: ops.Hardsigmoid) -> Cotangents:
    return (_between(s, -3, 3, s.g / 6.0),)


@derives(ops.Hardswish)
def hardswish(s: Step, op: ops.Hardswish) -> Cotangents:
    return (_between(s, -3, 3, s.g * (s.x / 3.0 + 0.5), s.g),)


@derives(ops.Softshrink, ops.Hardshrink)
def shrink(s: Step, op: ops.Softshrink | ops.Hardshrink) -> Cotangents:
    return (where(compared("gt", s.x.call("abs"), op.lambd), s.g, 0),)


@derives(ops.Threshold)
def threshold(s: Step, op: ops.Threshold) -> Cotangents:
    return (where(compared("gt", s.x, op.threshold), s.g, 0),)


# Along an axis


@derives(Softmax)
def softmax(s: Step, op: Softmax) -> Cotangents:
    return (s.y * (s.g - (s.g * s.y).call("sum", dim=op.axis(s.x.type.rank), keepdim=True)),)


@derives(LogSoftmax)
def log_softmax(s: Step, op: LogSoftmax) -> Cotangents:
    return (s.g - s.y.call("exp") * s.g.call("sum", dim=op.axis(s.x.type.rank), keepdim=True),)


@derives(GLU)
def glu(s: Step, op: GLU) -> Cotangents:
    axis = one_axis(op.dim, s.x.type.rank, "GLU")
    half = s.y.type.shape[axis]
    value = s.x.call("slice", dim=axis, start=0, end=half)
    gate = s.x.call("slice", dim=axis, start=half).call("sigmoid")
    return ((s.g * gate).call("concat", s.g * value * gate * (1 - gate), dim=axis),)
