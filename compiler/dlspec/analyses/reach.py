"""Which positions of its inputs an operator looks at, for one position of its output, axis by axis.

This is what receptive fields are made of. A rule says for each axis of an input along which axis of the output a window
slides over it, or that all of it is looked at. An operator without a rule is taken to look at everything: the bound that
always holds.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple, TypeAlias, TypeVar

from dlspec.ir.dims import Dim, lower_bound, product, smax
from dlspec.ir.op import Needs, Op, Types, types_of
from dlspec.ir.registry import Registry
from dlspec.ir.types import TensorType
from dlspec.ops import (
    attention,
    combine,
    conv,
    embedding,
    experts,
    grid,
    linear,
    local,
    matrix,
    norm,
    ordering,
    pad,
    patches,
    pooling,
    positions,
    random,
    rearrange,
    reduce,
    resize,
    rotary,
    shape,
    slicing,
    softmax,
)  # fmt: skip
from dlspec.ops.rules import many_axes, one_axis
from dlspec.ops.window import Window


class Slide(NamedTuple):
    """Position ``i`` of the output's ``axis`` sees the stretch from ``ceil((i * step + low) / den)`` to
    ``floor((i * step + high) / den)``, both included."""

    axis: int
    step: Dim = 1
    low: Dim = 0
    high: Dim = 0
    den: Dim = 1


Reach: TypeAlias = tuple[Slide | None, ...]
"""For each axis of an input; None where a position sees all of the axis."""

_Rule: TypeAlias = Callable[[Op, Types, Types], list[Reach]]
_Operator = TypeVar("_Operator", bound=Op)

RULES: Registry[_Rule] = Registry("seen through")
"""By operator or base of operators. What is element by element, as its class says, needs none."""


def reach(op: Op, inputs: Types, outputs: Types) -> list[Reach]:
    """For each input, how its axes are seen from the outputs, which are looked at together; in the symbols of the types."""
    rule = RULES.nearest(type(op))
    if rule is not None:
        return rule(op, inputs, outputs)
    return _pointwise(inputs, outputs[0]) if op.elementwise else [everything(x) for x in inputs]


def everything(x: TensorType) -> Reach:
    return (None,) * x.rank


def _rule(
    *kinds: type[_Operator],
) -> Callable[[Callable[[_Operator, Types, Types], list[Reach]]], Callable[[_Operator, Types, Types], list[Reach]]]:
    return RULES.register(*kinds)


def _kept(x: TensorType, but: tuple[int, ...] = ()) -> Reach:
    """Every axis as it is, but for some of which all is seen."""
    return tuple(None if axis in but else Slide(axis) for axis in range(x.rank))


def _still(x: TensorType, count: int) -> list[Slide | None]:
    return [Slide(axis) for axis in range(min(count, x.rank))]


def _pointwise(inputs: Types, output: TensorType) -> list[Reach]:
    """Axes are aligned at the end; one of size 1 that stretches is seen at its only position."""

    def slide(x: TensorType, axis: int) -> Slide:
        there = axis + output.rank - x.rank
        return Slide(there, step=0 if x.shape[axis] == 1 and output.shape[there] != 1 else 1)

    return [tuple(slide(x, axis) for axis in range(x.rank)) for x in inputs]


@_rule(local.LocallyConnected)
def _local(op: local.LocallyConnected, inputs: Types, outputs: Types) -> list[Reach]:
    return [(Slide(0), None, *_under(op.window(inputs[0])))]


@_rule(conv.Conv, pooling.MaxPool, pooling.AvgPool, pooling.LPPool)
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
        return [_kept(inputs[0], tuple(range(1, inputs[0].rank)))]
    return [(Slide(0), None, *_under(window))]


@_rule(conv.ConvFunction)
def _conv_function(op: conv.ConvFunction, inputs: Types, outputs: Types) -> list[Reach]:
    window = op.window(*inputs[:2])
    return [(Slide(0), None, *_under(window)), *(everything(x) for x in inputs[1:])]


@_rule(conv.ConvTranspose)
def _transposed(op: conv.ConvTranspose, inputs: Types, outputs: Types) -> list[Reach]:
    return [(Slide(0), None, *_over(op.window(inputs[0])))]


@_rule(conv.ConvTransposeFunction)
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


@_rule(pooling.AdaptiveAvgPool, pooling.AdaptiveMaxPool)
def _adaptive(op: Op, inputs: Types, outputs: Types) -> list[Reach]:
    return _evenly(inputs, outputs)


def _evenly(inputs: Types, outputs: Types) -> list[Reach]:
    x, y = inputs[0], outputs[0]

    def slide(axis: int) -> Slide:
        have, out = x.shape[axis], y.shape[axis]
        return Slide(axis) if have == out else Slide(axis, have, 1 - out, have - 1, out)

    return [(*_still(x, 2), *map(slide, range(2, x.rank)))]


@_rule(pooling.GlobalAvgPool, pooling.GlobalMaxPool, norm.InstanceNorm)
def _space(op: Op, inputs: Types, outputs: Types) -> list[Reach]:
    if isinstance(op, norm.InstanceNorm) and op.track_running_stats:
        return [_kept(inputs[0])]
    return [_kept(inputs[0], tuple(range(2, inputs[0].rank)))]


@_rule(norm.BatchNorm)
def _batch_norm(op: norm.BatchNorm, inputs: Types, outputs: Types) -> list[Reach]:
    x = inputs[0]
    return [_kept(x) if op.track_running_stats else _kept(x, tuple(axis for axis in range(x.rank) if axis != 1))]


@_rule(norm.GroupNorm)
def _group_norm(op: norm.GroupNorm, inputs: Types, outputs: Types) -> list[Reach]:
    return [_kept(inputs[0], tuple(range(1, inputs[0].rank)))]


@_rule(norm.LayerNorm, norm.RMSNorm)
def _trailing(op: norm.LayerNorm | norm.RMSNorm, inputs: Types, outputs: Types) -> list[Reach]:
    count = len(op.normalized_shape) if isinstance(op.normalized_shape, tuple) else 1
    return [_kept(inputs[0], tuple(range(inputs[0].rank - count, inputs[0].rank)))]


@_rule(norm.LocalResponseNorm)
def _neighbours(op: norm.LocalResponseNorm, inputs: Types, outputs: Types) -> list[Reach]:
    channels = Slide(1, 1, -(op.size // 2), op.size - 1 - op.size // 2)
    return [(Slide(0), channels, *_kept(inputs[0])[2:])]


@_rule(linear.Linear, softmax.GLU)
def _last(op: linear.Linear | softmax.GLU, inputs: Types, outputs: Types) -> list[Reach]:
    axis = one_axis(op.dim, inputs[0].rank, "GLU") if isinstance(op, softmax.GLU) else inputs[0].rank - 1
    return [_kept(inputs[0], (axis,))]


@_rule(experts.RoutedLinear)
def _routed(op: experts.RoutedLinear, inputs: Types, outputs: Types) -> list[Reach]:
    """A row is seen alone, with its expert: which that is is what the row's number says."""
    x, _, index = inputs
    rows = outputs[0].with_shape(*outputs[0].shape[:-1])
    own, chosen = _pointwise((x.with_shape(*x.shape[:-1]), index), rows)
    return [(*own, None), (None, Slide(outputs[0].rank - 1), None), chosen]


