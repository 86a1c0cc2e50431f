"""Windows as columns, and images sampled by grids, against torch."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from harness import Case, Input, Refusal
from torch import nn

from dlspec.ops.grid import AffineGrid, GridSample
from dlspec.ops.patches import Fold, Unfold

X = (2, 3, 6, 7)


def unfolded(*args: Any, x: Any = X) -> Case:
    return Case(Unfold(*args), (x,), lambda: nn.Unfold(*args), {0: ("N", 3, "H", "W")}, (1e-3, 1e-3))


def folded(channels: int, windows: int, *args: Any) -> Case:
    return Case(Fold(*args), ((2, channels, windows),), lambda: nn.Fold(*args), symbols={0: ("N", channels, windows)})


def sampled(op: GridSample, x: tuple[int, ...], out: tuple[int, ...], dtype: str = "float32") -> Case:
    def torchs(x: Any, grid: Any) -> Any:
        return F.grid_sample(x, grid, op.mode, op.padding_mode, align_corners=op.align_corners)

    inputs = (Input(x, dtype), Input((x[0], *out, len(out)), dtype, -1.6, 1.6))
    space, there = [f"A{axis}" for axis in range(len(out))], [f"B{axis}" for axis in range(len(out))]
    names = {0: ("N", x[1], *space), 1: ("N", *there, len(out))}
    return Case(op, inputs, lambda: torchs, names, (1e-3, 1e-4))


def mapped(op: AffineGrid, theta: tuple[int, ...], dtype: str = "float32") -> Case:
    def torchs(theta: Any) -> Any:
        return F.affine_grid(theta, list(op.size), align_corners=op.align_corners)

    return Case(op, (Input(theta, dtype),), lambda: torchs, {0: theta}, (1e-4, 1e-5), macs=False)


CASES: list[Case] = [
    unfolded(3),
    unfolded((2, 3), 1, 0, (1, 2)),
    unfolded(2, (2, 1), (1, 2), 2),
    unfolded(3, 1, 1, 1, x=Input(X, "float16", 0, 1)),
    folded(12, 30, (6, 7), 2),
    folded(12, 9, (6, 7), (2, 3), 1, (0, 1), (2, 3)),
    folded(8, 16, 6, 2, 2),
    *(
        sampled(GridSample(mode, padding, corners), (2, 3, 5, 4), (3, 6))
        for mode in ("bilinear", "nearest", "bicubic")
        for padding in ("zeros", "border", "reflection")
        for corners in (False, True)
    ),
    *(
        sampled(GridSample(mode, padding, corners), (2, 3, 4, 5, 3), (3, 2, 4))
        for mode in ("bilinear", "nearest")
        for padding in ("zeros", "border", "reflection")
        for corners in (False, True)
    ),
    mapped(AffineGrid((2, 3, 4, 5)), (2, 2, 3)),
    mapped(AffineGrid((2, 3, 4, 5), align_corners=True), (2, 2, 3)),
    mapped(AffineGrid((2, 3, 1, 5), align_corners=True), (2, 2, 3)),
    mapped(AffineGrid((2, 3, 3, 4, 5)), (2, 3, 4)),
]

REFUSED: list[Refusal] = [
    (lambda: Unfold(0), (X,), "`kernel_size`"),
    (lambda: Unfold((2, 2, 2)), (X,), "one for each of two spatial axes, not [2, 2, 2]"),
    (lambda: Unfold(8), (X,), "a window of 8 on an axis of 6"),
    (lambda: Unfold(2), ((2, 3, 6),), "rank 4"),
    (lambda: Fold(6, 2), ((2, 7, 25),), "takes 4 elements for each channel, and there are 7"),
    (lambda: Fold(6, 2), ((2, 8, 24),), "needs the 25 windows of an image [6, 6], and there are 24"),
    (GridSample, (X, (2, 4, 4, 3)), "takes a grid [N, h, w, 2], not [2, 4, 4, 3]"),
    (GridSample, (X, (1, 4, 4, 2)), "has 2 images and 1 grids"),
    (lambda: GridSample("bicubic"), ((2, 3, 4, 4, 4), (2, 4, 4, 4, 3)), "takes images of two axes"),
    (GridSample, (X, Input((2, 4, 4, 2), "float64")), "not float32 and float64"),
    (lambda: AffineGrid((2, 3, 4)), ((2, 2, 3),), "takes a size of 4 or 5 axes"),
    (lambda: AffineGrid((2, 3, 4, 4)), ((2, 3, 4),), "takes maps [N, 2, 3]"),
    (lambda: AffineGrid((2, 3, 4, 4)), ((1, 2, 3),), "has 1 maps for 2 images"),
]
