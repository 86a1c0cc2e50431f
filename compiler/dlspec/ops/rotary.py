"""Rotary position embeddings."""

from __future__ import annotations

from typing import ClassVar

from dlspec.ir.dims import Dim
from dlspec.ir.fields import Floats
from dlspec.ir.op import Needs, Op, OpError, Types, require_rank
from dlspec.ir.types import DType, TensorType, format_shape
from dlspec.ops.rules import require_float, require_numbers, same_dtype


class Rotary(Op):
    """Turns pairs of features by angles: `(a, b)` becomes `(a * cos - b * sin, b * cos + a * sin)`.

    x `[..., features]`; cos and sin `[..., pairs]`, as `rotary_table` makes them, broadcast to its axes but the last:
    `[T, pairs]` for `[N, heads, T, features]`. The first `2 * pairs` features are turned, the others stay. A pair is a
    feature of the first half of these and one of the second, as in Llama and GPT-NeoX, or with interleaved=true two
    neighbours, as in GPT-J. FLOPs: 3 for each feature that is turned.

    ONNX: RotaryEmbedding from opset 23, for [N, T, features] and [N, heads, T, features], else written out. Su et al.,
    2021, "RoFormer: Enhanced Transformer with Rotary Position Embedding".
    """

    tensors: ClassVar[tuple[str, ...]] = ("x", "cos", "sin")
    layer = False
    keeps_shape = True
    function = "rotary"

    interleaved: bool = False

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x, cos, sin = inputs
        same_dtype(inputs, "`rotary`")
        require_float(x, "`rotary`")
        for each in inputs:
            require_rank(each, range(1, 17), "`rotary`")
        pairs = cos.shape[-1]
        if not isinstance(pairs, int):
            raise OpError(f"`rotary` needs a known number of pairs, not {pairs}", code="DL0205")
        shapes = f"{format_shape(cos.shape)} and {format_shape(sin.shape)}"
        message = f"`rotary` takes cosines and sines of one shape, not {shapes}"
        if cos.rank != sin.rank:
            raise OpError(message, code="DL0202")
        for size, other in zip(cos.shape, sin.shape, strict=True):
            need.equal(size, other, message)
        message = f"`rotary` turns {2 * pairs} features, and {format_shape(x.shape)} has {x.shape[-1]}"
        need.at_least(x.shape[-1], 2 * pairs, message, code="DL0201")
        message = f"`rotary`: {format_shape(cos.shape)} does not broadcast to the axes of {format_shape(x.shape)}"
        if cos.rank > x.rank:
            raise OpError(message, code="DL0202")
        for size, wanted in zip(reversed(cos.shape[:-1]), reversed(x.shape[:-1]), strict=False):
            if size != 1:
                need.equal(size, wanted, message, "an axis of heads between is one of size 1: cos[:, none]")
        return x

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        x, cos, _ = inputs
        return x.with_shape(*x.shape[:-1], 6 * cos.shape[-1]).elements


_MOST = 1 << 20
"""Features of a table, whose frequencies are written down one by one."""


class RotaryTable(Op):
    """The cosines and sines of positions times frequencies, two tensors: `cos, sin = rotary_table(positions, dim=64)`.

    positions are numbers of any shape `[...]`; both results are `[..., pairs]`. The frequencies are
    `theta ** (-2 * i / dim)` for the pairs i = 0 ... dim / 2 - 1, or the list that is given, as for those that
    Llama 3 scales. Angles are computed in float32, or in float64 for that dtype.
    FLOPs: 3 for each angle.

    Su et al., 2021, "RoFormer: Enhanced Transformer with Rotary Position Embedding".
    """

    tensors: ClassVar[tuple[str, ...]] = ("positions",)
    layer = False
    function = "rotary_table"
    wide = True

    dim: int | None = None
    theta: float = 10000.0
    frequencies: Floats | None = None
    dtype: DType = DType.FLOAT32

    def check(self) -> None:
        if (self.dim is None) == (self.frequencies is None):
            hint = "dim is how many features are turned: rotary_table(positions, dim=64)"
            raise OpError("`rotary_table` takes either `dim` or `frequencies`", hint, "DL0208")
        if self.dim is not None and (self.dim < 2 or self.dim % 2):
            raise OpError(f"`dim` must be an even number from 2, not {self.dim}", code="DL0208")
        if self.dim is not None and self.dim > _MOST:
            raise OpError(f"`dim` must be at most {_MOST:,}, not {self.dim:,}", code="DL0208")
        if self.theta <= 0:
            raise OpError(f"`theta` must be greater than 0, not {self.theta:g}", code="DL0208")
        if self.frequencies == ():
            raise OpError("`frequencies` is an empty list", code="DL0208")
        if not self.dtype.is_float:
            raise OpError(f"`dtype` must be one of floats, not {self.dtype.label}", code="DL0208")

    @property
    def each(self) -> tuple[float, ...]:
        """The frequency of each pair."""
        if self.frequencies is not None:
            return self.frequencies if isinstance(self.frequencies, tuple) else (self.frequencies,)
        dim = self.dim or 0
        return tuple([self.theta ** (-2 * pair / dim) for pair in range(dim // 2)])

    def infer(self, need: Needs, inputs: Types) -> Types:
        (positions,) = inputs
        require_numbers(positions, "`rotary_table`")
        table = TensorType(self.dtype, (*positions.shape, len(self.each)))
        return table, table

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 3 * outputs[0].elements


OPERATORS: tuple[type[Op], ...] = (Rotary, RotaryTable)
