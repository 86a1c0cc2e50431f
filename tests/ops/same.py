"""TensorFlow's SAME, as its documentation defines it: what ``padding="same"`` with a stride is compared with."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor

Axes = tuple[int, ...]


def same(x: Tensor, kernel: Axes, stride: Axes, dilation: Axes, fill: float = 0, mode: str = "constant") -> Tensor:
    """The input, padded for a window."""
    sides: list[tuple[int, int]] = []
    for size, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True):
        reach = (k - 1) * d + 1
        along = max(reach - (s if size % s == 0 else size % s), 0)
        sides.append((along // 2, along - along // 2))
    return F.pad(x, tuple(chain(*reversed(sides))), mode=mode, value=fill)


def mean_of_same(pool: Callable[..., Tensor], kernel: Axes, stride: Axes) -> Callable[[Tensor], Tensor]:
    """Means of what is not padding: sums by counts."""

    def mean(x: Tensor) -> Tensor:
        total, count = (
            pool(same(part, kernel, stride, (1,) * len(kernel)), kernel, stride) for part in (x, torch.ones_like(x))
        )
        return total / count

    return mean
