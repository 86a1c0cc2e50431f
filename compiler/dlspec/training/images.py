"""Images in files, decoded when a batch asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.backends.images import ENDINGS, image_size, read_image
from dlspec.backends.runtime import RunError

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_DECODERS = 4


def image_files(folder: Path) -> list[Path]:
    """The images of a folder and of those inside it, by name."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())


class ImageSource:
    """Images of one size, float32[N, C, H, W] with values from 0 to 1.

    ``mode`` is Pillow's: "L", "RGB" or "RGBA". ``size`` is the height and width that all have; with ``resize`` each
    is scaled until it covers that size and cut around its middle.
    """

    def __init__(self, paths: Sequence[Path], mode: str, size: tuple[int, int], resize: bool, origin: str) -> None:
        import numpy as np

        self.dtype = np.dtype(np.float32)
        self._paths = paths
        self._mode = mode
        self._size = size
        self._resize = resize
        self.origin = origin
        self.shape: tuple[int, ...] = (len(paths), len(mode), *size)

    def rows(self, indices: Array) -> Array:
        """As `Source.rows`. Raises `RunError` for a file that cannot be decoded."""
        import numpy as np

        with ThreadPoolExecutor(_DECODERS) as pool:
            return np.stack(list(pool.map(self._read, [self._paths[index] for index in indices])))

    def _read(self, path: Path) -> Array:
        return read_image(path, len(self._mode), self._size if self._resize else None)


def common_size(paths: Sequence[Path]) -> tuple[int, int]:
    """The height and width that all images have. Reads the heads of the files only.

    Raises `RunError` for files that are no images, and for images of several sizes.
    """
    first: tuple[Path, tuple[int, int]] | None = None
    for path in paths:
        height, width = image_size(path)
        if first is None:
            first = path, (height, width)
        elif first[1] != (height, width):
            sizes = f"{first[0]} is {first[1][0]}x{first[1][1]}, {path} is {height}x{width}"
            raise RunError(f"the images have several sizes (height x width): {sizes}", "--resize HxW gives them one")
    assert first is not None
    return first[1]
