"""Attention: the operator that ONNX has from opset 23, and matrix products below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.backends.onnx.wire import ELEMENT
from dlspec.ir.dims import Dim
from dlspec.ir.node import Node
from dlspec.ir.types import DType, TensorType
from dlspec.ops.attention import MultiheadAttention, ScaledDotProductAttention, default_scale

FUSED = 23
"""The opset that has Attention."""
_INF = float("inf")


class Scores(NamedTuple):
    """What weights are made with: the element type, the lengths of queries and keys, whether query i sees the keys up to
    i alone, and how many heads of queries stand one after another as rows of one head of keys."""

    dtype: DType
    length: Dim
    keys: Dim
    causal: bool = False
    groups: Dim = 1

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


_STORED = 1 << 18
"""Up to so many elements a mask of known sizes stands in the file."""


def _after(e: Emitter, scores: Scores, upper: float | bool, dtype: DType) -> str:
    """A matrix of zeros that has a value behind the diagonal, where a causal mask hides the keys. Made once."""
    import numpy as np

    from dlspec.passes.retype import numpy_dtype

    _, length, keys, _, groups = scores
    if (
        isinstance(length, int)
        and isinstance(keys, int)
        and isinstance(groups, int)
        and groups * length * keys <= _STORED
    ):
        triangle = np.triu(np.full((length, keys), upper), 1)
        return e.constant(np.tile(triangle, (groups, 1)), dtype)

    def make() -> str:
        e.require_opset(14, "causal attention")
        like = DType.FLOAT32 if dtype is DType.BOOL else dtype
        full = e.op("ConstantOfShape", [e.shape((length, keys))], value=np.asarray([upper], numpy_dtype(like)))
        triangle = e.op("Trilu", [full, e.constant(1)], upper=1)
        if groups != 1:
            triangle = e.op("Tile", [triangle, e.shape((groups, 1))])
        return e.cast(triangle, dtype) if dtype is not like else triangle

    return e.once(("behind the diagonal", length, keys, groups, upper, dtype), make)


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
    if op.enable_gqa and query.shape[-3] != key.shape[-3]:
        # The heads that share keys are rows of one product, which is larger for it.
        scores = scores._replace(groups=query.shape[-3] // key.shape[-3])
        q = _in_heads(e, q, query.rank, key.shape[-3])
        mask = _grouped(e, mask, scores, key.shape[-3]) if mask else None
    turned = e.op("Transpose", [k], perm=[*range(key.rank - 2), key.rank - 1, key.rank - 2])
    weights = _weights(e, _scaled(e, q, op.scale, query.shape[-1], query.dtype), turned, mask, scores)
    y = e.op("MatMul", [weights, v])
    return y if scores.groups == 1 else _in_heads(e, y, node.outputs[0].type.rank, query.shape[-3])


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


def _in_heads(e: Emitter, x: str, rank: int, heads: Dim) -> str:
    """[..., heads, rows, features] with other heads, and so many rows more or less."""
    return e.op("Reshape", [x, e.shape((*(0 for _ in range(rank - 3)), heads, -1, 0))])


def _grouped(e: Emitter, mask: Mask, scores: Scores, heads: Dim) -> Mask:
    """A mask of heads of queries for those of keys, whose rows are all queries of a group."""
    shape, rank = mask.type.shape, mask.type.rank
    many = rank > 2 and shape[-3] != 1
    rows = shape[-2] if not many and shape[-2] == 1 else scores.groups * scores.length

    def make() -> str:
        if not many:
            return e.op("Tile", [mask.name, e.shape((*(1 for _ in range(rank - 2)), scores.groups, 1))])
        name = mask.name
        if shape[-2] != scores.length:
            name = e.op("Expand", [name, e.shape((*shape[:-2], scores.length, shape[-1]))])
        return _in_heads(e, name, rank, heads)

    name = mask.name if rows == 1 else e.once(("grouped", mask.name, heads, rows), make)
    kept = (*shape[:-3], heads) if many else shape[:-2]
    return Mask(name, mask.type.with_shape(*kept, rows, shape[-1]))


# With projections


@lowers(MultiheadAttention)
def multihead_attention(
    e: Emitter, op: MultiheadAttention, node: Node, xs: list[str], ws: list[str]
) -> str | tuple[str, ...]:
    types = tuple(x.type for x in node.inputs)
    weights = dict(zip((w.name for w in op.weights(types)), ws, strict=True))
    batch, length, given = op.sizes(types)
    embed, dtype = op.features(types)[0], types[0].dtype
    fused = e.opset >= FUSED and not op.need_weights
    whole = fused or op.added > 0  # heads side by side, batches first
    late = types[0].rank == 3 and not (op.batch_first or whole)  # the batch comes first together with the heads
    first = xs[:3] if late else _batches_first(e, op, xs[:3], types[0].rank)
    q, k, v = _projected(e, op, first, types, weights, apart=not whole)
    k, v = (_extended(e, op, x, weights.get(bias), batch, embed, dtype) for x, bias in ((k, "bias_k"), (v, "bias_v")))
    mask, causal = _joined_masks(e, op, xs, types)
    scores = Scores(dtype, length, given + op.added, causal)
    probabilities = ""
    if fused:
        mask = _stretched(e, mask, scores) if mask else None
        y = _attended(e, (q, k, v), mask, scores, heads=op.num_heads)
    else:
        if whole:
            q, k, v = (_apart(e, op, x, embed) for x in (q, k, v))
        n, t = (1, 0) if late else (0, 1)
        q, v = (e.op("Transpose", [x], perm=[n, 2, t, 3]) for x in (q, v))
        k = e.op("Transpose", [k], perm=[n, 2, 3, t])
        probabilities = _weights(e, _scaled(e, q, None, embed // op.num_heads, dtype), k, mask, scores)
        y = e.op("Transpose", [e.op("MatMul", [probabilities, v])], perm=[2, 0, 1, 3] if late else [0, 2, 1, 3])
        y = e.op("Reshape", [y, e.constant([0, 0, embed])])
    y = _affine(e, y, weights["out_proj.weight"], weights.get("out_proj.bias"))
    if types[0].rank == 2:
        y = e.op("Squeeze", [y, e.constant([0])])
    elif not (op.batch_first or late):
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


def _apart(e: Emitter, op: MultiheadAttention, x: str, embed: int, times: int = 1) -> str:
    """Heads on an axis of their own. ``times`` are the tensors side by side, each with all heads."""
    return e.op("Reshape", [x, e.constant([0, 0, times * op.num_heads, embed // op.num_heads])])


def _projected(
    e: Emitter,
    op: MultiheadAttention,
    xs: list[str],
    types: Sequence[TensorType],
    weights: dict[str, str],
    *,
    apart: bool,
) -> tuple[str, str, str]:
    """Queries, keys and values, with heads on an axis of their own where they are ``apart``; what is made of the same
    is multiplied together."""
    together, bias = weights.get("in_proj_weight"), weights.get("in_proj_bias")
    embed = op.features(tuple(types))[0]
    runs = [1, 1, 1]
    if together is not None and xs[1] == xs[2]:
        runs = [3] if xs[0] == xs[1] else [1, 2]

    def rows(weight: str | None) -> tuple[str | None, ...]:
        if weight is None or len(runs) == 1:
            return (weight,) * len(runs)
        return e.op("Split", [weight, e.constant([run * embed for run in runs])], len(runs), axis=0)

    own = [weights[f"{name}_proj_weight"] for name in "qkv"] if together is None else rows(together)
    made: list[str] = []
    for run, x, weight, offset in zip(runs, xs, own, rows(bias), strict=False):
        assert weight is not None
        y = _affine(e, x, weight, offset)
        if apart:
            y = _apart(e, op, y, embed, run)
        size = op.num_heads if apart else embed
        made += e.op("Split", [y, e.constant([size] * run)], run, axis=2) if run > 1 else [y]
    q, k, v = made
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
