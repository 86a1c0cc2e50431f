"""Where examples come from: arrays in memory or in files, and images in files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from dlspec.backends.arrays import load_numpy
from dlspec.backends.runtime import RunError
from dlspec.backends.torch.live import require_torch
from dlspec.training.extras import need
from dlspec.training.tabular import chosen, is_table, open_table

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


class Source(Protocol):
    """A tensor of all examples. ``shape`` is that of all, ``origin`` says what it is."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    origin: str

    def rows(self, indices: Array) -> Array:
        """Those examples, in this order: an array of the source's dtype."""
        ...


class ArraySource:
    """An array, in memory or mapped from a file."""

    def __init__(self, array: Array, origin: str) -> None:
        self._array = array
        self.shape: tuple[int, ...] = array.shape
        self.dtype = array.dtype
        self.origin = origin

    def rows(self, indices: Array) -> Array:
        return self._array[indices]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a call gives to train on.

    ``exact`` says that the names are the user's. Otherwise several sources may have one name, in different forms, and a
    name may be another than the spec's.
    """

    sources: tuple[tuple[str, Source], ...]
    exact: bool


def open_data(given: Sequence[str], ranks: Mapping[str, int], resize: tuple[int, int] | None) -> Offer:
    """The sources that ``--data`` names: "digits", a folder of images by class, an .npz, or files as name=x.npy and
    name=x.npz.

    ``ranks`` are those of the spec's data by name, ``resize`` is the height and width that images get. Raises `RunError`.
    """
    first = Path(given[0])
    if len(given) == 1 and given[0] != "digits" and first.is_dir():
        return _folder(first, resize)
    if list(given) == ["digits"]:
        return _digits(resize)
    if resize is not None:
        raise RunError("--resize is for images: of a folder, or the digits")
    if len(given) == 1 and first.suffix == ".npy" and "=" not in given[0]:
        if len(ranks) != 1:
            raise RunError(f"{first} is one array, and the spec has the data {', '.join(ranks)}", "--data NAME=x.npy")
        given = [f"{next(iter(ranks))}={given[0]}"]
    if len(given) == 1 and first.suffix == ".npz" and ("=" not in given[0] or first.exists()):
        loaded = load_numpy(first)
        assert isinstance(loaded, Mapping)
        return _named({name: ArraySource(array, f"{name} of {first}") for name, array in loaded.items()})
    if len(given) == 1 and "=" not in given[0] and is_table(given[0]):
        return _named({name: ArraySource(*column) for name, column in open_table(given[0]).items()})
    sources: dict[str, Source] = {}
    for text in given:
        name, source = _assigned(text, ranks)
        if name in sources:
            raise RunError(f"the data `{name}` is given twice")
        sources[name] = source
    return _named(sources)


def _assigned(text: str, ranks: Mapping[str, int]) -> tuple[str, Source]:
    name, equals, file = text.partition("=")
    if equals and is_table(file):
        return name, ArraySource(*chosen(file, ranks.get(name, 2)))
    if not equals:
        if not Path(text).exists():
            raise RunError(f"there is no file or folder {text}", "--data takes digits, a folder, .npz or NAME=x.npy")
        raise RunError(f"--data {text} is not NAME=x.npy, and not one folder or .npz alone", "--data NAME=x.npy")
    if Path(file).is_dir():
        raise RunError(f"--data {text}: a folder is given alone, without a name", f"--data {file}")
    loaded = load_numpy(Path(file), map_file=True)
    if not isinstance(loaded, Mapping):
        return name, ArraySource(loaded, file)
    key = next(iter(loaded)) if len(loaded) == 1 else name
    if key not in loaded:
        raise RunError(
            f"{file} has no array `{name}`, but {', '.join(loaded) or 'none'}", f"--data {file} takes all of it"
        )
    return name, ArraySource(loaded[key], f"{key} of {file}")


def _named(sources: Mapping[str, Source]) -> Offer:
    return Offer(tuple(sources.items()), exact=True)


def _digits(resize: tuple[int, int] | None) -> Offer:
    """The digits that scikit-learn ships: 1797 images of 8 by 8, or scaled to another size, their values from 0 to 1."""
    import numpy as np

    loaded = need("sklearn.datasets", "the data set digits").load_digits()
    images = (loaded.images / 16).astype(np.float32)[:, None]
    if resize is not None:
        torch = require_torch()
        scaled = torch.nn.functional.interpolate(torch.from_numpy(images), resize, mode="bilinear", antialias=True)
        images = scaled.numpy()
    return _pictured(ArraySource(images, "digits' images"), loaded.target.astype(np.int64), 10, "digits'")


def _folder(folder: Path, resize: tuple[int, int] | None) -> Offer:
    """A folder with a folder of images for each class, or with the images themselves."""
    import numpy as np

    from dlspec.training.images import ImageSource, common_size, image_files

    classes = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    files = [image_files(folder / name) for name in classes] if classes else [image_files(folder)]
    if not any(files):
        raise RunError(f"{folder} has no images", "a folder for each class with .png or .jpg files in it")
    empty = [name for name, of_class in zip(classes, files, strict=False) if not of_class]
    if empty:
        message = f"the class {empty[0]} has no images: {folder / empty[0]} is empty"
        raise RunError(message, "take the folder away, or begin its name with a dot")
    paths = [path for of_class in files for path in of_class]
    size = resize or common_size(paths)
    offered: list[tuple[str, Source]] = []
    labels = np.repeat(np.arange(len(files), dtype=np.int64), [len(of_class) for of_class in files])
    for mode in ("RGB", "L", "RGBA"):
        images = ImageSource(paths, mode, size, resize is not None, f"{len(paths)} images of {folder} as {mode}")
        if not classes:
            offered.append(("image", images))
        elif mode == "RGB":
            offered += _pictured(images, labels, len(classes), f"{folder}'s {len(classes)}").sources
        else:
            offered += [("image", images), ("image", Flat(images))]
    return Offer(tuple(offered), exact=False)


def _pictured(images: Source, labels: Array, classes: int, whose: str) -> Offer:
    import numpy as np

    one_hot = np.eye(classes, dtype=np.float32)[labels]
    return Offer(
        (
            ("image", images),
            ("image", Flat(images)),
            ("label", ArraySource(labels, f"{whose} classes by number")),
            ("label", ArraySource(one_hot, f"{whose} classes, one hot")),
        ),
        exact=False,
    )


class Flat:
    """Another source with each example as a vector, of which it knows the shape."""

    def __init__(self, source: Source) -> None:
        count, *rest = source.shape
        size = 1
        for part in rest:
            size *= part
        self._source = source
        self.before = tuple(rest)
        self.shape: tuple[int, ...] = (count, size)
        self.dtype = source.dtype
        self.origin = f"{source.origin}, flattened"

    def rows(self, indices: Array) -> Array:
        return self._source.rows(indices).reshape(len(indices), -1)
