"""Pooling: sliding windows, windows that adapt to an output size, and the whole of the space."""

from __future__ import annotations

from math import isfinite

from dlspec.ir.dims import Dim, product
from dlspec.ir.fields import Ints, PoolPadding, Sizes
from dlspec.ir.op import Needs, Op, OpError, Types, require_rank
from dlspec.ir.types import TensorType, format_shape
from dlspec.ops.rules import require_float, spatial_sizes
from dlspec.ops.window import SPATIAL_RANKS, Window, per_axis, require_bound, sliding


def _window(
    x: TensorType, kernel_size: Ints, stride: Ints | None, padding: PoolPadding, dilation: Ints, ceil_mode: bool
) -> Window:
    """The window of a pool.

    With ``ceil_mode`` torch rounds the number of windows up and then drops a last one that would begin behind the
    input. Both together are ``floor((size + padding - 1 + min(0, padding + stride - span)) / stride) + 1``: the floor
    rule with ``min(padding + stride, span) - 1`` elements of padding after, for every size.
    """
    axes = x.rank - 2
    kernel = per_axis(kernel_size, axes, "kernel_size")
    step = kernel if stride is None else per_axis(stride, axes, "stride")
    gap = per_axis(dilation, axes, "dilation")
    if isinstance(padding, str):
        return sliding(x, kernel, step, gap, padding)
    sides = per_axis(padding, axes, "padding")
    for side, size in zip(sides, kernel, strict=True):
        if 2 * side > size:
            message = f"a padding of {side} is more than half of the kernel, which is {size}"
            raise OpError(message, "a window must not lie in the padding alone", "DL0208")
    window = sliding(x, kernel, step, gap, sides)
    if not ceil_mode:
        return window
    rows = zip(sides, step, window.spans, strict=True)
    return window._replace(pads=tuple((side, min(side + s, span) - 1) for side, s, span in rows))


def _check_windows(op: MaxPool | AvgPool | LPPool) -> None:
    for field, low in (("kernel_size", 1), ("stride", 1), ("dilation", 1), ("padding", 0)):
        value = getattr(op, field, None)
        if value is not None and not isinstance(value, str):
            require_bound(value, low, field)
    if op.ceil_mode and getattr(op, "padding", None) == "same":
        raise OpError('`padding="same"` leaves no end for `ceil_mode` to cover', "leave `ceil_mode` out", "DL0208")


def _require_spatial(x: TensorType, name: str) -> None:
    require_rank(x, SPATIAL_RANKS, name)
    require_float(x, name)


def _require_whole(need: Needs, x: TensorType, kernel_size: Ints, name: str) -> None:
    """torch's means over 3 axes take no input that is smaller than the kernel, whatever is padded."""
    if x.rank < 5:
        return
    for axis, (size, kernel) in enumerate(zip(x.spatial, per_axis(kernel_size, 3, "kernel_size"), strict=True), 2):
        message = f"{name}: axis {axis} of {format_shape(x.shape)} is smaller than the kernel, which is {kernel}"
        need.at_least(size, kernel, message, "over 3 axes padding does not make up for it")


