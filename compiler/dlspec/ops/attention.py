"""Attention, of given queries, keys and values and as a layer with its projections."""

from __future__ import annotations

from math import sqrt
from typing import ClassVar

from dlspec.ir.dims import Dim
from dlspec.ir.init import ZEROS, Init, fan_in_uniform
from dlspec.ir.op import Needs, Op, OpError, Types, Weight, require_rank
from dlspec.ir.types import DType, TensorType, format_shape
from dlspec.ops.rules import broadcast, require_float, same_dtype
from dlspec.ops.window import require_bound

_SOFTMAX = 5  # FLOPs per element, as of Softmax
_SDPA = "`scaled_dot_product_attention`"


def _check_dropout(p: float, name: str) -> None:
    if not 0 <= p <= 1:
        raise OpError(f"`{name}` is a probability, from 0 to 1, and {p:g} is not", code="DL0208")


class ScaledDotProductAttention(Op):
    """The values, weighted by how well their keys fit the query: `softmax(query @ key^T * scale) @ value`.

    query `[..., L, E]`, key `[..., S, E]` and value `[..., S, Ev]` give `[..., L, Ev]`; the axes before, as those of batch
    and heads, broadcast. With enable_gqa the third axis from the end counts heads, and each of the key and the value is
    that of several neighbouring heads of the query. attn_mask broadcasts to `[..., L, S]`: a bool one says which keys
    take part, a float one is added to the scores. is_causal lets query i see the keys up to i, from the first on, and
    goes without a mask. scale is 1 / sqrt(E) unless given. A query that a bool mask leaves no key gives zeros; with a
    float mask of nothing but -inf it does in PyTorch and from opset 23, and is NaN below. dropout_p drops weights in
    training only.

    MACs are those of both products, `L * S * (E + Ev)` a head, causal or not. FLOPs: two per MAC, and for each score 6, one
    more for a mask.

    ONNX: Attention from opset 23, else written out. Vaswani et al., 2017, "Attention Is All You Need".
    """

    tensors: ClassVar[tuple[str, ...]] = ("query", "key", "value", "attn_mask?")
    layer = False
    function = "scaled_dot_product_attention"

    dropout_p: float = 0.0
    is_causal: bool = False
    scale: float | None = None
    enable_gqa: bool = False

    def check(self) -> None:
        _check_dropout(self.dropout_p, "dropout_p")

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        query, key, value, *mask = inputs
        same_dtype(inputs[:3], _SDPA)
        require_float(query, _SDPA)
        for x in inputs[:3]:
            if x.rank < 2 + self.enable_gqa:
                axes = "[..., heads, length, features]" if self.enable_gqa else "[..., length, features]"
                raise OpError(f"{_SDPA} takes tensors {axes}, not {format_shape(x.shape)}", code="DL0202")
        both = f"{format_shape(query.shape)} and {format_shape(key.shape)}"
        need.equal(query.shape[-1], key.shape[-1], f"{_SDPA}: query and key {both} differ in their features")
        both = f"{format_shape(key.shape)} and {format_shape(value.shape)}"
        need.equal(key.shape[-2], value.shape[-2], f"{_SDPA}: key and value {both} differ in their length")
        leading = self._leading(need, query, key, value)
        if mask:
            self._check_mask(need, mask[0], (*leading, query.shape[-2], key.shape[-2]), query.dtype)
        return query.with_shape(*leading, query.shape[-2], value.shape[-1])

    def keeps(self, axis: int, rank: int) -> int | None:
        """Features are those of the value; of grouped heads the other axes are the query's."""
        return 2 if axis == rank - 1 else 0 if self.enable_gqa else None

    def _leading(self, need: Needs, query: TensorType, key: TensorType, value: TensorType) -> tuple[Dim, ...]:
        """The axes before length and features of what comes out."""
        if not self.enable_gqa:
            try:
                return broadcast(need, tuple([x.with_shape(*x.shape[:-2]) for x in (query, key, value)]), _SDPA)
            except OpError as error:
                if {query.rank, key.rank} <= {3, 4} and query.shape[-3] != key.shape[-3]:
                    error.hint = "heads that share keys and values need enable_gqa=true"
                raise
        heads = [x.shape[-3] for x in (query, key, value)]
        need.equal(heads[1], heads[2], f"{_SDPA}: {heads[1]} heads of the key and {heads[2]} of the value")
        if not isinstance(heads[1], int):
            raise OpError(
                f"{_SDPA} with enable_gqa needs a known number of heads of the key, not {heads[1]}", code="DL0205"
            )
        message = f"{_SDPA}: {heads[0]} heads of the query are not divisible by {heads[1]} of the key and the value"
        need.divisible(heads[0], heads[1], message)
        batch = broadcast(need, tuple([x.with_shape(*x.shape[:-3]) for x in (query, key, value)]), _SDPA)
        return (*batch, heads[0])

    def _check_mask(self, need: Needs, mask: TensorType, scores: tuple[Dim, ...], dtype: DType) -> None:
        if self.is_causal:
            hint = "give one of them, or put both into the mask"
            raise OpError(f"{_SDPA} takes no attn_mask together with is_causal", hint, "DL0208")
        if mask.dtype is not DType.BOOL and mask.dtype is not dtype:
            hint = f'compare first, as in `mask > 0`, or cast(mask, "{dtype.label}") for what is added'
            raise OpError(f"{_SDPA} takes a mask of bool or {dtype.label}, not {mask}", hint, "DL0207")
        message = (
            f"{_SDPA}: the mask {format_shape(mask.shape)} does not broadcast to the scores {format_shape(scores)}"
        )
        if mask.rank < 2:
            hint = "add the axis of queries: mask[none]"
            raise OpError(
                f"{_SDPA} takes a mask of queries and keys [..., L, S], not {format_shape(mask.shape)}", hint, "DL0202"
            )
        if mask.rank > len(scores):
            raise OpError(message, code="DL0202")
        for size, wanted in zip(reversed(mask.shape), reversed(scores), strict=False):
            if size != 1:
                need.equal(size, wanted, message)

    def scores(self, inputs: Types, outputs: Types) -> Dim:
        """How many scores there are: of every query and key of every head."""
        return outputs[0].with_shape(*outputs[0].shape[:-1]).elements * inputs[1].shape[-2]

    def macs(self, inputs: Types, outputs: Types) -> Dim:
        return self.scores(inputs, outputs) * (inputs[0].shape[-1] + inputs[2].shape[-1])

    def causal_macs(self, inputs: Types, outputs: Types) -> Dim:
        return self.macs(inputs, outputs) if self.is_causal else 0

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        each = 1 + _SOFTMAX + (len(inputs) > 3)
        return 2 * self.macs(inputs, outputs) + each * self.scores(inputs, outputs)


