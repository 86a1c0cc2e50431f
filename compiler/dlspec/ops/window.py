"""Sliding windows: what convolutions and pools share."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import NamedTuple

from dlspec.ir.computed import conv_size, smax
from dlspec.ir.dims import Dim, at_least, ceildiv, floordiv
from dlspec.ir.fields import Ints, Padding
from dlspec.ir.op import Needs, OpError
from dlspec.ir.types import TensorType, format_shape
from dlspec.ops.rules import equations

Pads = tuple[tuple[Dim, Dim], ...]
"""Before and after, for each spatial axis."""

SPATIAL_RANKS = (3, 4, 5)


def per_axis(value: Ints, axes: int, field: str) -> tuple[int, ...]:
    """One int for each of ``axes`` axes. Raises `OpError` where a list has another length."""
    if isinstance(value, int):
        return (value,) * axes
    if len(value) != axes:
        message = f"`{field}` has {len(value)} values, and the input has {axes} spatial axes"
        raise OpError(message, f"give one value, or {axes}", "DL0202")
    return value


def require_bound(value: Ints, low: int, field: str) -> None:
    """Raises `OpError` where one of the values is smaller than ``low``, or one that PyTorch has no int for."""
    for number in (value,) if isinstance(value, int) else value:
        if number < low:
            raise OpError(f"`{field}` must be at least {low}, not {number}", code="DL0208")
        if number >= 2**31:
            raise OpError(f"`{field}` must be less than 2 ** 31, not {number}", code="DL0208")


def check_padding(padding: Padding) -> None:
    """Raises `OpError` where one of the sides is negative, or one that PyTorch has no int for."""
    if isinstance(padding, tuple):
        for side in padding:
            require_bound(side, 0, "padding")
    elif isinstance(padding, int):
        require_bound(padding, 0, "padding")


class Window(NamedTuple):
    """A window that slides over the spatial axes.

    * ``pads`` are ``(before, after)`` per axis.
    * ``fitted``: that they follow from the size, as "same" does with a stride: numbers for one size only, and symbols
      where the size is open.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pads: Pads
    fitted: bool = False

    @property
    def volume(self) -> int:
        """The number of elements under the window."""
        return prod(self.kernel)

    @property
    def spans(self) -> tuple[int, ...]:
        """How far the window reaches on each axis: ``dilation * (kernel - 1) + 1``."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def known_pads(self) -> tuple[tuple[int, int], ...] | None:
        """The padding as numbers; None where it is not known before the sizes are."""
        known = tuple((a, b) for a, b in self.pads if isinstance(a, int) and isinstance(b, int))
        return known if len(known) == len(self.pads) else None

    @property
    def open(self) -> bool:
        """Whether the padding is not known before the sizes are."""
        return self.known_pads is None

    @property
    def pads_anything(self) -> bool:
        """Whether there is padding, or may be."""
        return any(side != 0 for pair in self.pads for side in pair)

    @property
    def bare(self) -> Window:
        """The same window without padding, for an input that has it already."""
        return self._replace(pads=((0, 0),) * len(self.kernel), fitted=False)

    def padded(self, x: TensorType) -> tuple[Dim, ...]:
        """The spatial sizes with the padding."""
        return tuple(size + before + after for size, (before, after) in zip(x.spatial, self.pads, strict=True))

    def slide(self, need: Needs, x: TensorType, name: str) -> tuple[Dim, ...]:
        """The spatial sizes of the output, ``floor((size + pads - span) / stride) + 1``; the window must fit."""
        if self.fitted:
            return self._cover(need, x, name)
        sizes: list[Dim] = []
        spans = self.spans
        for axis, size in enumerate(x.spatial):
            before, after = self.pads[axis]
            padding = before + after
            assert isinstance(padding, int)
            if not at_least(size, spans[axis] - padding):
                need.at_least(
                    size, spans[axis] - padding, partial(self._misfit, x, axis, padding, name),
                    "use a smaller kernel, more padding, or less downsampling before it",
                )  # fmt: skip
            sizes.append(conv_size(size, self.kernel[axis], self.stride[axis], padding, self.dilation[axis]))
        return tuple(sizes)

    def _cover(self, need: Needs, x: TensorType, name: str) -> tuple[Dim, ...]:
        """A window for every ``stride`` elements begun: ``ceil(size / stride)``."""
        for axis, size in enumerate(x.spatial, 2):
            need.at_least(size, 1, f"{name}: axis {axis} of {format_shape(x.shape)} is empty")
        return tuple(ceildiv(size, step) for size, step in zip(x.spatial, self.stride, strict=True))

    def formula(self, x: TensorType, sizes: tuple[Dim, ...]) -> tuple[str, ...]:
        """How `slide` comes to the spatial sizes of the output, in torch.nn's form."""
        rows = zip(x.spatial, self.pads, self.dilation, self.kernel, self.stride, sizes, strict=True)
        if self.fitted:
            return equations({axis: (f"ceil({row[0]}/{row[4]})", row[5]) for axis, row in enumerate(rows, 2)})
        return equations(
            {
                axis: (f"floor(({size}{_added(pads)} - {d}*({k}-1) - 1)/{s}) + 1", out)
                for axis, (size, pads, d, k, s, out) in enumerate(rows, 2)
            }
        )

    def _misfit(self, x: TensorType, axis: int, padding: int, name: str) -> str:
        size, span = x.spatial[axis], self.spans[axis]
        reach = f"a kernel of {self.kernel[axis]}"
        if span != self.kernel[axis]:
            reach += f" with dilation {self.dilation[axis]}, which spans {span},"
        padded = f"padded by {padding}" if padding else "without padding"
        return f"{name}: {reach} does not fit axis {axis + 2} of {format_shape(x.shape)}, which is {size} {padded}"


