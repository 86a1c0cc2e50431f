"""The same elements under another shape, or with their axes in another order. No FLOPs.

Those that only rename axes are views (`view`); those that change the order of the elements are copied by every runtime
but torch, and count as memory.
"""

from __future__ import annotations

from typing import ClassVar

from dlspec.ir.dims import Dim, Expr, floordiv, product
from dlspec.ir.fields import Axes, Shape
from dlspec.ir.op import Needs, Op, OpError, Types, constant_channels, require_rank
from dlspec.ir.types import DType, TensorType, format_shape
from dlspec.ops.rules import DataMovement, equations, factor, many_axes, one_axis


class Flatten(DataMovement):
    """Joins the axes from `start_dim` to `end_dim`, both included, into one: all but the batch by default.

    ONNX: Reshape.
    """

    function = "flatten"
    view = True
    torch = "Flatten"
    light = True

    start_dim: int = 1
    end_dim: int = -1

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        if not x.rank and {self.start_dim, self.end_dim} <= {0, -1}:
            return x.with_shape(1)
        start, end = one_axis(self.start_dim, x.rank, "Flatten"), one_axis(self.end_dim, x.rank, "Flatten")
        if start > end:
            raise OpError(f"Flatten starts at axis {start}, behind its end at axis {end}", code="DL0208")
        return x.with_shape(*x.shape[:start], product(x.shape[start : end + 1]), *x.shape[end + 1 :])

    def formula(self, inputs: Types, outputs: Types) -> tuple[str, ...]:
        x = inputs[0]
        if not x.rank:
            return ()
        start, end = one_axis(self.start_dim, x.rank, "Flatten"), one_axis(self.end_dim, x.rank, "Flatten")
        if start == end:
            return ()
        return equations({start: ("*".join(map(factor, x.shape[start : end + 1])), outputs[0].shape[start])})


def solve_shape(need: Needs, have: tuple[Dim, ...], want: tuple[Dim, ...], name: str) -> tuple[Dim, ...]:
    """The wanted sizes with a -1 among them replaced by what makes the number of elements that of ``have``."""
    message = f"{name} cannot give {format_shape(have)} the shape {format_shape(want)}"
    if want.count(-1) > 1:
        raise OpError(f"{name} can find one size, and {format_shape(want)} leaves open {want.count(-1)}", code="DL0208")
    known = [size for size in want if size != -1]
    for size in known:
        need.at_least(size, 1, message, code="DL0208")
    counts = f"{message}: {product(have)} elements are not"
    whole, rest = _without_common(have, known)
    if -1 not in want:
        need.equal(whole, rest, f"{counts} {product(known)}")
        return want
    quotient = floordiv(whole, rest)
    if isinstance(rest, Expr):
        need.equal(quotient * rest, whole, f"{counts} divisible by {product(known)}", code="DL0204")
    else:
        need.divisible(whole, rest, f"{counts} divisible by {product(known)}")
    return tuple(quotient if size == -1 else size for size in want)


def _without_common(have: tuple[Dim, ...], want: list[Dim]) -> tuple[Dim, Dim]:
    """The products of both without the sizes that both have, so that what is left to demand is simple."""
    left, right = list(have), list[Dim]()
    for size in want:
        if size in left:
            left.remove(size)
        else:
            right.append(size)
    return product(left), product(right)


class Reshape(DataMovement):
    """The elements in their order under another shape. One size may be -1: what is left. ONNX: Reshape."""

    function = "reshape"
    view = True
    light = True

    shape: Shape

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return inputs[0].with_shape(*solve_shape(need, inputs[0].shape, self.shape, "Reshape"))


