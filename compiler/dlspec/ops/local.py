"""Locally connected layers: a window at every place, with weights of its own."""

from __future__ import annotations

from math import prod

from dlspec.ir.dims import Dim
from dlspec.ir.fields import Ints, Padding
from dlspec.ir.init import Init, fan_in_uniform
from dlspec.ir.op import Needs, Op, OpError, Types, Weight, constant_channels, require_rank
from dlspec.ir.types import TensorType, format_shape
from dlspec.ops.rules import require_float
from dlspec.ops.window import SPATIAL_RANKS, Window, check_padding, require_bound, window_of


def _known_sizes(x: TensorType) -> tuple[int, ...]:
    """The spatial sizes. Raises `OpError` where one is open: there would be no number of weights."""
    sizes = tuple(size for size in x.spatial if isinstance(size, int))
    if len(sizes) < len(x.spatial):
        message = f"LocallyConnected has weights for every place, and the sizes of {format_shape(x.shape)} are open"
        raise OpError(
            message, "give the spatial axes numbers, as in float[N, 3, 32, 32], or settle them by --size", "DL0205"
        )
    return sizes


class LocallyConnected(Op):
    """A convolution whose weights are not shared: at each place of the output the window has its own.

    Shapes, MACs and FLOPs are those of Conv. The weight is [out_channels, C, *sizes', *kernel], the bias [out_channels,
    *sizes'], so the sizes of the input must be numbers. Both are drawn from U(-b, b), b = 1 / sqrt(fan in).

    ONNX: Gather and Einsum. LeCun, 1989, "Generalization and Network Design Strategies"; Keras' LocallyConnected2D.
    """

    overwritable = True
    gives = "logits"
    out_size = "out_channels"
    out_axis = 1
    left_out = (("in_channels", 0),)

    out_channels: int
    kernel_size: Ints
    stride: Ints = 1
    padding: Padding = 0
    dilation: Ints = 1
    bias: bool = True
    weight_init: Init | None = None
    bias_init: Init | None = None

    def check(self) -> None:
        for field in ("out_channels", "kernel_size", "stride", "dilation"):
            require_bound(getattr(self, field), 1, field)
        check_padding(self.padding)

    def window(self, x: TensorType) -> Window:
        """The window over an input."""
        return window_of(x, self.kernel_size, self.stride, self.dilation, self.padding)

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        (x,) = inputs
        require_rank(x, SPATIAL_RANKS, "LocallyConnected")
        require_float(x, "LocallyConnected")
        constant_channels(x, "LocallyConnected")
        _known_sizes(x)
        return x.with_shape(x.shape[0], self.out_channels, *self.window(x).slide(need, x, "LocallyConnected"))

    def formula(self, inputs: Types, outputs: Types) -> tuple[str, ...]:
        return self.window(inputs[0]).formula(inputs[0], outputs[0].spatial)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        (x,) = inputs
        _known_sizes(x)
        channels, window = constant_channels(x, "LocallyConnected"), self.window(x)
        places = tuple(size for size in window.slide(Needs(), x, "LocallyConnected") if isinstance(size, int))
        init = fan_in_uniform(channels * prod(window.kernel))
        shape = (self.out_channels, channels, *places, *window.kernel)
        weight = Weight("weight", shape, self.weight_init or init, dtype=x.dtype)
        if not self.bias:
            return (weight,)
        return (weight, Weight("bias", (self.out_channels, *places), self.bias_init or init, dtype=x.dtype))

    def macs(self, inputs: Types, outputs: Types) -> Dim:
        (x,) = inputs
        return outputs[0].elements * (constant_channels(x, "LocallyConnected") * self.window(x).volume)

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 2 * self.macs(inputs, outputs) + (outputs[0].elements if self.bias else 0)


OPERATORS: tuple[type[Op], ...] = (LocallyConnected,)
