"""Images in files of strangers."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

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
    with opened(path) as image:
        return unit(pixels(image, path, channels, size))


def pixels(image: Any, name: object, channels: int, size: tuple[int, int] | None = None) -> Array:
    """The same of an image that Pillow has opened: uint8, or float32 from 0 to 1 where its file has 16 bits."""
    import numpy as np

    mode = _CHANNELS.get(channels)
    if mode is None:
        raise RunError(f"{name}: an image has 1, 3 or 4 channels, and {channels} are asked for")
    if image.mode == "F" or (image.mode == "I" and not 0 <= image.getextrema()[0] <= image.getextrema()[1] <= _DEEP):
        hint = "give the array as .npy, with values as the network takes them"
        raise RunError(f"{name} has pixels beyond 16 bits, and nothing says which of their numbers is white", hint)
    if image.mode.startswith("I") and mode == "L":
        image = import_module("PIL.Image").fromarray(np.asarray(image, np.float32) / _DEEP)
    elif image.mode.startswith("I"):
        raise RunError(f"{name} is grey with 16 bits, and {mode} is asked for")
    else:
        image = image.convert(mode)
    if size is not None:
        bilinear = import_module("PIL.Image").Resampling.BILINEAR
        image = import_module("PIL.ImageOps").fit(image, size[::-1], bilinear)
    made: Array = np.asarray(image)
    return made[None] if made.ndim == 2 else made.transpose(2, 0, 1)


def unit(pixels: Array) -> Array:
    """Pixels from 0 to 1, as float32."""
    import numpy as np

    return np.divide(pixels, 255, dtype=np.float32) if pixels.dtype == np.uint8 else pixels


def class_numbers(image: Any, name: object, size: tuple[int, int] | None = None) -> Array:
    """A mask as int64[height, width]: the numbers that its pixels are, of a palette or of grey. Scaled as `pixels`, to the
    nearest. Raises `RunError` for colours."""
    import numpy as np

    if image.mode not in ("1", "L", "P") and not image.mode.startswith("I"):
        hint = "a mask is a PNG of grey or with a palette, whose pixels are the numbers of classes"
        raise RunError(f"{name} has the colours {image.mode}, and numbers of classes are asked for", hint)
    numbers = np.asarray(image).astype(np.int32)
    if size is not None:
        nearest = import_module("PIL.Image").Resampling.NEAREST
        numbers = import_module("PIL.ImageOps").fit(import_module("PIL.Image").fromarray(numbers), size[::-1], nearest)
    return np.asarray(numbers).astype(np.int64)


def image_size(path: Path | str) -> tuple[int, int]:
    """The height and width of an image, from the head of its file. Raises `RunError`."""
    with opened(path) as image:
        return image.size[::-1]


@contextmanager
def opened(file: Path | str | BinaryIO, name: object = None) -> Generator[Any]:
    """Pillow's image of a path or an open file, whose size is known and bounded before it is decoded. ``name`` is what
    messages call it. Raises `RunError` for whatever goes wrong with it, inside too."""
    name = file if name is None else name
    try:
        library = import_module("PIL.Image")
    except ImportError:
        raise RunError("reading images needs pillow", "pip install 'dlspec[run]'") from None
    try:
        with library.open(file, formats=FORMATS) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise RunError(
                    f"{name} has {width:,} x {height:,} pixels, and {MOST_PIXELS:,} are the most that are decoded"
                )
            yield image
    except RunError:
        raise
    except Exception as error:  # the decoders raise anything for the file of a stranger
        why = first_line(error).replace(f" {file!r}", "")  # of what is no path an address
        raise RunError(f"{name} is not an image that can be read: {why}") from None
