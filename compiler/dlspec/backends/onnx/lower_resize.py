"""Resampling.

The node Resize places its samples by a division in float32, so "nearest" takes a neighbour where the quotient should be
whole: of 28 elements resized to 4 the second is 6, not 7. It does what torch does where the factor is a whole number;
elsewhere the positions are computed as torch computes them, and gathered. ONNX Runtime resizes float32 and float16.
"""

from __future__ import annotations

from fractions import Fraction

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.dims import Dim
from dlspec.ir.graph import Node
from dlspec.ops.resize import Resize, Upsample, growth, repeats


@lowers(Upsample, Resize)
def resize(e: Emitter, op: Upsample | Resize, node: Node, xs: list[str], ws: list[str]) -> str:
    type_, shape = node.inputs[0].type, node.outputs[0].type.shape
    nearest = op.mode.startswith("nearest")
    scales = op.scales(type_) if isinstance(op, Upsample) else None
    if type_.shape == shape and (not nearest or not scales or set(scales) == {1}):
        return xs[0]
    if nearest:
        factors = scales or [growth(have, want) for have, want in zip(type_.spatial, shape[2:], strict=True)]
        if not all(repeats(factor) for factor in factors):
            return _gathered(e, op.mode, xs[0], type_.spatial, shape[2:], scales)
        exact = op.mode == "nearest-exact"
        modes = {
            "mode": "nearest",
            "coordinate_transformation_mode": "half_pixel" if exact else "asymmetric",
            "nearest_mode": "round_prefer_ceil" if exact else "floor",
        }
    else:
        modes = {
            "mode": "cubic" if op.mode == "bicubic" else "linear",
            "coordinate_transformation_mode": "align_corners" if op.align_corners else "half_pixel",
        }
    if scales is None:
        target = [xs[0], "", "", e.shape(shape)]
    else:
        target = [xs[0], "", e.constant([1.0, 1.0, *(_not_below(scale) for scale in scales)], "float32")]
    return e.op("Resize", target, 1, cubic_coeff_a=-0.75 if op.mode == "bicubic" else None, **modes)


def _not_below(scale: Fraction) -> float:
    """The nearest float32 that is not smaller, so that ``floor(scale * size)`` is exact where the product is whole."""
    import numpy as np

    nearest = np.float32(scale)
    return float(nearest if Fraction(float(nearest)) >= scale else np.nextafter(nearest, np.float32(np.inf)))


def _gathered(
    e: Emitter,
    mode: str,
    x: str,
    have: tuple[Dim, ...],
    want: tuple[Dim, ...],
    scales: tuple[Fraction, ...] | None,
) -> str:
    for axis, (size, target) in enumerate(zip(have, want, strict=True)):
        scale = scales[axis] if scales else None
        if size != target or scale not in (None, 1):
            x = e.op("Gather", [x, _positions(e, mode, size, target, scale)], axis=axis + 2)
    return x


def _positions(e: Emitter, mode: str, have: Dim, want: Dim, scale: Fraction | None) -> str:
    """For each element of the output its place in the input, in float32.

    The arithmetic is that of aten/src/ATen/native/UpSample.h and cpu/UpSampleKernel.cpp; where the compiler fuses a
    product and a sum there, float64 stands in.
    """
    numbers = e.cast(e.op("Range", [e.constant(0), e.dim(want), e.constant(1)]), "float32")
    if scale is None:
        ratio = e.op("Div", [e.cast(e.dim(have), "float32"), e.cast(e.dim(want), "float32")])
    else:
        ratio = e.constant(float(1 / scale), "float32")
    if mode == "nearest":
        places = e.op("Mul", [numbers, ratio])
    else:
        half, wide_half = e.constant(0.5, "float32"), e.constant(0.5, "float64")
        middles = e.op("Add", [e.cast(numbers, "float64"), wide_half])
        corners = e.op("Sub", [e.op("Mul", [middles, e.cast(ratio, "float64")]), wide_half])
        places = e.op("Add", [e.op("Max", [e.cast(corners, "float32"), e.constant(0.0, "float32")]), half])
    return e.op("Min", [e.cast(e.op("Floor", [places]), "int64"), e.dim(have - 1)])
