"""Resampling.

The node Resize is torch's where the factor is a whole number, and for interpolation where it takes the same factor and
makes the same size of it. Elsewhere the elements between which a sample lies are computed as torch computes them, and
gathered: Resize places "nearest" by a division in float32, so it takes a neighbour where the quotient should be whole (of
28 elements resized to 4 the second is 6, not 7), and it knows one factor for the size and for the samples. ONNX Runtime
resizes float32 and float16.
"""

from __future__ import annotations

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.lower_pooling import averaged, mixed
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.dims import Dim
from dlspec.ir.node import Node
from dlspec.ir.types import DType, TensorType
from dlspec.ops.resize import SMALL, Resampling, Resize, Upsample, growths, repeats


@lowers(Upsample, Resize)
def resize(e: Emitter, op: Upsample | Resize, node: Node, xs: list[str], ws: list[str]) -> str:
    x, y = node.inputs[0].type, node.outputs[0].type
    factors = op.sampling(x, y)
    if x.shape == y.shape and all(factor in (None, 1) for factor in factors):
        return xs[0]
    if op.mode == "area":
        return averaged(e, node, xs[0])
    if op.antialias:
        return _smoothed(e, op, node, xs[0])
    axes = list(zip(x.spatial, y.spatial, factors, strict=True))
    if op.mode.startswith("nearest"):
        if not all(map(repeats, growths(op, x, y))):
            return _gathered(e, op, node, xs[0])
        exact = op.mode == "nearest-exact"
        modes = {
            "mode": "nearest",
            "coordinate_transformation_mode": "half_pixel" if exact else "asymmetric",
            "nearest_mode": "round_prefer_ceil" if exact else "floor",
        }
    else:
        if x.dtype is DType.FLOAT64 or x.shape == y.shape or not all(_resizes(*axis) for axis in axes):
            return _interpolated(e, op, node, xs[0])
        modes = {
            "mode": "cubic" if op.mode == "bicubic" else "linear",
            "coordinate_transformation_mode": "align_corners" if op.align_corners else "half_pixel",
        }
    known = [factor for factor in factors if factor is not None]
    if len(known) == len(factors):
        target = [xs[0], "", e.constant([1.0, 1.0, *known], "float32")]
    else:
        target = [xs[0], "", "", e.shape(y.shape)]
    return e.op("Resize", target, 1, cubic_coeff_a=-0.75 if op.mode == "bicubic" else None, **modes)


def _resizes(have: Dim, want: Dim, factor: float | None) -> bool:
    """Whether Resize makes the same size of a factor, in float32, and of no more than an element one that is the same."""
    import numpy as np

    if factor is None:
        return True
    if isinstance(have, int):
        return int(np.float32(have) * np.float32(factor)) == want
    return (8 * factor).is_integer() and not 1 < factor < 1.5


def _gathered(e: Emitter, op: Resampling, node: Node, x: str) -> str:
    """Mode "nearest", axis by axis."""
    for axis in _axes(e, op, node, DType.FLOAT32):
        x = e.op("Gather", [x, axis.nearest()], axis=axis.number)
    return x


def _smoothed(e: Emitter, op: Resampling, node: Node, x: str) -> str:
    """Antialiased: a matrix product for each axis, with a kernel that is as much wider as the axis becomes shorter."""
    own = node.inputs[0].type.dtype
    dtype = DType.FLOAT64 if own is DType.FLOAT64 else DType.FLOAT32
    x = x if own is dtype else e.cast(x, dtype)
    for axis in reversed(_axes(e, op, node, dtype)):
        x = mixed(e, x, axis.number, 4, axis.smooth())
    return x if own is dtype else e.cast(x, own)


def _interpolated(e: Emitter, op: Resampling, node: Node, x: str) -> str:
    """Interpolation, axis by axis, of elements that are gathered."""
    own = node.inputs[0].type.dtype
    dtype = DType.FLOAT64 if own is DType.FLOAT64 else DType.FLOAT32
    x = x if own is dtype else e.cast(x, dtype)
    for axis in _axes(e, op, node, dtype):
        behind = e.constant([-1] + [1] * (node.inputs[0].type.rank - axis.number - 1))
        parts = [
            e.op("Mul", [e.op("Gather", [x, places], axis=axis.number), e.op("Reshape", [weights, behind])])
            for places, weights in axis.taps()
        ]
        x = parts[0]
        for part in parts[1:]:
            x = e.op("Add", [x, part])
    return x if own is dtype else e.cast(x, own)


def _axes(e: Emitter, op: Resampling, node: Node, dtype: DType) -> list[_Axis]:
    """The axes that are not simply copied."""
    x, y = node.inputs[0].type, node.outputs[0].type
    found = enumerate(zip(x.spatial, y.spatial, op.sampling(x, y), strict=True), 2)
    return [
        _Axis(e, op, y, number, have, want, factor, dtype)
        for number, (have, want, factor) in found
        if have != want or factor not in (None, 1)
    ]


