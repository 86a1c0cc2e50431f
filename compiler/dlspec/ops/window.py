"""Sliding windows: what convolutions and pools share."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from dlspec.ir.dims import Dim, conv_size
from dlspec.ir.fields import Ints, Padding
from dlspec.ir.op import Needs, OpError
from dlspec.ir.types import TensorType, format_shape
from dlspec.ops.rules import equations

Pads = tuple[tuple[int, int], ...]

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


class Window(NamedTuple):
    """A window that slides over the spatial axes; ``pads`` are ``(before, after)`` per axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pads: Pads

    @property
    def volume(self) -> int:
        """The number of elements under the window."""
        return prod(self.kernel)

    @property
    def spans(self) -> tuple[int, ...]:
        """How far the window reaches on each axis: ``dilation * (kernel - 1) + 1``."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def flat_pads(self) -> list[int]:
        """The padding before every axis, then that after every axis, as ONNX writes it."""
        return [before for before, _ in self.pads] + [after for _, after in self.pads]

    def slide(self, need: Needs, x: TensorType, name: str) -> tuple[Dim, ...]:
        """The spatial sizes of the output, ``floor((size + pads - span) / stride) + 1``; the window must fit."""
        sizes: list[Dim] = []
        for axis, size in enumerate(x.spatial):
            (before, after), span = self.pads[axis], self.spans[axis]
            if not isinstance(size, int) or size + before + after < span:
                self._require_fit(need, x, axis, name)
            sizes.append(conv_size(size, self.kernel[axis], self.stride[axis], before + after, self.dilation[axis]))
        return tuple(sizes)

    def formula(self, x: TensorType, sizes: tuple[Dim, ...]) -> tuple[str, ...]:
        """How `slide` comes to the spatial sizes of the output, in torch.nn's form."""
        rows = zip(x.spatial, self.pads, self.dilation, self.kernel, self.stride, sizes, strict=True)
        return equations(
            {
                axis: (f"floor(({size}{_added(pads)} - {d}*({k}-1) - 1)/{s}) + 1", out)
                for axis, (size, pads, d, k, s, out) in enumerate(rows, 2)
            }
        )

    def _require_fit(self, need: Needs, x: TensorType, axis: int, name: str) -> None:
        size, span, padding = x.spatial[axis], self.spans[axis], sum(self.pads[axis])
        reach = f"a kernel of {self.kernel[axis]}"
        if span != self.kernel[axis]:
            reach += f" with dilation {self.dilation[axis]}, which spans {span},"
        padded = f"padded by {padding}" if padding else "without padding"
        message = f"{name}: {reach} does not fit axis {axis + 2} of {format_shape(x.shape)}, which is {size} {padded}"
        need.at_least(
            size, span - padding, message, "use a smaller kernel, more padding, or less downsampling before it"
        )


def _added(pads: tuple[int, int]) -> str:
    before, after = pads
    return f" + 2*{before}" if before == after else f" + {before} + {after}"


def resolve_padding(padding: Padding, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> Pads:
    """``padding`` as ``(before, after)`` per axis; "same" puts the odd one after, as ``torch.nn`` does."""
    if isinstance(padding, int):
        return ((padding, padding),) * len(kernel)
    if isinstance(padding, str):
        spread = padding == "same"
        totals = [d * (k - 1) if spread else 0 for k, d in zip(kernel, dilation, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if len(padding) != len(kernel):
        message = f"`padding` has {len(padding)} entries, and the input has {len(kernel)} spatial axes"
        raise OpError(message, f"give one int, or {len(kernel)} ints or [before, after] pairs", "DL0202")
    return tuple((side, side) if isinstance(side, int) else side for side in padding)
