"""Windows of an image as columns, and back."""

from __future__ import annotations

from dlspec.ir.dims import Dim, floordiv, product
from dlspec.ir.fields import Ints, Sizes
from dlspec.ir.op import Needs, Op, OpError, Types, require_rank
from dlspec.ir.types import TensorType, format_shape
from dlspec.ops.rules import require_float
from dlspec.ops.window import require_bound


def pair(value: Ints | Sizes, name: str) -> tuple[Dim, Dim]:
    """One for each spatial axis. Raises `OpError` for a list of another length."""
    if not isinstance(value, tuple):
        return value, value
    if len(value) != 2:
        raise OpError(f"`{name}` is one number, or one for each of two spatial axes, not {list(value)}", code="DL0202")
    return value[0], value[1]


class Patches(Op):
    """Base of Unfold and Fold."""

    @property
    def window(self) -> dict[str, Ints]:
        """The fields that say what a window is."""
        raise NotImplementedError

    def check(self) -> None:
        for (name, value), least in zip(self.window.items(), (1, 1, 0, 1), strict=True):
            pair(value, name)
            require_bound(value, least, name)

    @property
    def kernel(self) -> tuple[int, int]:
        return _numbers(self.window["kernel_size"])

    @property
    def rows(self) -> tuple[tuple[int, int, int, int], ...]:
        """Kernel, dilation, padding and stride of each spatial axis."""
        return tuple(zip(*map(_numbers, self.window.values()), strict=True))

    def places(self, need: Needs, sizes: tuple[Dim, ...], name: str) -> tuple[Dim, ...]:
        """How many windows there are along each spatial axis of an image."""
        found: list[Dim] = []
        for size, (kernel, dilation, padding, stride) in zip(sizes, self.rows, strict=True):
            span = dilation * (kernel - 1) + 1
            need.at_least(size + 2 * padding, span, f"{name} has a window of {span} on an axis of {size + 2 * padding}")
            found.append(floordiv(size + 2 * padding - span, stride) + 1)
        return tuple(found)


def _window(op: Unfold | Fold) -> dict[str, Ints]:
    return {"kernel_size": op.kernel_size, "dilation": op.dilation, "padding": op.padding, "stride": op.stride}


def _numbers(value: Ints) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)  # type: ignore[return-value]


class Unfold(Patches):
    """The windows that slide over an image as columns: [N, C, H, W] becomes [N, C * kernel, windows].

    The elements of a window stand channel by channel, row by row; the windows too. Zeros are padded. No FLOPs.

    ONNX: written out, with Gather. Chellapilla et al., 2006, "High Performance Convolutional Neural Networks for
    Document Processing".
    """

    torch = "Unfold"
    function = "unfold"

    kernel_size: Ints
    dilation: Ints = 1
    padding: Ints = 0
    stride: Ints = 1

    @property
    def window(self) -> dict[str, Ints]:
        return _window(self)

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        require_float(x, "Unfold")
        require_rank(x, (4,), "Unfold")
        places = self.places(need, x.spatial, "Unfold")
        return x.with_shape(x.shape[0], x.shape[1] * product(self.kernel), product(places))

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 0


class Fold(Patches):
    """The image of a size whose windows are the columns, where they overlap their sum: what `Unfold` took apart.

    [N, C * kernel, windows] becomes [N, C, *output_size]. One FLOP per input element.

    ONNX: Col2Im. Chellapilla et al., 2006, "High Performance Convolutional Neural Networks for Document Processing".
    """

    torch = "Fold"
    function = "fold"
    wide = True

    output_size: Sizes
    kernel_size: Ints
    dilation: Ints = 1
    padding: Ints = 0
    stride: Ints = 1

    @property
    def window(self) -> dict[str, Ints]:
        return _window(self)

    @property
    def size(self) -> tuple[Dim, Dim]:
        return pair(self.output_size, "output_size")

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        require_float(x, "Fold")
        require_rank(x, (3,), "Fold")
        many = self.kernel[0] * self.kernel[1]
        need.divisible(x.shape[1], many, f"Fold takes {many} elements for each channel, and there are {x.shape[1]}")
        windows = product(self.places(need, self.size, "Fold"))
        message = f"Fold needs the {windows} windows of an image {format_shape(self.size)}, and there are {x.shape[2]}"
        need.equal(x.shape[2], windows, message)
        return x.with_shape(x.shape[0], floordiv(x.shape[1], many), *self.size)

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return inputs[0].elements


OPERATORS: tuple[type[Op], ...] = (Unfold, Fold)
