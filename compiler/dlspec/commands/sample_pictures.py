"""Samples as one picture: images side by side, or points of the plane."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from dlspec.backends.files import write_bytes
from dlspec.backends.images import MOST_PIXELS
from dlspec.commands.errors import CallError
from dlspec.commands.sample_draws import Draws
from dlspec.commands.sample_part import Drawing
from dlspec.training.pictures import grid, png, points_png

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_CHANNELS = (1, 3)


class Shown(NamedTuple):
    """An output that is drawn: as images of a ``size``, channels, height and width, or as points where that is None. Those
    of images that say their size themselves have an empty one."""

    name: str
    size: tuple[int, ...] | None


def shown_as(what: Drawing, draws: Draws) -> Shown:
    """The first output that is images, or else points. Raises `CallError` where none is."""
    outputs = {output.name: output.value.type for output in draws.graph.outputs}
    for name, type_ in outputs.items():
        size = _size(draws.rest(name), what.flat) if type_.dtype.is_float else None
        if size is not None:
            return Shown(name, size)
    for name, type_ in outputs.items():
        if type_.dtype.is_float and draws.rest(name) == (2,):
            return Shown(name, None)
    shown = ", ".join(f"{name}: {type_}" for name, type_ in outputs.items())
    raise CallError(
        f"what {what.title} gives is neither images nor points of the plane: {shown}", "-o out.npz", "DL0611"
    )


def _size(rest: tuple[object, ...], flat: Mapping[int, tuple[int, int, int]]) -> tuple[int, ...] | None:
    match rest:
        case (int(channels), _, _) if channels in _CHANNELS:
            return ()
        case (int(pixels),):
            return flat.get(pixels)
        case _:
            return None


def write_picture(shown: Shown, outputs: Mapping[str, Array], draws: Draws, path: Path) -> str:
    """Writes the picture, and gives a line on it. Raises `CallError` for one of too many pixels, `RunError`, `OSError`."""
    array = outputs[shown.name]
    others = [name for name in outputs if name != shown.name]
    apart = f"; not drawn: {', '.join(others)}" if others else ""
    if shown.size is None:
        classes = next((rows for rows in draws.rows.values() if rows.ndim == 1 and rows.dtype.kind == "i"), None)
        write_bytes(path, points_png(array.reshape(-1, 2), classes))
        return f"wrote {path}: {len(array):,} points of {shown.name}{apart}"
    images = array.reshape(-1, *(shown.size or array.shape[-3:]))
    columns = min(draws.columns, len(images))
    if images[0, 0].size * columns * -(-len(images) // columns) > MOST_PIXELS:
        raise CallError(f"{len(images):,} images are more than {MOST_PIXELS:,} pixels", "fewer, or -o out.npz")
    write_bytes(path, png(grid(images, columns, len(images))))
    return f"wrote {path}: {len(images):,} images of {shown.name}, {columns} in a row{apart}"
