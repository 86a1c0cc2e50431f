"""PyTorch's own files: what `torch.save` writes, now and before version 1.6, and TorchScript."""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from dlspec.backends.archives import open_archive
from dlspec.backends.weight_files.elements import element_type
from dlspec.backends.weight_files.inert import Inert, Refused, Tensor, unpickled

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")
"""What a file of `torch.save` before 1.6 begins with: the pickled number 0x1950a86a20f9469cfc6c."""

_FLOOR, _RATIO = 1 << 30, 8
"""Bytes that the tensors of a file may have together: a GiB, or so many times the file's size."""


def read_zip(path: Path) -> Any:
    """The content of a file of `torch.save`, or of TorchScript, with arrays for its tensors."""
    with open_archive(path) as archive:
        root = next((name[:-8] for name in archive.namelist() if name.endswith("/data.pkl")), None)
        if root is None:
            raise Refused("this archive has no data.pkl")
        content, _ = unpickled(archive.read(f"{root}data.pkl"))
        if isinstance(content, Inert) and content.name.startswith("__torch__."):
            content = _attributes(content)
        return _filled(content, lambda key: archive.read(f"{root}data/{key}"), path)


def read_legacy(path: Path) -> Any:
    """The content of a file of `torch.save` before 1.6: five pickles, and then the storages one behind the other."""
    with path.open("rb") as file:
        pickles: list[bytes] = []
        for _ in range(5):
            start = file.tell()
            for _ in pickletools.genops(file):
                pass
            end = file.tell()
            file.seek(start)
            pickles.append(file.read(end - start))
        (content, known), (keys, _) = unpickled(pickles[3]), unpickled(pickles[4])
        data = memoryview(file.read())
    storages: dict[str, memoryview] = {}
    offset = 0
    for key in keys:
        element = known[str(key)].element
        if element is None:
            raise Refused("it has a storage of an unknown element type")
        end = offset + 8 + int.from_bytes(data[offset : offset + 8], "little") * element_type(element).itemsize
        storages[str(key)] = data[offset + 8 : end]
        offset = end
    return _filled(content, storages.__getitem__, path)


def _attributes(root: Inert) -> dict[str, Any]:
    """The tensors of a scripted module by path: its parameters, buffers, and those of the modules in it."""
    found: dict[str, Any] = {}
    stack: list[tuple[str, Inert]] = [("", root)]
    seen: set[int] = set()
    while stack:
        prefix, module = stack.pop()
        if id(module) in seen or not isinstance(module.state, dict):
            continue
        seen.add(id(module))
        inside: list[tuple[str, Inert]] = []
        for name, value in cast("dict[str, Any]", module.state).items():
            if isinstance(value, Tensor):
                found[f"{prefix}{name}"] = value
            elif isinstance(value, Inert) and value.name.startswith("__torch__."):
                inside.append((f"{prefix}{name}.", value))
        stack += reversed(inside)
    return found


def _places(root: list[Any]) -> list[tuple[Any, Any]]:
    """Every place in nested mappings, lists and tuples; not recursive, as files may nest deeper than Python."""
    places: list[tuple[Any, Any]] = []
    stack: list[Any] = [root]
    seen = {id(root)}
    while stack:
        holder: Any = stack.pop()
        for key in _keys(holder):
            places.append((holder, key))
            value: Any = holder[key]
            mark = id(value)
            if mark not in seen and isinstance(value, Mapping | list | tuple):
                seen.add(mark)
                stack.append(value)
    return places


def _keys(holder: Any) -> list[Any]:
    return list(cast("Mapping[Any, Any]", holder) if isinstance(holder, Mapping) else range(len(holder)))


def _filled(content: Any, storage: Callable[[str], Any], path: Path) -> Any:
    """The content with arrays for the tensors in its mappings. Raises `Refused` where they do not fit their storages."""
    import numpy as np

    limit = max(_FLOOR, _RATIO * path.stat().st_size)
    buffers: dict[str, Any] = {}
    root = [content]
    for holder, key in _places(root):
        tensor = holder[key]
        if not isinstance(tensor, Tensor) or isinstance(holder, tuple):
            continue
        dtype = element_type(tensor.element)
        count = 1
        for size in tensor.sizes:
            count *= size
        limit -= count * dtype.itemsize
        if limit < 0:
            raise Refused(f"`{key}` has {count:,} elements, far more than the file")
        if tensor.storage.key not in buffers:
            buffers[tensor.storage.key] = storage(tensor.storage.key)
        buffer = memoryview(buffers[tensor.storage.key])
        reach = tensor.offset + sum((s - 1) * t for s, t in zip(tensor.sizes, tensor.strides, strict=True)) + 1
        flat = np.frombuffer(buffer, dtype, len(buffer) // dtype.itemsize)
        if count and reach > flat.size:
            raise Refused(f"`{key}` needs {reach:,} elements, and its storage has {flat.size:,}")
        strides = tuple(step * dtype.itemsize for step in tensor.strides)
        start = flat[tensor.offset :] if count else flat[:0]
        holder[key] = np.ndarray(tensor.sizes, dtype, start, 0, strides) if count else np.empty(tensor.sizes, dtype)
    return root[0]
