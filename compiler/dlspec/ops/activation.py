"""Activations, element by element: the shape stays, and one FLOP per element is counted."""

from __future__ import annotations

from math import inf, nextafter
from typing import Literal

from dlspec.ir.init import Init, constant
from dlspec.ir.intervals import NOT_NEGATIVE, POSITIVE, Interval, Intervals
from dlspec.ir.op import Needs, Op, OpError, Types, Weight, constant_channels
from dlspec.ir.types import TensorType
from dlspec.ops.rules import require_float, require_numbers
from dlspec.ops.window import require_bound


class Activation(Op):
    """Base of the activations."""

    layer = False
    elementwise = True
    light = True

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        require_float(inputs[0], type(self).__name__)
        return inputs[0]


class Sigmoid(Activation):
    """1 / (1 + exp(-x)). ONNX: Sigmoid."""

    layer = True
    torch = "Sigmoid"
    function = "sigmoid"
    onnx = "Sigmoid"
    torch_function = "torch.sigmoid"
    gives = "probabilities"


class Tanh(Activation):
    """Hyperbolic tangent. ONNX: Tanh."""

    layer = True
    torch = "Tanh"
    function = "tanh"
    onnx = "Tanh"
    torch_function = "torch.tanh"
    gives = "signed"


class ReLU(Activation):
    """max(0, x); for integers too.

    ONNX: Relu, or Max for integers. Nair and Hinton, 2010, "Rectified Linear Units Improve Restricted Boltzmann
    Machines".
    """

    layer = True
    torch = "ReLU"
    function = "relu"
    torch_function = "F.relu"
    inplace = True
    gives = "logits"
    between = NOT_NEGATIVE

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        require_numbers(inputs[0], "ReLU")
        return inputs[0]


class PReLU(Activation):
    """x where it is positive, weight * x elsewhere; one weight, or one for each channel.

    num_parameters is 1 or the number of channels; the weights begin with the value init.

    ONNX: PRelu. He et al., 2015, "Delving Deep into Rectifiers: Surpassing Human-Level Performance on ImageNet
    Classification".
    """

    layer = True
    torch = "PReLU"

    num_parameters: int = 1
    init: float = 0.25
    weight_init: Init | None = None

    def check(self) -> None:
        require_bound(self.num_parameters, 1, "num_parameters")

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        (x,) = inputs
        if self.num_parameters > 1:
            if x.rank < 2:
                raise OpError(
                    f"PReLU with {self.num_parameters} parameters needs a channel axis, not {x}", code="DL0202"
                )
            channels = constant_channels(x, "PReLU")
            if channels != self.num_parameters:
                message = f"PReLU has {self.num_parameters} parameters, and the input {x} has {channels} channels"
                raise OpError(message, "give it 1 parameter, or one for each channel")
        return super().infer(need, inputs)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        init = self.weight_init or constant(self.init)
        return (Weight("weight", (self.num_parameters,), init, dtype=inputs[0].dtype),)


class LeakyReLU(Activation):
    """x where it is positive, negative_slope * x elsewhere.

    ONNX: LeakyRelu. Maas et al., 2013, "Rectifier Nonlinearities Improve Neural Network Acoustic Models".
    """

    layer = True
    torch = "LeakyReLU"
    function = "leaky_relu"
    torch_function = "F.leaky_relu"
    inplace = True
    gives = "logits"

    negative_slope: float = 0.01


