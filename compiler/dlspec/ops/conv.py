"""Convolutions and transposed convolutions, as layers and with a given weight."""

from __future__ import annotations

from math import prod
from typing import Literal

from dlspec.ir.computed import smax
from dlspec.ir.dims import Dim, product
from dlspec.ir.fields import Ints, Padding
from dlspec.ir.init import Init, fan_in_uniform
from dlspec.ir.op import Needs, Op, OpError, Types, Weight, constant_channels, require_rank
from dlspec.ir.types import TensorType, format_shape
from dlspec.ops.rules import equations, require_float, same_dtype
from dlspec.ops.window import SPATIAL_RANKS, Window, check_padding, per_axis, require_bound, window_of


def _require_groups(need: Needs, x: TensorType, groups: int, name: str) -> None:
    if groups == 1:
        return
    message = f"{name}: {x.shape[1]} input channels are not divisible by {groups} groups"
    need.divisible(x.shape[1], groups, message, "choose groups that divide the channels")


def _kernel_of(weight: TensorType, x: TensorType, name: str) -> tuple[int, ...]:
    """The kernel size of a given weight. Raises `OpError` where it does not fit the input's rank or is symbolic."""
    require_float(x, name)
    require_rank(x, SPATIAL_RANKS, name)
    same_dtype((x, weight), name)
    if weight.rank != x.rank:
        raise OpError(f"{name}: the weight {weight} must have the rank of the input {x}", code="DL0202")
    kernel = tuple(size for size in weight.spatial if isinstance(size, int))
    if len(kernel) != len(weight.spatial):
        raise OpError(f"{name} needs a known kernel size, and the weight is {weight}", code="DL0205")
    return kernel


def _require_bias(need: Needs, inputs: Types, channels: Dim, name: str) -> None:
    if len(inputs) < 3:
        return
    same_dtype(inputs, name)
    if inputs[2].rank != 1:
        raise OpError(f"{name}: the bias must have one axis, not {inputs[2]}", code="DL0202")
    message = f"{name}: the bias {inputs[2]} must have one value for each of {channels} output channels"
    need.equal(inputs[2].shape[0], channels, message)


