"""Attention against torch's function and layer."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from harness import Case, Input, Refusal
from torch import Tensor, nn

from dlspec.ir.init import constant, normal
from dlspec.ops.attention import MultiheadAttention, ScaledDotProductAttention

Shape = tuple[Any, ...]


def truths(*shape: int, first: bool = True) -> Input:
    """Truth values that leave each query the first key, or with first=false none of them."""
    values = torch.rand(shape, generator=torch.Generator().manual_seed(3)) > 0.4
    values[..., :1] = first
    return Input(shape, "bool", values=values.numpy())


def attention(*inputs: Any, axes: dict[int, Shape] | None = None, macs: bool = True, **fields: Any) -> Case:
    arguments = {name: value for name, value in fields.items() if name != "dropout_p"}

    def function(*xs: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(*xs, **arguments)

    return Case(ScaledDotProductAttention(**fields), inputs, lambda: function, symbols=axes or {}, macs=macs)


# Sizes that are told apart, open or not: N, heads, queries, keys, features of the query and of the value.
Q, K, V = ("N", 4, "T", 8), ("N", 4, "S", 8), ("N", 4, "S", "D")
CROSS = ((2, 4, 3, 8), (2, 4, 5, 8), (2, 4, 5, 6))
OPEN = {0: Q, 1: K, 2: V}
GROUPED = ((2, 6, 3, 8), (2, 2, 5, 8), (2, 2, 5, 4))
OPEN_GROUPED = {0: ("N", 6, "T", 8), 1: ("N", 2, "S", 8), 2: ("N", 2, "S", 4)}
PLAIN = ((3, 4, 8), (3, 5, 8), (3, 5, 6))
OPEN_PLAIN = {0: ("N", "T", 8), 1: ("N", "S", 8), 2: ("N", "S", 6)}


def masked(mask: Input | tuple[int, ...], axes: Shape, **fields: Any) -> Case:
    """Sizes are as they are where the mask has given values."""
    given = dict(enumerate(CROSS)) if isinstance(mask, Input) and mask.values is not None else OPEN
    return attention(*CROSS, mask, axes={**given, 3: axes}, **fields)


FUNCTION: list[Case] = [
    attention(*CROSS, axes=OPEN),
    attention(*CROSS, axes=OPEN, is_causal=True),
    attention((2, 4, 5, 8), (2, 4, 3, 8), (2, 4, 3, 8), axes=OPEN, is_causal=True),
    attention(*CROSS, axes=OPEN, scale=0.3, dropout_p=0.4),
    attention(*PLAIN, axes=OPEN_PLAIN),
    attention(*PLAIN, axes={0: ("N", "T", "E"), 1: ("N", "S", "E"), 2: ("N", "S", "D")}, is_causal=True),
    attention(*PLAIN, truths(3, 4, 5), axes={0: (3, 4, 8), 1: (3, 5, 8), 2: (3, 5, 6)}),
    attention(*PLAIN, (4, 5), axes={**OPEN_PLAIN, 3: ("T", "S")}),
    attention((4, 8), (5, 8), (5, 6), axes={0: ("T", 8), 1: ("S", 8), 2: ("S", "D")}),
    attention((4, 8), (5, 8), (5, 6), axes={0: ("T", 8), 1: ("S", 8), 2: ("S", "D")}, is_causal=True),
    attention((2, 2, 3, 4, 8), (2, 2, 3, 5, 8), (2, 2, 3, 5, 6), macs=False),
    attention((2, 4, 3, 8), (1, 4, 5, 8), (1, 4, 5, 6), axes={0: Q, 1: (1, 4, "S", 8), 2: (1, 4, "S", 6)}, macs=False),
    *(
        attention(*(Input(shape, "float64") for shape in CROSS), axes=OPEN, is_causal=causal)
        for causal in (False, True)
    ),
    # Masks of truth values and of floats, of all axes that broadcast
    *(masked(truths(*shape), shape) for shape in ((2, 4, 3, 5), (2, 1, 1, 5), (1, 4, 3, 5), (3, 5), (3, 1), (1, 5))),
    masked(truths(4, 1, 5), (4, 1, 5)),
    *(masked(truths(*shape, first=False), shape) for shape in ((3, 5), (2, 1, 3, 5))),
    masked(Input((3, 5), "bool", values=[[True] * 5, [False] * 5, [True, False] * 2 + [True]]), (3, 5)),
    masked((2, 4, 3, 5), ("N", 4, "T", "S")),
    masked((2, 1, 1, 5), ("N", 1, 1, "S")),
    masked((1, 1, 3, 5), (1, 1, "T", "S"), scale=1.0),
    masked((4, 3, 5), (4, "T", "S")),
    masked((3, 5), ("T", "S")),
    masked(Input((3, 5), values=[[0.0, float("-inf"), 1, 0, 2], [-1.0, 0, 0, 0, 0], [0.5] * 5]), (3, 5)),
    attention(
        *(Input(shape, "float64") for shape in CROSS), Input((3, 5), "float64"), axes={**OPEN, 3: ("T", "S")}
    ),
    attention(*(Input(shape, "float64") for shape in CROSS), truths(3, 5), axes={0: CROSS[0], 1: CROSS[1], 2: CROSS[2]}),
    # Grouped queries
    attention(*GROUPED, axes=OPEN_GROUPED, enable_gqa=True),
    attention(*GROUPED, axes=OPEN_GROUPED, enable_gqa=True, is_causal=True),
    attention(*CROSS, axes=OPEN, enable_gqa=True),
    *(
        attention(*GROUPED, truths(*shape), axes=dict(enumerate(GROUPED)), enable_gqa=True)
        for shape in ((3, 5), (2, 1, 1, 5), (2, 6, 3, 5), (1, 6, 1, 5))
    ),
    attention(*GROUPED, (2, 6, 3, 5), axes={**OPEN_GROUPED, 3: ("N", 6, "T", "S")}, enable_gqa=True, scale=0.5),
    attention((6, 3, 8), (2, 5, 8), (2, 5, 4), axes={0: (6, "T", 8), 1: (2, "S", 8), 2: (2, "S", 4)}, enable_gqa=True),
]  # fmt: skip


class Layer(nn.MultiheadAttention):
    """Torch's layer, called with the masks in the order in which they are given."""

    def __init__(self, masks: tuple[str, ...], call: dict[str, Any], *args: Any, **fields: Any) -> None:
        super().__init__(*args, **fields)
        self.masks = masks
        self.call = call

    def forward(self, query: Tensor, key: Tensor, value: Tensor, *masks: Tensor) -> Any:
        given = {name: mask for name, mask in zip(self.masks, masks, strict=True) if name}
        out, weights = super().forward(query, key, value, **given, **self.call)
        return (out, weights) if self.call["need_weights"] else out


