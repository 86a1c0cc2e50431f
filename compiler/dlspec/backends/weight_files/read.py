"""Weights from files, whatever wrote them, under the names that a network has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.backends.weight_files.elements import element_type
from dlspec.backends.weight_files.nested import weights_in
from dlspec.backends.weight_files.torch_file import MAGIC, read_legacy, read_zip
from dlspec.backends.weight_names import renamed
from dlspec.diagnostics import Diagnostic, DlspecError, Hinted, first_line
from dlspec.source import Source, Span

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_SAFE = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
    "C64": "complex64", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu",
}  # fmt: skip
"""Element types, as NumPy names them, by the names of safetensors."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Which weights: those of all files together, under ``key`` in a checkpoint, with names changed by ``renames`` in
    their order, each (old, new) as `renamed` takes them."""

    files: tuple[str, ...]
    key: str | None = None
    renames: tuple[tuple[str, str], ...] = ()


def read_weights(reading: Reading) -> dict[str, Array]:
    """Tensors by name. Raises `DlspecError` for a file that cannot be read and a name that two tensors have, `Hinted` for
    a change of names that changes none."""
    found: dict[str, Array] = {}
    origins: dict[str, str] = {}
    for file in reading.files:
        for name, tensor in load_weights(file, reading.key).items():
            if name in found:
                raise unreadable(file, f"`{name}` is in {origins[name]} and in {file}")
            found[name], origins[name] = tensor, file
    for old, new in reading.renames:
        found = renamed(found, old, new)
    return found


def load_weights(file: Path | str, key: str | None = None) -> dict[str, Array]:
    """The tensors of one file by name: safetensors, `torch.save`, TorchScript, or the initializers of ONNX.

    Nothing of the file is run. Raises `DlspecError`.
    """
    path = Path(file)
    kind = "a file of weights"
    try:
        kind, reader = _reader(path)
        return weights_in(reader(path), key)
    except Hinted as error:
        raise unreadable(path, f"{path}: {error.message}", error.hint) from None
    except FileNotFoundError:
        raise unreadable(path, f"there is no file {path}") from None
    except Exception as error:  # the file of a stranger makes its reader raise anything
        raise unreadable(path, f"{path} is not {kind} that can be read: {first_line(error)}") from None


def unreadable(path: Path | str, message: str, hint: str = "") -> DlspecError:
    return DlspecError([Diagnostic("DL0601", message, Span(Source(str(path), ""), 0, 0), hint=hint)])


def _reader(path: Path) -> tuple[str, Callable[[Path], Any]]:
    """What kind of file it is by its first bytes, and what reads it. Raises `Hinted` for none that is known."""
    with path.open("rb") as opened:
        head = opened.read(16)
    if head.startswith(b"PK"):
        return "a file of PyTorch", read_zip
    if head.startswith(MAGIC):
        return "a file of PyTorch", read_legacy
    if head[5:9] == b"\0\0\0{" or (path.suffix == ".safetensors" and head):
        return "a safetensors file", _safetensors
    if head[:1] == b"\x80":
        raise Hinted(
            "it is a pickle, and not of torch.save", "torch.save(model.state_dict(), PATH) makes a file of weights"
        )
    if head[:1] == b"\x08" or (path.suffix == ".onnx" and head):
        return "an ONNX model", _initializers
    if head.startswith(b"version https://"):
        raise Hinted("it is a pointer of Git LFS, and not the file", "git lfs pull")
    known = "safetensors, what torch.save writes, TorchScript and ONNX are read"
    raise Hinted("it is no file of weights" if head else "it is empty", known)


def _safetensors(path: Path) -> dict[str, Array]:
    """Arrays that look into the file. What the header says of sizes and places is checked by the library."""
    import numpy as np
    from safetensors import safe_open

    found: dict[str, Array] = {}
    library: Any = safe_open(path, "numpy")  # it has few types
    with library as opened:
        with path.open("rb") as file:
            offset = 8 + int.from_bytes(file.read(8), "little")
        for name in opened.offset_keys():
            part = opened.get_slice(name)
            if part.get_dtype() not in _SAFE:
                raise Hinted(f"`{name}` is {part.get_dtype()}, and NumPy knows no such element type")
            dtype, shape = element_type(_SAFE[part.get_dtype()]), tuple[int, ...](part.get_shape())
            size = prod(shape) * dtype.itemsize
            mapped: Array = np.memmap(path, np.uint8, "r", offset, (size,)) if size else np.empty(0, np.uint8)
            found[name] = np.ndarray(shape, dtype, mapped)
            offset += size
        return {name: found[name] for name in opened.keys()}  # noqa: SIM118  # it is no mapping


def _initializers(path: Path) -> dict[str, Array]:
    """The weights of an ONNX model, those that lie in a file beside it too."""
    onnx: Any = import_module("onnx")  # it has few types
    model = onnx.load_model(path, load_external_data=False)
    if not model.graph.node and not model.graph.initializer:
        raise Hinted("it is an ONNX model without anything in it")
    return {weight.name: onnx.numpy_helper.to_array(weight, str(path.parent)) for weight in model.graph.initializer}
