"""Attention and rotary embeddings, in other operators."""

from __future__ import annotations

from dlspec.ir.dims import Dim
from dlspec.ir.types import DType
from dlspec.ops.algebra import Term
from dlspec.ops.attention import MultiheadAttention, ScaledDotProductAttention, default_scale
from dlspec.ops.rotary import Rotary, RotaryTable
from dlspec.passes.derivatives.registry import Cotangents, derives, expands
from dlspec.passes.derivatives.step import NoDerivative, Step, reshaped, where

_INF = float("inf")


@expands(ScaledDotProductAttention)
def scaled_dot_product_attention(s: Step, op: ScaledDotProductAttention) -> Term:
    query, key, value, *masks = s.xs
    mask = masks[0] if masks else None
    groups = query.type.shape[-3] // key.type.shape[-3] if op.enable_gqa else 1
    if groups != 1:
        *batch, _, length, features = query.type.shape
        query = reshaped(query, (*batch, key.type.shape[-3], groups, length, features))
        if mask is not None and mask.type.rank > 2:
            *lead, many, rows, columns = mask.type.shape
            mask = reshaped(mask, (*lead, *((1, 1) if many == 1 else (key.type.shape[-3], groups)), rows, columns))
        key, value = (x.call("unsqueeze", dim=-3) for x in (key, value))
    if op.scale is not None or isinstance(query.type.shape[-1], int):
        query = query * (op.scale if op.scale is not None else default_scale(None, int(str(query.type.shape[-1]))))
    else:
        query = query / query.lifted(query.type.shape[-1]).call("sqrt")
    if op.is_causal:
        mask = _visible(s, query.type.shape[-2], key.type.shape[-2])
    return reshaped(_attended(query, key, value, mask), s.y.type.shape)


def _attended(query: Term, key: Term, value: Term, mask: Term | None) -> Term:
    """The values weighted by a softmax of scores, of a query that is scaled."""
    scores = query.call("matmul", key.call("transpose", dim0=-2, dim1=-1))
    if mask is None or mask.type.dtype is not DType.BOOL:
        return (scores if mask is None else scores + mask).call("softmax", dim=-1).call("matmul", value)
    # -1e30 and not -inf, whose derivative is NaN for a query that is left no key.
    weights = where(mask, where(mask, scores, -1e30).call("softmax", dim=-1), 0.0)
    return weights.call("matmul", value)


def _visible(s: Step, length: Dim, keys: Dim) -> Term:
    rows = s.algebra.call("arange", end=length).call("unsqueeze", dim=-1)
    return s.algebra.call("arange", end=keys).call("le", rows)