@_rule(linear.LinearFunction, linear.Bilinear)
def _last_of_each(op: Op, inputs: Types, outputs: Types) -> list[Reach]:
    both = 2 if isinstance(op, linear.Bilinear) else 1
    return [_kept(x, (x.rank - 1,)) if index < both else everything(x) for index, x in enumerate(inputs)]


@_rule(softmax.Normalised)
def _normalised(op: softmax.Normalised, inputs: Types, outputs: Types) -> list[Reach]:
    return [_kept(inputs[0], (op.axis(inputs[0].rank),))]


@_rule(reduce.Reduction, reduce.Spread, reduce.Norm, reduce.Extreme)
def _reduction(
    op: reduce.Reduction | reduce.Spread | reduce.Norm | reduce.Extreme, inputs: Types, outputs: Types
) -> list[Reach]:
    x = inputs[0]
    gone = reduce.reduced_axes(op.dim, x, type(op).__name__)
    left = [axis for axis in range(x.rank) if axis not in gone]
    there = {axis: axis if op.keepdim else index for index, axis in enumerate(left)}
    return [tuple(Slide(there[axis]) if axis in there else None for axis in range(x.rank))]


@_rule(reduce.Running)
def _running(op: reduce.Running, inputs: Types, outputs: Types) -> list[Reach]:
    return [_kept(inputs[0], (one_axis(op.dim, inputs[0].rank, "Running"),))]


