"""Pieces of tensors: slices, crops, parts and reorderings along an axis. No FLOPs."""

from __future__ import annotations

from dlspec.ir.dims import Dim, Expr, ceildiv, floordiv
from dlspec.ir.fields import Axes, Dims, Ints, Items, Shape, Sizes
from dlspec.ir.op import Needs, Op, OpError, Types
from dlspec.ir.types import TensorType, format_shape
from dlspec.ops.rules import DataMovement, many_axes, one_axis, spatial_sizes


def sliced_size(need: Needs, size: Dim, start: Dim | None, stop: Dim | None, step: int, what: str) -> Dim:
    """How many positions ``start:stop:step`` takes of an axis, as in Python.

    On a symbolic axis the bounds must lie inside, so that the result has one formula. A symbolic bound counts from the
    front. Raises `OpError` for a step below 1 and where nothing is left.
    """
    if step < 1:
        raise OpError(f"{what} has a step of {step}, and steps are at least 1", "reverse an axis with Flip", "DL0208")

    def bound(value: Dim) -> Dim:
        outside = f"{what} reaches outside an axis of size {size}"
        if isinstance(value, Expr):
            need.at_least(value, 0, outside)
            need.at_least(size - value, 0, outside)
            return value
        if isinstance(size, int):
            return min(value, size) if value >= 0 else max(size + value, 0)
        need.at_least(size, abs(value), outside)
        return value if value >= 0 else size + value

    length = (size if stop is None else bound(stop)) - (0 if start is None else bound(start))
    need.at_least(length, 1, f"{what} takes nothing from an axis of size {size}")
    return ceildiv(length, step)


def _written(start: Dim | None, stop: Dim | None, step: int) -> str:
    parts = ["" if start is None else str(start), "" if stop is None else str(stop)]
    return ":".join([*parts, str(step)] if step != 1 else parts)


class Slice(DataMovement):
    """The positions `start:end:step` of one axis, as in Python: negative bounds count from the end. ONNX: Slice."""

    function = "slice"

    dim: int
    start: Dim = 0
    end: Dim | None = None
    step: int = 1

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        axis = one_axis(self.dim, x.rank, "Slice")
        what = f"Slice {_written(self.start, self.end, self.step)}"
        size = sliced_size(need, x.shape[axis], self.start, self.end, self.step, what)
        return x.with_shape(*x.shape[:axis], size, *x.shape[axis + 1 :])


class Index(DataMovement):
    """`x[:, 0]`: a position removes its axis, a range cuts it, and `none` inserts an axis of size 1.

    `...` stands for all axes that are not named: `x[..., 0]`.

    ONNX: Gather, Slice and Unsqueeze.
    """

    layer = False

    items: Items

    def syntax(self) -> str:
        return written_index(self.items)

    def places(self, rank: int) -> Items:
        """The items, with a range for each axis that `...` stands for in a tensor of a rank."""
        used = sum(item[0] not in ("new", "rest") for item in self.items)
        whole: Items = (("slice", None, None, 1),) * (rank - used)
        return tuple(each for item in self.items for each in (whole if item == ("rest",) else (item,)))

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        used = sum(item[0] not in ("new", "rest") for item in self.items)
        if used > x.rank:
            raise OpError(f"{used} indices are too many for {format_shape(x.shape)}", code="DL0202")
        sizes: list[Dim] = []
        rest = list(x.shape)
        for item in self.places(x.rank):
            match item:
                case ("at", position):
                    require_inside(need, rest.pop(0), position)
                case ("slice", start, stop, step):
                    what = f"the index {_written(start, stop, step)}"
                    sizes.append(sliced_size(need, rest.pop(0), start, stop, step, what))
                case _:
                    sizes.append(1)
        return x.with_shape(*sizes, *rest)