@expands(MultiheadAttention)
def multihead_attention(s: Step, op: MultiheadAttention) -> Term:
    if op.need_weights:
        raise NoDerivative(s.node, "MultiheadAttention that gives its weights")
    types = tuple(x.type for x in s.xs)
    batch, length, given = op.sizes(types)
    embed, heads = op.features(types)[0], op.num_heads
    weights = {w.name: s.weight(index) for index, w in enumerate(op.weights(types))}
    rank = types[0].rank
    parts: list[Term] = []
    for index, name in enumerate("qkv"):
        x = s.xs[index]
        x = x.call("unsqueeze", dim=0) if rank == 2 else x if op.batch_first else x.call("transpose", dim0=0, dim1=1)
        rows = {"dim": 0, "start": index * embed, "end": (index + 1) * embed}
        own = weights.get(f"{name}_proj_weight") or weights["in_proj_weight"].call("slice", **rows)
        bias = [weights["in_proj_bias"].call("slice", **rows)] if op.bias else []
        made = x.call("linear", own, *bias)
        extra: list[Term] = []
        if index and op.add_bias_kv:
            extra.append(weights[f"bias_{name}"].call("expand", shape=(batch, 1, embed)))
        if index and op.add_zero_attn:
            extra.append(s.algebra.call("zeros", shape=(batch, 1, embed), dtype=types[0].dtype.label))
        made = made.call("concat", *extra, dim=1) if extra else made
        size = length if index == 0 else given + op.added
        parts.append(reshaped(made, (batch, size, heads, embed // heads)).call("transpose", dim0=1, dim1=2))
    query, key, value = parts
    mask = _joined(s, op, batch, length, given)
    y = _attended(query * default_scale(None, embed // heads), key, value, mask).call("transpose", dim0=1, dim1=2)
    bias = [weights["out_proj.bias"]] if op.bias else []
    y = reshaped(y, (batch, length, embed)).call("linear", weights["out_proj.weight"], *bias)
    return y.call("squeeze", dim=0) if rank == 2 else y if op.batch_first else y.call("transpose", dim0=0, dim1=1)


def _joined(s: Step, op: MultiheadAttention, batch: Dim, length: Dim, given: Dim) -> Term | None:
    """The masks as one, that broadcasts to [N, heads, L, S + added]: what takes part, or floats that are added."""
    padding, mask = op.masks(tuple(x.type for x in s.xs))
    found: list[Term] = []
    if padding is not None:
        found.append(reshaped(s.xs[3], (batch, 1, 1, given)))
    if mask is not None:
        own = s.xs[4]
        shape = (1, 1, length, given) if mask.rank == 2 else (batch, op.num_heads, length, given)
        found.append(reshaped(own, shape))
    if op.is_causal:
        found.append(reshaped(_visible(s, length, given).call("logical_not"), (1, 1, length, given)))
    if not found:
        return None
    truths = all(x.type.dtype is DType.BOOL for x in found)
    if truths:
        joined = found[0]
        for other in found[1:]:
            joined = joined.call("logical_or", other)
        joined = joined.call("logical_not")
    else:
        zero = s.algebra.call("Const", value=0.0, dtype=s.x.type.dtype.label)
        floats = [where(x, zero * 0 - _INF, zero) if x.type.dtype is DType.BOOL else x for x in found]
        joined = floats[0]
        for other in floats[1:]:
            joined = joined + other
    if not op.added:
        return joined
    seen = joined.type.with_shape(*joined.type.shape[:-1], op.added)
    value = {"value": 1.0 if truths else 0.0, "dtype": seen.dtype.label}
    return joined.call("concat", s.algebra.call("full", shape=seen.shape, **value), dim=-1)


@expands(Rotary)
def rotary(s: Step, op: Rotary) -> Term:
    x, cos, sin = s.xs
    pairs = int(str(cos.type.shape[-1]))
    turned = x.call("slice", dim=-1, start=0, end=2 * pairs)
    if op.interleaved:
        cut = [{"start": 0, "end": 2 * pairs, "step": 2}, {"start": 1, "end": 2 * pairs, "step": 2}]
    else:
        cut = [{"start": 0, "end": pairs}, {"start": pairs, "end": 2 * pairs}]
    first, second = (turned.call("slice", dim=-1, **ends) for ends in cut)
    pair = (first * cos - second * sin, second * cos + first * sin)
    if op.interleaved:
        y = reshaped(pair[0].call("stack", pair[1], dim=-1), turned.type.shape)
    else:
        y = pair[0].call("concat", pair[1], dim=-1)
    if x.type.shape[-1] == 2 * pairs:
        return y
    return y.call("concat", x.call("slice", dim=-1, start=2 * pairs, end=x.type.shape[-1]), dim=-1)


@derives(RotaryTable)
def rotary_table(s: Step, op: RotaryTable) -> Cotangents:
    cos, sin = s.ys
    of_cos, of_sin = s.gs
    frequencies = s.algebra.call("Const", value=op.each, dtype=op.dtype.label)
    angles = of_sin * cos - of_cos * sin
    back = (angles * frequencies).call("sum", dim=-1)
    return (back.call("cast", dtype=s.x.type.dtype.label),)
