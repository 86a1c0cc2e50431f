"""The same elements under another shape, in another order, or a part of them."""

from __future__ import annotations

from collections.abc import Sequence

from dlspec.ir.dims import Dim, Expr
from dlspec.ir.op import Needs
from dlspec.ops import pad, rearrange, shape, slicing
from dlspec.ops.algebra import Term
from dlspec.ops.rules import one_axis
from dlspec.passes.derivatives.registry import Cotangents, derives, expands
from dlspec.passes.derivatives.step import Step, reshaped, zeros


@derives(shape.Flatten, shape.Reshape, shape.Unflatten, shape.Squeeze, shape.Unsqueeze)
def reshape(
    s: Step, op: shape.Flatten | shape.Reshape | shape.Unflatten | shape.Squeeze | shape.Unsqueeze
) -> Cotangents:
    return (reshaped(s.g, s.x.type.shape),)


@expands(rearrange.Rearrange)
def rearranged(s: Step, op: rearrange.Rearrange) -> Term:
    plan = op.plan(Needs(), tuple(x.type for x in s.xs))
    x = s.x.call("stack", *s.xs[1:], dim=0) if plan.stacked else s.x
    x = reshaped(x, plan.sizes)
    return reshaped(x.call("permute", dims=plan.order) if plan.order else x, plan.joined)


@derives(shape.Expand)
def expand(s: Step, op: shape.Expand) -> Cotangents:
    return (s.g,)


@derives(shape.Permute, shape.Transpose)
def permute(s: Step, op: shape.Permute | shape.Transpose) -> Cotangents:
    order = op.order(s.x.type.rank)
    return (s.g.call("permute", dims=tuple(order.index(axis) for axis in range(len(order)))),)


@derives(shape.PixelShuffle)
def pixel_shuffle(s: Step, op: shape.PixelShuffle) -> Cotangents:
    return (s.g.call("pixel_unshuffle", downscale_factor=op.upscale_factor),)


@derives(shape.PixelUnshuffle)
def pixel_unshuffle(s: Step, op: shape.PixelUnshuffle) -> Cotangents:
    return (s.g.call("pixel_shuffle", upscale_factor=op.downscale_factor),)


@derives(shape.ChannelShuffle)
def channel_shuffle(s: Step, op: shape.ChannelShuffle) -> Cotangents:
    channels = s.x.type.shape[1]
    assert isinstance(channels, int)
    return (s.g.call("channel_shuffle", groups=channels // op.groups),)


# Parts of a tensor


def placed(g: Term, axis: int, start: Dim, size: Dim, step: int = 1) -> Term:
    """A tensor of zeros with the elements of another at ``start``, ``start + step`` ... of an axis of a size."""
    if step > 1:
        g = g.call("unsqueeze", dim=axis + 1)
        g = _joined([g, _zeros_like(g, axis + 1, step - 1)], axis + 1)
        g = g.call("flatten", start_dim=axis, end_dim=axis + 1)
        g = g.call("slice", dim=axis, start=0, end=g.type.shape[axis] - (step - 1))
    before, after = start, size - start - g.type.shape[axis]
    parts = [_zeros_like(g, axis, before)] if before != 0 else []
    parts.append(g)
    parts += [_zeros_like(g, axis, after)] if after != 0 else []
    return _joined(parts, axis)


def _zeros_like(g: Term, axis: int, size: Dim) -> Term:
    shape = g.type.shape
    return zeros(g.algebra, g.type.with_shape(*shape[:axis], size, *shape[axis + 1 :]))


def _joined(parts: Sequence[Term], axis: int) -> Term:
    return parts[0] if len(parts) == 1 else parts[0].call("concat", *parts[1:], dim=axis)


def _start(start: Dim | None, size: Dim) -> Dim:
    """Where a range begins, counted from the front."""
    if start is None:
        return 0
    if isinstance(start, Expr) or start >= 0:
        return start
    return max(size + start, 0) if isinstance(size, int) else size + start


@derives(slicing.Slice)
def cut(s: Step, op: slicing.Slice) -> Cotangents:
    axis = one_axis(op.dim, s.x.type.rank, "Slice")
    size = s.x.type.shape[axis]
    return (placed(s.g, axis, _start(op.start, size), size, op.step),)


@derives(slicing.Index)
def index(s: Step, op: slicing.Index) -> Cotangents:
    items = op.places(s.x.type.rank)
    taken = [item for item in items if item[0] != "new"]
    kept: list[Dim] = []  # the sizes of the result on the axes of x
    sizes = list(s.y.type.shape)
    for item in items:
        if item[0] == "new":
            sizes.pop(0)
        else:
            kept.append(1 if item[0] == "at" else sizes.pop(0))
    g = reshaped(s.g, [*kept, *sizes])
    for axis, item in enumerate(taken):
        size = s.x.type.shape[axis]
        match item:
            case ("at", position):
                g = placed(g, axis, _start(position, size), size)
            case ("slice", start, stop, step):
                if (start, stop, step) != (None, None, 1):
                    g = placed(g, axis, _start(start, size), size, step)
            case _:
                raise AssertionError(item)
    return (g,)


@derives(slicing.Crop)
def crop(s: Step, op: slicing.Crop) -> Cotangents:
    g = s.g
    for axis, (begin, _) in enumerate(op.window(s.x.type), 2):
        g = placed(g, axis, begin, s.x.type.shape[axis])
    return (g,)


@derives(slicing.Split, slicing.Chunk)
def split(s: Step, op: slicing.Split | slicing.Chunk) -> Cotangents:
    return (_joined(s.gs, one_axis(op.dim, s.x.type.rank, "Split")),)


@derives(slicing.Flip)
def flip(s: Step, op: slicing.Flip) -> Cotangents:
    return (s.g.call("flip", dims=op.dims),)


@derives(slicing.Roll)
def roll(s: Step, op: slicing.Roll) -> Cotangents:
    shifts = tuple(-shift for shift in op.shifts) if isinstance(op.shifts, tuple) else -op.shifts
    return (s.g.call("roll", shifts=shifts, dims=op.dims),)


@derives(slicing.Tile)
def tile(s: Step, op: slicing.Tile) -> Cotangents:
    repeats = op.repeats(s.x.type)
    sizes = (1,) * (len(repeats) - s.x.type.rank) + s.x.type.shape
    copies = reshaped(s.g, [size for pair in zip(repeats, sizes, strict=True) for size in pair])
    return (copies.call("sum", dim=tuple(range(0, 2 * len(repeats), 2))) if repeats else s.g,)


@derives(pad.Pad)
def padding(s: Step, op: pad.Pad) -> Cotangents:
    g, pairs = s.g, op.pairs(s.x.type)
    if all(isinstance(side, int) for pair in pairs for side in pair):
        return (g.call("pad", padding=tuple((-before, -after) for before, after in pairs)),)
    for axis, (before, _) in enumerate(pairs, 2):
        g = g.call("slice", dim=axis, start=before, end=before + s.x.type.shape[axis])
    return (g,)


@derives(pad.PadTo)
def pad_to(s: Step, op: pad.PadTo) -> Cotangents:
    return (s.g.call("crop", size=s.x.type.spatial),)