class Unflatten(DataMovement):
    """Takes one axis apart into several. One of their sizes may be -1: what is left. ONNX: Reshape."""

    function = "unflatten"
    view = True
    torch = "Unflatten"
    light = True

    dim: int
    unflattened_size: Shape

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        axis = one_axis(self.dim, x.rank, "Unflatten")
        if not self.unflattened_size:
            raise OpError("Unflatten is given an empty list of sizes", code="DL0208")
        sizes = solve_shape(need, (x.shape[axis],), self.unflattened_size, f"Unflatten of axis {axis}")
        return x.with_shape(*x.shape[:axis], *sizes, *x.shape[axis + 1 :])


class Squeeze(DataMovement):
    """Removes axes of size 1. They must be named: which axes happen to be 1 depends on the sizes. ONNX: Squeeze."""

    function = "squeeze"
    view = True
    light = True

    dim: Axes

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        axes = many_axes(self.dim, x.rank, "Squeeze")
        for axis in axes:
            size = x.shape[axis]
            need.equal(size, 1, f"Squeeze cannot remove axis {axis} of {format_shape(x.shape)}: its size is {size}")
        return x.with_shape(*(size for axis, size in enumerate(x.shape) if axis not in axes))


class Unsqueeze(DataMovement):
    """Inserts an axis of size 1 at `dim`. ONNX: Unsqueeze."""

    function = "unsqueeze"
    view = True
    light = True

    dim: int

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        axis = one_axis(self.dim, x.rank + 1, "Unsqueeze")
        return x.with_shape(*x.shape[:axis], 1, *x.shape[axis:])


class Expand(DataMovement):
    """Repeats axes of size 1 to the sizes of `shape`, which may have further axes in front; -1 keeps a size.

    ONNX: Expand.
    """

    function = "expand"
    elementwise = True

    shape: Shape

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        added = len(self.shape) - x.rank
        message = f"Expand cannot stretch {format_shape(x.shape)} to {format_shape(self.shape)}"
        if added < 0:
            raise OpError(f"{message}: it has fewer axes", code="DL0202")
        sizes: list[Dim] = []
        for axis, wanted in enumerate(self.shape):
            have = 1 if axis < added else x.shape[axis - added]
            if wanted == -1 and axis >= added:
                sizes.append(have)
                continue
            need.at_least(wanted, 1, f"{message}: axis {axis} cannot have the size {wanted}", code="DL0208")
            axes = f"{message}: axis {axis} is {have}, not 1 or {wanted}"
            sizes.append(wanted if have == 1 else need.equal(have, wanted, axes))
        return x.with_shape(*sizes)


class Permute(DataMovement):
    """The axes in another order: axis `dims[i]` of the input becomes axis `i`. ONNX: Transpose."""

    function = "permute"
    light = True

    dims: Axes

    def order(self, rank: int) -> tuple[int, ...]:
        """The permutation, counted from the front."""
        return many_axes(self.dims, rank, "Permute")

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        order = self.order(x.rank)
        if len(order) != x.rank:
            raise OpError(
                f"Permute names {len(order)} of the {x.rank} axes of {format_shape(x.shape)}",
                "name every axis once",
                "DL0202",
            )
        return x.with_shape(*(x.shape[axis] for axis in order))


class Transpose(DataMovement):
    """Two axes swapped. ONNX: Transpose."""

    function = "transpose"
    light = True

    dim0: int
    dim1: int

    def order(self, rank: int) -> tuple[int, ...]:
        """The swap as a permutation of all axes."""
        first, second = (one_axis(dim, rank, "Transpose") for dim in (self.dim0, self.dim1))
        order = list(range(rank))
        order[first], order[second] = second, first
        return tuple(order)

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        return x.with_shape(*(x.shape[axis] for axis in self.order(x.rank)))


def _positive(number: int, field: str) -> None:
    if number < 1:
        raise OpError(f"`{field}` must be at least 1, not {number}", code="DL0208")


