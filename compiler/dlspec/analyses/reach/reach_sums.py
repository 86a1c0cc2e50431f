"""What is computed along whole axes: norms, sums, products of matrices, attention, searches."""

from __future__ import annotations

from dlspec.analyses.reach.registry import Reach, Slide, everything, kept, pointwise, sees
from dlspec.ir.dims import Dim
from dlspec.ir.op import Op, Types
from dlspec.ir.types import TensorType
from dlspec.ops import (
    attention,
    embedding,
    experts,
    linear,
    matrix,
    norm,
    ordering,
    pooling,
    random,
    reduce,
    rotary,
    shape,
    softmax,
)
from dlspec.ops.rules import many_axes, one_axis


@sees(pooling.GlobalAvgPool, pooling.GlobalMaxPool, norm.InstanceNorm)
def _space(op: Op, inputs: Types, outputs: Types) -> list[Reach]:
    if isinstance(op, norm.InstanceNorm) and op.track_running_stats:
        return [kept(inputs[0])]
    return [kept(inputs[0], tuple(range(2, inputs[0].rank)))]


@sees(norm.BatchNorm)
def _batch_norm(op: norm.BatchNorm, inputs: Types, outputs: Types) -> list[Reach]:
    x = inputs[0]
    return [kept(x) if op.track_running_stats else kept(x, tuple(axis for axis in range(x.rank) if axis != 1))]


@sees(norm.GroupNorm)
def _group_norm(op: norm.GroupNorm, inputs: Types, outputs: Types) -> list[Reach]:
    return [kept(inputs[0], tuple(range(1, inputs[0].rank)))]


@sees(norm.LayerNorm, norm.RMSNorm)
def _trailing(op: norm.LayerNorm | norm.RMSNorm, inputs: Types, outputs: Types) -> list[Reach]:
    count = len(op.normalized_shape) if isinstance(op.normalized_shape, tuple) else 1
    return [kept(inputs[0], tuple(range(inputs[0].rank - count, inputs[0].rank)))]


@sees(linear.Linear, softmax.GLU)
def _last(op: linear.Linear | softmax.GLU, inputs: Types, outputs: Types) -> list[Reach]:
    axis = one_axis(op.dim, inputs[0].rank, "GLU") if isinstance(op, softmax.GLU) else inputs[0].rank - 1
    return [kept(inputs[0], (axis,))]


@sees(experts.RoutedLinear)
def _routed(op: experts.RoutedLinear, inputs: Types, outputs: Types) -> list[Reach]:
    """A row is seen alone, with its expert: which that is is what the row's number says."""
    x, _, index = inputs
    rows = outputs[0].with_shape(*outputs[0].shape[:-1])
    own, chosen = pointwise((x.with_shape(*x.shape[:-1]), index), rows)
    return [(*own, None), (None, Slide(outputs[0].rank - 1), None), chosen]


@sees(linear.LinearFunction, linear.Bilinear)
def _last_of_each(op: Op, inputs: Types, outputs: Types) -> list[Reach]:
    both = 2 if isinstance(op, linear.Bilinear) else 1
    return [kept(x, (x.rank - 1,)) if index < both else everything(x) for index, x in enumerate(inputs)]


@sees(softmax.Normalised)
def _normalised(op: softmax.Normalised, inputs: Types, outputs: Types) -> list[Reach]:
    return [kept(inputs[0], (op.axis(inputs[0].rank),))]


@sees(reduce.Reduction, reduce.Spread, reduce.Norm, reduce.Extreme)
def _reduction(
    op: reduce.Reduction | reduce.Spread | reduce.Norm | reduce.Extreme, inputs: Types, outputs: Types
) -> list[Reach]:
    x = inputs[0]
    gone = reduce.reduced_axes(op.dim, x, type(op).__name__)
    left = [axis for axis in range(x.rank) if axis not in gone]
    there = {axis: axis if op.keepdim else index for index, axis in enumerate(left)}
    return [tuple(Slide(there[axis]) if axis in there else None for axis in range(x.rank))]


@sees(reduce.Running)
def _running(op: reduce.Running, inputs: Types, outputs: Types) -> list[Reach]:
    return [kept(inputs[0], (one_axis(op.dim, inputs[0].rank, "Running"),))]


@sees(reduce.Normalize)
def _to_length(op: reduce.Normalize, inputs: Types, outputs: Types) -> list[Reach]:
    return [kept(inputs[0], many_axes(op.dim, inputs[0].rank, "Normalize"))]


@sees(ordering.SearchSorted, ordering.Bucketize)
def _placed(op: Op, inputs: Types, outputs: Types) -> list[Reach]:
    """Sequences are seen whole; an element of what is placed among them alone."""
    sought = int(isinstance(op, ordering.SearchSorted))
    return [kept(x) if index == sought else everything(x) for index, x in enumerate(inputs)]


@sees(random.Multinomial)
def _drawn(op: random.Multinomial, inputs: Types, outputs: Types) -> list[Reach]:
    return [kept(inputs[0], (inputs[0].rank - 1,))]


@sees(embedding.Embedding, shape.OneHot)
def _looked_up(op: Op, inputs: Types, outputs: Types) -> list[Reach]:
    return [kept(inputs[0])]


@sees(matrix.MatMul)
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


@sees(matrix.Einsum)
def _einsum(op: matrix.Einsum, inputs: Types, outputs: Types) -> list[Reach]:
    terms, output = op.labels(inputs)
    return [tuple(Slide(output.index(letter)) if letter in output else None for letter in term) for term in terms]


@sees(attention.ScaledDotProductAttention)
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


@sees(attention.MultiheadAttention)
def _projected(op: attention.MultiheadAttention, inputs: Types, outputs: Types) -> list[Reach]:
    """A query of its own, all keys and values of its batch."""
    x = inputs[0]
    length, batch = (0, None) if x.rank == 2 else (1, 0) if op.batch_first else (0, 1)
    if op.need_weights:
        return [everything(each) for each in inputs]
    query = (Slide(length), None) if batch is None else (*map(Slide, (0, 1)), None)
    keys = tuple(Slide(axis) if axis == batch else None for axis in range(x.rank))
    return [query, keys, keys, *(everything(each) for each in inputs[3:])]


@sees(rotary.Rotary)
def _turned(op: rotary.Rotary, inputs: Types, outputs: Types) -> list[Reach]:
    return [(*seen[:-1], None) for seen in pointwise(inputs, outputs[0])]


@sees(rotary.RotaryTable)
def _table(op: rotary.RotaryTable, inputs: Types, outputs: Types) -> list[Reach]:
    return [kept(inputs[0])]