class _Axis:
    """Where the samples of an axis lie, computed in an element type ``dtype``.

    The arithmetic is that of aten/src/ATen/native/UpSample.h and cpu/UpSampleKernel.cpp; where the compiler fuses a
    product and a sum there, float64 stands in.
    """

    def __init__(
        self,
        e: Emitter,
        op: Resampling,
        y: TensorType,
        number: int,
        have: Dim,
        want: Dim,
        factor: float | None,
        dtype: DType,
    ) -> None:
        self.e, self.op, self.dtype, self.number = e, op, dtype, number
        self.have, self.want, self.factor = have, want, factor
        self.count = e.op("Range", [e.constant(0), e.dim(want), e.constant(1)])
        self.last = e.dim(have - 1)
        self.total = None if op.compact(y) is not None else y.shape[2] + y.shape[3]
        # Where a size is open it may be that it stays what it is, or doubles: a matter of the factor and of how small it is.
        unsettled = not isinstance(have, int) or self.total is not None
        grows = factor if factor is not None and unsettled else 0.0
        self.may_stay = 1 < grows < 2 and (op.interpolates or self.total is not None)
        self.may_double = 2 < grows < 3 and self.total is not None

    def nearest(self) -> str:
        """For each element of the output its place in the input."""
        e = self.e
        numbers, ratio = e.cast(self.count, "float32"), self._ratio()
        if self.op.mode == "nearest":
            places = e.op("Mul", [numbers, ratio])
        else:
            half, wide_half = e.constant(0.5, "float32"), e.constant(0.5, "float64")
            middles = e.op("Add", [e.cast(numbers, "float64"), wide_half])
            corners = e.op("Sub", [e.op("Mul", [middles, e.cast(ratio, "float64")]), wide_half])
            places = e.op("Add", [e.op("Max", [e.cast(corners, "float32"), e.constant(0.0, "float32")]), half])
        found = e.op("Min", [e.cast(e.op("Floor", [places]), "int64"), self.last])
        if self.may_double:
            found = self._where(2 * self.have, e.op("Div", [self.count, e.constant(2)]), found)
        return self._where(self.have, self.count, found) if self.may_stay else found

    def taps(self) -> list[tuple[str, str]]:
        """The elements that make one of the output: for each of those their places and their weights."""
        e, one, zero = self.e, self._constant(1), self._constant(0)
        places = self._between()
        low = e.op("Min", [e.op("Floor", [places]), e.cast(self.last, self.dtype)])
        share = e.op("Min", [e.op("Max", [e.op("Sub", [places, low]), zero]), one])
        rest, first = e.op("Sub", [one, share]), e.cast(low, "int64")
        if self.op.mode != "bicubic":
            return [(first, rest), (self._beside(first, 1), share)]
        outer, inner = (-0.75, 3.75, -6.0, 3.0), (1.25, -2.25, 0.0, 1.0)
        return [
            (self._beside(first, -1), self._polynomial(outer, e.op("Add", [share, one]))),
            (self._beside(first, 0), self._polynomial(inner, share)),
            (self._beside(first, 1), self._polynomial(inner, rest)),
            (self._beside(first, 2), self._polynomial(outer, e.op("Add", [rest, one]))),
        ]

    def smooth(self) -> str:
        """[have, want]: the weights of the elements that make one of the output."""
        e, one, zero, half = self.e, self._constant(1), self._constant(0), self._constant(0.5)
        ratio = self._ratio()
        places = e.op("Range", [e.constant(0), e.dim(self.have), e.constant(1)])
        rows = e.op("Reshape", [e.op("Add", [e.cast(places, self.dtype), half]), e.constant([-1, 1])])
        centres = e.op("Mul", [e.op("Add", [e.cast(self.count, self.dtype), half]), ratio])
        far = e.op("Abs", [e.op("Div", [e.op("Sub", [rows, centres]), e.op("Max", [ratio, one])])])
        if self.op.mode == "bicubic":
            near = self._polynomial((1.5, -2.5, 0.0, 1.0), far)
            behind = self._polynomial((-0.5, 2.5, -4.0, 2.0), far)
            inner = e.op("Where", [e.op("Less", [far, one]), near, behind])
            weights = e.op("Where", [e.op("Less", [far, self._constant(2)]), inner, zero])
        else:
            weights = e.op("Max", [e.op("Sub", [one, far]), zero])
        return e.op("Div", [weights, e.op("ReduceSum", [weights, e.constant([0])], keepdims=1)])

    def _between(self) -> str:
        """For each element of the output where it lies in the input."""
        e, half = self.e, self._constant(0.5)
        numbers, ratio = e.cast(self.count, self.dtype), self._ratio()
        if self.op.align_corners:
            return e.op("Mul", [numbers, ratio])
        places = e.op("Sub", [e.op("Mul", [e.op("Add", [numbers, half]), ratio]), half])
        if self.op.mode != "bicubic":
            places = e.op("Max", [places, self._constant(0)])
        return self._where(self.have, numbers, places) if self.may_stay else places

    def _ratio(self) -> str:
        """How many elements of the input there are for one of the output; with aligned corners, steps between them."""
        if self.factor is not None:
            return self._constant(1 / self.factor)
        less = int(self.op.align_corners)
        have, want = (self.e.cast(self.e.dim(size - less), self.dtype) for size in (self.have, self.want))
        return self.e.op("Div", [have, self.e.op("Max", [want, self._constant(1)]) if less else want])

    def _where(self, size: Dim, then: str, otherwise: str) -> str:
        """What is so if the output has this size; of "nearest" only if it is small."""
        e = self.e
        asked = e.op("Equal", [e.dim(self.want), e.dim(size)])
        if self.total is not None:
            asked = e.op("And", [asked, e.op("Less", [e.dim(self.total), e.constant(SMALL + 1)])])
        return e.op("Where", [asked, then, otherwise])

    def _beside(self, places: str, step: int) -> str:
        e = self.e
        return e.op("Min", [e.op("Max", [e.op("Add", [places, e.constant(step)]), e.constant(0)]), self.last])

    def _polynomial(self, coefficients: tuple[float, ...], x: str) -> str:
        result = self._constant(coefficients[0])
        for coefficient in coefficients[1:]:
            result = self.e.op("Add", [self.e.op("Mul", [result, x]), self._constant(coefficient)])
        return result

    def _constant(self, value: float) -> str:
        return self.e.constant(value, self.dtype)
