"""Resampling of the spatial axes, as ``torch.nn.functional.interpolate`` does it."""

from __future__ import annotations

from fractions import Fraction
from struct import pack, unpack
from typing import Literal

from dlspec.ir.dims import Dim, floordiv
from dlspec.ir.fields import Floats, Sizes
from dlspec.ir.op import Needs, Op, OpError, Types
from dlspec.ir.types import TensorType, format_shape
from dlspec.ops.rules import equations, factor, require_float, spatial_sizes

_RANKS = {"linear": (1, 2, 3), "bilinear": (2,), "trilinear": (3,), "bicubic": (2,)}


class Resampling(Op):
    """Base of Upsample and Resize.

    FLOPs are two for each tap of the kernel and output element: 2, 4 or 8 taps for linear interpolation on 1, 2 or 3
    axes, 16 for bicubic; none for nearest, which copies.
    """

    def taps(self, x: TensorType) -> int:
        return 0

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 2 * self.taps(inputs[0]) * outputs[0].elements


def _check_mode(mode: str, align_corners: bool) -> None:
    if align_corners and mode.startswith("nearest"):
        raise OpError(f'`align_corners` has no meaning in mode "{mode}"', 'mode="linear"', "DL0208")


def _check_input(x: TensorType, mode: str, name: str) -> None:
    require_float(x, name)
    axes = x.rank - 2
    if axes not in _RANKS.get(mode, (1, 2, 3)):
        raise OpError(
            f'{name} in mode "{mode}" does not fit {format_shape(x.shape)} with its {max(axes, 0)} spatial axes',
            'mode "linear" fits one, two and three spatial axes',
            "DL0202",
        )


def _taps(mode: str, x: TensorType) -> int:
    if mode.startswith("nearest"):
        return 0
    return 16 if mode == "bicubic" else 2 ** (x.rank - 2)


def _to_size(need: Needs, x: TensorType, sizes: tuple[Dim, ...], name: str) -> TensorType:
    for size in sizes:
        need.at_least(size, 1, f"{name} of {format_shape(x.shape)} would have a spatial size of {size}")
    return x.with_shape(*x.shape[:2], *sizes)


class Upsample(Resampling):
    """Resamples the spatial axes to `size`, or to `floor(scale_factor * H)`: one of the two is given.

    `size` may be another tensor, for its spatial sizes. Mode "nearest" takes the element at `floor(i / scale)`,
    "linear" interpolates along every spatial axis ("bilinear" and "trilinear" say how many there are).

    ONNX: Resize. Mode "bicubic" is that of Keys, 1981, "Cubic Convolution Interpolation for Digital Image Processing".
    """

    size: Sizes | None = None
    scale_factor: Floats | None = None
    mode: Literal["nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic"] = "nearest"
    align_corners: bool = False

    def check(self) -> None:
        if (self.size is None) is (self.scale_factor is None):
            raise OpError("Upsample takes either `size` or `scale_factor`", "Upsample(scale_factor=2)", "DL0208")
        if self.scale_factor is not None:
            for scale in self.scale_factor if isinstance(self.scale_factor, tuple) else (self.scale_factor,):
                if not 0 < scale < float("inf"):
                    raise OpError(f"`scale_factor` must be a positive number, not {scale:g}", code="DL0208")
        _check_mode(self.mode, self.align_corners)

    def scales(self, x: TensorType) -> tuple[Fraction, ...] | None:
        """The factor for each spatial axis, or None where the size is given."""
        if self.scale_factor is None:
            return None
        scales = self.scale_factor if isinstance(self.scale_factor, tuple) else (self.scale_factor,) * (x.rank - 2)
        if len(scales) != x.rank - 2:
            raise OpError(
                f"`scale_factor` has {len(scales)} values, and {format_shape(x.shape)} has {x.rank - 2} spatial axes",
                code="DL0202",
            )
        # 0.7 means seven tenths, not the nearest binary fraction: 10 * 0.7 is 7.
        return tuple(Fraction(scale).limit_denominator(1 << 12) for scale in scales)

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        _check_input(x, self.mode, "Upsample")
        scales = self.scales(x)
        if scales is None:
            assert self.size is not None
            return _to_size(need, x, spatial_sizes(self.size, x, "Upsample"), "Upsample")
        sizes = (floordiv(size * s.numerator, s.denominator) for size, s in zip(x.spatial, scales, strict=True))
        return _to_size(need, x, tuple(sizes), "Upsample")

    def formula(self, inputs: Types, outputs: Types) -> tuple[str, ...]:
        rows = zip(inputs[0].spatial, self.scales(inputs[0]) or (), outputs[0].spatial, strict=False)
        return equations({axis: (f"floor({factor(n)}*{s})", out) for axis, (n, s, out) in enumerate(rows, 2)})

    def taps(self, x: TensorType) -> int:
        return _taps(self.mode, x)


class Resize(Resampling):
    """Resamples the spatial axes to a size, or to that of another tensor, as Upsample does. ONNX: Resize."""

    function = "resize"

    size: Sizes
    mode: Literal["nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic"] = "nearest"
    align_corners: bool = False

    def check(self) -> None:
        _check_mode(self.mode, self.align_corners)

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        _check_input(x, self.mode, "Resize")
        return _to_size(need, x, spatial_sizes(self.size, x, "Resize"), "Resize")

    def taps(self, x: TensorType) -> int:
        return _taps(self.mode, x)


OPERATORS: tuple[type[Op], ...] = (Upsample, Resize)


def growth(have: Dim, want: Dim) -> Fraction | None:
    """How many times larger it becomes, where that is the same for all sizes."""
    if isinstance(have, int) and isinstance(want, int):
        return Fraction(want, have)
    quotient = floordiv(want, have)
    return Fraction(quotient) if isinstance(quotient, int) and quotient * have == want else None


def repeats(factor: Fraction | None) -> bool:
    """Whether "nearest" takes each element so many times: it is a whole number, and its inverse in float32, which torch
    multiplies with, is not too small."""
    if factor is None or factor.denominator != 1:
        return False
    (inverse,) = unpack("f", pack("f", 1 / factor))
    return Fraction(inverse) * factor >= 1
