"""Data sets of torchvision and of Hugging Face's `datasets`, which are on disk already unless a call says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from dlspec.backends.runtime import RunError
from dlspec.diagnostics import did_you_mean, first_line
from dlspec.training.extras import need
from dlspec.training.images import MaskSource, common_size, image_forms
from dlspec.training.sources import ArraySource, Labels, Offer, Source, labelled

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

TORCHVISION, HUGGING_FACE = "torchvision:", "huggingface:"
_HINT = "pip install 'dlspec[data]'"
_DOWNLOAD = "--download gets it, where its makers offer that"


def is_set(text: str) -> bool:
    """Whether a text names a data set of a library."""
    return text.startswith((TORCHVISION, HUGGING_FACE))


def open_set(text: str, resize: tuple[int, int] | None, download: bool) -> Offer:
    """The images, masks, classes and numbers of ``torchvision:NAME:ROOT[:SPLIT]`` or ``huggingface:FOLDER[:SPLIT]``.

    Raises `RunError`.
    """
    made = _torchvision if text.startswith(TORCHVISION) else _hugging_face
    return Offer(tuple(made(text, resize, download)), exact=False)


class _Items:
    """Images that are a part of the items of a data set."""

    def __init__(self, item: Callable[[int], Any], count: int, origin: str) -> None:
        self._item = item
        self._count = count
        self.origin = origin

    def __len__(self) -> int:
        return self._count

    def name(self, index: int) -> str:
        return f"{self.origin}, number {index:,}"

    @contextmanager
    def opened(self, index: int) -> Generator[Any]:
        try:
            yield self._item(index)
        except RunError:
            raise
        except Exception as error:  # the readers of files of strangers raise anything
            raise RunError(f"{self.name(index)} cannot be read: {first_line(error)}") from None


def _torchvision(text: str, resize: tuple[int, int] | None, download: bool) -> list[tuple[str, Source]]:
    library = need("torchvision.datasets", text, _HINT)
    name, _, rest = text.removeprefix(TORCHVISION).partition(":")
    root, split = _with_split(rest)
    if not root:
        raise RunError(
            f"{text} does not say where it is", f"{TORCHVISION}MNIST:FOLDER, or {TORCHVISION}MNIST:FOLDER:test"
        )
    known: list[str] = [each for each in library.__all__ if isinstance(getattr(library, each), type)]
    if name not in known:
        raise RunError(f"torchvision has no data set {name}", did_you_mean(name, known) or "its names are of classes")
    kind = getattr(library, name)
    given = _arguments(name, kind, split, download)
    whose = f"{name} of {root}" + (f", {split}" if split else "")
    try:
        data = kind(root, **given)
        count, first = len(data), data[0]
    except Exception as error:  # it has readers of many kinds
        if "not found" in str(error) or isinstance(error, FileNotFoundError):
            raise RunError(f"torchvision's {whose} is not there, or not whole", _DOWNLOAD) from None
        raise RunError(f"torchvision's {whose} cannot be read: {first_line(error)}") from None
    if not isinstance(first, tuple) or not _is_image(first[0]):
        raise RunError(f"torchvision's {whose} has no images with what they are")
    offered = _images("image", _Items(lambda index: data[index][0], count, f"images of {whose}"), resize, masks=False)
    if _is_image(first[1]):
        offered += _images("mask", _Items(lambda index: data[index][1], count, f"masks of {whose}"), resize, masks=True)
    elif isinstance(first[1], int):
        offered += _numbered(data, count, f"{whose}'s")
    return offered


def _arguments(name: str, kind: Any, split: str, download: bool) -> dict[str, Any]:
    """What the class takes for a split, and to download. Raises `RunError`."""
    own = signature(kind).parameters
    takes = {each for base in kind.__mro__ for each in signature(base.__init__).parameters}
    part = next((each for each in ("split", "image_set", "train") if each in (own if each != "train" else takes)), None)
    given: dict[str, Any] = {}
    if split and part is None:
        raise RunError(f"torchvision's {name} has no splits, and `{split}` is asked for")
    if split and part == "train" and split not in ("train", "test"):
        raise RunError(f"torchvision's {name} has no split `{split}`", "train or test")
    if split and part is not None:
        given[part] = split == "train" if part == "train" else split
    if download and "download" not in takes:
        raise RunError(f"torchvision does not download {name}", "its page says where it is")
    return given | ({"download": True} if download else {})


def _numbered(data: Any, count: int, whose: str) -> list[tuple[str, Source]]:
    """The classes of a set, as it keeps them, or else from its items."""
    import numpy as np

    kept = next(
        (held for each in ("targets", "labels", "_labels") if _fits(held := getattr(data, each, None), count)), None
    )
    numbers = np.asarray([data[index][1] for index in range(count)] if kept is None else kept).astype(np.int64)
    if numbers.min() < 0:  # -1 is no label
        return [("label", ArraySource(numbers, f"{whose} classes by number"))]
    classes: Sequence[Any] = getattr(data, "classes", None) or ()
    most = int(numbers.max())
    return labelled(numbers, list(map(str, classes if len(classes) > most else range(most + 1))), whose)


def _fits(held: Any, count: int) -> bool:
    return hasattr(held, "__len__") and len(held) == count


def _hugging_face(text: str, resize: tuple[int, int] | None, download: bool) -> list[tuple[str, Source]]:
    library = need("datasets", text, _HINT)
    place, split = _with_split(text.removeprefix(HUGGING_FACE))
    try:
        data: Any
        if Path(place).is_dir():
            data = library.load_from_disk(place)
        else:
            config = library.DownloadConfig(local_files_only=not download)
            data = library.load_dataset(place, download_config=config)
    except Exception as error:  # it has readers of many kinds
        raise RunError(f"{place} is no data set that can be read: {first_line(error)}", _DOWNLOAD) from None
    if isinstance(data, dict):
        parts = cast("dict[str, Any]", data)
        if split not in parts:
            hint = did_you_mean(split, parts) or " or ".join(f"{HUGGING_FACE}{place}:{part}" for part in parts)
            asked = f", and no `{split}`" if split else ", and one is asked for"
            raise RunError(f"{place} has the splits {', '.join(parts)}{asked}", hint)
        data = parts[split]
    elif split:
        raise RunError(f"{place} has no splits, and `{split}` is asked for")
    count = len(data)
    if not count:
        raise RunError(f"{place} has no examples")
    offered: list[tuple[str, Source]] = []
    for name in data.column_names:
        offered += _column(data, name, count, f"{name} of {place}" + (f", {split}" if split else ""), resize)
    return offered


def _column(data: Any, name: str, count: int, origin: str, resize: tuple[int, int] | None) -> list[tuple[str, Source]]:
    import numpy as np

    first = data[0][name]
    if _is_image(first):
        return _images(name, _Items(lambda index: data[index][name], count, origin), resize, masks=True)
    if isinstance(first, str):
        classes, numbers = np.unique(data[name][:], return_inverse=True)
        return [(name, Labels(numbers.astype(np.int64), [str(each) for each in classes], origin))]
    names = getattr(data.features[name], "names", None)
    if names and isinstance(first, int):
        numbers = np.asarray(data[name][:], np.int64)
        return [
            (name, Labels(numbers, names, origin)),
            (name, Labels(numbers, names, f"{origin}, one hot", one_hot=True)),
        ]
    form = np.asarray(first)
    if form.dtype.kind not in "biuf":
        return []
    return [(name, _Rows(data, name, count, np.asarray(first, _narrow(form.dtype)), origin))]


class _Rows:
    """A column of numbers or of lists of them."""

    ready = False

    def __init__(self, data: Any, name: str, count: int, first: Array, origin: str) -> None:
        self._data = data
        self._name = name
        self.shape: tuple[int, ...] = (count, *first.shape)
        self.dtype = first.dtype
        self.origin = origin

    def rows(self, indices: Array) -> Array:
        """As `Source.rows`. Raises `RunError` where lists have several lengths."""
        import numpy as np

        try:
            made = np.asarray(self._data[indices.tolist()][self._name], self.dtype)
        except ValueError as error:
            raise RunError(f"{self.origin} is no array: {first_line(error)}") from None
        if made.shape[1:] != self.shape[1:]:
            raise RunError(f"{self.origin} has {list(made.shape[1:])}, and the first {list(self.shape[1:])}")
        return made


def _narrow(dtype: np.dtype[Any]) -> Any:
    """Python's numbers have 64 bits, whatever the column has."""
    import numpy as np

    return np.float32 if dtype.kind == "f" else np.int64


def _images(name: str, items: _Items, resize: tuple[int, int] | None, masks: bool) -> list[tuple[str, Source]]:
    size = resize or common_size(items, looked_at=1)
    mask: list[tuple[str, Source]] = [(name, MaskSource(items, size, resize is not None))] if masks else []
    return [*image_forms(name, items, size, resize is not None), *mask]


def _is_image(value: Any) -> bool:
    return isinstance(value, need("PIL.Image", "images").Image)


def _with_split(text: str) -> tuple[str, str]:
    """The place and the split of ``PLACE:SPLIT``; a place may have a colon where it is a folder."""
    place, _, split = text.rpartition(":")
    return (text, "") if not place or Path(text).is_dir() or "/" in split or "\\" in split else (place, split)
