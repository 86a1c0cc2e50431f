"""Curves and samples as PNG files."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.backends.files import write_bytes
from dlspec.training.extras import need
from dlspec.training.log import NUMBERS, read

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_ROW, _MOST, _GAP = 8, 64, 1
"""Images of a row, of a grid, and the pixels between them."""


def write_curves(metrics: Path, path: Path) -> None:
    """Draws what a file of metrics has over the steps: a panel for each number, what is held out over it."""
    curves = _curves(read(metrics))
    if not curves:
        return
    _fonts()
    figure: Any = need("matplotlib.figure", "drawing curves").Figure((7, 2.4 * len(curves)), layout="constrained")
    panels = figure.subplots(len(curves), 1, squeeze=False, sharex=True)[:, 0]
    for panel, (name, lines) in zip(panels, curves.items(), strict=True):
        for label, (steps, numbers) in lines.items():
            marker = "." if len(steps) < 50 else ""
            panel.plot(steps, numbers, label=label, linewidth=1.2, marker=marker)
        panel.set_title(name, fontsize="medium", loc="left")
        panel.grid(alpha=0.3)
        if len(lines) > 1:
            panel.legend(fontsize="small")
    panels[-1].set_xlabel("step")
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    write_bytes(path, buffer.getvalue())


def _curves(records: list[dict[str, Any]]) -> dict[str, dict[str, tuple[list[int], list[float]]]]:
    """Steps and numbers by what the number is and which data it is of."""
    curves: dict[str, dict[str, tuple[list[int], list[float]]]] = {}
    for record in records:
        for label, of in (("training", record), ("held out", record.get("held_out", {}))):
            for name, number in {name: each for part in NUMBERS for name, each in of.get(part, {}).items()}.items():
                steps, numbers = curves.setdefault(name, {}).setdefault(label, ([], []))
                steps.append(record["step"])
                numbers.append(float("nan") if number is None else number)
    return curves


def _fonts() -> None:
    """Lets matplotlib list the fonts without leaving its list in the user's home."""
    variable = "MPLCONFIGDIR"
    if variable in os.environ or "matplotlib" in sys.modules:
        return
    with TemporaryDirectory(prefix="dlspec-") as folder:
        os.environ[variable] = folder
        try:
            need("matplotlib.font_manager", "drawing curves")
        finally:
            del os.environ[variable]


def is_image(tensor: Tensor) -> bool:
    """Whether a tensor is images of one or three channels that can be looked at, float[N, C, H, W]."""
    return tensor.ndim == 4 and tensor.shape[1] in (1, 3) and tensor.is_floating_point() and min(tensor.shape) > 0


def write_samples(named: Mapping[str, Tensor], folder: Path) -> list[Path]:
    """A grid for each tensor of images, as NAME.png."""
    written: list[Path] = []
    for name, tensor in named.items():
        if is_image(tensor):
            folder.mkdir(parents=True, exist_ok=True)
            written.append(folder / f"{name}.png")
            write_bytes(written[-1], _png(grid(tensor.float().cpu().numpy())))
    return written


def grid(images: Array) -> Array:
    """Images side by side, uint8[height, width, channels]. Values from 0 to 1 are black to white; if some are negative,
    -1 to 1 are; what lies outside is scaled to fit."""
    import numpy as np

    images = images[:_MOST].transpose(0, 2, 3, 1)
    finite = images[np.isfinite(images)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low >= -1 and high <= 1:
        low, high = -1.0, 1.0
    pixels = np.nan_to_num((images - low) / (high - low or 1.0)).clip(0, 1) * 255
    count, height, width, channels = pixels.shape
    columns = min(_ROW, count)
    rows = -(-count // columns)
    canvas = np.full((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, channels), 128, np.uint8)
    for index, image in enumerate(pixels):
        top, left = (index // columns) * (height + _GAP), (index % columns) * (width + _GAP)
        canvas[top : top + height, left : left + width] = np.rint(image)
    return canvas


def _png(pixels: Array) -> bytes:
    library = need("PIL.Image", "writing samples")
    scale = max(1, 512 // max(pixels.shape[:2]))
    image = library.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    buffer = BytesIO()
    image.resize((image.width * scale, image.height * scale), library.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()
