"""Means under windows, and resampling that repeats elements."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from math import inf, prod

from dlspec.ir.dims import Dim
from dlspec.ir.types import TensorType
from dlspec.ops.algebra import Term
from dlspec.ops.pooling import AdaptiveAvgPool, AvgPool, GlobalAvgPool, MaxPool
from dlspec.ops.resize import Resize, Upsample, growth, growths, repeats
from dlspec.ops.window import Window
from dlspec.passes.derivatives.derive_conv import spread
from dlspec.passes.derivatives.derive_shape import placed
from dlspec.passes.derivatives.registry import Cotangents, derives, expands
from dlspec.passes.derivatives.step import NoDerivative, Step, compared, count, divided, filled, reshaped, where


@derives(AvgPool)
def avg_pool(s: Step, op: AvgPool) -> Cotangents:
    window = op.window(s.x.type)
    if op.divisor_override is not None:
        return (_shared(s.g / op.divisor_override, window, s.x.type),)
    if not window.pads_anything:
        return (_shared(s.g / float(window.volume), window, s.x.type),)
    return (_shared(s.g / _counts(s, op, window), window, s.x.type),)


def _shared(g: Term, window: Window, to: TensorType) -> Term:
    """Gives every element under a window what the window has."""
    apart = window.kernel == window.stride and not window.pads_anything
    if apart and all(repeats(Fraction(size)) for size in window.kernel):
        made = g.call("Upsample", scale_factor=tuple(float(size) for size in window.kernel))
        for axis, size in enumerate(to.shape):
            if made.type.shape[axis] != size:
                made = placed(made, axis, 0, size)
        return made
    ones = filled(g.algebra, to.with_shape(1, 1, *window.kernel), 1.0)
    alone = TensorType(to.dtype, (to.shape[0] * to.shape[1], 1, *to.spatial))
    made = spread(reshaped(g, (alone.shape[0], 1, *g.type.spatial)), ones, window, 1, alone)
    return reshaped(made, to.shape)


def _counts(s: Step, op: AvgPool, window: Window) -> Term:
    """How many elements the mean of each window is of."""
    inner = [(before, before) if op.counts_padding else (0, 0) for before, _ in window.pads]
    sizes = [size + before + after for size, (before, after) in zip(s.x.type.spatial, inner, strict=True)]
    pads = tuple(
        (before - front, after - back) for (before, after), (front, back) in zip(window.pads, inner, strict=True)
    )
    elements = filled(s.algebra, s.x.type.with_shape(1, 1, *sizes), 1.0)
    ones = filled(s.algebra, s.x.type.with_shape(1, 1, *window.kernel), 1.0)
    return elements.call("conv", ones, stride=window.stride, padding=pads)


@derives(MaxPool)
def max_pool(s: Step, op: MaxPool) -> Cotangents:
    """All goes to the first of the largest under a window, in the order of the axes, as torch gives it."""
    window = op.window(s.x.type)
    padded = s.x.call("pad", padding=window.pads, value=-inf) if window.pads_anything else s.x
    rows = tuple(zip(s.y.type.spatial, window.stride, window.dilation, strict=True))
    given: Term | None = None
    free: Term | None = None
    for position in product(*map(range, window.kernel)):
        starts = [at * gap for at, (_, _, gap) in zip(position, rows, strict=True)]
        met = padded
        for axis, (start, (size, step, _)) in enumerate(zip(starts, rows, strict=True), 2):
            met = met.call("slice", dim=axis, start=start, end=start + (size - 1) * step + 1, step=step)
        largest = compared("eq", met, s.y)
        first = largest if free is None else largest.call("logical_and", free)
        unmet = largest.call("logical_not")
        free = unmet if free is None else free.call("logical_and", unmet)
        part = where(first, s.g, 0)
        for axis, (start, (_, step, _)) in enumerate(zip(starts, rows, strict=True), 2):
            part = placed(part, axis, start, padded.type.shape[axis], step)
        given = part if given is None else given + part
    assert given is not None
    offset = tuple(before for before, _ in window.pads)
    return (given.call("crop", size=s.x.type.spatial, offset=offset) if window.pads_anything else given,)


@derives(GlobalAvgPool)
def global_avg_pool(s: Step, op: GlobalAvgPool) -> Cotangents:
    return (divided(s.g, count(s.x, range(2, s.x.type.rank))),)


@derives(AdaptiveAvgPool)
def adaptive_avg_pool(s: Step, op: AdaptiveAvgPool) -> Cotangents:
    x, y = s.x.type, s.y.type
    if all(size == 1 for size in y.spatial):
        return (divided(s.g, count(s.x, range(2, x.rank))),)
    kernel = _whole([growth(small, large) for small, large in zip(y.spatial, x.spatial, strict=True)])
    if kernel is None:
        raise NoDerivative(s.node, "AdaptiveAvgPool with windows that differ in size")
    window = Window(kernel, kernel, (1,) * len(kernel), ((0, 0),) * len(kernel))
    return (_shared(s.g / float(prod(kernel)), window, x),)


def _whole(factors: Sequence[Fraction | None]) -> tuple[int, ...] | None:
    """The factors, where each is known and a whole number."""
    found = [factor.numerator for factor in factors if factor is not None and factor.denominator == 1]
    return tuple(found) if len(found) == len(factors) else None


@derives(Upsample, Resize)
def resample(s: Step, op: Upsample | Resize) -> Cotangents:
    if op.mode == "area":
        return adaptive_avg_pool(s, AdaptiveAvgPool(s.y.type.spatial))
    factors = growths(op, s.x.type, s.y.type)
    kernel = _whole(factors)
    if not op.mode.startswith("nearest") or kernel is None or not all(map(repeats, factors)):
        raise NoDerivative(s.node, f"{type(op).__name__} that does not repeat each element a whole number of times")
    return (s.g.call("avg_pool", kernel_size=kernel) * float(prod(kernel)),)


@expands(Upsample, Resize)
def antialiased(s: Step, op: Upsample | Resize) -> Term | None:
    """A product with a matrix of weights along each axis."""
    if not op.antialias:
        return None
    x = s.x
    for axis, factor in zip((3, 2), reversed(op.sampling(s.x.type, s.y.type)), strict=True):
        have, want = x.type.shape[axis], s.y.type.shape[axis]
        if have != want or factor not in (None, 1):
            weights = _smooth(s, op, have, want, factor)
            x = x.call("transpose", dim0=axis, dim1=-1).call("matmul", weights).call("transpose", dim0=axis, dim1=-1)
    return x


def _smooth(s: Step, op: Upsample | Resize, have: Dim, want: Dim, factor: float | None) -> Term:
    """[have, want]: how much of each element is in each of the output."""
    kind, less = s.x.type.dtype.label, int(op.align_corners)
    rows = s.algebra.call("arange", end=have, dtype=kind).call("unsqueeze", dim=1) + 0.5
    columns = s.algebra.call("arange", end=want, dtype=kind) + 0.5
    one = rows.lifted(1)
    steps = rows.lifted(want - less).call("maximum", one)
    ratio = rows.lifted(have - less) / steps if factor is None else rows.lifted(1 / factor)
    far = ((rows - columns * ratio) / ratio.call("maximum", one)).call("abs")
    if op.mode == "bicubic":
        near = (1.5 * far - 2.5) * far * far + 1
        behind = ((2.5 - 0.5 * far) * far - 4) * far + 2
        weights = where(compared("lt", far, 1), near, where(compared("lt", far, 2), behind, 0))
    else:
        weights = (1 - far).call("maximum", rows.lifted(0))
    return weights / weights.call("sum", dim=0, keepdim=True)