class MaxPool(Op):
    """Largest value under a sliding window, over 1, 2 or 3 spatial axes.

    [N, C, *sizes] becomes [N, C, *sizes'], with size' = floor((size + 2 * padding - dilation * (kernel - 1) - 1) /
    stride) + 1; with ceil_mode rounded up, and every window begins inside the input or the padding before it. The
    stride is the kernel size unless given; padding counts as -infinity and is at most half of the kernel, or "same": as
    much as makes size' = ceil(size / stride), half of it before, what is odd after, as TensorFlow's SAME. "valid" is none.
    FLOPs: one per kernel element and output element.

    ONNX: MaxPool. Riesenhuber and Poggio, 1999, "Hierarchical Models of Object Recognition in Cortex".
    """

    pinned = (("MaxPool1d", 1), ("MaxPool2d", 2), ("MaxPool3d", 3))
    torch = "MaxPool{n}d"
    slides = True
    function = "max_pool"

    kernel_size: Ints
    stride: Ints | None = None
    padding: PoolPadding = 0
    dilation: Ints = 1
    ceil_mode: bool = False

    def check(self) -> None:
        _check_windows(self)

    def window(self, x: TensorType) -> Window:
        """The window; what ceil_mode adds is padding after."""
        return _window(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        (x,) = inputs
        _require_spatial(x, "MaxPool")
        return x.with_shape(*x.shape[:2], *self.window(x).slide(need, x, "MaxPool"))

    def formula(self, inputs: Types, outputs: Types) -> tuple[str, ...]:
        return self.window(inputs[0]).formula(inputs[0], outputs[0].spatial)

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return outputs[0].elements * self.window(inputs[0]).volume


class AvgPool(Op):
    """Mean under a sliding window, over 1, 2 or 3 spatial axes.

    Sizes are those of MaxPool. With count_include_pad the zeros of the padding count in the mean; those that ceil_mode or
    padding="same" adds never do, as in TensorFlow. divisor_override divides the sum by another number than that of the
    elements (2 and 3 spatial axes).
    FLOPs: one per kernel element and output element.

    ONNX: AveragePool. LeCun et al., 1998, "Gradient-Based Learning Applied to Document Recognition".
    """

    wide = True
    pinned = (("AvgPool1d", 1), ("AvgPool2d", 2), ("AvgPool3d", 3))
    torch = "AvgPool{n}d"
    slides = True
    function = "avg_pool"

    kernel_size: Ints
    stride: Ints | None = None
    padding: PoolPadding = 0
    ceil_mode: bool = False
    count_include_pad: bool = True
    divisor_override: int | None = None

    @property
    def counts_padding(self) -> bool:
        """Whether the padding before counts in the mean, and as much after."""
        return self.count_include_pad and self.padding != "same"

    def check(self) -> None:
        _check_windows(self)
        if self.divisor_override == 0:
            raise OpError("`divisor_override` must not be 0", code="DL0208")

    def window(self, x: TensorType) -> Window:
        """The window; what ceil_mode adds is padding after."""
        return _window(x, self.kernel_size, self.stride, self.padding, 1, self.ceil_mode)

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        (x,) = inputs
        _require_spatial(x, "AvgPool")
        if self.divisor_override is not None and x.rank == 3:
            raise OpError("AvgPool over one spatial axis takes no `divisor_override`", code="DL0208")
        _require_whole(need, x, self.kernel_size, "AvgPool")
        return x.with_shape(*x.shape[:2], *self.window(x).slide(need, x, "AvgPool"))

    def formula(self, inputs: Types, outputs: Types) -> tuple[str, ...]:
        return self.window(inputs[0]).formula(inputs[0], outputs[0].spatial)

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return outputs[0].elements * self.window(inputs[0]).volume


class LPPool(Op):
    """Power mean under a sliding window without its divisor: (sum of x^p)^(1/p), p = norm_type.

    Sizes are those of MaxPool without padding. As in ``torch.nn``, x is not made positive first: for a norm_type that
    is not an even number, inputs should not be negative. A window that ceil_mode lets reach over the end is scaled to
    the full one. FLOPs: two per kernel element and output element.

    ONNX: LpPool, written out. Sermanet et al., 2012, "Convolutional Neural Networks Applied to House Numbers Digit
    Classification".
    """

    pinned = (("LPPool1d", 1), ("LPPool2d", 2), ("LPPool3d", 3))
    torch = "LPPool{n}d"
    slides = True
    wide = True
    narrow_in_torch = True

    norm_type: float
    kernel_size: Ints
    stride: Ints | None = None
    ceil_mode: bool = False

    def check(self) -> None:
        _check_windows(self)
        if not isfinite(self.norm_type) or self.norm_type == 0:
            raise OpError(f"`norm_type` must be a finite number other than 0, not {self.norm_type}", code="DL0208")

    def window(self, x: TensorType) -> Window:
        """The window; what ceil_mode adds is padding after."""
        return _window(x, self.kernel_size, self.stride, 0, 1, self.ceil_mode)

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        (x,) = inputs
        _require_spatial(x, "LPPool")
        _require_whole(need, x, self.kernel_size, "LPPool")
        return x.with_shape(*x.shape[:2], *self.window(x).slide(need, x, "LPPool"))

    def formula(self, inputs: Types, outputs: Types) -> tuple[str, ...]:
        return self.window(inputs[0]).formula(inputs[0], outputs[0].spatial)

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 2 * outputs[0].elements * self.window(inputs[0]).volume


def _adapted(need: Needs, inputs: Types, output_size: Sizes, name: str) -> TensorType:
    (x,) = inputs
    _require_spatial(x, name)
    sizes = spatial_sizes(output_size, x, name)
    for axis, (size, out) in enumerate(zip(x.spatial, sizes, strict=True), 2):
        if isinstance(out, int) and out < 1:
            raise OpError(f"{name}: an output size must be at least 1, not {out}", code="DL0208")
        if not isinstance(size, int) or size < 1:
            need.at_least(size, 1, f"{name}: axis {axis} of {format_shape(x.shape)} is empty")
    return x.with_shape(*x.shape[:2], *sizes)


class AdaptiveAvgPool(Op):
    """Mean over windows that divide each spatial axis evenly into the given number of outputs.

    [N, C, *sizes] becomes [N, C, *output_size]; window i of an axis covers floor(i * size / out) up to
    ceil((i + 1) * size / out). One size stands for all axes. FLOPs: one per input element and one per output element.

    ONNX: GlobalAveragePool, AveragePool where all windows are alike, else MatMul. He et al., 2014, "Spatial Pyramid
    Pooling in Deep Convolutional Networks for Visual Recognition".
    """

    wide = True
    pinned = (("AdaptiveAvgPool1d", 1), ("AdaptiveAvgPool2d", 2), ("AdaptiveAvgPool3d", 3))
    torch = "AdaptiveAvgPool{n}d"
    function = "adaptive_avg_pool"

    output_size: Sizes

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return _adapted(need, inputs, self.output_size, "AdaptiveAvgPool")

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return inputs[0].elements + outputs[0].elements


class AdaptiveMaxPool(Op):
    """Largest value over windows that divide each spatial axis evenly into the given number of outputs.

    [N, C, *sizes] becomes [N, C, *output_size]; the windows are those of AdaptiveAvgPool. One size stands for all axes.
    FLOPs: one per input element.

    ONNX: GlobalMaxPool, MaxPool where all windows are alike, else ReduceMax. He et al., 2014, "Spatial Pyramid Pooling
    in Deep Convolutional Networks for Visual Recognition".
    """

    pinned = (("AdaptiveMaxPool1d", 1), ("AdaptiveMaxPool2d", 2), ("AdaptiveMaxPool3d", 3))
    torch = "AdaptiveMaxPool{n}d"
    function = "adaptive_max_pool"

    output_size: Sizes

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return _adapted(need, inputs, self.output_size, "AdaptiveMaxPool")

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return inputs[0].elements


def _global(inputs: Types, name: str) -> TensorType:
    (x,) = inputs
    _require_spatial(x, name)
    return x.with_shape(*x.shape[:2], *(1 for _ in x.spatial))


class GlobalAvgPool(Op):
    """Mean over all spatial axes, which stay with size 1: [N, C, *sizes] becomes [N, C, 1, ...].

    FLOPs: one per input element and one per output element.

    ONNX: GlobalAveragePool. Lin et al., 2013, "Network In Network".
    """

    wide = True
    onnx = "GlobalAveragePool"

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return _global(inputs, "GlobalAvgPool")

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return inputs[0].elements + product(inputs[0].shape[:2])


class GlobalMaxPool(Op):
    """Largest value over all spatial axes, which stay with size 1: [N, C, *sizes] becomes [N, C, 1, ...].

    FLOPs: one per input element.

    ONNX: GlobalMaxPool.
    """

    onnx = "GlobalMaxPool"

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return _global(inputs, "GlobalMaxPool")

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return inputs[0].elements


OPERATORS: tuple[type[Op], ...] = (
    MaxPool, AvgPool, LPPool, AdaptiveAvgPool, AdaptiveMaxPool, GlobalAvgPool, GlobalMaxPool,
)  # fmt: skip
