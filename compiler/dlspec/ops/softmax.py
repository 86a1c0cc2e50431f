"""Activations along an axis."""

from __future__ import annotations

from dlspec.ir.dims import Dim
from dlspec.ir.op import Needs, Op, Types, require_rank
from dlspec.ir.types import TensorType
from dlspec.ops.rules import one_axis, require_float


class Normalised(Op):
    """Base of the softmaxes: FLOPs are five per element (maximum, subtract, exp, sum, divide)."""

    wide = True
    layer = False
    light = True

    dim: int | None = None

    def axis(self, rank: int) -> int:
        """The axis, counted from the front. Without ``dim`` torch's implicit rule: 0 for rank 0, 1 and 3, else 1."""
        if self.dim is None:
            return 0 if rank in (0, 1, 3) else 1
        return one_axis(self.dim, rank, type(self).__name__)

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        (x,) = inputs
        require_float(x, type(self).__name__)
        require_rank(x, range(1, 17), type(self).__name__)
        self.axis(x.rank)
        return x

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 5 * outputs[0].elements


class Softmax(Normalised):
    """exp(x) divided by its sum along dim, the shape stays.

    Without dim the axis is torch's implicit choice: 0 for an input of rank 1 or 3, else 1. Say which one is meant.
    FLOPs: five per element (maximum, subtract, exp, sum, divide).

    ONNX: Softmax. Bridle, 1990, "Probabilistic Interpretation of Feedforward Classification Network Outputs, with
    Relationships to Statistical Pattern Recognition".
    """

    layer = True
    torch = "Softmax"
    function = "softmax"
    gives = "probabilities"


class LogSoftmax(Normalised):
    """Logarithm of Softmax along dim, the shape stays.

    Without dim the axis is torch's implicit choice: 0 for an input of rank 1 or 3, else 1. FLOPs: five per element.

    ONNX: LogSoftmax.
    """

    layer = True
    torch = "LogSoftmax"
    function = "log_softmax"
    gives = "log_probabilities"


class Softmin(Normalised):
    """Softmax of -x along dim, the shape stays.

    Without dim the axis is torch's implicit choice: 0 for an input of rank 1 or 3, else 1. FLOPs: six per element.
    """

    layer = True
    torch = "Softmin"
    function = "softmin"
    gives = "probabilities"

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 6 * outputs[0].elements


class GLU(Op):
    """Gated linear unit: the first half along dim times the sigmoid of the second, so that axis is halved.

    FLOPs: two per output element.

    Dauphin et al., 2016, "Language Modeling with Gated Convolutional Networks".
    """

    torch = "GLU"
    function = "glu"
    torch_function = "F.glu"

    dim: int = -1

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        (x,) = inputs
        require_float(x, "GLU")
        require_rank(x, range(1, 17), "GLU")
        axis = one_axis(self.dim, x.rank, "GLU")
        size = x.shape[axis]
        need.divisible(size, 2, f"GLU halves axis {axis}, and its size {size} is odd")
        return x.with_shape(*x.shape[:axis], size // 2, *x.shape[axis + 1 :])

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 2 * outputs[0].elements


OPERATORS: tuple[type[Op], ...] = (Softmax, LogSoftmax, Softmin, GLU)
