"""What an operator looks at, against where a NaN in its input comes out again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import Array, Case, infer, run_torch, shape_of, single_node_graph, tables, torch_module, weights_of

from dlspec.analyses.reach.registry import Slide, everything, reach
from dlspec.ir.types import TensorType
from dlspec.ops.conv import Conv, ConvTranspose
from dlspec.ops.pooling import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, LPPool, MaxPool
from dlspec.ops.resize import Resampling, Upsample
from dlspec.ops.shape import PixelShuffle
from dlspec.ops.slicing import Crop, Flip, Slice

# Torch scales in float32, and takes a neighbour of what the exact quotient names.
ROUNDED = (Upsample(scale_factor=41), Upsample(scale_factor=2.3, mode="nearest-exact"))


def _looks_at_less(row: Case) -> bool:
    """Whether there is anything to check: an axis of a float that is not seen whole."""
    seen = zip(row.types, reach(row.op, row.types, infer(row.op, row.types)[0]), strict=True)
    return any(x.dtype.is_float and own != everything(x) for x, own in seen)


CASES: list[tuple[str, Case]] = [
    (name, row) for name, row in tables("CASES") if not row.op.random and row.op not in ROUNDED and _looks_at_less(row)
]


@pytest.mark.parametrize("row", [row for _, row in CASES], ids=[name for name, _ in CASES])
def test_nothing_is_seen_outside_of_it(row: Case) -> None:
    """Whatever depends on a slab of an input is said to look at it."""
    module = torch_module(row, weights_of(single_node_graph(row.op, row.types)))
    arrays = row.arrays(row.types)
    outputs, _ = infer(row.op, row.types)
    reaches = reach(row.op, row.types, outputs)
    assert [len(one) for one in reaches] == [x.rank for x in row.types]
    for index, (type, own) in enumerate(zip(row.types, reaches, strict=True)):
        for axis in range(type.rank if type.dtype.is_float else 0):
            for position in range(shape_of(type)[axis]):
                touched = _touched(row, module, arrays, index, axis, position)
                for out, places in zip(outputs, touched, strict=True):
                    _assert_seen(own[axis], shape_of(type)[axis], position, out, places)


def _touched(
    row: Case, module: Callable[..., Any], arrays: list[Array], index: int, axis: int, position: int
) -> list[Array]:
    """The positions of each output that depend on a slab of an input: where a NaN in it comes out again.

    Interpolation multiplies also what it does not look at, by 0: there, what changes.
    """
    linear = isinstance(row.op, Resampling)
    given = [array.copy() for array in arrays]
    slab = np.moveaxis(given[index], axis, 0)
    slab[position] = slab[position] + 1 if linear else np.nan
    results = run_torch(module, given)
    if linear:
        return [
            np.argwhere(abs(y - before) > 1e-6) for y, before in zip(results, run_torch(module, arrays), strict=True)
        ]
    return [np.argwhere(np.isnan(y)) for y in results]


def _assert_seen(slide: Slide | None, length: int, position: int, out: TensorType, places: Array) -> None:
    if slide is None or not out.dtype.is_float:
        return
    for i in {int(place[slide.axis]) for place in places}:
        first, last = _stretch(slide, i)
        if last >= 0 and first < length:  # else it lies in the padding, where the border or a mirror image may be
            assert max(first, 0) <= position <= min(last, length - 1)


def _stretch(slide: Slide, i: int) -> tuple[int, int]:
    _, step, low, high, den = (int(str(number)) for number in slide)
    return -((-i * step - low) // den), (i * step + high) // den


WINDOWS = (
    Conv, ConvTranspose, MaxPool, AvgPool, LPPool, AdaptiveAvgPool, AdaptiveMaxPool, Crop, Slice, Flip, PixelShuffle,
)  # fmt: skip


def _leaves_gaps(row: Case) -> bool:
    """A dilated kernel that is set apart by a stride, whose ends may both fall between elements."""
    return isinstance(row.op, ConvTranspose) and row.op.dilation != 1 and row.op.stride != 1


@pytest.mark.parametrize(
    "row",
    [row for _, row in CASES if isinstance(row.op, WINDOWS) and not _leaves_gaps(row)],
    ids=lambda row: repr(row.op),
)
def test_all_of_a_window_is_seen(row: Case) -> None:
    """Where a window slides, its first and last elements inside the input matter."""
    module = torch_module(row, weights_of(single_node_graph(row.op, row.types)))
    (array,) = row.arrays(row.types)
    outputs, _ = infer(row.op, row.types)
    (own,) = reach(row.op, row.types, outputs)
    compared = 0
    for axis, slide in enumerate(own):
        if slide is None:
            continue
        length = array.shape[axis]
        touched: dict[int, set[int]] = {}
        for position in range(length):
            for place in _touched(row, module, [array], 0, axis, position)[0]:
                touched.setdefault(int(place[slide.axis]), set()).add(position)
        for i, positions in touched.items():
            first, last = _stretch(slide, i)
            if first >= 0 and last < length:  # else its ends lie in the padding
                assert (first, last) == (min(positions), max(positions))
                compared += 1
    assert compared
