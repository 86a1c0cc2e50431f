"""Weights in other element types, and as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.backends.files import write_bytes
from dlspec.backends.weight_files.elements import element_type, largest
from dlspec.diagnostics import Hinted

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

COPIES = 3
"""Of the weights, at once, while they are written: the arrays, the bytes of each and those of the file."""

TORCH = (".pt", ".pth", ".bin", ".ckpt")


def as_dtype(tensors: Mapping[str, Array], dtype: str) -> dict[str, Array]:
    """Floating-point tensors in another element type; others as they are. Raises `Hinted` for a finite number that is
    not finite in it."""
    import numpy as np

    wanted = element_type(dtype)
    made: dict[str, Array] = {}
    for name, array in tensors.items():
        made[name] = array
        if array.dtype.name == "bool" or array.dtype.kind in "iuc" or array.dtype == wanted:
            continue
        with np.errstate(over="ignore"):
            made[name] = array.astype(wanted)
        lost = np.isfinite(array) & ~np.isfinite(made[name])
        if lost.any():
            number = float(array[lost][0])
            raise Hinted(f"`{name}` has {number:g}, and {dtype} holds numbers up to {largest(wanted):g}")
    return made


def write_weights(tensors: Mapping[str, Array], path: Path) -> None:
    """Writes a file of the format of its ending, whole or not at all.

    Raises `Hinted` for a format or an element type that cannot be written, `OSError`.
    """
    import numpy as np

    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    if path.suffix == ".safetensors":
        from safetensors.numpy import save  # pyright: ignore[reportUnknownVariableType]

        content = save(arrays)
    elif path.suffix in TORCH:
        content = _pickled(arrays, path)
    else:
        raise Hinted(f"cannot write weights to {path}", "the formats are .safetensors and .pt")
    write_bytes(path, content)


def _pickled(arrays: Mapping[str, Array], path: Path) -> bytes:
    from io import BytesIO

    import numpy as np

    from dlspec.backends.torch.live import require_torch

    torch = require_torch(f"a {path.suffix} file")

    def tensor(name: str, array: Array) -> Any:
        dtype = getattr(torch, array.dtype.name, None)
        if dtype is None:
            raise Hinted(f"`{name}` is {array.dtype.name}, which PyTorch does not know")
        if array.dtype.kind in "biufc" and array.dtype.isbuiltin == 1:
            return torch.from_numpy(array)
        return torch.from_numpy(np.frombuffer(bytearray(array.tobytes()), np.uint8)).view(dtype).reshape(array.shape)

    buffer = BytesIO()
    torch.save({name: tensor(name, array) for name, array in arrays.items()}, buffer)
    return buffer.getvalue()