def _added(pads: tuple[Dim, Dim]) -> str:
    before, after = pads
    return f" + 2*{before}" if before == after else f" + {before} + {after}"


def window_of(x: TensorType, kernel_size: Ints, stride: Ints, dilation: Ints, padding: Padding) -> Window:
    """Like `sliding`, of one number for all axes or one for each. Raises `OpError` for a list of another length."""
    axes = x.rank - 2
    kernel, step = per_axis(kernel_size, axes, "kernel_size"), per_axis(stride, axes, "stride")
    return sliding(x, kernel, step, per_axis(dilation, axes, "dilation"), padding)


def sliding(
    x: TensorType, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...], padding: Padding
) -> Window:
    """The window over ``x`` with its padding resolved.

    "same" leaves ``ceil(size / stride)`` positions and puts the odd one after: with a stride of 1 as ``torch.nn`` does,
    with another, which torch does not take, as TensorFlow's SAME and ONNX's SAME_UPPER do. Raises `OpError` for a list
    of another length.
    """
    window = Window(kernel, stride, dilation, ((0, 0),) * len(kernel))
    if padding == "valid":
        return window
    if padding == "same":
        rows = zip(x.spatial, stride, window.spans, strict=True)
        pads = tuple(_halves(_missing(*row)) for row in rows)
        return window._replace(pads=pads, fitted=max(stride) > 1 and max(window.spans) > 1)
    if isinstance(padding, int):
        return window._replace(pads=((padding, padding),) * len(kernel))
    if len(padding) != len(kernel):
        message = f"`padding` has {len(padding)} entries, and the input has {len(kernel)} spatial axes"
        raise OpError(message, f"give one int, or {len(kernel)} ints or [before, after] pairs", "DL0202")
    return window._replace(pads=tuple((side, side) if isinstance(side, int) else side for side in padding))


def _missing(size: Dim, step: int, span: int) -> Dim:
    """What an axis lacks for a window at every ``step`` elements begun. The last reaches over the end by no more than
    this, and where there are gaps between the windows it may not."""
    if step == 1 or span == 1:
        return span - 1
    return smax((ceildiv(size, step) - 1) * step + span - size, 0)


def _halves(total: Dim) -> tuple[Dim, Dim]:
    before = floordiv(total, 2)
    return before, total - before
