"""What goes along an axis turn by turn. None of the `OPERATORS`, for no spec names it: the construct `scan` makes it."""

from __future__ import annotations

from typing import ClassVar

from dlspec.ir.dims import Dim
from dlspec.ir.node import Value
from dlspec.ir.op import Needs, Op, OpError, Types
from dlspec.ir.types import TensorType, format_shape
from dlspec.ops.rules import one_axis


class Scan(Op):
    """Runs its body once for each place of an axis, from the front or from the end, and carries states from turn to turn.

    It takes the tensors that are ``sliced`` along the axis, what the ``states`` begin as, and of its body the next states
    and what is stacked; it gives the last states, then what was stacked, along the same axis. A turn gets slices without
    the axis. What is stacked lies at the place of its slice in both directions.

    ONNX: Scan.
    """

    tensors: ClassVar[tuple[str, ...]] = ("*xs",)
    layer = False

    axis: int
    sliced: int = 1
    states: int = 1
    backwards: bool = False

    def infer(self, need: Needs, inputs: Types) -> Types:
        xs, begun = inputs[: self.sliced], inputs[self.sliced : self.sliced + self.states]
        made = inputs[self.sliced + self.states :]
        length = self.length(need, xs)
        for before, after in zip(begun, made, strict=False):
            _keep(need, before, after)
        return (*begun, *[self._stacked(x, length) for x in made[self.states :]])

    def length(self, need: Needs, xs: Types) -> Dim:
        """How many turns there are. Raises `OpError` where that is not one number for all."""
        one = f"`along {self.axis}`"
        length = xs[0].shape[one_axis(self.axis, xs[0].rank, one)]
        for x in xs[1:]:
            other = x.shape[one_axis(self.axis, x.rank, one)]
            message = f"tensors of {length} and {other} places along axis {self.axis} cannot be taken apart together"
            length = need.equal(length, other, message)
        return length

    def _stacked(self, x: TensorType, length: Dim) -> TensorType:
        rank = x.rank + 1
        if not -rank <= self.axis < rank:
            message = f"what a turn gives, {format_shape(x.shape)}, cannot be stacked along axis {self.axis}"
            raise OpError(message, "`along -1` counts from the end, for each tensor by itself", "DL0202")
        place = self.axis % rank
        return TensorType(x.dtype, (*x.shape[:place], length, *x.shape[place:]))

    def given(self, inputs: Types) -> Types:
        slices = (
            TensorType(x.dtype, tuple(size for axis, size in enumerate(x.shape) if axis != self.axis % x.rank))
            for x in inputs[: self.sliced]
        )
        return (*slices, *inputs[self.sliced : self.sliced + self.states])

    def turns(self, inputs: Types) -> Dim:
        return inputs[0].shape[self.axis]

    def turned(self, inputs: Types, part: TensorType) -> tuple[TensorType, TensorType]:
        more = max(0, self.axis - part.rank, -self.axis - part.rank - 1)
        part = part.with_shape(*(1,) * more, *part.shape)
        return self._stacked(part, self.turns(inputs)), part

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 0


def source_of(value: Value, axis: int) -> tuple[Value, int]:
    """Of a tensor that a node with a body gives, to the body or behind it, one before it that has its size along an axis,
    with the axis there."""
    node = value.producer
    assert node is not None
    body, op = node.body, node.op
    assert body is not None
    assert isinstance(op, Scan)
    begun = body.entries.get(value)
    if begun is not None:
        cut = op.axis % begun.type.rank if value in body.slices else axis + 1
        return begun, axis + (axis >= cut)
    place = node.outputs.index(value)
    if place < op.states:
        return node.inputs[op.sliced + place], axis
    cut = op.axis % value.type.rank
    x = node.inputs[0]
    return (x, op.axis % x.type.rank) if axis == cut else (body.results[place], axis - (axis > cut))


def _keep(need: Needs, before: TensorType, after: TensorType) -> None:
    """Demands that a state stays what it is."""
    message = f"a state begins as {before}, and a turn makes {after} of it"
    if before.dtype is not after.dtype or before.rank != after.rank:
        raise OpError(message, code="DL0421")
    for one, other in zip(before.shape, after.shape, strict=True):
        need.equal(one, other, message, code="DL0421")
