"""Attention: the operator that ONNX has from opset 23, and matrix products below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.backends.onnx.wire import ELEMENT
from dlspec.ir.dims import Dim
from dlspec.ir.graph import Node
from dlspec.ir.types import DType, TensorType
from dlspec.ops.attention import MultiheadAttention, ScaledDotProductAttention, default_scale

FUSED = 23
"""The opset that has Attention."""
_INF = float("inf")


class Scores(NamedTuple):
    """What weights are made with: the element type, the lengths of queries and keys, and whether query i sees the keys up
    to i alone."""

    dtype: DType
    length: Dim
    keys: Dim
    causal: bool = False

    @property
    def wide(self) -> DType:
        """What the softmax is computed in. Half precision would overflow behind a mask."""
        return DType.FLOAT32 if self.dtype.is_half else self.dtype


class Mask(NamedTuple):
    """A mask by its name: truth values, where true takes part, or floats that are added."""

    name: str
    type: TensorType

    @property
    def chooses(self) -> bool:
        return self.type.dtype is DType.BOOL


def _after(e: Emitter, scores: Scores, upper: float | bool, dtype: DType) -> str:
    """A matrix of zeros that has a value behind the diagonal, where a causal mask hides the keys. Made once."""
    import numpy as np

    from dlspec.passes.retype import numpy_dtype

    def make() -> str:
        e.require_opset(14, "causal attention")
        like = DType.FLOAT32 if dtype is DType.BOOL else dtype
        shape = e.shape((scores.length, scores.keys))
        full = e.op("ConstantOfShape", [shape], value=np.asarray([upper], numpy_dtype(like)))
        triangle = e.op("Trilu", [full, e.constant(1)], upper=1)
        return e.cast(triangle, dtype) if dtype is not like else triangle

    return e.once(("behind the diagonal", scores.length, scores.keys, upper, dtype), make)


def _weights(e: Emitter, q: str, keys: str, mask: Mask | None, scores: Scores) -> str:
    """The softmax of queries, scaled already, times keys, turned already."""
    wide = scores.wide
    x = e.op("MatMul", [q, keys])
    if wide is not scores.dtype:
        x = e.cast(x, wide)
    if scores.causal:
        x = e.op("Add", [x, _after(e, scores, -_INF, wide)])
    if mask is not None and mask.chooses:
        x = e.op("Where", [mask.name, x, e.scalar(-_INF, wide)])
    elif mask is not None:
        x = e.op("Add", [x, mask.name if mask.type.dtype is wide else e.cast(mask.name, wide)])
    x = e.op("Softmax", [x], axis=-1)
    if mask is not None and mask.chooses:  # a query that is left no key gets nothing
        x = e.op("Where", [mask.name, x, e.scalar(0.0, wide)])
    return x if wide is scores.dtype else e.cast(x, scores.dtype)


def _scaled(e: Emitter, q: str, scale: float | None, features: Dim, dtype: DType) -> str:
    if scale is not None or isinstance(features, int):
        assert scale is not None or isinstance(features, int)
        factor = scale if scale is not None else default_scale(None, int(str(features)))
        return q if factor == 1 else e.op("Mul", [q, e.scalar(factor, dtype)])
    return e.op("Div", [q, e.op("Sqrt", [e.cast(e.dim(features), dtype)])])


def _attended(
    e: Emitter,
    xs: Sequence[str],
    mask: Mask | None,
    scores: Scores,
    scale: float | None = None,
    heads: int | None = None,
) -> str:
    """The operator of ONNX. ``heads`` are those of tensors [N, length, features]."""
    precision = ELEMENT[DType.FLOAT32] if scores.dtype.is_half else None
    return e.op(
        "Attention", [*xs, *([mask.name] if mask else [])], scale=scale, is_causal=1 if scores.causal else None,
        q_num_heads=heads, kv_num_heads=heads, softmax_precision=precision,
    )  # fmt: skip


def _stretched(e: Emitter, mask: Mask, scores: Scores) -> Mask:
    """A mask of all queries and keys: ONNX Runtime broadcasts only the axes before."""
    shape = (*mask.type.shape[:-2], scores.length, scores.keys)
    if mask.type.shape == shape:
        return mask
    name = e.once(("stretched", mask.name, shape), lambda: e.op("Expand", [mask.name, e.shape(shape)]))
    return Mask(name, mask.type.with_shape(*shape))


# Given queries, keys and values


@lowers(ScaledDotProductAttention)
def scaled_dot_product_attention(
    e: Emitter, op: ScaledDotProductAttention, node: Node, xs: list[str], ws: list[str]
) -> str:
    query, key, value = (x.type for x in node.inputs[:3])
    scores = Scores(query.dtype, query.shape[-2], key.shape[-2], op.is_causal)
    mask = Mask(xs[3], node.inputs[3].type) if len(xs) > 3 else None
    if e.opset >= FUSED and _fits(op, query, key, value):
        if mask is not None and query.rank == 3 and mask.type.rank == 3:
            mask = _with_heads(e, mask)
        mask = _stretched(e, mask, scores) if mask else None
        return _attended(e, xs[:3], mask, scores, op.scale, 1 if query.rank == 3 else None)
    q, k, v = xs[:3]
    groups = query.shape[-3] // key.shape[-3] if op.enable_gqa else 1
    if groups != 1:
        parts = (*query.shape[:-3], key.shape[-3], groups, *query.shape[-2:])
        q = e.op("Reshape", [q, e.shape(parts)])
        k, v = (e.op("Unsqueeze", [x, e.constant([-3])]) for x in (k, v))
        mask = _grouped(e, mask, key.shape[-3], groups) if mask and mask.type.rank > 2 else mask
    rank = key.rank + (groups != 1)
    turned = e.op("Transpose", [k], perm=[*range(rank - 2), rank - 1, rank - 2])
    weights = _weights(e, _scaled(e, q, op.scale, query.shape[-1], query.dtype), turned, mask, scores)
    y = e.op("MatMul", [weights, v])
    return y if groups == 1 else e.op("Reshape", [y, e.shape(node.outputs[0].type.shape)])


def _fits(op: ScaledDotProductAttention, query: TensorType, key: TensorType, value: TensorType) -> bool:
    """Whether the operator of ONNX takes these axes, which it does not broadcast."""
    if not query.rank == key.rank == value.rank or query.rank not in (3, 4):
        return False
    if query.rank == 3 and op.enable_gqa:
        return False
    same = key.shape[:-2] == value.shape[:-2] and query.shape[0] == key.shape[0]
    return same and (op.enable_gqa or query.shape[:-2] == key.shape[:-2])


def _with_heads(e: Emitter, mask: Mask) -> Mask:
    """[N, L, S] as [N, 1, L, S]."""
    name = e.once(("with heads", mask.name), lambda: e.op("Unsqueeze", [mask.name, e.constant([1])]))
    return Mask(name, mask.type.with_shape(mask.type.shape[0], 1, *mask.type.shape[1:]))


def _grouped(e: Emitter, mask: Mask, heads: Dim, groups: Dim) -> Mask:
    """A mask whose axis of heads is one of groups of heads and one of heads in them."""
    *batch, many, length, keys = mask.type.shape
    shape = (*batch, *((1, 1) if many == 1 else (heads, groups)), length, keys)
    name = e.once(("grouped", mask.name, shape), lambda: e.op("Reshape", [mask.name, e.shape(shape)]))
    return Mask(name, mask.type.with_shape(*shape))


# With projections


@lowers(MultiheadAttention)
def multihead_attention(
    e: Emitter, op: MultiheadAttention, node: Node, xs: list[str], ws: list[str]
) -> str | tuple[str, ...]:
    types = tuple(x.type for x in node.inputs)
    weights = dict(zip((w.name for w in op.weights(types)), ws, strict=True))
    batch, length, given = op.sizes(types)
    embed, dtype = op.features(types)[0], types[0].dtype
    q, k, v = _projected(e, op, _batches_first(e, op, xs[:3], types[0].rank), types, weights)
    k, v = (_extended(e, op, x, weights.get(bias), batch, embed, dtype) for x, bias in ((k, "bias_k"), (v, "bias_v")))
    mask, causal = _joined_masks(e, op, xs, types)
    scores = Scores(dtype, length, given + op.added, causal)
    probabilities = ""
    if e.opset >= FUSED and not op.need_weights:
        mask = _stretched(e, mask, scores) if mask else None
        y = _attended(e, (q, k, v), mask, scores, heads=op.num_heads)
    else:
        size = embed // op.num_heads
        q, k, v = (e.op("Reshape", [x, e.constant([0, 0, op.num_heads, size])]) for x in (q, k, v))
        q, v = (e.op("Transpose", [x], perm=[0, 2, 1, 3]) for x in (q, v))
        k = e.op("Transpose", [k], perm=[0, 2, 3, 1])
        probabilities = _weights(e, _scaled(e, q, None, size, dtype), k, mask, scores)
        y = e.op("Transpose", [e.op("MatMul", [probabilities, v])], perm=[0, 2, 1, 3])
        y = e.op("Reshape", [y, e.constant([0, 0, embed])])
    y = _affine(e, y, weights["out_proj.weight"], weights.get("out_proj.bias"))
    if types[0].rank == 2:
        y = e.op("Squeeze", [y, e.constant([0])])
    elif not op.batch_first:
        y = e.op("Transpose", [y], perm=[1, 0, 2])
    return (y, _told(e, op, probabilities, types[0].rank)) if op.need_weights else y


def _batches_first(e: Emitter, op: MultiheadAttention, xs: list[str], rank: int) -> list[str]:
    if op.batch_first and rank == 3:
        return xs
    made = {
        x: e.op("Unsqueeze", [x, e.constant([0])]) if rank == 2 else e.op("Transpose", [x], perm=[1, 0, 2]) for x in xs
    }
    return [made[x] for x in xs]


def _affine(e: Emitter, x: str, weight: str, bias: str | None) -> str:
    y = e.op("MatMul", [x, e.op("Transpose", [weight], perm=[1, 0])])
    return y if bias is None else e.op("Add", [y, bias])


def _projected(
    e: Emitter, op: MultiheadAttention, xs: list[str], types: Sequence[TensorType], weights: dict[str, str]
) -> tuple[str, str, str]:
    """Queries, keys and values; what they are made of alike is multiplied together."""
    together, bias = weights.get("in_proj_weight"), weights.get("in_proj_bias")
    parts = e.constant([op.features(tuple(types))[0]] * 3)
    if together is not None and xs[0] == xs[1] == xs[2]:
        q, k, v = e.op("Split", [_affine(e, xs[0], together, bias), parts], 3, axis=-1)
        return q, k, v
    if together is None:
        own = tuple(weights[f"{name}_proj_weight"] for name in "qkv")
    else:
        own = e.op("Split", [together, parts], 3, axis=0)
    biases = (None, None, None) if bias is None else e.op("Split", [bias, parts], 3, axis=0)
    q, k, v = (_affine(e, *each) for each in zip(xs, own, biases, strict=True))
    return q, k, v


def _extended(
    e: Emitter, op: MultiheadAttention, x: str, bias: str | None, batch: Dim, embed: int, dtype: DType
) -> str:
    """Keys or values with the learned one and the zeros behind them."""
    if not op.added:
        return x
    shape = e.shape((batch, 1, embed))
    parts = [x]
    if bias is not None:
        parts.append(bias if batch == 1 else e.op("Expand", [bias, shape]))
    if op.add_zero_attn:
        parts.append(e.op("Expand", [e.scalar(0.0, dtype), shape]))
    return e.op("Concat", parts, axis=1)


def _joined_masks(
    e: Emitter, op: MultiheadAttention, xs: list[str], types: tuple[TensorType, ...]
) -> tuple[Mask | None, bool]:
    """One mask of what takes part, or of what is added, and whether the causal mask is left to do."""
    padding, mask = op.masks(types)
    if padding is None and mask is None and not (op.is_causal and op.added):
        return None, op.is_causal
    key = ("masks", op.num_heads, op.added, op.is_causal, op.sizes(types), *xs[3:])
    made = e.once(key, lambda: _hiding(e, op, xs, types))
    floats = any(each is not None and each.dtype.is_float for each in (padding, mask))
    batch, length, given = op.sizes(types)
    heads = op.num_heads if mask is not None and mask.rank == 3 else 1
    rows = length if mask is not None or op.is_causal else 1
    lead = (batch if padding is not None or heads != 1 else 1, heads)
    shape = TensorType(types[0].dtype if floats else DType.BOOL, (*lead, rows, given + op.added))
    return Mask(made, shape), False


def _hiding(e: Emitter, op: MultiheadAttention, xs: list[str], types: tuple[TensorType, ...]) -> str:
    """The masks [N or 1, heads or 1, L or 1, S] as one: floats that are added, or what takes part."""
    padding, mask = op.masks(types)
    batch, length, given = op.sizes(types)
    dtype = types[0].dtype
    found: list[tuple[str, bool]] = []
    if padding is not None:
        axes = [0, 1, 2] if padding.rank == 1 else [1, 2]
        found.append((e.op("Unsqueeze", [xs[3], e.constant(axes)]), padding.dtype is DType.BOOL))
    if mask is not None:
        shape = (batch, op.num_heads, length, given)
        own = (
            e.op("Reshape", [xs[4], e.shape(shape)])
            if mask.rank == 3
            else e.op("Unsqueeze", [xs[4], e.constant([0, 1])])
        )
        found.append((own, mask.dtype is DType.BOOL))
    if op.is_causal:
        behind = _after(e, Scores(dtype, length, given), 1.0, DType.BOOL)
        found.append((e.op("Unsqueeze", [behind, e.constant([0, 1])]), True))
    truths = all(truth for _, truth in found)
    if not truths:
        low, zero = e.scalar(-_INF, dtype), e.scalar(0.0, dtype)
        found = [(e.op("Where", [name, low, zero]) if truth else name, False) for name, truth in found]
    joined = found[0][0]
    for name, _ in found[1:]:
        joined = e.op("Or" if truths else "Add", [joined, name])
    if truths:
        joined = e.op("Not", [joined])
    if not op.added:
        return joined
    seen = e.constant(truths, DType.BOOL) if truths else e.scalar(0.0, dtype)
    return e.op("Pad", [joined, e.constant([0] * 7 + [op.added]), seen])


def _told(e: Emitter, op: MultiheadAttention, weights: str, rank: int) -> str:
    """The weights as the second output gives them."""
    if op.average_attn_weights:
        axes = [1] if rank == 3 else [0, 1]
        if e.opset < 18:
            return e.op("ReduceMean", [weights], axes=axes, keepdims=0)
        return e.op("ReduceMean", [weights, e.constant(axes)], keepdims=0)
    return weights if rank == 3 else e.op("Squeeze", [weights, e.constant([0])])
