"""Resampling of the spatial axes, as ``torch.nn.functional.interpolate`` does it."""

from __future__ import annotations

from fractions import Fraction
from struct import pack, unpack
from typing import Literal

from dlspec.ir.computed import scaled, smax
from dlspec.ir.dims import Dim, ceildiv, floordiv, lower_bound, product
from dlspec.ir.fields import Floats, Sizes
from dlspec.ir.op import Needs, Op, OpError, Types
from dlspec.ir.types import TensorType, format_shape
from dlspec.ops.rules import equations, factor, require_float, spatial_sizes

SMALL = 128
_MOST = 2.0**31
_RANKS = {"bilinear": (2,), "trilinear": (3,), "bicubic": (2,)}
_WIDTHS = {"linear": 2, "bilinear": 2, "bicubic": 4}


class Resampling(Op):
    """Base of Upsample and Resize.

    FLOPs are two for each tap of the kernel and output element: 2, 4 or 8 taps for linear interpolation on 1, 2 or 3
    axes, 16 for bicubic; none for nearest, which copies. With `antialias` an axis that shrinks has as many times more taps,
    and the axes come one after the other. Mode "area" counts as AdaptiveAvgPool.
    """

    mode: str
    align_corners: bool
    antialias: bool

    def scales(self, x: TensorType) -> tuple[float, ...] | None:
        """The factor that is given for each spatial axis, or None where the size is."""
        return None

    @property
    def interpolates(self) -> bool:
        """Whether an axis whose size stays what it is is copied, though a factor is given: so in the linear modes."""
        return self.mode in ("linear", "bilinear", "trilinear")

    def compact(self, y: TensorType) -> bool | None:
        """Whether "nearest" copies an axis whose size stays, and has each element twice where it becomes just twice as long,
        whatever the factor: so in torch's kernel for pictures whose height and width are 128 or less together. None where
        open sizes decide."""
        if self.mode != "nearest" or y.rank != 4:
            return False
        total = y.shape[2] + y.shape[3]
        if isinstance(total, int):
            return total <= SMALL
        least = lower_bound(total)
        return False if least is not None and least > SMALL else None

    def sampling(self, x: TensorType, y: TensorType) -> tuple[float | None, ...]:
        """The factor with which each spatial axis is sampled, None where it is the ratio of the sizes."""
        scales = self.scales(x)
        if scales is None or self.align_corners:
            return (None,) * (x.rank - 2)
        sizes = zip(x.spatial, y.spatial, strict=True)
        return tuple(self._factor(y, have, want, scale) for (have, want), scale in zip(sizes, scales, strict=True))

    def _factor(self, y: TensorType, have: Dim, want: Dim, scale: float) -> float:
        if want == have and (self.interpolates or self.compact(y)):
            return 1.0
        return 2.0 if want == 2 * have and self.compact(y) else scale

    def taps(self, x: TensorType) -> int:
        if self.mode.startswith("nearest"):
            return 0
        return 16 if self.mode == "bicubic" else 2 ** (x.rank - 2)

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        x, y = inputs[0], outputs[0]
        if self.mode == "area":
            return x.elements + y.elements
        if not self.antialias:
            return 2 * self.taps(x) * y.elements
        work, sizes = 0, list(x.shape)
        for axis in (3, 2):
            have, sizes[axis] = sizes[axis], y.shape[axis]
            work = work + 2 * ceildiv(_WIDTHS[self.mode] * smax(have, sizes[axis]), sizes[axis]) * product(sizes)
        return work


def _check_mode(mode: str, align_corners: bool, antialias: bool) -> None:
    if align_corners and mode.startswith(("nearest", "area")):
        raise OpError(f'`align_corners` has no meaning in mode "{mode}"', 'mode="linear"', "DL0208")
    if antialias and mode not in _WIDTHS:
        raise OpError(f'`antialias` has no meaning in mode "{mode}"', 'mode="bilinear"', "DL0208")


def _check_input(x: TensorType, mode: str, antialias: bool, name: str) -> None:
    require_float(x, name)
    axes = x.rank - 2
    if antialias and axes != 2:
        raise OpError(f"{name} is antialiased on two spatial axes, and {format_shape(x.shape)} has not", code="DL0202")
    if axes not in _RANKS.get(mode, (1, 2, 3)):
        raise OpError(
            f'{name} in mode "{mode}" does not fit {format_shape(x.shape)} with its {max(axes, 0)} spatial axes',
            'mode "linear" fits one, two and three spatial axes',
            "DL0202",
        )


def _to_size(need: Needs, x: TensorType, sizes: tuple[Dim, ...], name: str) -> TensorType:
    for size in sizes:
        need.at_least(size, 1, f"{name} of {format_shape(x.shape)} would have a spatial size of {size}")
    return x.with_shape(*x.shape[:2], *sizes)


