"""Attention and rotary embeddings."""

from __future__ import annotations

from typing import Any

from dlspec.backends.torch.lowering.lower_modules import rest
from dlspec.backends.torch.lowering.registry import Lower, lowers, makes
from dlspec.backends.torch.python.expressions import (
    Attribute,
    Call,
    Const,
    IfElse,
    Keyword,
    Name,
    Py,
    Subscript,
    call,
    method,
)
from dlspec.backends.torch.python.symbols import Arg, Dimension
from dlspec.ir.node import Node
from dlspec.ir.types import DType
from dlspec.ops import attention, rotary

_FORWARD = ("need_weights", "average_attn_weights", "is_causal")
"""Fields of MultiheadAttention that torch takes with each call."""


@lowers(attention.ScaledDotProductAttention)
def scaled_dot_product_attention(e: Lower, op: attention.ScaledDotProductAttention, xs: list[Py]) -> Py:
    mask = (Keyword("attn_mask", xs[3]),) if len(xs) > 3 else ()
    dropout: tuple[Keyword, ...] = ()
    if op.dropout_p:
        p = IfElse(Name("self.training"), Arg(op.dropout_p, "dropout_p"), Const(0.0))
        dropout = (Keyword("dropout_p", p),)
    fields = tuple(
        Keyword(name, Arg(getattr(op, name), name), default)
        for name, default in (("is_causal", False), ("scale", None), ("enable_gqa", False))
    )
    return Call(Name("F.scaled_dot_product_attention"), tuple(xs[:3]), (*mask, *dropout, *fields))


@makes(attention.MultiheadAttention)
def multihead_attention_module(op: attention.MultiheadAttention, node: Node) -> Py:
    types = tuple(value.type for value in node.inputs)
    embed, kdim, vdim = (Dimension(size, at, types[at].rank - 1) for at, size in enumerate(op.features(types)))
    sizes: tuple[Keyword, ...] = ()
    if not op.features(types)[0] == op.features(types)[1] == op.features(types)[2]:
        sizes = (Keyword("kdim", kdim), Keyword("vdim", vdim))
    keywords = rest(op, node, "num_heads", *_FORWARD)
    return Call(Name("nn.MultiheadAttention"), (embed, Arg(op.num_heads, "num_heads")), (*keywords, *sizes))


@lowers(attention.MultiheadAttention)
def multihead_attention(e: Lower, op: attention.MultiheadAttention, xs: list[Py]) -> Py:
    assert e.member is not None
    types = tuple(value.type for value in e.node.inputs)
    padding, mask = op.masks(types)
    given: dict[str, Any] = {}
    if padding is not None:
        given["key_padding_mask"] = xs[3]
    if mask is not None:
        given["attn_mask"] = xs[4]
    if op.is_causal:
        _, length, keys = op.sizes(types)
        device = Attribute(xs[0], "device")
        everything = call("torch.ones", e.size(length), e.size(keys), dtype=Name("torch.bool"), device=device)
        given["attn_mask"] = method(everything, "triu", Const(1))
        if padding is None and not op.added and not op.need_weights:
            given["is_causal"] = Const(True)  # so torch need not look at the mask
    given["need_weights"] = (Const(op.need_weights), True)
    given["average_attn_weights"] = (Arg(op.average_attn_weights, "average_attn_weights"), True)
    made = call(e.member, *xs[:3], **given)
    return made if op.need_weights else Subscript(made, (Const(0),))


@lowers(rotary.Rotary)
def turn(e: Lower, op: rotary.Rotary, xs: list[Py]) -> Py:
    return call(e.helper("rotary"), *xs, interleaved=(Arg(op.interleaved, "interleaved"), False))


@lowers(rotary.RotaryTable)
def table(e: Lower, op: rotary.RotaryTable, xs: list[Py]) -> Py:
    fields: dict[str, Any] = {
        name: (Arg(getattr(op, name), name), default)
        for name, default in (("dim", None), ("theta", 10000.0), ("frequencies", None))
    }
    if op.dtype is not DType.FLOAT32:
        fields["dtype"] = Name(f"torch.{op.dtype.label}")
    return call(e.helper("rotary_table"), xs[0], **fields)