class MultiheadAttention(Op):
    """Attention of several heads with its projections, as ``torch.nn.MultiheadAttention``.

    query `[L, N, E]`, key `[S, N, kdim]` and value `[S, N, vdim]` give `[L, N, E]`; `[N, L, E]` and so on with
    batch_first=true, and without N if none of them has it. What flows in is the query, or a list: `x ->
    MultiheadAttention(8)` is self-attention, `[x, memory] -> MultiheadAttention(8)` cross-attention, and a value that
    is left out is the key. Masks are torch's for this layer, where true is *left out*, or floats that are added:
    key_padding_mask `[N, S]`, attn_mask `[L, S]` or `[N * num_heads, L, S]`; is_causal lets query i see the keys up to
    i. With need_weights there is a second output, the weights `[N, L, S]`, or `[N, num_heads, L, S]` with
    average_attn_weights=false; it is off unless asked for. A query that is left no key gives zeros; torch gives NaN,
    but zeros while it trains. add_bias_kv adds a learned key and value, add_zero_attn one of zeros. dropout drops
    weights in training.

    MACs are those of the projections and of both products, causal or not. FLOPs: two per MAC, one per bias added, and
    for each score 6, one more for each mask.

    ONNX: Attention from opset 23, else written out. Vaswani et al., 2017, "Attention Is All You Need".
    """

    tensors: ClassVar[tuple[str, ...]] = ("query", "key?", "value?", "key_padding_mask?", "attn_mask?")
    alike: ClassVar[dict[str, str]] = {"key": "query", "value": "key"}
    neutral: ClassVar[dict[str, float]] = {"key_padding_mask": False}
    takes_numbers = True
    truths: ClassVar[tuple[str, ...]] = ("key_padding_mask",)
    leads = True
    torch = "MultiheadAttention"
    keeps_shape = True
    left_out = (("embed_dim", 0),)
    torch_sizes = (0,)
    gives = "logits"

    num_heads: int
    dropout: float = 0.0
    bias: bool = True
    add_bias_kv: bool = False
    add_zero_attn: bool = False
    batch_first: bool = False
    need_weights: bool = False
    average_attn_weights: bool = True
    is_causal: bool = False
    weight_init: Init | None = None
    bias_init: Init | None = None

    def check(self) -> None:
        require_bound(self.num_heads, 1, "num_heads")
        _check_dropout(self.dropout, "dropout")

    @property
    def added(self) -> int:
        """How many keys there are beside those that flow in."""
        return self.add_bias_kv + self.add_zero_attn

    def masks(self, inputs: Types) -> tuple[TensorType | None, TensorType | None]:
        """key_padding_mask and attn_mask; what has no axes stands for one that was left out."""
        padding, mask = (*inputs[3:], None, None)[:2]
        return padding if padding is not None and padding.rank else None, mask

    def sizes(self, inputs: Types) -> tuple[Dim, Dim, Dim]:
        """N, L and S; N is 1 where the inputs have none."""
        query, key = inputs[:2]
        if query.rank == 2:
            return 1, query.shape[0], key.shape[0]
        batch = 0 if self.batch_first else 1
        return query.shape[batch], query.shape[1 - batch], key.shape[1 - batch]

    def features(self, inputs: Types) -> tuple[int, int, int]:
        """Those of query, key and value. Raises `OpError` where one is open."""
        found: list[int] = []
        for x in inputs[:3]:
            if not isinstance(x.shape[-1], int):
                hint = "give the last axis a number"
                message = f"MultiheadAttention needs a known number of features on the last axis, not {x.shape[-1]}"
                raise OpError(message, hint, "DL0205")
            found.append(x.shape[-1])
        return found[0], found[1], found[2]

    def infer(self, need: Needs, inputs: Types) -> TensorType | Types:
        query, key, value = inputs[:3]
        name = "MultiheadAttention"
        same_dtype(inputs[:3], name)
        require_float(query, name)
        for x in inputs[:3]:
            require_rank(x, (2, 3), name)
        shapes = " and ".join(format_shape(x.shape) for x in inputs[:3])
        if len({x.rank for x in inputs[:3]}) > 1:
            raise OpError(f"{name} takes query, key and value with or without a batch, not {shapes}", code="DL0202")
        embed = self.features(inputs)[0]
        if embed % self.num_heads:
            message = f"{name}: {embed} features are not divisible by {self.num_heads} heads"
            raise OpError(message, "choose heads that divide the features", "DL0204")
        message = f"{name}: {shapes} differ in the batch, or key and value in their length"
        batch, length, keys = self.sizes(inputs)
        if query.rank == 3:
            axis = 0 if self.batch_first else 1
            batch = need.equal(need.equal(batch, key.shape[axis], message), value.shape[axis], message)
        keys = need.equal(keys, self.sizes((query, value))[2], message)
        self._check_masks(need, inputs, batch, length, keys)
        y = query.with_shape(
            *((length,) if query.rank == 2 else (batch, length) if self.batch_first else (length, batch)), embed
        )
        if not self.need_weights:
            return y
        heads: tuple[Dim, ...] = () if self.average_attn_weights else (self.num_heads,)
        return y, query.with_shape(*((batch,) if query.rank == 3 else ()), *heads, length, keys + self.added)

    def _check_masks(self, need: Needs, inputs: Types, batch: Dim, length: Dim, keys: Dim) -> None:
        padding, mask = self.masks(inputs)
        batched, dtype = inputs[0].rank == 3, inputs[0].dtype
        if mask is not None and self.is_causal:
            hint = "give one of them, or put both into the mask"
            raise OpError("MultiheadAttention takes no attn_mask together with is_causal", hint, "DL0208")
        many = (batch * self.num_heads, length, keys)
        wanted: tuple[tuple[str, TensorType | None, tuple[tuple[Dim, ...], ...]], ...] = (
            ("key_padding_mask", padding, ((batch, keys) if batched else (keys,),)),
            ("attn_mask", mask, ((length, keys), many)),
        )
        for name, given, shapes in wanted:
            if given is None:
                continue
            if given.dtype is not DType.BOOL and given.dtype is not dtype:
                hint = "true is left out, in the masks of this layer"
                raise OpError(f"`{name}` is a mask of bool or {dtype.label}, not {given}", hint, "DL0207")
            shape = next((shape for shape in shapes if len(shape) == given.rank), None)
            message = f"`{name}` is {' or '.join(map(format_shape, shapes))}, not {format_shape(given.shape)}"
            if shape is None:
                raise OpError(message, code="DL0202")
            for size, demanded in zip(given.shape, shape, strict=True):
                need.equal(size, demanded, message)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        embed, kdim, vdim = self.features(inputs)
        dtype = inputs[0].dtype
        xavier = self.weight_init or Init("xavier_uniform", ())
        zeros = self.bias_init or ZEROS
        if kdim == vdim == embed:
            own = [Weight("in_proj_weight", (3 * embed, embed), xavier, dtype=dtype)]
        else:
            named = (("q", embed), ("k", kdim), ("v", vdim))
            own = [Weight(f"{name}_proj_weight", (embed, size), xavier, dtype=dtype) for name, size in named]
        if self.bias:
            own.append(Weight("in_proj_bias", (3 * embed,), zeros, dtype=dtype))
        if self.add_bias_kv:
            drawn = Init("xavier_normal", ())
            own += [Weight(name, (1, 1, embed), drawn, dtype=dtype) for name in ("bias_k", "bias_v")]
        own.append(Weight("out_proj.weight", (embed, embed), self.weight_init or fan_in_uniform(embed), dtype=dtype))
        if self.bias:
            own.append(Weight("out_proj.bias", (embed,), zeros, dtype=dtype))
        return tuple(own)

    def scores(self, inputs: Types) -> Dim:
        """How many scores there are: of every query and key of every head."""
        batch, length, keys = self.sizes(inputs)
        return batch * length * (keys + self.added) * self.num_heads

    def macs(self, inputs: Types, outputs: Types) -> Dim:
        embed, kdim, vdim = self.features(inputs)
        batch, length, keys = self.sizes(inputs)
        projections = 2 * length * embed * embed + keys * (kdim + vdim) * embed
        return batch * projections + self._products(inputs)

    def _products(self, inputs: Types) -> Dim:
        return 2 * self.scores(inputs) * (self.features(inputs)[0] // self.num_heads)

    def causal_macs(self, inputs: Types, outputs: Types) -> Dim:
        return self._products(inputs) if self.is_causal else 0

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        batch, length, keys = self.sizes(inputs)
        biases = batch * self.features(inputs)[0] * (2 * length + 2 * keys) if self.bias else 0
        each = 1 + _SOFTMAX + sum(mask is not None for mask in self.masks(inputs)) + self.is_causal
        return 2 * self.macs(inputs, outputs) + biases + each * self.scores(inputs)


def default_scale(scale: float | None, features: int) -> float:
    """By what the scores are multiplied."""
    return 1 / sqrt(features) if scale is None else scale


OPERATORS: tuple[type[Op], ...] = (ScaledDotProductAttention, MultiheadAttention)
