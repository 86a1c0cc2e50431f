"""The trained weights as files: of the whole `train`, and of each network under its own paths."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dlspec.backends.files import write_bytes
from dlspec.objectives.training import Training

if TYPE_CHECKING:
    from torch import Tensor


ALL = "model.safetensors"
"""The file of a run that has the weights of all its networks."""


def write_weights(training: Training, weights: Mapping[str, Tensor], out: Path) -> list[Path]:
    """Writes ``model.safetensors`` with the paths of the `train`, and ``networks/NAME.safetensors`` for each of these.

    A network's file has the paths that it has alone, so `dlspec compile FILE:NETWORK --weights` takes it. Raises
    `OSError`.
    """
    from safetensors.numpy import save  # pyright: ignore[reportUnknownVariableType]

    state = {path: tensor.detach().cpu().contiguous().numpy() for path, tensor in weights.items()}
    files = {out / ALL: state}
    for name in training.networks:
        inside = {path.removeprefix(f"{name}."): array for path, array in state.items() if path.startswith(f"{name}.")}
        if inside:
            files[out / "networks" / f"{name}.safetensors"] = inside
    for path, arrays in files.items():
        path.parent.mkdir(exist_ok=True)
        write_bytes(path, save(arrays))
    return list(files)
