"""What several tables need."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from harness import Input


def every_axis(*inputs: tuple[int, ...] | Input) -> dict[int, tuple[str | int, ...]]:
    """`symbols` of a case: every axis is one, channels too, but 1 and sizes that an input with given values has."""
    given = [item if isinstance(item, Input) else Input(item) for item in inputs]
    fixed = {1, *(size for item in given if item.values is not None for size in item.shape)}
    return {
        index: tuple(size if size in fixed else f"S{size}" for size in item.shape) for index, item in enumerate(given)
    }


def centre(x: torch.Tensor, h: int, w: int) -> torch.Tensor:
    """Cropped as the skips of the original U-Net."""
    top, left = (x.shape[2] - h) // 2, (x.shape[3] - w) // 2
    return x[:, :, top : top + h, left : left + w]


def filled(x: torch.Tensor, h: int, w: int, value: float) -> torch.Tensor:
    """Padded as the U-Net of https://github.com/milesial/Pytorch-UNet joins its skips."""
    dy, dx = h - x.shape[2], w - x.shape[3]
    return F.pad(x, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2], value=value)
