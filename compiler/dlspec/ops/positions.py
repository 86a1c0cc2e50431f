"""Elements that are chosen by tensors of positions, and written there.

A position outside of the axis is an error when the network runs, in PyTorch and in ONNX Runtime. Between brackets, in
`take_along_dim` and in `narrow` a negative one counts from the end; the others take none.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from dlspec.ir.dims import Dim
from dlspec.ir.fields import Items
from dlspec.ir.intervals import Interval, Intervals, hull
from dlspec.ir.op import Needs, Op, OpError, Types
from dlspec.ir.types import TensorType, format_shape
from dlspec.ops.rules import DataMovement, broadcast, one_axis, require_bool, require_numbers, same_dtype
from dlspec.ops.slicing import Index, require_inside, written_index

_ALONG = "`take_along_dim`"


def require_positions(index: TensorType, name: str) -> None:
    """Raises `OpError` for a tensor that holds no integers."""
    if not index.dtype.is_integer:
        raise OpError(f"{name} takes integers as positions, not {index}", 'cast(index, "int")', "DL0207")


def _require_int64(index: TensorType, name: str) -> None:
    if index.dtype.label != "int64":
        raise OpError(f"{name} takes positions of type int64, not {index}", 'cast(index, "int")', "DL0207")


def _same_rank(x: TensorType, index: TensorType, name: str) -> None:
    if index.rank != x.rank:
        both = f"{format_shape(x.shape)} and {format_shape(index.shape)}"
        raise OpError(f"{name} takes a tensor and positions of one rank, not {both}", code="DL0202")


class Chosen(DataMovement):
    """Base of what is chosen along one axis, `dim`, by positions on it."""

    tensors: ClassVar[tuple[str, ...]] = ("x", "index")
    positions: ClassVar[tuple[str, ...]] = ("index",)
    layer = False

    dim: int

    @property
    def name(self) -> str:
        return f"`{self.function}`"

    def classes(self, inputs: Types) -> tuple[int, Dim, int | None]:
        return 1, inputs[0].shape[one_axis(self.dim, inputs[0].rank, self.name)], None


class IndexSelect(Chosen):
    """The slices of `x` along an axis at the positions of a vector of integers. ONNX: Gather."""

    torch_order: ClassVar[tuple[str, ...]] = ("x", "dim", "index")
    function = "index_select"

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x, index = inputs
        axis = one_axis(self.dim, x.rank, "`index_select`")
        if not index.dtype.is_integer or index.rank != 1:
            raise OpError(f"`index_select` takes a vector of integers as positions, not {index}", code="DL0207")
        return x.with_shape(*x.shape[:axis], index.shape[0], *x.shape[axis + 1 :])


class Gather(Chosen):
    """One element of `x` for each element of `index`, which is its position along the axis. ONNX: GatherElements."""

    torch_order: ClassVar[tuple[str, ...]] = ("x", "dim", "index")
    function = "gather"

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x, index = inputs
        axis = one_axis(self.dim, x.rank, "`gather`")
        _require_int64(index, "`gather`")
        _same_rank(x, index, "`gather`")
        for other, (size, have) in enumerate(zip(index.shape, x.shape, strict=True)):
            if other != axis:
                need.at_least(have - size, 0, f"`gather` has {size} positions on axis {other}, which has size {have}")
        return x.with_shape(*index.shape)


class TakeAlongDim(DataMovement):
    """`gather` of tensors that broadcast on all other axes, as ``torch.take_along_dim``.

    Without an axis both are taken as vectors, and so is the result; then no position counts from the end.

    ONNX: GatherElements.
    """

    tensors: ClassVar[tuple[str, ...]] = Chosen.tensors
    positions: ClassVar[tuple[str, ...]] = Chosen.positions
    layer = False
    function = "take_along_dim"
    torch_function = "torch.take_along_dim"

    dim: int | None = None

    def classes(self, inputs: Types) -> tuple[int, Dim, int | None]:
        x = inputs[0]
        return 1, x.elements if self.dim is None else x.shape[one_axis(self.dim, x.rank, _ALONG)], None

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x, index = inputs
        _require_int64(index, _ALONG)
        if self.dim is None:
            return x.with_shape(index.elements)
        _same_rank(x, index, _ALONG)
        return x.with_shape(*self.shapes(need, x, index)[1])

    def shapes(self, need: Needs, x: TensorType, index: TensorType) -> tuple[tuple[Dim, ...], tuple[Dim, ...]]:
        """What the tensor and the positions are expanded to along an axis."""
        assert self.dim is not None
        axis = one_axis(self.dim, x.rank, _ALONG)
        others = tuple(each.with_shape(*each.shape[:axis], 1, *each.shape[axis + 1 :]) for each in (x, index))
        common = broadcast(need, others, _ALONG)
        return (
            (*common[:axis], x.shape[axis], *common[axis + 1 :]),
            (*common[:axis], index.shape[axis], *common[axis + 1 :]),
        )


class Narrow(DataMovement):
    """The `length` positions of an axis that begin at `start`, which is a tensor of one integer. ONNX: Gather.

    It is a number too; then `x[:, 2:5]` says the same.
    """

    tensors: ClassVar[tuple[str, ...]] = ("x", "start")
    positions: ClassVar[tuple[str, ...]] = ("start",)
    torch_order: ClassVar[tuple[str, ...]] = ("x", "dim", "start", "length")
    layer = False
    function = "narrow"
    takes_numbers = True

    dim: int
    length: Dim

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x, start = inputs
        axis = one_axis(self.dim, x.rank, "`narrow`")
        if not start.dtype.is_integer or start.shape not in ((), (1,)):
            raise OpError(f"`narrow` begins at one integer, not at {start}", "start[0]", "DL0207")
        need.at_least(self.length, 1, f"`narrow` takes a length of {self.length}", code="DL0208")
        message = f"`narrow` takes {self.length} positions of axis {axis}, which has size {x.shape[axis]}"
        need.at_least(x.shape[axis] - self.length, 0, message)
        return x.with_shape(*x.shape[:axis], self.length, *x.shape[axis + 1 :])

    def classes(self, inputs: Types) -> tuple[int, Dim, int | None]:
        x = inputs[0]
        return 1, x.shape[one_axis(self.dim, x.rank, "`narrow`")] - self.length + 1, None


class Scattering(Op):
    """Base of what writes the elements of `src` into `x`, at the positions that `index` has along an axis."""

    tensors: ClassVar[tuple[str, ...]] = ("x", "index", "src")
    positions: ClassVar[tuple[str, ...]] = ("index",)
    torch_order: ClassVar[tuple[str, ...]] = ("x", "dim", "index", "src")
    layer = False

    dim: int

    @property
    def name(self) -> str:
        return f"`{self.function}`"

    def classes(self, inputs: Types) -> tuple[int, Dim, int | None]:
        return 1, inputs[0].shape[one_axis(self.dim, inputs[0].rank, self.name)], None

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x, index, src = inputs
        axis = one_axis(self.dim, x.rank, self.name)
        _require_int64(index, self.name)
        _same_rank(x, index, self.name)
        same_dtype((x, src), self.name)
        if src.rank != x.rank and src.rank:
            both = f"{format_shape(x.shape)} and {format_shape(src.shape)}"
            raise OpError(f"{self.name} writes a number, or a tensor of the same rank, not {both}", code="DL0202")
        for other, (size, have) in enumerate(zip(index.shape, x.shape, strict=True)):
            if other != axis:
                message = f"{self.name} has {size} positions on axis {other}, which has size {have}"
                need.at_least(have - size, 0, message)
        for other, (size, have) in enumerate(zip(index.shape, src.shape, strict=False)):
            message = f"{self.name} has {size} positions on axis {other}, and {have} elements for them"
            need.at_least(have - size, 0, message)
        return x


class Scatter(Scattering):
    """`x` with the elements of `src`, or a number, at the positions that `index` has along an axis.

    It undoes `gather`: `scatter(x, dim, index, gather(x, dim, index))` is `x`. Of several elements for one position one
    is taken, and it is not said which. No FLOPs.

    ONNX: ScatterElements.
    """

    function = "scatter"
    takes_numbers = True

    def range(self, inputs: Intervals) -> Interval | None:
        return hull((inputs[0], inputs[2]))

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 0


class ScatterAdd(Scattering):
    """`x` and, added to it, the elements of `src` at the positions that `index` has along an axis.

    One FLOP per element of `index`. ONNX: ScatterElements.
    """

    function = "scatter_add"
    wide = True
    narrow_in_torch = True

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        require_numbers(inputs[0], self.name)
        return super().infer(need, inputs)

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return inputs[1].elements


class ScatterReduce(Scattering):
    """`x` reduced with the elements of `src` at the positions that `index` has along an axis.

    With `include_self=false` the elements of `x` are in the result only where no position is. "mean" is of
    floating-point numbers. One FLOP per element of `index`.

    ONNX: ScatterElements.
    """

    torch_order: ClassVar[tuple[str, ...]] = ("x", "dim", "index", "src", "reduce", "include_self")
    function = "scatter_reduce"
    wide = True
    narrow_in_torch = True

    reduce: Literal["sum", "prod", "mean", "amax", "amin"]
    include_self: bool = True

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        require_numbers(inputs[0], self.name)
        if self.reduce == "mean" and not inputs[0].dtype.is_float:
            raise OpError(f"a mean is of floating-point numbers, not of {inputs[0]}", 'cast(x, "float")', "DL0207")
        if not inputs[2].rank:
            raise OpError("`scatter_reduce` takes a tensor `src` of the rank of `x`, not a number", code="DL0202")
        return super().infer(need, inputs)

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return inputs[1].elements


class MaskedFill(Op):
    """`x` with a number where the mask is true, as `where(mask, value, x)`. Broadcasts.

    The least number of an element type is `finfo(x.dtype).min`. ONNX: Where, of truth values And or Or.
    """

    tensors: ClassVar[tuple[str, ...]] = ("x", "mask")
    truths: ClassVar[tuple[str, ...]] = ("mask",)
    layer = False
    function = "masked_fill"
    elementwise = True
    infinite = ("value",)

    value: float

    def range(self, inputs: Intervals) -> Interval | None:
        return hull((inputs[0], (self.value, self.value)))

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x, mask = inputs
        require_bool(mask, "`masked_fill`")
        whole = self.value.is_integer() and (x.dtype.is_integer or self.value in (0, 1))
        if not x.dtype.is_float and not whole:
            raise OpError(f"`masked_fill` cannot fill {x.dtype.label} with {self.value:g}", code="DL0207")
        return TensorType(x.dtype, broadcast(need, inputs, "`masked_fill`"))


class IndexTensors(Op):
    """`x[tokens]`, `x[:, i, j]`: elements at the positions that tensors of integers hold, as in torch.

    Numbers, tensors of one number, ranges, `none` and `...` come first. The tensors broadcast; their axes stand where the
    axes were that they choose from, or in front, where those are not neighbours. A list of ints is a tensor of them:
    `x[:, [0, 2]]`.

    ONNX: Gather, or GatherND.
    """

    tensors: ClassVar[tuple[str, ...]] = ("*xs",)
    layer = False
    takes_numbers = True

    items: Items

    def syntax(self) -> str:
        return written_index(self.items)

    def range(self, inputs: Intervals) -> Interval | None:
        return inputs[0]

    def slopes(self, inputs: Intervals) -> tuple[int, ...]:
        return (1, *(0 for _ in inputs[1:]))

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 0

    def classes(self, inputs: Types) -> tuple[int, Dim, int | None] | None:
        whole = self.plain.infer(Needs(), inputs[:1])
        return (1, whole.shape[self.axes(inputs[0].rank)[0]], None) if len(inputs) == 2 else None

    @property
    def plain(self) -> Index:
        """What is done without the tensors, which take all of their axes there."""
        return Index(tuple(("slice", None, None, 1) if item[0] == "tensor" else item for item in self.items))

    def axes(self, rank: int) -> tuple[int, ...]:
        """The axes that the tensors choose from, among those that `plain` gives of a tensor of a rank."""
        used = sum(item[0] not in ("new", "rest") for item in self.items)
        found: list[int] = []
        there = 0
        for item in self.items:
            if item[0] == "tensor":
                found.append(there)
            there += rank - used if item[0] == "rest" else int(item[0] != "at")
        return tuple(found)

    def place(self, inputs: Types) -> int:
        """Where the axes of the tensors stand in the result. A tensor of one number is as a number: its axis goes first."""
        x, *indices = inputs
        axes = self.axes(x.rank)
        single = [axis for axis, index in zip(axes, indices, strict=True) if not index.rank]
        spots = [axis - sum(each < axis for each in single) for axis in axes if axis not in single]
        return spots[0] if spots and spots[-1] - spots[0] == len(spots) - 1 else 0

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x, *indices = inputs
        for index in indices:
            if index.dtype.label == "bool":
                raise OpError(
                    f"a mask {index} chooses as many elements as it has true ones, so a size would depend on values",
                    "keep the shape: where(mask, x, 0.0) or masked_fill(x, mask, value); or choose a number: topk",
                    "DL0413",
                )
            require_positions(index, "an index")
        whole = self.plain.infer(need, (x,))
        axes, place = self.axes(x.rank), self.place(inputs)
        for axis, item in zip(axes, (item for item in self.items if item[0] == "tensor"), strict=True):
            for position in item[1:]:
                assert isinstance(position, int)
                require_inside(need, whole.shape[axis], position)
        chosen = broadcast(need, tuple(indices), "an index by several tensors")
        rest = [size for axis, size in enumerate(whole.shape) if axis not in axes]
        return x.with_shape(*rest[:place], *chosen, *rest[place:])


OPERATORS: tuple[type[Op], ...] = (
    IndexSelect, Gather, TakeAlongDim, IndexTensors, Narrow, Scatter, ScatterAdd, ScatterReduce, MaskedFill,
)  # fmt: skip