@_rule(reduce.Normalize)
def _to_length(op: reduce.Normalize, inputs: Types, outputs: Types) -> list[Reach]:
    return [_kept(inputs[0], many_axes(op.dim, inputs[0].rank, "Normalize"))]


@_rule(ordering.SearchSorted, ordering.Bucketize)
def _placed(op: Op, inputs: Types, outputs: Types) -> list[Reach]:
    """Sequences are seen whole; an element of what is placed among them alone."""
    sought = int(isinstance(op, ordering.SearchSorted))
    return [_kept(x) if index == sought else everything(x) for index, x in enumerate(inputs)]


@_rule(combine.MeshGrid)
def _meshed(op: combine.MeshGrid, inputs: Types, outputs: Types) -> list[Reach]:
    return [(Slide(axis),) for axis in op.axes(len(inputs))]


@_rule(random.Multinomial)
def _drawn(op: random.Multinomial, inputs: Types, outputs: Types) -> list[Reach]:
    return [_kept(inputs[0], (inputs[0].rank - 1,))]


@_rule(embedding.Embedding, shape.OneHot)
def _looked_up(op: Op, inputs: Types, outputs: Types) -> list[Reach]:
    return [_kept(inputs[0])]


@_rule(matrix.MatMul)
def _matmul(op: Op, inputs: Types, outputs: Types) -> list[Reach]:
    x, y = inputs
    rank = outputs[0].rank
    rows, columns = int(x.rank > 1), int(y.rank > 1)
    batch = rank - rows - columns

    def leading(z: TensorType, matrix: int) -> list[Slide | None]:
        own = z.rank - matrix
        return [Slide(batch - own + axis, step=0 if z.shape[axis] == 1 else 1) for axis in range(own)]

    left = (*leading(x, 1 + rows), *([Slide(batch)] if rows else []), None)
    return [left, (*leading(y, 1 + columns), None, *([Slide(rank - 1)] if columns else []))]


@_rule(matrix.Einsum)
def _einsum(op: matrix.Einsum, inputs: Types, outputs: Types) -> list[Reach]:
    terms, output = op.labels(inputs)
    return [tuple(Slide(output.index(letter)) if letter in output else None for letter in term) for term in terms]


@_rule(attention.ScaledDotProductAttention)
def _attended(op: attention.ScaledDotProductAttention, inputs: Types, outputs: Types) -> list[Reach]:
    """A query of its own, all keys and values of its batch and its head."""
    query, key, value, *masks = inputs
    rank = outputs[0].rank
    groups = query.shape[-3] // key.shape[-3] if op.enable_gqa else 1

    def leading(x: TensorType, groups: Dim = 1) -> list[Slide | None]:
        found: list[Slide | None] = []
        for axis in range(x.rank - 2):
            there, stays = axis + rank - x.rank, x.shape[axis] == 1
            shared = groups != 1 and axis == x.rank - 3
            found.append(Slide(there, 1, 1 - groups, 0, groups) if shared else Slide(there, step=0 if stays else 1))
        return found

    seen: list[Reach] = [(*leading(query), Slide(rank - 2), None), (*leading(key, groups), None, None)]
    seen.append((*leading(value, groups), None, Slide(rank - 1)))
    for mask in masks:
        seen.append((*leading(mask), Slide(rank - 2, step=0 if mask.shape[-2] == 1 else 1), None))
    return seen


