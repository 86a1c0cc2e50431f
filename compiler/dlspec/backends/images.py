"""Images in files of strangers."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.backends.runtime import RunError
from dlspec.diagnostics import first_line

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})

MOST_PIXELS = 1 << 26
"""Pixels of an image that is decoded: 8192 by 8192."""

_CHANNELS = {1: "L", 3: "RGB", 4: "RGBA"}
_DEEP = 65535.0
"""White in an image of 16 bits, which Pillow holds in the modes that begin with I."""


def read_image(path: Path | str, channels: int, size: tuple[int, int] | None = None) -> Array:
    """An image as float32[channels, height, width] with values from 0 to 1: grey, RGB or RGBA.

    With a ``size``, height and width, it is scaled until it covers that, and cut around its middle. Raises `RunError` for
    what cannot be decoded, and for a number of channels that is none of the three.
    """
    import numpy as np

    mode = _CHANNELS.get(channels)
    if mode is None:
        raise RunError(f"{path}: an image has 1, 3 or 4 channels, and {channels} are asked for")
    with _opened(path) as opened:
        image: Any = opened
        if image.mode.startswith("I") and mode == "L":
            image = import_module("PIL.Image").fromarray(np.asarray(image, np.float32) / _DEEP)
        elif image.mode.startswith("I"):
            raise RunError(f"{path} is grey with 16 bits, and {mode} is asked for")
        else:
            image = image.convert(mode)
        if size is not None:
            bilinear = import_module("PIL.Image").Resampling.BILINEAR
            image = import_module("PIL.ImageOps").fit(image, size[::-1], bilinear)
        pixels = np.asarray(image, np.float32)
        if image.mode != "F":
            pixels = pixels / 255
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def image_size(path: Path | str) -> tuple[int, int]:
    """The height and width of an image, from the head of its file. Raises `RunError`."""
    with _opened(path) as image:
        return image.size[::-1]


@contextmanager
def _opened(path: Path | str) -> Generator[Any]:
    """An image whose size is known and bounded before it is decoded. Raises `RunError` for whatever goes wrong with it."""
    try:
        library = import_module("PIL.Image")
    except ImportError:
        raise RunError("reading images needs pillow", "pip install 'dlspec[run]'") from None
    try:
        with library.open(path, formats=FORMATS) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise RunError(
                    f"{path} has {width:,} x {height:,} pixels, and {MOST_PIXELS:,} are the most that are decoded"
                )
            yield image
    except RunError:
        raise
    except Exception as error:  # the decoders raise anything for the file of a stranger
        raise RunError(f"{path} is not an image that can be read: {first_line(error)}") from None