def layer(*inputs: Any, masks: tuple[str, ...] = (), axes: dict[int, Shape] | None = None, **fields: Any) -> Case:
    shapes = [x.shape if isinstance(x, Input) else x for x in inputs[:3]]
    embed, kdim, vdim = (shape[-1] for shape in shapes)
    forward = (
        "need_weights",
        "average_attn_weights",
        "is_causal",
        "weight_init",
        "bias_init",
        "num_heads",
        "batch_first",
    )
    own = {name: value for name, value in fields.items() if name not in forward}
    first = fields.get("batch_first", False)
    if {kdim, vdim} != {embed}:
        own |= {"kdim": kdim, "vdim": vdim}
    if isinstance(inputs[0], Input):
        own["dtype"] = getattr(torch, inputs[0].dtype)
    call = {
        "need_weights": fields.get("need_weights", False),
        "average_attn_weights": fields.get("average_attn_weights", True),
    }

    kind, given = (Causal, (*masks, "attn_mask")) if fields.get("is_causal") else (Layer, masks)

    def make() -> nn.Module:
        return kind(given, call, embed, fields["num_heads"], batch_first=first, **own)

    open_axes = dict(zip(range(3), (("T", "N"), ("S", "N"), ("S", "N")), strict=True))
    symbols: dict[int, Shape] = {}
    for at, shape in enumerate(shapes):
        names = open_axes[at] if len(shape) == 3 else open_axes[at][:1]
        symbols[at] = (*(reversed(names) if first else names), shape[-1])
    trained = fields.get("dropout", 0) > 0
    return Case(
        MultiheadAttention(**fields),
        inputs,
        make,
        symbols=symbols | (axes or {}),
        training_differs=trained,
        macs=not masks,
    )


