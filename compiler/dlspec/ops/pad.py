"""Padding of the spatial axes. No FLOPs."""

from __future__ import annotations

from typing import Literal

from dlspec.ir.dims import Dim, floordiv
from dlspec.ir.fields import Pads, Sizes
from dlspec.ir.op import Needs, Op, OpError, Types
from dlspec.ir.types import DType, TensorType, format_shape
from dlspec.ops.rules import DataMovement, equations, factor, spatial_sizes


def _check_value(value: float, x: TensorType, name: str) -> None:
    if not x.dtype.is_float and not (value.is_integer() and (x.dtype.is_integer or value in (0, 1))):
        raise OpError(f"{name} cannot fill {x} with {value:g}", code="DL0207")


class Pad(DataMovement):
    """Adds to both ends of the spatial axes: one number for all, one for each, or a `[before, after]` pair for each.

    The first pair belongs to the first spatial axis (``torch.nn.functional.pad`` begins with the last). `mode` says
    what is added: `value`, the mirror image without the edge, the edge, or the opposite end. In the mode "constant"
    negative numbers cut, and sizes may be open, of which no less than nothing is added.

    ONNX: Pad.
    """

    infinite = ("value",)
    function = "pad"

    padding: Pads
    mode: Literal["constant", "reflect", "replicate", "circular"] = "constant"
    value: float = 0.0

    def check(self) -> None:
        if isinstance(self.padding, str):
            raise OpError(f'Pad takes numbers, not "{self.padding}"', "Pad(1), or Pad([[0, 1], [0, 1]])", "DL0208")
        if self.mode != "constant" and self.value != 0:
            raise OpError(f'Pad in mode "{self.mode}" has no use for a `value`', 'mode="constant"', "DL0208")

    def pairs(self, x: TensorType) -> tuple[tuple[Dim, Dim], ...]:
        """Before and after, for each spatial axis."""
        if isinstance(self.padding, tuple) and len(self.padding) != x.rank - 2 and x.rank > 2:
            raise OpError(
                f"Pad is given {len(self.padding)} entries, and {format_shape(x.shape)} has {x.rank - 2} spatial axes",
                "write one [before, after] pair for each axis: Pad([[1, 1], [2, 2]])",
                "DL0202",
            )
        sides = self.padding if isinstance(self.padding, tuple) else (self.padding,) * max(x.rank - 2, 0)
        return tuple(
            (side, side) if not isinstance(side, tuple) else side for side in sides if not isinstance(side, str)
        )

    def numbers(self, x: TensorType) -> tuple[tuple[int, int], ...]:
        """The same where none is open, as always but in the mode "constant"."""
        return tuple((a, b) for a, b in self.pairs(x) if isinstance(a, int) and isinstance(b, int))

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        spatial_sizes(0, x, "Pad")
        _check_value(self.value, x, "Pad")
        if x.dtype is DType.BOOL and self.mode in ("reflect", "replicate"):
            raise OpError(f'Pad has no mode "{self.mode}" for truth values, {x}', 'cast(x, "int")', "DL0207")
        sizes: list[Dim] = []
        for size, (before, after) in zip(x.spatial, self.pairs(x), strict=True):
            if not (isinstance(before, int) and isinstance(after, int)):
                self._check_open(need, before, after)
            elif self.mode != "constant":
                if min(before, after) < 0:
                    raise OpError(f'Pad cannot cut in mode "{self.mode}"', "cut with Crop or Slice", "DL0208")
                reach = max(before, after)
                if self.mode == "reflect":
                    need.at_least(size, reach + 1, f"Pad cannot mirror {reach} elements of an axis of size {size}")
                elif self.mode == "circular":
                    need.at_least(size, reach, f"Pad cannot take {reach} elements of an axis of size {size}")
            elif before < 0 or after < 0:
                # Neither side may take what the other adds.
                cut = max(-before, 0) + max(-after, 0)
                need.at_least(size, cut + 1, f"Pad cuts {cut} elements of an axis of size {size}")
            sizes.append(size + before + after)
        return x.with_shape(*x.shape[:2], *sizes)

    def _check_open(self, need: Needs, before: Dim, after: Dim) -> None:
        if self.mode != "constant":
            side = before if isinstance(after, int) else after
            raise OpError(f'Pad in mode "{self.mode}" takes numbers, not {side}', 'mode="constant"', "DL0205")
        for side in (before, after):
            need.at_least(side, 0, f"Pad cannot add {side} elements", "cut with Slice or Crop")

    def formula(self, inputs: Types, outputs: Types) -> tuple[str, ...]:
        rows = zip(inputs[0].spatial, self.pairs(inputs[0]), outputs[0].spatial, strict=True)
        return equations(
            {axis: (f"{size} + {factor(a)} + {factor(b)}", out) for axis, (size, (a, b), out) in enumerate(rows, 2)}
        )


class PadTo(DataMovement):
    """Adds `value` around the spatial axes up to a size, or to that of another tensor.

    Half of the difference comes in front, rounded down, as where a U-Net joins its skips.

    ONNX: Pad.
    """

    infinite = ("value",)
    function = "pad_to"

    size: Sizes
    value: float = 0.0

    def pairs(self, x: TensorType) -> tuple[tuple[Dim, Dim], ...]:
        """Before and after, for each spatial axis."""
        missing = [size - have for size, have in zip(spatial_sizes(self.size, x, "PadTo"), x.spatial, strict=True)]
        return tuple((floordiv(count, 2), count - floordiv(count, 2)) for count in missing)

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        _check_value(self.value, x, "PadTo")
        sizes = spatial_sizes(self.size, x, "PadTo")
        for size, have in zip(sizes, x.spatial, strict=True):
            need.at_least(size - have, 0, f"PadTo cannot fill {have} up to {size}", "PadTo makes larger, Crop smaller")
        return x.with_shape(*x.shape[:2], *sizes)


OPERATORS: tuple[type[Op], ...] = (Pad, PadTo)
