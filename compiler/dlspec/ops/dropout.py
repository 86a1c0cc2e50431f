"""Regularisers that do nothing at inference, and Identity."""

from __future__ import annotations

from typing import Literal

from dlspec.ir.dims import Dim
from dlspec.ir.intervals import Interval, Intervals
from dlspec.ir.op import Needs, Op, OpError, Types, require_rank
from dlspec.ir.types import TensorType
from dlspec.ops.rules import require_float


class Identity(Op):
    """Nothing: the output is the input, of any shape and element type. No FLOPs. ONNX: Identity, left out."""

    view = True
    torch = "Identity"
    elementwise = True
    copies = True

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return inputs[0]

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 0


class TrainingOnly(Op):
    """Base of the operators that pass their input on at inference: no FLOPs are counted."""

    wide = True
    identity_in_eval = True
    layer = False
    elementwise = True
    light = True

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        require_float(inputs[0], type(self).__name__)
        return inputs[0]

    def range(self, inputs: Intervals) -> Interval | None:
        return inputs[0]

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 0


def _check_probability(p: float) -> None:
    if not 0 <= p <= 1:
        raise OpError(f"`p` is a probability, from 0 to 1, and {p:g} is not", code="DL0208")


class Dropout(TrainingOnly):
    """Sets each element to zero with probability p in training and scales the others by 1 / (1 - p).

    Any shape. Does nothing at inference.

    ONNX: Dropout, left out. Srivastava et al., 2014, "Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting".
    """

    layer = True
    torch = "Dropout"
    function = "dropout"

    p: float = 0.5

    def check(self) -> None:
        _check_probability(self.p)


class ChannelDropout(TrainingOnly):
    """Sets whole channels of [N, C, *sizes] to zero with probability p in training.

    The others are scaled by 1 / (1 - p). Does nothing at inference.

    Tompson et al., 2015, "Efficient Object Localization Using Convolutional Networks".
    """

    layer = True
    pinned = (("Dropout1d", 1), ("Dropout2d", 2), ("Dropout3d", 3))
    torch = "Dropout{n}d"

    p: float = 0.5

    def check(self) -> None:
        _check_probability(self.p)

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        require_rank(inputs[0], (3, 4, 5), "ChannelDropout")
        return super().infer(need, inputs)


class AlphaDropout(TrainingOnly):
    """Dropout that keeps mean and variance of what comes out of SELU. Any shape. Does nothing at inference.

    Klambauer et al., 2017, "Self-Normalizing Neural Networks".
    """

    layer = True
    torch = "AlphaDropout"

    p: float = 0.5

    def check(self) -> None:
        _check_probability(self.p)


class StochasticDepth(TrainingOnly):
    """Sets the whole input to zero with probability p in training: each sample for itself ("row") or all ("batch").

    What stays is scaled by 1 / (1 - p). Does nothing at inference.

    Huang et al., 2016, "Deep Networks with Stochastic Depth".
    """

    layer = True

    p: float
    mode: Literal["row", "batch"] = "row"

    def check(self) -> None:
        _check_probability(self.p)

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        require_rank(inputs[0], range(1, 17), type(self).__name__)
        return super().infer(need, inputs)


class DropPath(StochasticDepth):
    """StochasticDepth by its other name.

    Larsson et al., 2016, "FractalNet: Ultra-Deep Neural Networks without Residuals".
    """


OPERATORS: tuple[type[Op], ...] = (Identity, Dropout, ChannelDropout, AlphaDropout, StochasticDepth, DropPath)