class PixelShuffle(DataMovement):
    """Moves channels into space: `[N, C * r * r, H, W]` to `[N, C, H * r, W * r]`.

    ONNX: DepthToSpace. Shi et al., 2016, "Real-Time Single Image and Video Super-Resolution Using an Efficient
    Sub-Pixel Convolutional Neural Network".
    """

    function = "pixel_shuffle"
    torch = "PixelShuffle"

    upscale_factor: int

    def check(self) -> None:
        _positive(self.upscale_factor, "upscale_factor")

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x, r = inputs[0], self.upscale_factor
        require_rank(x, (4,), "PixelShuffle")
        n, c, h, w = x.shape
        need.divisible(c, r * r, f"PixelShuffle({r}) needs channels divisible by {r * r}, not {c}")
        return x.with_shape(n, floordiv(c, r * r), h * r, w * r)

    def formula(self, inputs: Types, outputs: Types) -> tuple[str, ...]:
        r, (_, c, h, w) = self.upscale_factor, inputs[0].shape
        texts = (f"{factor(c)}/{r}**2", f"{factor(h)}*{r}", f"{factor(w)}*{r}")
        return equations(dict(enumerate(zip(texts, outputs[0].shape[1:], strict=True), 1)))


class PixelUnshuffle(DataMovement):
    """Moves space into channels: `[N, C, H * r, W * r]` to `[N, C * r * r, H, W]`. ONNX: SpaceToDepth."""

    function = "pixel_unshuffle"
    torch = "PixelUnshuffle"

    downscale_factor: int

    def check(self) -> None:
        _positive(self.downscale_factor, "downscale_factor")

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x, r = inputs[0], self.downscale_factor
        require_rank(x, (4,), "PixelUnshuffle")
        constant_channels(x, "PixelUnshuffle")
        n, c, h, w = x.shape
        for size in (h, w):
            need.divisible(size, r, f"PixelUnshuffle({r}) needs height and width divisible by {r}, not {size}")
        return x.with_shape(n, c * r * r, floordiv(h, r), floordiv(w, r))

    def formula(self, inputs: Types, outputs: Types) -> tuple[str, ...]:
        r, (_, c, h, w) = self.downscale_factor, inputs[0].shape
        texts = (f"{factor(c)}*{r}**2", f"{factor(h)}/{r}", f"{factor(w)}/{r}")
        return equations(dict(enumerate(zip(texts, outputs[0].shape[1:], strict=True), 1)))


class ChannelShuffle(DataMovement):
    """Interleaves groups of channels.

    ONNX: Gather. Zhang et al., 2018, "ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile
    Devices".
    """

    function = "channel_shuffle"
    torch = "ChannelShuffle"

    groups: int

    def check(self) -> None:
        _positive(self.groups, "groups")

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        if x.rank < 3:
            raise OpError(f"ChannelShuffle takes channels and spatial axes, not {format_shape(x.shape)}", code="DL0202")
        channels = constant_channels(x, "ChannelShuffle")
        need.divisible(
            channels, self.groups, f"ChannelShuffle cannot part {channels} channels into {self.groups} groups"
        )
        return x


class OneHot(DataMovement):
    """Class numbers as vectors of `num_classes` zeros and a one, on a new last axis. int64, as in torch.

    ONNX: OneHot.
    """

    tensors: ClassVar[tuple[str, ...]] = ("x",)
    layer = False
    function = "one_hot"
    copies = False
    out_size = "num_classes"

    num_classes: int

    def check(self) -> None:
        _positive(self.num_classes, "num_classes")

    def classes(self, inputs: Types) -> tuple[int, Dim, int | None]:
        return 0, self.num_classes, None

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        if not x.dtype.is_integer:
            raise OpError(f"`one_hot` takes class numbers, not {x}", 'cast(x, "int")', "DL0207")
        return TensorType(DType.INT64, (*x.shape, self.num_classes))


OPERATORS: tuple[type[Op], ...] = (
    Flatten, Reshape, Unflatten, Squeeze, Unsqueeze, Expand, Permute, Transpose, PixelShuffle, PixelUnshuffle,
    ChannelShuffle, OneHot,
)  # fmt: skip