class Conv(Op):
    """Convolution over 1, 2 or 3 spatial axes.

    [N, C, *sizes] becomes [N, out_channels, *sizes'], with size' = floor((size + padding - dilation * (kernel - 1) - 1)
    / stride) + 1. Padding is an int, one per axis, a [before, after] pair per axis, "valid", or "same": as much as makes
    size' = ceil(size / stride), half of it before, what is odd after (with a stride, which torch refuses there, that is
    TensorFlow's SAME). The kernel must fit the padded input, and groups divide both channel counts. Weights are drawn
    from U(-b, b), b = 1 / sqrt(fan in).
    MACs: one per output element, input channel of its group and kernel element. FLOPs: two per MAC, one per bias added.

    ONNX: Conv. Dumoulin and Visin, 2016, "A guide to convolution arithmetic for deep learning".
    """

    pinned = (("Conv1d", 1), ("Conv2d", 2), ("Conv3d", 3))
    torch = "Conv{n}d"
    overwritable = True
    gives = "logits"
    out_size = "out_channels"
    out_axis = 1
    slides = True
    left_out = (("in_channels", 0),)
    torch_sizes = (0, 1)

    out_channels: int
    kernel_size: Ints
    stride: Ints = 1
    padding: Padding = 0
    dilation: Ints = 1
    groups: int = 1
    bias: bool = True
    padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros"
    weight_init: Init | None = None
    bias_init: Init | None = None

    def check(self) -> None:
        for field in ("out_channels", "kernel_size", "stride", "dilation", "groups"):
            require_bound(getattr(self, field), 1, field)
        check_padding(self.padding)
        if self.out_channels % self.groups:
            message = f"Conv: {self.out_channels} output channels are not divisible by {self.groups} groups"
            raise OpError(message, "choose groups that divide the channels", "DL0204")

    def window(self, x: TensorType) -> Window:
        """The window over an input."""
        return window_of(x, self.kernel_size, self.stride, self.dilation, self.padding)

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        (x,) = inputs
        require_rank(x, SPATIAL_RANKS, "Conv")
        require_float(x, "Conv")
        constant_channels(x, "Conv")
        _require_groups(need, x, self.groups, "Conv")
        window = self.window(x)
        if self.padding_mode in ("reflect", "circular"):
            self._require_content(need, x, window)
        return x.with_shape(x.shape[0], self.out_channels, *window.slide(need, x, "Conv"))

    def _require_content(self, need: Needs, x: TensorType, window: Window) -> None:
        edge = 1 if self.padding_mode == "reflect" else 0
        for axis, (size, pads) in enumerate(zip(x.spatial, window.pads, strict=True), 2):
            most = smax(*pads)
            message = (
                f"Conv: {self.padding_mode} padding of {most} does not fit axis {axis} of "
                f"{format_shape(x.shape)}, which must be at least {most + edge}"
            )
            need.at_least(size - most, edge, message, "use less padding or another padding_mode")

    def formula(self, inputs: Types, outputs: Types) -> tuple[str, ...]:
        return self.window(inputs[0]).formula(inputs[0], outputs[0].spatial)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        (x,) = inputs
        group = constant_channels(x, "Conv") // self.groups
        kernel = per_axis(self.kernel_size, x.rank - 2, "kernel_size")
        init = fan_in_uniform(group * prod(kernel))
        shape = (self.out_channels, group, *kernel)
        weight = Weight("weight", shape, self.weight_init or init, dtype=x.dtype)
        if not self.bias:
            return (weight,)
        return (weight, Weight("bias", (self.out_channels,), self.bias_init or init, dtype=x.dtype))

    def macs(self, inputs: Types, outputs: Types) -> Dim:
        (x,) = inputs
        group = constant_channels(x, "Conv") // self.groups
        return outputs[0].elements * (group * prod(per_axis(self.kernel_size, x.rank - 2, "kernel_size")))

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 2 * self.macs(inputs, outputs) + (outputs[0].elements if self.bias else 0)


class ConvFunction(Op):
    """Convolution with a given weight [out, C / groups, *kernel] and an optional bias [out].

    Shapes, MACs and FLOPs are those of Conv.

    ONNX: Conv.
    """

    tensors = ("x", "weight", "bias?")
    layer = False
    function = "conv"
    overwritable = True
    gives = "logits"

    stride: Ints = 1
    padding: Padding = 0
    dilation: Ints = 1
    groups: int = 1

    def check(self) -> None:
        for field in ("stride", "dilation", "groups"):
            require_bound(getattr(self, field), 1, field)
        check_padding(self.padding)

    def window(self, x: TensorType, weight: TensorType) -> Window:
        """The window over an input, as large as the weight."""
        return window_of(x, _kernel_of(weight, x, "conv"), self.stride, self.dilation, self.padding)

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x, weight, *_ = inputs
        window = self.window(x, weight)
        _require_groups(need, x, self.groups, "conv")
        message = (
            f"conv: the weight {weight} is for {weight.shape[1]} channels in each group, "
            f"not {x.shape[1]} / {self.groups}"
        )
        need.equal(weight.shape[1] * self.groups, x.shape[1], message)
        out = weight.shape[0]
        message = f"conv: {out} output channels are not divisible by {self.groups} groups"
        need.divisible(out, self.groups, message)
        _require_bias(need, inputs, out, "conv")
        return x.with_shape(x.shape[0], out, *window.slide(need, x, "conv"))

    def formula(self, inputs: Types, outputs: Types) -> tuple[str, ...]:
        return self.window(*inputs[:2]).formula(inputs[0], outputs[0].spatial)

    def macs(self, inputs: Types, outputs: Types) -> Dim:
        return outputs[0].elements * product(inputs[1].shape[1:])

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 2 * self.macs(inputs, outputs) + (outputs[0].elements if len(inputs) > 2 else 0)