@_rule(attention.MultiheadAttention)
def _projected(op: attention.MultiheadAttention, inputs: Types, outputs: Types) -> list[Reach]:
    """A query of its own, all keys and values of its batch."""
    x = inputs[0]
    length, batch = (0, None) if x.rank == 2 else (1, 0) if op.batch_first else (0, 1)
    if op.need_weights:
        return [everything(each) for each in inputs]
    query = (Slide(length), None) if batch is None else (*map(Slide, (0, 1)), None)
    keys = tuple(Slide(axis) if axis == batch else None for axis in range(x.rank))
    return [query, keys, keys, *(everything(each) for each in inputs[3:])]


@_rule(rotary.Rotary)
def _turned(op: rotary.Rotary, inputs: Types, outputs: Types) -> list[Reach]:
    return [(*seen[:-1], None) for seen in _pointwise(inputs, outputs[0])]


@_rule(rotary.RotaryTable)
def _table(op: rotary.RotaryTable, inputs: Types, outputs: Types) -> list[Reach]:
    return [_kept(inputs[0])]


@_rule(combine.Concat)
def _concat(op: combine.Concat, inputs: Types, outputs: Types) -> list[Reach]:
    """Where the axis itself is looked at, which of the inputs a position falls into is not told apart."""
    return [_kept(x, (one_axis(op.dim, x.rank, "Concat"),)) for x in inputs]


@_rule(combine.Stack)
def _stack(op: combine.Stack, inputs: Types, outputs: Types) -> list[Reach]:
    added = one_axis(op.dim, inputs[0].rank + 1, "Stack")
    return [tuple(Slide(axis + (axis >= added)) for axis in range(x.rank)) for x in inputs]


@_rule(rearrange.Rearrange)
def _rearranged(op: rearrange.Rearrange, inputs: Types, outputs: Types) -> list[Reach]:
    """By the outermost name of an axis. Of one that is taken apart and joined with others all is seen."""
    plan = op.plan(Needs(), inputs)
    outermost = {names[0]: axis for axis, names in enumerate(plan.after) if names}

    def slide(names: tuple[int, ...]) -> Slide | None:
        there = outermost.get(names[0]) if names else None
        if there is None:
            return None
        within, beside = (product(plan.sizes[name] for name in group[1:]) for group in (names, plan.after[there]))
        if within == 1:
            return Slide(there, 1, 1 - beside, 0, beside)
        return Slide(there, within, 0, within - 1) if beside == 1 else None

    return [tuple(map(slide, plan.before[plan.stacked :]))] * len(inputs)


@_rule(shape.Permute, shape.Transpose)
def _permuted(op: shape.Permute | shape.Transpose, inputs: Types, outputs: Types) -> list[Reach]:
    order = op.order(inputs[0].rank)
    return [tuple(Slide(order.index(axis)) for axis in range(inputs[0].rank))]


@_rule(shape.Flatten, shape.Reshape, shape.Unflatten, shape.Squeeze, shape.Unsqueeze)
def _regrouped(op: Op, inputs: Types, outputs: Types) -> list[Reach]:
    """Axes that stay are told from those that are joined or taken apart by the number of elements before them."""
    have, want = inputs[0].shape, outputs[0].shape
    begins = {
        (product(want[:axis]), size): axis for axis, size in reversed(list(enumerate(want))) if size != 1
    }  # the sizes before an axis, and its own

    def slide(axis: int) -> Slide | None:
        if have[axis] == 1:
            return Slide(0, step=0) if want else None
        there = begins.get((product(have[:axis]), have[axis]))
        return None if there is None else Slide(there)

    return [tuple(map(slide, range(len(have))))]