class Causal(Layer):
    """The same, with a mask of what comes after."""

    def forward(self, query: Tensor, key: Tensor, value: Tensor, *masks: Tensor) -> Any:
        axis = 1 if self.batch_first and query.dim() == 3 else 0
        behind = torch.ones(query.shape[axis], key.shape[axis], dtype=torch.bool, device=query.device).triu(1)
        return super().forward(query, key, value, *masks, behind)


SELF = ((5, 2, 8),) * 3  # time first
SELF_FIRST = ((2, 5, 8),) * 3
OTHER = ((2, 3, 8), (2, 5, 8), (2, 5, 8))
SIZED = ((2, 3, 8), (2, 5, 6), (2, 5, 4))
FIXED = {0: (2, 3, 8), 1: (2, 5, 8), 2: (2, 5, 8)}
PADDING = Input((2, 5), "bool", values=[[False] * 5, [False, False, False, True, True]])
BEHIND = Input((3, 5), "bool", values=[[column > row for column in range(5)] for row in range(3)])
NEITHER = Input((), "bool", values=False)
COMBINED = [
    dict(zip(("bias", "add_bias_kv", "add_zero_attn"), each, strict=True)) for each in product((True, False), repeat=3)
]

LAYER: list[Case] = [
    layer(*SELF, num_heads=2, axes={0: ("T", "N", 8), 1: ("T", "N", 8), 2: ("T", "N", 8)}),
    layer(*SELF_FIRST, num_heads=4, batch_first=True, axes=dict.fromkeys(range(3), ("N", "T", 8))),
    layer((5, 8), (4, 8), (4, 8), num_heads=2),
    layer((5, 8), (4, 6), (4, 4), num_heads=2, batch_first=True, add_bias_kv=True, need_weights=True),
    layer(*(Input(shape, "float64") for shape in SIZED), num_heads=2, batch_first=True),
    *(layer(*inputs, num_heads=2, batch_first=True, **each) for inputs in (OTHER, SIZED) for each in COMBINED),
    *(layer(*OTHER, num_heads=2, batch_first=True, need_weights=True, average_attn_weights=each) for each in (True, False)),
    layer((3, 2, 8), (5, 2, 8), (5, 2, 8), num_heads=2, need_weights=True, add_zero_attn=True, add_bias_kv=True),
    layer(*SELF, num_heads=1, dropout=0.5, need_weights=True, axes=dict.fromkeys(range(3), ("T", "N", 8))),
    layer(*OTHER, num_heads=2, batch_first=True, weight_init=normal(0, 0.02), bias_init=constant(0.1)),
    # Masks: true is left out
    layer(*OTHER, PADDING, num_heads=2, batch_first=True, masks=("key_padding_mask",), axes=FIXED),
    layer(*OTHER, NEITHER, BEHIND, num_heads=2, batch_first=True, masks=("", "attn_mask"), axes=FIXED),
    layer(*OTHER, PADDING, BEHIND, num_heads=2, batch_first=True, masks=("key_padding_mask", "attn_mask"), axes=FIXED),
    layer(
        *OTHER, Input((2, 5)), (3, 5), num_heads=2, batch_first=True, masks=("key_padding_mask", "attn_mask"),
        axes={3: ("N", "S"), 4: ("T", "S")},
    ),
    layer(
        *OTHER, (2, 5), (4, 3, 5), num_heads=2, batch_first=True, masks=("key_padding_mask", "attn_mask"),
        axes={**FIXED, 3: (2, 5), 4: (4, 3, 5)},
    ),
    layer(
        *OTHER, PADDING, BEHIND, num_heads=2, batch_first=True, masks=("key_padding_mask", "attn_mask"), axes=FIXED,
        add_bias_kv=True, add_zero_attn=True, need_weights=True,
    ),
    layer(
        *OTHER, NEITHER, Input((4, 3, 5), "bool", values=truths(4, 3, 5, first=False).values == False), num_heads=2,  # noqa: E712
        batch_first=True, masks=("", "attn_mask"), axes=FIXED,
    ),
    layer(
        (5, 8), (4, 8), (4, 8), Input((4,), "bool", values=[False, False, True, False]), (2, 5, 4), num_heads=2,
        masks=("key_padding_mask", "attn_mask"), axes={0: (5, 8), 1: (4, 8), 2: (4, 8), 4: (2, 5, 4)},
    ),
    layer(*SELF_FIRST, num_heads=2, batch_first=True, is_causal=True, axes=dict.fromkeys(range(3), ("N", "T", 8))),
    layer((3, 2, 8), (5, 2, 8), (5, 2, 8), num_heads=2, is_causal=True, need_weights=True, average_attn_weights=False),
    layer(*OTHER, num_heads=2, batch_first=True, is_causal=True, add_zero_attn=True),
    layer(*OTHER, PADDING, num_heads=2, batch_first=True, is_causal=True, masks=("key_padding_mask",), axes=FIXED),
]  # fmt: skip