def written_index(items: Items) -> str:
    """`x[:, 0, i]`, the tensors of positions by short names."""
    tensors = sum(item[0] == "tensor" for item in items)
    names = iter(["i"] if tensors == 1 else [f"i{number}" for number in range(1, tensors + 1)])
    parts: list[str] = []
    for item in items:
        match item:
            case ("at", position):
                parts.append(str(position))
            case ("slice", start, stop, step):
                parts.append(_written(start, stop, step))
            case ("tensor", *_):
                parts.append(next(names))
            case _:
                parts.append("none" if item[0] == "new" else "...")
    return f"x[{', '.join(parts)}]"


def require_inside(need: Needs, size: Dim, position: Dim) -> None:
    """Demands that an axis has a position. A negative number counts from the end."""
    message = f"the index {position} is outside an axis of size {size}"
    if isinstance(position, Expr):
        need.at_least(position, 0, message)
        need.at_least(size - position, 1, message)
    else:
        need.at_least(size, position + 1 if position >= 0 else -position, message)


class Crop(DataMovement):
    """Cuts the spatial axes to a size, or to that of another tensor, from the middle: `(H - h) // 2` in front of it.

    `offset` says where to begin instead, for all spatial axes or each.

    ONNX: Slice. Ronneberger et al., 2015, "U-Net: Convolutional Networks for Biomedical Image Segmentation".
    """

    function = "crop"

    size: Sizes
    offset: Ints | None = None

    def window(self, x: TensorType) -> tuple[tuple[Dim, Dim], ...]:
        """Begin and length on each spatial axis."""
        sizes = spatial_sizes(self.size, x, "Crop")
        if self.offset is None:
            return tuple((floordiv(have - size, 2), size) for have, size in zip(x.spatial, sizes, strict=True))
        return tuple(zip(spatial_sizes(self.offset, x, "Crop"), sizes, strict=True))

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        for have, (begin, size) in zip(x.spatial, self.window(x), strict=True):
            need.at_least(size, 1, f"Crop cannot cut to a size of {size}", code="DL0208")
            message = f"Crop cannot cut {size} from {have}"
            need.at_least(have - size, 0, message, "a crop makes smaller, PadTo larger")
            if self.offset is not None:
                need.at_least(begin, 0, f"Crop has a negative offset: {begin}", code="DL0208")
                need.at_least(have - begin - size, 0, f"{message} at offset {begin}")
        return x.with_shape(*x.shape[:2], *(size for _, size in self.window(x)))


class Split(DataMovement):
    """Parts along an axis, the channels by default: `sections` equal ones, or one for each size of a list.

    `a, b = x -> Split(2)` has two equal parts. (``torch.split`` takes the size of the parts, not their number.)

    ONNX: Split.
    """

    function = "split"

    sections: Ints
    dim: int = 1

    def sizes(self, x: TensorType) -> tuple[Dim, ...]:
        """The size of each part along the axis."""
        if isinstance(self.sections, int):
            return (floordiv(x.shape[one_axis(self.dim, x.rank, "Split")], self.sections),) * self.sections
        return self.sections

    def check(self) -> None:
        for number in (self.sections,) if isinstance(self.sections, int) else self.sections or (0,):
            if number < 1:
                raise OpError("Split needs a number of parts, or a list of sizes, of at least 1", code="DL0208")

    def infer(self, need: Needs, inputs: Types) -> Types:
        x = inputs[0]
        axis = one_axis(self.dim, x.rank, "Split")
        size = x.shape[axis]
        if isinstance(self.sections, int):
            message = f"Split cannot part axis {axis} of {format_shape(x.shape)} into {self.sections} equal parts"
            need.divisible(size, self.sections, message)
        else:
            message = f"Split needs sizes that sum to axis {axis} of {format_shape(x.shape)}, not {list(self.sections)}"
            need.equal(size, sum(self.sections), message)
        return _parts(x, axis, self.sizes(x))


