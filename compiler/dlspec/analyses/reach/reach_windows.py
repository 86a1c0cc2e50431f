"""Windows that slide over space: convolutions, pooling, resampling, and the channels beside a channel."""

from __future__ import annotations

from fractions import Fraction

from dlspec.analyses.reach.registry import Reach, Slide, everything, kept, sees, still
from dlspec.ir.computed import smax
from dlspec.ir.dims import Dim, lower_bound
from dlspec.ir.op import Op, Types
from dlspec.ops import conv, grid, local, norm, patches, pooling, resize
from dlspec.ops.window import Window


@sees(local.LocallyConnected)
def _local(op: local.LocallyConnected, inputs: Types, outputs: Types) -> list[Reach]:
    return [(Slide(0), None, *_under(op.window(inputs[0])))]


@sees(conv.Conv, pooling.MaxPool, pooling.AvgPool, pooling.LPPool)
def _window(
    op: conv.Conv | pooling.MaxPool | pooling.AvgPool | pooling.LPPool, inputs: Types, outputs: Types
) -> list[Reach]:
    window = op.window(inputs[0])
    if not isinstance(op, conv.Conv):
        return [(Slide(0), Slide(1), *_under(window))]
    # What is padded with is the input again: from its other end, or from within the window where that reaches as far.
    rows = zip(window.pads, window.spans, strict=True)
    mirrored = all((lower_bound(span - 2 * smax(*pads)) or 0) > 0 for pads, span in rows)
    if op.padding_mode == "circular" or (op.padding_mode == "reflect" and not mirrored):
        return [kept(inputs[0], tuple(range(1, inputs[0].rank)))]
    return [(Slide(0), None, *_under(window))]


@sees(conv.ConvFunction)
def _conv_function(op: conv.ConvFunction, inputs: Types, outputs: Types) -> list[Reach]:
    window = op.window(*inputs[:2])
    return [(Slide(0), None, *_under(window)), *(everything(x) for x in inputs[1:])]


@sees(conv.ConvTranspose)
def _transposed(op: conv.ConvTranspose, inputs: Types, outputs: Types) -> list[Reach]:
    return [(Slide(0), None, *_over(op.window(inputs[0])))]


@sees(conv.ConvTransposeFunction)
def _transposed_function(op: conv.ConvTransposeFunction, inputs: Types, outputs: Types) -> list[Reach]:
    window = op.window(*inputs[:2])
    return [(Slide(0), None, *_over(window)), *(everything(x) for x in inputs[1:])]


def _under(window: Window) -> list[Slide]:
    """What a window that slides over the input sees of it."""
    rows = enumerate(zip(window.stride, window.pads, window.spans, strict=True), 2)
    return [Slide(axis, step, -before, span - 1 - before) for axis, (step, (before, _), span) in rows]


def _over(window: Window) -> list[Slide]:
    """What writes to a position of a transposed convolution: those whose window lies over it."""
    rows = enumerate(zip(window.stride, window.pads, window.spans, strict=True), 2)
    return [Slide(axis, 1, before - span + 1, before, step) for axis, (step, (before, _), span) in rows]


@sees(pooling.AdaptiveAvgPool, pooling.AdaptiveMaxPool)
def _adaptive(op: Op, inputs: Types, outputs: Types) -> list[Reach]:
    return _evenly(inputs, outputs)


def _evenly(inputs: Types, outputs: Types) -> list[Reach]:
    x, y = inputs[0], outputs[0]

    def slide(axis: int) -> Slide:
        have, out = x.shape[axis], y.shape[axis]
        return Slide(axis) if have == out else Slide(axis, have, 1 - out, have - 1, out)

    return [(*still(x, 2), *map(slide, range(2, x.rank)))]


@sees(norm.LocalResponseNorm)
def _neighbours(op: norm.LocalResponseNorm, inputs: Types, outputs: Types) -> list[Reach]:
    channels = Slide(1, 1, -(op.size // 2), op.size - 1 - op.size // 2)
    return [(Slide(0), channels, *kept(inputs[0])[2:])]


@sees(patches.Patches)
def _unfolded(op: patches.Patches, inputs: Types, outputs: Types) -> list[Reach]:
    return [kept(inputs[0], tuple(range(1, inputs[0].rank)))]


@sees(grid.GridSample)
def _sampled(op: grid.GridSample, inputs: Types, outputs: Types) -> list[Reach]:
    """What is sampled may lie anywhere in the image, and where is what one place of the grid says."""
    x = inputs[0]
    axes = x.rank - 2
    return [(*still(x, 2), *[None] * axes), (Slide(0), *(Slide(axis + 2) for axis in range(axes)), None)]


@sees(grid.AffineGrid)
def _mapped(op: grid.AffineGrid, inputs: Types, outputs: Types) -> list[Reach]:
    return [kept(inputs[0], (1, 2))]


@sees(resize.Upsample, resize.Resize)
def _resampled(op: resize.Upsample | resize.Resize, inputs: Types, outputs: Types) -> list[Reach]:
    x = inputs[0]
    if op.mode == "area":
        return _evenly(inputs, outputs)
    if op.antialias:
        return [(*still(x, 2), None, None)]
    factors = op.sampling(x, outputs[0])

    def slide(axis: int) -> Slide:
        have, out, factor = x.shape[axis], outputs[0].shape[axis], factors[axis - 2]
        if op.align_corners:
            return Slide(axis, step=0) if out == 1 else _taken(op.mode, axis, have - 1, out - 1, aligned=True)
        if factor is not None:
            out, have = Fraction(factor).limit_denominator(1 << 20).as_integer_ratio()
            if op.mode == "nearest" and have != 1:  # a quotient that should be whole may be less in float32
                return Slide(axis, have, -out, 0, out)
        return _taken(op.mode, axis, have, out)

    return [(*still(x, 2), *map(slide, range(2, x.rank)))]


def _taken(mode: str, axis: int, have: Dim, out: Dim, aligned: bool = False) -> Slide:
    """The elements around ``i * have / out``, or around ``(i + 1/2) * have / out - 1/2`` where corners are not aligned."""
    if mode == "nearest":
        return Slide(axis, have, 1 - out, 0, out)
    if mode == "nearest-exact":
        return Slide(axis, 2 * have, have + 1 - 2 * out, have, 2 * out)
    step, at, den = (have, 0, out) if aligned else (2 * have, have - out, 2 * out)
    beside = den if mode == "bicubic" else 0
    return Slide(axis, step, at - den + 1 - beside, at + den - 1 + beside, den)
