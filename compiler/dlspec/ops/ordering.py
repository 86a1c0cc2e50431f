"""Elements in order along an axis: sorted, the greatest few, and where a number belongs."""

from __future__ import annotations

from typing import ClassVar

from dlspec.ir.dims import Dim
from dlspec.ir.op import Needs, Op, OpError, Types
from dlspec.ir.types import DType, TensorType, format_shape
from dlspec.ops.reduce import PerInputElement
from dlspec.ops.rules import one_axis, require_numbers, same_dtype


class Ordered(PerInputElement):
    """Base of what is ordered along an axis. One FLOP per input element, as of ArgMax."""

    layer = False

    def axis(self, x: TensorType) -> int:
        """The axis from the front. Raises `OpError` for an input that is not accepted."""
        name = f"`{self.function}`"
        require_numbers(x, name)
        return one_axis(self.dim, x.rank, name)

    dim: int


class TopK(Ordered):
    """The `k` greatest elements along an axis, or the least, and their positions: two tensors.

    `values, indices = topk(x, 2)`. The most extreme comes first. Of equal elements the order is not said; nor, without
    `sorted`, of any.

    ONNX: TopK.
    """

    function = "topk"
    torch_function = "torch.topk"

    k: int
    dim: int = -1
    largest: bool = True
    sorted: bool = True

    def check(self) -> None:
        if self.k < 1:
            raise OpError(f"`topk` takes 1 element or more, not {self.k}", code="DL0208")

    def infer(self, need: Needs, inputs: Types) -> Types:
        x = inputs[0]
        axis = self.axis(x)
        size = x.shape[axis]
        need.at_least(size, self.k, f"`topk` takes {self.k} elements of axis {axis} of {format_shape(x.shape)}")
        shape = (*x.shape[:axis], self.k, *x.shape[axis + 1 :])
        return x.with_shape(*shape), TensorType(DType.INT64, shape)


class Sort(Ordered):
    """The elements in ascending order along an axis, or `descending`, and their positions: two tensors.

    `values, indices = sort(x)`. With `stable` equal elements keep their order.

    ONNX: TopK.
    """

    function = "sort"
    torch_function = "torch.sort"

    dim: int = -1
    descending: bool = False
    stable: bool = False

    def infer(self, need: Needs, inputs: Types) -> Types:
        x = inputs[0]
        self.axis(x)
        return x, TensorType(DType.INT64, x.shape)


class ArgSort(Ordered):
    """The positions of the elements in ascending order along an axis, or `descending`. ONNX: TopK."""

    function = "argsort"
    torch_function = "torch.argsort"

    dim: int = -1
    descending: bool = False
    stable: bool = False

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        self.axis(inputs[0])
        return TensorType(DType.INT64, inputs[0].shape)


class SearchSorted(Op):
    """How many elements of an ascending sequence are less than each element, or, with `right`, not greater.

    That is where the element belongs. The sequence is a vector, or one for each row of the other tensor. One FLOP for
    each element and each of its sequence.
    """

    tensors: ClassVar[tuple[str, ...]] = ("sorted_sequence", "x")
    layer = False
    function = "searchsorted"
    torch_function = "torch.searchsorted"

    right: bool = False

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        sequence, x = inputs
        same_dtype(inputs, "`searchsorted`")
        require_numbers(x, "`searchsorted`")
        if sequence.rank != 1 and (sequence.rank != x.rank or not x.rank):
            both = f"{format_shape(sequence.shape)} and {format_shape(x.shape)}"
            raise OpError(f"`searchsorted` takes a vector, or a tensor of the same rank, not {both}", code="DL0202")
        if sequence.rank > 1:
            for axis, (have, size) in enumerate(zip(sequence.shape[:-1], x.shape[:-1], strict=True)):
                need.equal(have, size, f"`searchsorted` has {have} sequences on axis {axis} for {size} rows")
        return TensorType(DType.INT64, x.shape)

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return inputs[0].shape[-1] * outputs[0].elements


class Bucketize(Op):
    """Between which of ascending `boundaries`, a vector, each element lies: `searchsorted` with the tensors exchanged."""

    tensors: ClassVar[tuple[str, ...]] = ("x", "boundaries")
    layer = False
    function = "bucketize"
    torch_function = "torch.bucketize"

    right: bool = False

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x, boundaries = inputs
        same_dtype(inputs, "`bucketize`")
        require_numbers(x, "`bucketize`")
        if boundaries.rank != 1:
            raise OpError(f"`bucketize` takes a vector of boundaries, not {boundaries}", code="DL0202")
        return TensorType(DType.INT64, x.shape)

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return inputs[1].shape[0] * outputs[0].elements


OPERATORS: tuple[type[Op], ...] = (TopK, Sort, ArgSort, SearchSorted, Bucketize)