class Chunk(DataMovement):
    """At most `chunks` parts along an axis, all of the same size but the last, as ``torch.chunk``.

    A symbolic axis must be divisible, so that the number of parts is known.

    ONNX: Split.
    """

    function = "chunk"

    chunks: int
    dim: int = 0

    def check(self) -> None:
        if self.chunks < 1:
            raise OpError(f"`chunks` must be at least 1, not {self.chunks}", code="DL0208")

    def sizes(self, x: TensorType) -> tuple[Dim, ...]:
        """The size of each part along the axis."""
        size = x.shape[one_axis(self.dim, x.rank, "Chunk")]
        if not isinstance(size, int):
            return (floordiv(size, self.chunks),) * self.chunks
        part = -(-size // self.chunks)
        return tuple(min(part, size - begin) for begin in range(0, size, part))

    def infer(self, need: Needs, inputs: Types) -> Types:
        x = inputs[0]
        axis = one_axis(self.dim, x.rank, "Chunk")
        if not isinstance(x.shape[axis], int):
            message = f"Chunk cannot part axis {axis} of {format_shape(x.shape)} into {self.chunks} equal parts"
            need.divisible(x.shape[axis], self.chunks, message)
        return _parts(x, axis, self.sizes(x))

    def infer_any(self, inputs: Types) -> Types:
        x = inputs[0]
        axis = one_axis(self.dim, x.rank, "Chunk")
        size, others = x.shape[axis], self.chunks - 1
        if isinstance(size, int):
            return _parts(x, axis, self.sizes(x))
        part = floordiv(size + others, self.chunks)
        last = floordiv(size, 2) if self.chunks == 2 else size - part * others
        return _parts(x, axis, (*(part,) * others, last))


def _parts(x: TensorType, axis: int, sizes: tuple[Dim, ...]) -> Types:
    return tuple(x.with_shape(*x.shape[:axis], size, *x.shape[axis + 1 :]) for size in sizes)


class Flip(DataMovement):
    """Reverses the order along the axes. ONNX: Slice."""

    function = "flip"

    dims: Axes

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        many_axes(self.dims, inputs[0].rank, "Flip")
        return inputs[0]


class Roll(DataMovement):
    """Shifts along the axes; what leaves at the end comes in at the front.

    One shift for each axis of `dims`. A shift may be an open size.
    """

    function = "roll"

    shifts: Dims
    dims: Axes

    def moves(self, x: TensorType) -> tuple[tuple[int, Dim], ...]:
        """Axis and shift, one for each axis that moves; where both are known the shift is from 0 to the size."""
        shifts = self.shifts if isinstance(self.shifts, tuple) else (self.shifts,)
        axes = many_axes(self.dims, x.rank, "Roll")
        if len(shifts) != len(axes):
            raise OpError(f"Roll has {len(shifts)} shifts for {len(axes)} axes", code="DL0208")
        sizes = [x.shape[axis] for axis in axes]
        wrapped = [
            s % size if isinstance(size, int) and isinstance(s, int) else s
            for s, size in zip(shifts, sizes, strict=True)
        ]
        return tuple((axis, shift) for axis, shift in zip(axes, wrapped, strict=True) if shift != 0)

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        for axis, shift in self.moves(x):
            message = f"Roll cannot shift axis {axis} of {format_shape(x.shape)} by {shift}: it is shorter"
            if isinstance(shift, int):
                need.at_least(x.shape[axis], abs(shift), message)
            else:
                need.at_least(x.shape[axis] - shift, 0, message)
                need.at_least(x.shape[axis] + shift, 0, message)
        return x


class Tile(DataMovement):
    """Repeats the tensor along its axes, as ``torch.tile``.

    `reps` are aligned at the last axis; where there are fewer than axes the others stay, where there are more the
    tensor gets further axes in front.

    ONNX: Tile.
    """

    function = "tile"

    reps: Shape

    def repeats(self, x: TensorType) -> tuple[Dim, ...]:
        """One number for each axis of the output."""
        return (1,) * (x.rank - len(self.reps)) + self.reps

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        repeats = self.repeats(x)
        for count in repeats:
            need.at_least(count, 1, f"Tile repeats at least once, not {count} times", code="DL0208")
        shape = (1,) * (len(repeats) - x.rank) + x.shape
        return x.with_shape(*(size * count for size, count in zip(shape, repeats, strict=True)))


OPERATORS: tuple[type[Op], ...] = (Slice, Index, Crop, Split, Chunk, Flip, Roll, Tile)