class Softplus(Activation):
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x is above the threshold.

    ONNX: Softplus. Dugas et al., 2000, "Incorporating Second-Order Functional Knowledge for Better Option Pricing".
    """

    layer = True
    torch = "Softplus"
    function = "softplus"
    torch_function = "F.softplus"
    between = POSITIVE

    beta: float = 1.0
    threshold: float = 20.0

    def check(self) -> None:
        if self.beta == 0:
            raise OpError("`beta` must not be 0", code="DL0208")


class ELU(Activation):
    """x where it is positive, alpha * (exp(x) - 1) elsewhere.

    ONNX: Elu. Clevert et al., 2015, "Fast and Accurate Deep Network Learning by Exponential Linear Units (ELUs)".
    """

    layer = True
    torch = "ELU"
    function = "elu"
    torch_function = "F.elu"
    inplace = True
    gives = "logits"

    alpha: float = 1.0

    def range(self, inputs: Intervals) -> Interval | None:
        return nextafter(-self.alpha, inf), inf


class CELU(Activation):
    """max(0, x) + min(0, alpha * (exp(x / alpha) - 1)).

    ONNX: Celu. Barron, 2017, "Continuously Differentiable Exponential Linear Units".
    """

    layer = True
    torch = "CELU"
    function = "celu"
    torch_function = "F.celu"
    inplace = True

    alpha: float = 1.0

    def check(self) -> None:
        if self.alpha == 0:
            raise OpError("`alpha` must not be 0", code="DL0208")


class SELU(Activation):
    """scale * ELU with the two constants that keep mean and variance.

    ONNX: Selu. Klambauer et al., 2017, "Self-Normalizing Neural Networks".
    """

    layer = True
    torch = "SELU"
    function = "selu"
    onnx = "Selu"
    torch_function = "F.selu"
    inplace = True


class GELU(Activation):
    """x times the normal distribution function of x, exact or by tanh.

    ONNX: Gelu. Hendrycks and Gimpel, 2016, "Gaussian Error Linear Units (GELUs)".
    """

    layer = True
    torch = "GELU"
    function = "gelu"
    torch_function = "F.gelu"
    gives = "logits"
    between = (-0.1701, inf)

    approximate: Literal["none", "tanh"] = "none"


class ReLU6(Activation):
    """min(max(0, x), 6).

    ONNX: Clip. Krizhevsky, 2010, "Convolutional Deep Belief Networks on CIFAR-10".
    """

    layer = True
    torch = "ReLU6"
    function = "relu6"
    between = (0.0, 6.0)
    torch_function = "F.relu6"
    inplace = True


class LogSigmoid(Activation):
    """log(1 / (1 + exp(-x)))."""

    layer = True
    torch = "LogSigmoid"
    function = "logsigmoid"
    torch_function = "F.logsigmoid"
    gives = "log_probabilities"


class SiLU(Activation):
    """x * sigmoid(x), which is also known as Swish.

    ONNX: Swish, written out. Hendrycks and Gimpel, 2016, "Gaussian Error Linear Units (GELUs)".
    """

    layer = True
    torch = "SiLU"
    function = "silu"
    torch_function = "F.silu"
    inplace = True
    gives = "logits"
    between = (-0.2785, inf)


class Hardswish(Activation):
    """x * min(max(0, x + 3), 6) / 6.

    ONNX: HardSwish. Howard et al., 2019, "Searching for MobileNetV3".
    """

    layer = True
    torch = "Hardswish"
    function = "hardswish"
    torch_function = "F.hardswish"
    inplace = True


class Hardsigmoid(Activation):
    """min(max(0, x + 3), 6) / 6.

    ONNX: HardSigmoid. Howard et al., 2019, "Searching for MobileNetV3".
    """

    layer = True
    torch = "Hardsigmoid"
    function = "hardsigmoid"
    torch_function = "F.hardsigmoid"
    inplace = True
    gives = "probabilities"


class Mish(Activation):
    """x * tanh(log(1 + exp(x))).

    ONNX: Mish. Misra, 2019, "Mish: A Self Regularized Non-Monotonic Activation Function".
    """

    layer = True
    torch = "Mish"
    function = "mish"
    torch_function = "F.mish"
    inplace = True


class Hardtanh(Activation):
    """min(max(min_val, x), max_val).

    ONNX: Clip. Collobert et al., 2011, "Natural Language Processing (Almost) from Scratch".
    """

    infinite = ("min_val", "max_val")
    layer = True
    torch = "Hardtanh"
    function = "hardtanh"
    torch_function = "F.hardtanh"
    inplace = True
    gives = "signed"

    min_val: float = -1.0
    max_val: float = 1.0

    def check(self) -> None:
        if self.min_val >= self.max_val:
            order = "larger than" if self.min_val > self.max_val else "not less than"
            message = f"`min_val` of {self.min_val:g} is {order} `max_val` of {self.max_val:g}"
            raise OpError(message, code="DL0208")

    def range(self, inputs: Intervals) -> Interval | None:
        return self.min_val, self.max_val


class Softsign(Activation):
    """x / (1 + |x|).

    ONNX: Softsign. Bergstra et al., 2009, "Quadratic Polynomials Learn Better Image Features".
    """

    layer = True
    torch = "Softsign"
    function = "softsign"
    onnx = "Softsign"
    torch_function = "F.softsign"
    gives = "signed"


class Tanhshrink(Activation):
    """x - tanh(x)."""

    layer = True
    torch = "Tanhshrink"
    function = "tanhshrink"
    torch_function = "F.tanhshrink"


def _check_lambd(lambd: float) -> None:
    if lambd < 0:
        raise OpError(f"`lambd` must not be negative, and is {lambd:g}", code="DL0208")


class Softshrink(Activation):
    """x moved towards 0 by lambd, and 0 where |x| is not larger.

    ONNX: Shrink, written out. Donoho, 1995, "De-Noising by Soft-Thresholding".
    """

    layer = True
    torch = "Softshrink"
    function = "softshrink"
    torch_function = "F.softshrink"

    lambd: float = 0.5

    def check(self) -> None:
        _check_lambd(self.lambd)


class Hardshrink(Activation):
    """x, and 0 where |x| is not larger than lambd.

    ONNX: Shrink, written out. Donoho and Johnstone, 1994, "Ideal Spatial Adaptation by Wavelet Shrinkage".
    """

    layer = True
    torch = "Hardshrink"
    function = "hardshrink"
    torch_function = "F.hardshrink"

    lambd: float = 0.5

    def check(self) -> None:
        _check_lambd(self.lambd)


class Threshold(Activation):
    """x where it is above the threshold, value elsewhere."""

    infinite = ("threshold", "value")
    layer = True
    torch = "Threshold"
    function = "threshold"
    torch_function = "F.threshold"

    threshold: float
    value: float


OPERATORS: tuple[type[Op], ...] = (
    Sigmoid, Tanh, ReLU, PReLU, LeakyReLU, Softplus, ELU, CELU, SELU, GELU, ReLU6, LogSigmoid, SiLU, Hardswish,
    Hardsigmoid, Mish, Hardtanh, Softsign, Tanhshrink, Softshrink, Hardshrink, Threshold,
)  # fmt: skip
