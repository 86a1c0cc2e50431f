"""Shards of examples as WebDataset keeps them: tar files, in which files of one name, up to the first dot, are an example.

Where each file begins is found once, from the heads alone. So examples are read where they stand: their order is drawn over
all of them, a run goes on exactly, and memory holds names and places.
"""

from __future__ import annotations

import re
import tarfile
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from glob import glob, has_magic
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.backends.images import ENDINGS, opened
from dlspec.backends.runtime import RunError
from dlspec.diagnostics import did_you_mean, first_line
from dlspec.training.images import MaskSource, common_size, image_forms
from dlspec.training.sources import ArraySource, Labels, Offer, Source, labelled

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST_SHARDS = 100_000
_SHARDS = re.compile(r"(.*\.(?:tar|tgz|tar\.(?:gz|bz2|xz|zst)))(?::([^/\\]*))?")
_CLASSES = ("cls", "txt", "id", "index")
"""Endings of files that hold a class, by number or by name."""


def is_shards(text: str) -> bool:
    """Whether ``FILE`` or ``FILE:FIELD`` is a tar file, or several by a pattern."""
    return _SHARDS.fullmatch(text) is not None


def open_shards(text: str, resize: tuple[int, int] | None) -> Offer:
    """All fields of ``FILE``: images as `image`, others that are images or arrays by their names, `.cls` as `label`.

    Raises `RunError`.
    """
    if _parts(text)[1]:
        raise RunError(f"{text} does not say of which data it is", f"--data NAME={text}")
    shards = _read(text)
    offered: list[tuple[str, Source]] = []
    for field in shards.fields:
        name, _, ending = field.rpartition(".")
        if f".{ending}" in ENDINGS:
            offered += _images(shards, field, name or "image", resize, masks=bool(name))
        elif ending == "npy":
            offered.append((name or "npy", _Arrays(shards, field)))
        elif field == _CLASSES[0]:
            source = _classes(shards, field)
            offered += labelled(*_numbered(source), f"{shards.origin}'s") if isinstance(source, Labels) else []
            offered += [] if isinstance(source, Labels) else [("label", source)]
    if not offered:
        raise RunError(f"{shards.origin} has no images, arrays or classes, but .{', .'.join(shards.fields)}")
    return Offer(tuple(offered), exact=False)


def chosen_field(name: str, text: str, resize: tuple[int, int] | None) -> list[tuple[str, Source]]:
    """The field that ``FILE:FIELD`` names, in all its forms. Raises `RunError`."""
    file, field = _parts(text)
    if not field:
        raise RunError(f"{text} does not say which of its files", f"{name}={text}:jpg, or all of {text} alone")
    shards = _read(file)
    ending = field.rpartition(".")[2]
    if field not in shards.fields:
        hint = did_you_mean(field, shards.fields) or f"there is {', '.join(shards.fields)}"
        raise RunError(f"{shards.origin} has no .{field}", hint)
    if f".{ending}" in ENDINGS:
        return _images(shards, field, name, resize, masks=True)
    if ending == "npy":
        return [(name, _Arrays(shards, field))]
    if ending not in _CLASSES:
        hint = f"classes are .{', .'.join(_CLASSES)}, arrays .npy"
        raise RunError(f".{field} of {shards.origin} is no image, array or class", hint)
    return [(name, _classes(shards, field))]


def _parts(text: str) -> tuple[str, str]:
    found = _SHARDS.fullmatch(text)
    assert found is not None
    return found[1], found[2] or ""


class _Shards:
    """Examples by number. ``fields`` are the endings that the first one has."""

    def __init__(self, paths: Sequence[Path], origin: str) -> None:
        self.paths = paths
        self.origin = origin
        self.keys: list[str] = []
        self._shard = array("q")
        self._start: dict[str, array[int]] = {}
        self._size: dict[str, array[int]] = {}

    @property
    def fields(self) -> list[str]:
        return list(self._start)

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, key: str, shard: int, places: Mapping[str, tuple[int, int]]) -> None:
        """An example, by the first byte and the length of each field. Raises `RunError` where one is missing."""
        if not self.keys:
            self._start = {field: array("q") for field in places}
            self._size = {field: array("q") for field in places}
        for field in self._start:
            if field not in places:
                raise RunError(f"{key} of {self.paths[shard]} has no .{field}, which {self.keys[0]} has")
            self._start[field].append(places[field][0])
            self._size[field].append(places[field][1])
        self.keys.append(key)
        self._shard.append(shard)

    def name(self, number: int, field: str) -> str:
        return f"{self.keys[number]}.{field} of {self.paths[self._shard[number]]}"

    def content(self, number: int, field: str) -> bytes:
        """Raises `RunError`."""
        size = self._size[field][number]
        try:
            with self.paths[self._shard[number]].open("rb") as file:
                file.seek(self._start[field][number])
                content = file.read(size)
        except OSError as error:
            raise RunError(f"{self.name(number, field)} cannot be read: {first_line(error)}") from None
        if len(content) < size:
            raise RunError(f"{self.name(number, field)} is cut off")
        return content


class _Pictures:
    """A field that is images."""

    def __init__(self, shards: _Shards, field: str) -> None:
        self._shards = shards
        self._field = field
        self.origin = f".{field} of {shards.origin}"

    def __len__(self) -> int:
        return len(self._shards)

    def name(self, index: int) -> str:
        return self._shards.name(index, self._field)

    def opened(self, index: int) -> AbstractContextManager[Any]:
        return opened(BytesIO(self._shards.content(index, self._field)), self.name(index))