@_rule(shape.PixelShuffle)
def _into_space(op: shape.PixelShuffle, inputs: Types, outputs: Types) -> list[Reach]:
    r = op.upscale_factor
    return [(Slide(0), None, *(Slide(axis, 1, 1 - r, 0, r) for axis in (2, 3)))]


@_rule(shape.PixelUnshuffle)
def _into_channels(op: shape.PixelUnshuffle, inputs: Types, outputs: Types) -> list[Reach]:
    r = op.downscale_factor
    return [(Slide(0), None, *(Slide(axis, r, 0, r - 1) for axis in (2, 3)))]


@_rule(shape.ChannelShuffle)
def _shuffled(op: shape.ChannelShuffle, inputs: Types, outputs: Types) -> list[Reach]:
    return [_kept(inputs[0], (1,))]


@_rule(slicing.Slice)
def _slice(op: slicing.Slice, inputs: Types, outputs: Types) -> list[Reach]:
    x = inputs[0]
    axis = one_axis(op.dim, x.rank, "Slice")
    return [tuple(_cut(x, at, at, op.start, op.step) if at == axis else Slide(at) for at in range(x.rank))]


@_rule(slicing.Index)
def _index(op: slicing.Index, inputs: Types, outputs: Types) -> list[Reach]:
    x = inputs[0]
    found: list[Slide | None] = []
    there = 0
    for item in op.places(x.rank):
        match item:
            case ("at", position):
                found.append(_cut(x, len(found), 0, position, 0))
            case ("slice", start, _, step):
                found.append(_cut(x, len(found), there, 0 if start is None else start, step))
                there += 1
            case _:
                there += 1
    return [(*found, *(Slide(there + offset) for offset in range(x.rank - len(found))))]


def _cut(x: TensorType, axis: int, there: int, start: Dim, step: int) -> Slide:
    """A stretch of an axis that begins at ``start``, from the end where that is negative."""
    if isinstance(start, int) and start < 0:
        start = x.shape[axis] + start
        start = max(start, 0) if isinstance(start, int) else start
    return Slide(there, step, start, start)


@_rule(slicing.Crop)
def _crop(op: slicing.Crop, inputs: Types, outputs: Types) -> list[Reach]:
    begins = [begin for begin, _ in op.window(inputs[0])]
    return [(*_still(inputs[0], 2), *(Slide(axis, 1, begin, begin) for axis, begin in enumerate(begins, 2)))]


@_rule(pad.Pad, pad.PadTo)
def _pad(op: pad.Pad | pad.PadTo, inputs: Types, outputs: Types) -> list[Reach]:
    if isinstance(op, pad.Pad) and op.mode == "circular":
        return [_kept(inputs[0], tuple(range(2, inputs[0].rank)))]
    begins = [-before for before, _ in op.pairs(inputs[0])]
    return [(*_still(inputs[0], 2), *(Slide(axis, 1, begin, begin) for axis, begin in enumerate(begins, 2)))]


@_rule(slicing.Split, slicing.Chunk, positions.IndexSelect, positions.Gather, positions.Narrow, ordering.Ordered)
def _parted(
    op: slicing.Split | slicing.Chunk | positions.IndexSelect | positions.Gather | positions.Narrow | ordering.Ordered,
    inputs: Types,
    outputs: Types,
) -> list[Reach]:
    """The parts are looked at together, so the axis that is parted is seen whole."""
    axis = one_axis(op.dim, inputs[0].rank, type(op).__name__)
    return [_kept(inputs[0], (axis,)), *(everything(x) for x in inputs[1:])]


@_rule(positions.TakeAlongDim)
def _taken_along(op: positions.TakeAlongDim, inputs: Types, outputs: Types) -> list[Reach]:
    if op.dim is None:
        return [everything(x) for x in inputs]
    axis = one_axis(op.dim, inputs[0].rank, "`take_along_dim`")
    (seen, _) = _pointwise(inputs, outputs[0])
    return [tuple(None if at == axis else slide for at, slide in enumerate(seen)), everything(inputs[1])]