CASES: list[Case] = [*FUNCTION, *LAYER]


def sdpa(**fields: Any) -> Callable[[], ScaledDotProductAttention]:
    return lambda: ScaledDotProductAttention(**fields)


def mha(heads: int = 2, **fields: Any) -> Callable[[], MultiheadAttention]:
    return lambda: MultiheadAttention(heads, **fields)


REFUSED: list[Refusal] = [
    (sdpa(), ((8,), (5, 8), (5, 8)), "takes tensors [..., length, features], not [8]"),
    (sdpa(), ((3, 8), (5, 6), (5, 6)), "query and key [3, 8] and [5, 6] differ in their features"),
    (sdpa(), ((3, 8), (5, 8), (4, 8)), "key and value [5, 8] and [4, 8] differ in their length"),
    (sdpa(), ((2, 6, 3, 8), (2, 2, 5, 8), (2, 2, 5, 8)), "cannot join [2, 6] with [2, 2]"),
    (sdpa(enable_gqa=True), ((3, 8), (5, 8), (5, 8)), "takes tensors [..., heads, length, features], not [3, 8]"),
    (sdpa(enable_gqa=True), ((2, 5, 3, 8), (2, 2, 5, 8), (2, 2, 5, 8)), "5 heads of the query are not divisible by 2"),
    (sdpa(enable_gqa=True), ((2, 4, 3, 8), (2, 2, 5, 8), (2, 4, 5, 8)), "2 heads of the key and 4 of the value"),
    (sdpa(), ((3, 8), Input((5, 8), "float64"), (5, 8)), "not float32 and float64"),
    (
        sdpa(),
        (Input((3, 8), "int64"), Input((5, 8), "int64"), Input((5, 8), "int64")),
        "floating-point numbers, not int",
    ),
    (sdpa(), (*CROSS, Input((3, 5), "int64")), "takes a mask of bool or float32, not int[3, 5]"),
    (sdpa(), (*CROSS, Input((3, 5), "float64")), "takes a mask of bool or float32, not float64[3, 5]"),
    (sdpa(), (*CROSS, (3, 4)), "the mask [3, 4] does not broadcast to the scores [2, 4, 3, 5]"),
    (sdpa(), (*CROSS, (5,)), "takes a mask of queries and keys [..., L, S], not [5]"),
    (sdpa(), (*CROSS, (7, 2, 4, 3, 5)), "the mask [7, 2, 4, 3, 5] does not broadcast"),
    (sdpa(is_causal=True), (*CROSS, (3, 5)), "takes no attn_mask together with is_causal"),
    (sdpa(dropout_p=1.5), CROSS, "`dropout_p` is a probability, from 0 to 1, and 1.5 is not"),
    (mha(3), OTHER, "8 features are not divisible by 3 heads"),
    (mha(0), OTHER, "`num_heads` must be at least 1, not 0"),
    (mha(dropout=-1), OTHER, "`dropout` is a probability"),
    (mha(), ((2, 3, 8), (5, 8), (5, 8)), "with or without a batch"),
    (mha(), ((2, 2, 3, 8),) * 3, "takes an input of rank 2 or 3"),
    (mha(batch_first=True), ((2, 3, 8), (3, 5, 8), (3, 5, 8)), "differ in the batch"),
    (mha(batch_first=True), ((2, 3, 8), (2, 5, 8), (2, 4, 8)), "or key and value in their length"),
    (mha(batch_first=True), (*OTHER, Input((2, 4), "bool")), "`key_padding_mask` is [2, 5], not [2, 4]"),
    (mha(batch_first=True), (*OTHER, NEITHER, (2, 3, 5)), "`attn_mask` is [3, 5] or [4, 3, 5], not [2, 3, 5]"),
    (mha(batch_first=True), (*OTHER, Input((2, 5), "int64")), "is a mask of bool or float32, not int[2, 5]"),
    (mha(batch_first=True, is_causal=True), (*OTHER, NEITHER, (3, 5)), "takes no attn_mask together with is_causal"),
]
