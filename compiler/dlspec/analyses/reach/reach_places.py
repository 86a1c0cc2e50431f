"""What moves elements and computes nothing: axes joined and taken apart, parts cut out, chosen, put beside each other."""

from __future__ import annotations

from dlspec.analyses.reach.registry import Reach, Slide, everything, kept, pointwise, reach, sees, still
from dlspec.ir.dims import Dim, product
from dlspec.ir.op import Needs, Op, Types, types_of
from dlspec.ir.types import TensorType
from dlspec.ops import combine, ordering, pad, positions, rearrange, shape, slicing
from dlspec.ops.rules import many_axes, one_axis


@sees(combine.Concat)
def _concat(op: combine.Concat, inputs: Types, outputs: Types) -> list[Reach]:
    """Where the axis itself is looked at, which of the inputs a position falls into is not told apart."""
    return [kept(x, (one_axis(op.dim, x.rank, "Concat"),)) for x in inputs]


@sees(combine.Stack)
def _stack(op: combine.Stack, inputs: Types, outputs: Types) -> list[Reach]:
    added = one_axis(op.dim, inputs[0].rank + 1, "Stack")
    return [tuple(Slide(axis + (axis >= added)) for axis in range(x.rank)) for x in inputs]


@sees(combine.MeshGrid)
def _meshed(op: combine.MeshGrid, inputs: Types, outputs: Types) -> list[Reach]:
    return [(Slide(axis),) for axis in op.axes(len(inputs))]


@sees(rearrange.Rearrange)
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


@sees(shape.Permute, shape.Transpose)
def _permuted(op: shape.Permute | shape.Transpose, inputs: Types, outputs: Types) -> list[Reach]:
    order = op.order(inputs[0].rank)
    return [tuple(Slide(order.index(axis)) for axis in range(inputs[0].rank))]


@sees(shape.Flatten, shape.Reshape, shape.Unflatten, shape.Squeeze, shape.Unsqueeze)
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


@sees(shape.PixelShuffle)
def _into_space(op: shape.PixelShuffle, inputs: Types, outputs: Types) -> list[Reach]:
    r = op.upscale_factor
    return [(Slide(0), None, *(Slide(axis, 1, 1 - r, 0, r) for axis in (2, 3)))]


@sees(shape.PixelUnshuffle)
def _into_channels(op: shape.PixelUnshuffle, inputs: Types, outputs: Types) -> list[Reach]:
    r = op.downscale_factor
    return [(Slide(0), None, *(Slide(axis, r, 0, r - 1) for axis in (2, 3)))]


@sees(shape.ChannelShuffle)
def _shuffled(op: shape.ChannelShuffle, inputs: Types, outputs: Types) -> list[Reach]:
    return [kept(inputs[0], (1,))]


@sees(slicing.Slice)
def _slice(op: slicing.Slice, inputs: Types, outputs: Types) -> list[Reach]:
    x = inputs[0]
    axis = one_axis(op.dim, x.rank, "Slice")
    return [tuple(_cut(x, at, at, op.start, op.step) if at == axis else Slide(at) for at in range(x.rank))]


@sees(slicing.Index)
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


@sees(slicing.Crop)
def _crop(op: slicing.Crop, inputs: Types, outputs: Types) -> list[Reach]:
    begins = [begin for begin, _ in op.window(inputs[0])]
    return [(*still(inputs[0], 2), *(Slide(axis, 1, begin, begin) for axis, begin in enumerate(begins, 2)))]


@sees(pad.Pad, pad.PadTo)
def _pad(op: pad.Pad | pad.PadTo, inputs: Types, outputs: Types) -> list[Reach]:
    if isinstance(op, pad.Pad) and op.mode == "circular":
        return [kept(inputs[0], tuple(range(2, inputs[0].rank)))]
    begins = [-before for before, _ in op.pairs(inputs[0])]
    return [(*still(inputs[0], 2), *(Slide(axis, 1, begin, begin) for axis, begin in enumerate(begins, 2)))]


@sees(slicing.Split, slicing.Chunk, positions.IndexSelect, positions.Gather, positions.Narrow, ordering.Ordered)
def _parted(
    op: slicing.Split | slicing.Chunk | positions.IndexSelect | positions.Gather | positions.Narrow | ordering.Ordered,
    inputs: Types,
    outputs: Types,
) -> list[Reach]:
    """The parts are looked at together, so the axis that is parted is seen whole."""
    axis = one_axis(op.dim, inputs[0].rank, type(op).__name__)
    return [kept(inputs[0], (axis,)), *(everything(x) for x in inputs[1:])]


@sees(positions.TakeAlongDim)
def _taken_along(op: positions.TakeAlongDim, inputs: Types, outputs: Types) -> list[Reach]:
    if op.dim is None:
        return [everything(x) for x in inputs]
    axis = one_axis(op.dim, inputs[0].rank, "`take_along_dim`")
    (seen, _) = pointwise(inputs, outputs[0])
    return [tuple(None if at == axis else slide for at, slide in enumerate(seen)), everything(inputs[1])]


@sees(positions.Scattering)
def _scattered(op: positions.Scattering, inputs: Types, outputs: Types) -> list[Reach]:
    x, index, src = inputs
    axis = one_axis(op.dim, x.rank, op.name)
    return [kept(x), everything(index), kept(src, (axis,))]


@sees(positions.IndexTensors)
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


@sees(slicing.Flip)
def _flip(op: slicing.Flip, inputs: Types, outputs: Types) -> list[Reach]:
    x = inputs[0]
    axes = many_axes(op.dims, x.rank, "Flip")

    def turned(axis: int) -> Slide:
        last = x.shape[axis] - 1
        return Slide(axis, -1, last, last)

    return [tuple(turned(axis) if axis in axes else Slide(axis) for axis in range(x.rank))]


@sees(slicing.Roll)
def _roll(op: slicing.Roll, inputs: Types, outputs: Types) -> list[Reach]:
    return [kept(inputs[0], tuple(axis for axis, _ in op.moves(inputs[0])))]


@sees(slicing.Tile)
def _tile(op: slicing.Tile, inputs: Types, outputs: Types) -> list[Reach]:
    x, repeats = inputs[0], op.repeats(inputs[0])
    added = len(repeats) - x.rank
    return [tuple(Slide(axis + added) if repeats[axis + added] == 1 else None for axis in range(x.rank))]