@_rule(positions.Scattering)
def _scattered(op: positions.Scattering, inputs: Types, outputs: Types) -> list[Reach]:
    x, index, src = inputs
    axis = one_axis(op.dim, x.rank, op.name)
    return [_kept(x), everything(index), _kept(src, (axis,))]


@_rule(positions.IndexTensors)
def _indexed(op: positions.IndexTensors, inputs: Types, outputs: Types) -> list[Reach]:
    """An axis that a tensor chooses from is seen whole, the others as without the tensors."""
    x, *indices = inputs
    axes, place = op.axes(x.rank), op.place(inputs)
    whole = types_of(op.plain, (x,))
    left = [axis for axis in range(whole[0].rank) if axis not in axes]
    added = outputs[0].rank - len(left)
    there = {axis: number + added * (number >= place) for number, axis in enumerate(left)}
    (seen,) = reach(op.plain, (x,), whole)

    def slide(own: Slide | None) -> Slide | None:
        if own is None or own.step == 0:
            return own
        return own._replace(axis=there[own.axis]) if own.axis in there else None

    return [tuple(map(slide, seen)), *map(everything, indices)]


@_rule(slicing.Flip)
def _flip(op: slicing.Flip, inputs: Types, outputs: Types) -> list[Reach]:
    x = inputs[0]
    axes = many_axes(op.dims, x.rank, "Flip")

    def turned(axis: int) -> Slide:
        last = x.shape[axis] - 1
        return Slide(axis, -1, last, last)

    return [tuple(turned(axis) if axis in axes else Slide(axis) for axis in range(x.rank))]


@_rule(slicing.Roll)
def _roll(op: slicing.Roll, inputs: Types, outputs: Types) -> list[Reach]:
    return [_kept(inputs[0], tuple(axis for axis, _ in op.moves(inputs[0])))]


@_rule(slicing.Tile)
def _tile(op: slicing.Tile, inputs: Types, outputs: Types) -> list[Reach]:
    x, repeats = inputs[0], op.repeats(inputs[0])
    added = len(repeats) - x.rank
    return [tuple(Slide(axis + added) if repeats[axis + added] == 1 else None for axis in range(x.rank))]


@_rule(patches.Patches)
def _unfolded(op: patches.Patches, inputs: Types, outputs: Types) -> list[Reach]:
    return [_kept(inputs[0], tuple(range(1, inputs[0].rank)))]


@_rule(grid.GridSample)
def _sampled(op: grid.GridSample, inputs: Types, outputs: Types) -> list[Reach]:
    """What is sampled may lie anywhere in the image, and where is what one place of the grid says."""
    x = inputs[0]
    axes = x.rank - 2
    return [(*_still(x, 2), *[None] * axes), (Slide(0), *(Slide(axis + 2) for axis in range(axes)), None)]


@_rule(grid.AffineGrid)
def _mapped(op: grid.AffineGrid, inputs: Types, outputs: Types) -> list[Reach]:
    return [_kept(inputs[0], (1, 2))]


@_rule(resize.Upsample, resize.Resize)
def _resampled(op: resize.Upsample | resize.Resize, inputs: Types, outputs: Types) -> list[Reach]:
    x = inputs[0]
    if op.mode == "area":
        return _evenly(inputs, outputs)
    if op.antialias:
        return [(*_still(x, 2), None, None)]
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

    return [(*_still(x, 2), *map(slide, range(2, x.rank)))]


def _taken(mode: str, axis: int, have: Dim, out: Dim, aligned: bool = False) -> Slide:
    """The elements around ``i * have / out``, or around ``(i + 1/2) * have / out - 1/2`` where corners are not aligned."""
    if mode == "nearest":
        return Slide(axis, have, 1 - out, 0, out)
    if mode == "nearest-exact":
        return Slide(axis, 2 * have, have + 1 - 2 * out, have, 2 * out)
    step, at, den = (have, 0, out) if aligned else (2 * have, have - out, 2 * out)
    beside = den if mode == "bicubic" else 0
    return Slide(axis, step, at - den + 1 - beside, at + den - 1 + beside, den)