def _spreading(op: ConvTranspose | ConvTransposeFunction, kernel: tuple[int, ...]) -> Window:
    axes = len(kernel)
    pads = tuple((side, side) for side in per_axis(op.padding, axes, "padding"))
    return Window(kernel, per_axis(op.stride, axes, "stride"), per_axis(op.dilation, axes, "dilation"), pads)


def _transposed_sizes(
    need: Needs, x: TensorType, window: Window, output_padding: tuple[int, ...], name: str
) -> tuple[Dim, ...]:
    """``(size - 1) * stride - padding + dilation * (kernel - 1) + output_padding + 1`` on each axis."""
    sizes: list[Dim] = []
    pads = window.known_pads
    assert pads is not None
    for axis, size in enumerate(x.spatial):
        step, padding = window.stride[axis], sum(pads[axis])
        if output_padding[axis] >= max(step, window.dilation[axis]):
            message = (
                f"{name}: output_padding of {output_padding[axis]} must be smaller than the stride or the dilation"
            )
            raise OpError(message, code="DL0208")
        rest = window.spans[axis] - padding + output_padding[axis]
        out = (size - 1) * step + rest
        message = f"{name}: padding of {padding // 2} leaves nothing of axis {axis + 2}, which is {size}"
        need.at_least(size, 1 - (rest - 1) // step, message, "use less padding")
        sizes.append(out)
    return tuple(sizes)


def _transposed_formula(
    x: TensorType, window: Window, output_padding: tuple[int, ...], sizes: tuple[Dim, ...]
) -> tuple[str, ...]:
    rows = zip(
        x.spatial, window.stride, window.pads, window.dilation, window.kernel, output_padding, sizes, strict=True
    )
    return equations(
        {
            axis: (f"({size} - 1)*{s} - 2*{pad} + {d}*({k}-1) + {extra} + 1", out)
            for axis, (size, s, (pad, _), d, k, extra, out) in enumerate(rows, 2)
        }
    )


class ConvTranspose(Op):
    """Transposed convolution over 1, 2 or 3 spatial axes.

    [N, C, *sizes] becomes [N, out_channels, *sizes'], with size' = (size - 1) * stride - 2 * padding + dilation *
    (kernel - 1) + output_padding + 1; output_padding must be smaller than the stride or the dilation. Weights are drawn
    from U(-b, b), b = 1 / sqrt(out_channels / groups * kernel elements), as ``torch.nn`` does.
    MACs: one per input element, output channel of its group and kernel element. FLOPs: two per MAC, one per bias added.

    ONNX: ConvTranspose. Dumoulin and Visin, 2016, "A guide to convolution arithmetic for deep learning".
    """

    pinned = (("ConvTranspose1d", 1), ("ConvTranspose2d", 2), ("ConvTranspose3d", 3))
    torch = "ConvTranspose{n}d"
    overwritable = True
    gives = "logits"
    out_size = "out_channels"
    out_axis = 1
    left_out = (("in_channels", 0),)
    torch_sizes = (0, 1)

    out_channels: int
    kernel_size: Ints
    stride: Ints = 1
    padding: Ints = 0
    output_padding: Ints = 0
    groups: int = 1
    bias: bool = True
    dilation: Ints = 1
    weight_init: Init | None = None
    bias_init: Init | None = None

    def check(self) -> None:
        for field in ("out_channels", "kernel_size", "stride", "dilation", "groups"):
            require_bound(getattr(self, field), 1, field)
        require_bound(self.padding, 0, "padding")
        require_bound(self.output_padding, 0, "output_padding")
        if self.out_channels % self.groups:
            message = f"ConvTranspose: {self.out_channels} output channels are not divisible by {self.groups} groups"
            raise OpError(message, "choose groups that divide the channels", "DL0204")

    def window(self, x: TensorType) -> Window:
        """The window that each element of an input is spread over."""
        return _spreading(self, per_axis(self.kernel_size, x.rank - 2, "kernel_size"))

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        (x,) = inputs
        require_rank(x, SPATIAL_RANKS, "ConvTranspose")
        require_float(x, "ConvTranspose")
        constant_channels(x, "ConvTranspose")
        _require_groups(need, x, self.groups, "ConvTranspose")
        extra = per_axis(self.output_padding, x.rank - 2, "output_padding")
        sizes = _transposed_sizes(need, x, self.window(x), extra, "ConvTranspose")
        return x.with_shape(x.shape[0], self.out_channels, *sizes)

    def formula(self, inputs: Types, outputs: Types) -> tuple[str, ...]:
        extra = per_axis(self.output_padding, inputs[0].rank - 2, "output_padding")
        return _transposed_formula(inputs[0], self.window(inputs[0]), extra, outputs[0].spatial)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        (x,) = inputs
        group = self.out_channels // self.groups
        kernel = per_axis(self.kernel_size, x.rank - 2, "kernel_size")
        init = fan_in_uniform(group * prod(kernel))
        shape = (constant_channels(x, "ConvTranspose"), group, *kernel)
        weight = Weight("weight", shape, self.weight_init or init, dtype=x.dtype)
        if not self.bias:
            return (weight,)
        return (weight, Weight("bias", (self.out_channels,), self.bias_init or init, dtype=x.dtype))

    def macs(self, inputs: Types, outputs: Types) -> Dim:
        (x,) = inputs
        kernel = per_axis(self.kernel_size, x.rank - 2, "kernel_size")
        return x.elements * (self.out_channels // self.groups * prod(kernel))

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 2 * self.macs(inputs, outputs) + (outputs[0].elements if self.bias else 0)


class ConvTransposeFunction(Op):
    """Transposed convolution with a given weight [C, out / groups, *kernel] and an optional bias [out].

    Shapes, MACs and FLOPs are those of ConvTranspose.

    ONNX: ConvTranspose.
    """

    tensors = ("x", "weight", "bias?")
    layer = False
    function = "conv_transpose"
    overwritable = True
    gives = "logits"

    stride: Ints = 1
    padding: Ints = 0
    output_padding: Ints = 0
    groups: int = 1
    dilation: Ints = 1

    def check(self) -> None:
        for field in ("stride", "dilation", "groups"):
            require_bound(getattr(self, field), 1, field)
        require_bound(self.padding, 0, "padding")
        require_bound(self.output_padding, 0, "output_padding")

    def window(self, x: TensorType, weight: TensorType) -> Window:
        """The window that each element of an input is spread over, as large as the weight."""
        return _spreading(self, _kernel_of(weight, x, "conv_transpose"))

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x, weight, *_ = inputs
        window = self.window(x, weight)
        _require_groups(need, x, self.groups, "conv_transpose")
        message = f"conv_transpose: the weight {weight} is for {weight.shape[0]} input channels, not {x.shape[1]}"
        need.equal(weight.shape[0], x.shape[1], message)
        out = weight.shape[1] * self.groups
        _require_bias(need, inputs, out, "conv_transpose")
        extra = per_axis(self.output_padding, x.rank - 2, "output_padding")
        return x.with_shape(x.shape[0], out, *_transposed_sizes(need, x, window, extra, "conv_transpose"))

    def formula(self, inputs: Types, outputs: Types) -> tuple[str, ...]:
        extra = per_axis(self.output_padding, inputs[0].rank - 2, "output_padding")
        return _transposed_formula(inputs[0], self.window(*inputs[:2]), extra, outputs[0].spatial)

    def macs(self, inputs: Types, outputs: Types) -> Dim:
        return inputs[0].elements * product(inputs[1].shape[1:])

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 2 * self.macs(inputs, outputs) + (outputs[0].elements if len(inputs) > 2 else 0)


OPERATORS: tuple[type[Op], ...] = (Conv, ConvFunction, ConvTranspose, ConvTransposeFunction)
