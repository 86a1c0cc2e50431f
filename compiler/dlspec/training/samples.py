"""Which tensors that a `train` names are images to look at, and where they are written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.backends.files import write_bytes
from dlspec.ir.node import Value, made_of
from dlspec.objectives.training import Training
from dlspec.ops.gradient import Grad
from dlspec.training.pictures import grid, png

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

Size = tuple[int, int, int]
"""Channels, height and width."""

_CHANNELS = (1, 3)


class Samples:
    """The images of a run: a tensor [N, C, H, W] of one or three channels, or [N, K] where K pixels have a known height and
    width, that is neither noise nor a gradient."""

    def __init__(self, training: Training, flat: Mapping[int, Size], out: Path) -> None:
        """``flat``: what so many numbers are as an image."""
        self._flat = flat
        self._folder = out / "samples"
        self._names = [name for name, value in training.named.items() if self._is_image(value) and _is_made(value)]

    def __bool__(self) -> bool:
        return bool(self._names)

    def write(self, named: Mapping[str, Tensor], steps: int) -> dict[str, Array]:
        """A grid for each, as NAME/STEPS.png. Gives the pixels by name. Raises `OSError`."""
        grids: dict[str, Array] = {}
        for name in self._names:
            images = named[name].detach().float().cpu()
            if images.ndim == 2:
                images = images.reshape(-1, *self._flat[images.shape[1]])
            if min(images.shape) > 0 and max(images.shape[2:]) > 1:
                folder = self._folder / name
                folder.mkdir(parents=True, exist_ok=True)
                grids[name] = grid(images.numpy())
                write_bytes(folder / f"{steps:08}.png", png(grids[name]))
        return grids

    def _is_image(self, value: Value) -> bool:
        shape = value.type.shape
        if not value.type.dtype.is_float:
            return False
        if len(shape) == 2:
            return shape[1] in self._flat
        return len(shape) == 4 and shape[1] in _CHANNELS and shape[2:] != (1, 1)


def _is_made(value: Value) -> bool:
    """Whether data or weights are in a tensor, and it is no gradient that is only scaled."""
    node = value.producer
    while node is not None and not isinstance(node.op, Grad):
        tensors = [each for each in node.inputs if each.type.rank]
        if not node.op.elementwise or len(tensors) != 1:
            break
        node = tensors[0].producer
    if node is not None and isinstance(node.op, Grad):
        return False
    return any(each.type.rank if each.producer is None else each.producer.weights for each in made_of(value))
