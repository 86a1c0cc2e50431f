"""Images and masks, decoded when a batch asks for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from dlspec.backends.images import ENDINGS, class_numbers, opened, pixels, unit
from dlspec.backends.runtime import RunError
from dlspec.training.loading import in_worker
from dlspec.training.sources import Source, in_both_forms

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_DECODERS = 4
_MODES = ("RGB", "L", "RGBA")


class Pictures(Protocol):
    """Images by number, wherever they are. ``origin`` says where: "images of FOLDER"."""

    origin: str

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """What messages call it."""
        ...

    def opened(self, index: int) -> AbstractContextManager[Any]:
        """Pillow's image. Raises `RunError`, also for what goes wrong inside."""
        ...


class FilePictures:
    """Images in files of their own."""

    def __init__(self, paths: Sequence[Path], origin: str) -> None:
        self.paths = paths
        self.origin = origin

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        return str(self.paths[index])

    def opened(self, index: int) -> AbstractContextManager[Any]:
        return opened(self.paths[index])


class ImageSource:
    """Images of one size, float32[N, C, H, W] with values from 0 to 1.

    ``mode`` is Pillow's: "L", "RGB" or "RGBA". ``size`` is the height and width that all have; with ``resize`` each
    is scaled until it covers that size and cut around its middle.
    """

    ready = False

    def __init__(self, pictures: Pictures, mode: str, size: tuple[int, int], resize: bool) -> None:
        import numpy as np

        self.dtype = np.dtype(np.float32)
        self._pictures = pictures
        self._mode = mode
        self._size = size
        self._resize = resize
        self.origin = f"{len(pictures):,} {pictures.origin} as {mode}"
        self.shape: tuple[int, ...] = (len(pictures), len(mode), *size)

    def rows(self, indices: Array) -> Array:
        """As `Source.rows`. Raises `RunError` for what cannot be decoded, and for an image of another size."""
        import numpy as np

        read = _each(self._read, indices)
        if len({each.dtype for each in read}) == 1:
            return unit(np.stack(read))
        return np.stack([unit(each) for each in read])

    def _read(self, index: int) -> Array:
        with self._pictures.opened(index) as image:
            _check_size(self._pictures, index, image, None if self._resize else self._size)
            return pixels(image, self._pictures.name(index), len(self._mode), self._size if self._resize else None)


class MaskSource:
    """Masks of one size, int64[N, H, W]: the number of each pixel's class."""

    ready = False

    def __init__(self, pictures: Pictures, size: tuple[int, int], resize: bool) -> None:
        import numpy as np

        self.dtype = np.dtype(np.int64)
        self._pictures = pictures
        self._size = size
        self._resize = resize
        self.origin = f"{len(pictures):,} {pictures.origin} as numbers of classes"
        self.shape: tuple[int, ...] = (len(pictures), *size)

    def rows(self, indices: Array) -> Array:
        """As `ImageSource.rows`."""
        import numpy as np

        return np.stack(_each(self._read, indices))

    def _read(self, index: int) -> Array:
        with self._pictures.opened(index) as image:
            _check_size(self._pictures, index, image, None if self._resize else self._size)
            return class_numbers(image, self._pictures.name(index), self._size if self._resize else None)


def _each(read: Callable[[int], Array], indices: Array) -> list[Array]:
    if in_worker():
        return [read(index) for index in indices.tolist()]
    with ThreadPoolExecutor(_DECODERS) as pool:
        return list(pool.map(read, indices.tolist()))


def _check_size(pictures: Pictures, index: int, image: Any, size: tuple[int, int] | None) -> None:
    if size not in (None, image.size[::-1]):
        raise _several_sizes(pictures.name(0), size, pictures.name(index), image.size[::-1])


def _several_sizes(first: str, size: Any, other: str, its: tuple[int, int]) -> RunError:
    sizes = f"{first} is {size[0]}x{size[1]}, {other} is {its[0]}x{its[1]}"
    return RunError(f"the images have several sizes (height x width): {sizes}", "--resize HxW gives them one")


def common_size(pictures: Pictures, looked_at: int | None = None) -> tuple[int, int]:
    """The height and width that all images have, or the first ``looked_at``. Reads their heads only.

    Raises `RunError` for files that are no images, and for images of several sizes.
    """
    sizes: list[tuple[int, int]] = []
    for index in range(len(pictures) if looked_at is None else looked_at):
        with pictures.opened(index) as image:
            sizes.append(image.size[::-1])
        if sizes[-1] != sizes[0]:
            raise _several_sizes(pictures.name(0), sizes[0], pictures.name(index), sizes[-1])
    return sizes[0]


def image_files(folder: Path) -> list[Path]:
    """The images of a folder and of those inside it, by name."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())


def image_forms(name: str, pictures: Pictures, size: tuple[int, int], resize: bool) -> list[tuple[str, Source]]:
    """All that images can be for a network, under one name."""
    return [form for mode in _MODES for form in in_both_forms(name, ImageSource(pictures, mode, size, resize))]