class _Arrays:
    """A field that is arrays of one shape and type."""

    ready = False

    def __init__(self, shards: _Shards, field: str) -> None:
        self._shards = shards
        self._field = field
        first = self._read(0)
        self._form = first.shape, first.dtype
        self.shape: tuple[int, ...] = (len(shards), *first.shape)
        self.dtype = first.dtype
        self.origin = f".{field} of {shards.origin}"

    def rows(self, indices: Array) -> Array:
        """As `Source.rows`. Raises `RunError` for what is no array, and for one of another form."""
        import numpy as np

        read = [self._read(index) for index in indices.tolist()]
        for index, each in zip(indices.tolist(), read, strict=True):
            if (each.shape, each.dtype) != self._form:
                forms = f"{each.dtype} {list(each.shape)}, and the first {self._form[1]} {list(self._form[0])}"
                raise RunError(f"{self._shards.name(index, self._field)} is {forms}")
        return np.stack(read)

    def _read(self, index: int) -> Array:
        import numpy as np

        content = self._shards.content(index, self._field)
        try:
            return np.asarray(np.lib.format.read_array(BytesIO(content), allow_pickle=False))
        except Exception as error:  # the file of a stranger makes its reader raise anything
            name = self._shards.name(index, self._field)
            raise RunError(f"{name} is not a NumPy file that can be read: {first_line(error)}") from None


def _images(
    shards: _Shards, field: str, name: str, resize: tuple[int, int] | None, masks: bool
) -> list[tuple[str, Source]]:
    pictures = _Pictures(shards, field)
    size = resize or common_size(pictures, looked_at=1)
    forms = image_forms(name, pictures, size, resize is not None)
    return [*forms, (name, MaskSource(pictures, size, resize is not None))] if masks else forms


def _classes(shards: _Shards, field: str) -> Source:
    """Numbers, or classes by the order of their names where some are none."""
    import numpy as np

    origin = f".{field} of {shards.origin}"
    texts = [shards.content(number, field) for number in range(len(shards))]
    try:
        return ArraySource(np.array([int(text) for text in texts], np.int64), origin)
    except (ValueError, OverflowError):
        pass
    try:
        names, numbers = np.unique([text.decode().strip() for text in texts], return_inverse=True)
    except UnicodeDecodeError:
        raise RunError(f"{origin} is neither numbers nor text") from None
    return Labels(numbers.astype(np.int64), [str(name) for name in names], origin)


def _numbered(labels: Labels) -> tuple[Array, Sequence[str]]:
    import numpy as np

    return labels.rows(np.arange(labels.shape[0])), labels.classes


def _read(text: str) -> _Shards:
    """The places of all examples. Raises `RunError`."""
    paths = list(_expanded(text))
    shards = _Shards(paths, text)
    for number, path in enumerate(paths):
        try:
            _index(shards, number, path)
        except FileNotFoundError:
            raise RunError(f"there is no file {path}") from None
        except (RunError, KeyboardInterrupt):
            raise
        except Exception as error:  # the file of a stranger makes its reader raise anything
            hint = "" if path.suffix == ".tar" else "shards are read where they stand: unpack it to .tar"
            raise RunError(f"{path} is not a tar file that can be read: {first_line(error)}", hint) from None
    if not len(shards):
        raise RunError(f"{text} has no files in it")
    return shards


def _expanded(text: str) -> Iterator[Path]:
    """The files of a pattern with numbers between braces, `{000..012}`, or stars. Raises `RunError`."""
    found = _RANGE.search(text)
    if found is not None:
        first, last, width = int(found[1]), int(found[2]), len(found[1])
        if not 0 <= last - first < _MOST_SHARDS:
            raise RunError(f"{text}: {found[0]} is no range of numbers, or of more than {_MOST_SHARDS:,}")
        for number in range(first, last + 1):
            yield from _expanded(f"{text[: found.start()]}{number:0{width}}{text[found.end() :]}")
    elif has_magic(text) and not Path(text).exists():
        paths = sorted(map(Path, glob(text)))
        if not paths:
            raise RunError(f"there is no file {text}")
        yield from paths
    else:
        yield Path(text)


def _index(shards: _Shards, number: int, path: Path) -> None:
    """Adds the examples of a shard, whose files stand one behind the other."""
    example, places, last = "", dict[str, tuple[int, int]](), 0
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            if member.offset_data <= last or member.size < 0:
                raise RunError(f"{path} is damaged at byte {last:,}")
            last = member.offset_data
            key, field = _parted(member.name)
            if not member.isreg() or not field:
                continue
            if key != example and places:
                shards.add(example, number, places)
                places = {}
            example = key
            if field in places:
                raise RunError(f"{path} has {member.name} twice in one example")
            places[field] = member.offset_data, member.size
        end = tar.offset
    if places:
        shards.add(example, number, places)
    with path.open("rb") as file:  # tarfile takes a head that is broken for the end
        file.seek(end)
        if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
            raise RunError(f"{path} is damaged at byte {end:,}")


def _parted(name: str) -> tuple[str, str]:
    """The example and the field of a name: "dir/0001" and "seg.png"."""
    folder, slash, file = name.rpartition("/")
    key, _, field = file.partition(".")
    return f"{folder}{slash}{key}", field.lower() if key else ""