class Upsample(Resampling):
    """Resamples the spatial axes to `size`, or to `floor(scale_factor * H)`: one of the two is given.

    `size` may be another tensor, for its spatial sizes. The product is a float64, as torch computes it: of 100 and 1.15 it
    gives 114. Mode "nearest" takes the element at `floor(i / scale)`, "linear" interpolates along every spatial axis
    ("bilinear" and "trilinear" say how many there are). The scale is the factor where one is given, but an axis whose size
    stays what it is is copied by "linear". So it is by "nearest" where the output has two spatial axes of 128 or less
    together, and there an axis that becomes just twice as long has each element twice. "area" takes the mean of what lies
    under an element, as AdaptiveAvgPool. With `antialias` the kernel of "bilinear" and "bicubic" is as much wider as the
    image becomes smaller, as in Pillow.

    ONNX: Resize, or Gather. Mode "bicubic" is that of Keys, 1981, "Cubic Convolution Interpolation for Digital Image
    Processing".
    """

    size: Sizes | None = None
    scale_factor: Floats | None = None
    mode: Literal["nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic", "area"] = "nearest"
    align_corners: bool = False
    antialias: bool = False

    def check(self) -> None:
        if (self.size is None) is (self.scale_factor is None):
            raise OpError("Upsample takes either `size` or `scale_factor`", "Upsample(scale_factor=2)", "DL0208")
        if self.scale_factor is not None:
            for scale in self.scale_factor if isinstance(self.scale_factor, tuple) else (self.scale_factor,):
                if not scale > 0:
                    raise OpError(f"`scale_factor` must be a positive number, not {scale:g}", code="DL0208")
                if not 1 / _MOST <= scale <= _MOST:
                    raise OpError(f"`scale_factor` {scale:g} makes no size of any size", code="DL0208")
        _check_mode(self.mode, self.align_corners, self.antialias)

    def scales(self, x: TensorType) -> tuple[float, ...] | None:
        if self.scale_factor is None:
            return None
        scales = self.scale_factor if isinstance(self.scale_factor, tuple) else (self.scale_factor,) * (x.rank - 2)
        if len(scales) != x.rank - 2:
            raise OpError(
                f"`scale_factor` has {len(scales)} values, and {format_shape(x.shape)} has {x.rank - 2} spatial axes",
                code="DL0202",
            )
        return scales

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        _check_input(x, self.mode, self.antialias, "Upsample")
        scales = self.scales(x)
        if scales is None:
            assert self.size is not None
            return _to_size(need, x, spatial_sizes(self.size, x, "Upsample"), "Upsample")
        sizes = tuple(scaled(size, scale) for size, scale in zip(x.spatial, scales, strict=True))
        return _to_size(need, x, sizes, "Upsample")

    def formula(self, inputs: Types, outputs: Types) -> tuple[str, ...]:
        rows = zip(inputs[0].spatial, self.scales(inputs[0]) or (), outputs[0].spatial, strict=False)
        return equations(
            {axis: (f"floor({factor(n)} * {_written(s)})", out) for axis, (n, s, out) in enumerate(rows, 2)}
        )


def _written(scale: float) -> str:
    return str(int(scale)) if scale.is_integer() else repr(scale)


class Resize(Resampling):
    """Resamples the spatial axes to a size, or to that of another tensor, as Upsample does.

    ONNX: Resize, or of areas AveragePool, GlobalAveragePool and MatMul.
    """

    function = "resize"

    size: Sizes
    mode: Literal["nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic", "area"] = "nearest"
    align_corners: bool = False
    antialias: bool = False

    def check(self) -> None:
        _check_mode(self.mode, self.align_corners, self.antialias)

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        _check_input(x, self.mode, self.antialias, "Resize")
        return _to_size(need, x, spatial_sizes(self.size, x, "Resize"), "Resize")


OPERATORS: tuple[type[Op], ...] = (Upsample, Resize)


def growth(have: Dim, want: Dim) -> Fraction | None:
    """How many times larger it becomes, where that is the same for all sizes."""
    if isinstance(have, int) and isinstance(want, int):
        return Fraction(want, have)
    quotient = floordiv(want, have)
    return Fraction(quotient) if isinstance(quotient, int) and quotient * have == want else None


def growths(op: Resampling, x: TensorType, y: TensorType) -> list[Fraction | None]:
    """The factor of each spatial axis, None where it is not the same for all sizes."""
    sampled = zip(op.sampling(x, y), x.spatial, y.spatial, strict=True)
    return [growth(have, want) if factor is None else Fraction(factor) for factor, have, want in sampled]


def repeats(factor: Fraction | None) -> bool:
    """Whether "nearest" takes each element so many times: it is a whole number, and its inverse in float32, which torch
    multiplies with, is not too small."""
    if factor is None or factor.denominator != 1:
        return False
    (inverse,) = unpack("f", pack("f", 1 / factor))
    return Fraction(inverse) * factor >= 1
