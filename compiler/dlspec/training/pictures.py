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
from dlspec.objectives.training import Training
from dlspec.training.extras import need
from dlspec.training.log import NUMBERS, read

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_Line: TypeAlias = tuple[list[int], list[float]]
"""Steps and numbers."""

_PROBED = {"gradients": "norms of gradients, by layer", "dead": "share of dead units, by layer"}
_LEGEND = 12
"""Layers whose names stand beside their lines."""

_ROW, _MOST, _GAP = 8, 64, 1
"""Images of a row, of a grid, and the pixels between them."""


def write_curves(metrics: Path, path: Path, names: Mapping[str, str]) -> None:
    """Draws what a file of metrics has over the steps: a panel for each number, what is held out over it, and where the run
    was probed a panel for each kind of what was seen, with a line for each layer, and one of the variances at the start.

    ``names``: of objectives those that the body has for them. Such a number is drawn once.
    """
    records = read(metrics)
    curves, probed = _curves(records, names), _probed(records)
    if not curves:
        return
    quiet_fonts()
    starts: list[Mapping[str, float | None]] = [
        record["probe"].get("variance", {}) for record in records if "probe" in record
    ]
    start = next(filter(None, starts), None)
    count = len(curves) + len(probed) + (start is not None)
    figure: Any = need("matplotlib.figure", "drawing curves").Figure((7, 2.4 * count), layout="constrained")
    panels = figure.subplots(count, 1, squeeze=False)[:, 0]
    over_steps = panels[: len(curves) + len(probed)]
    for panel, (name, lines) in zip(over_steps, {**curves, **probed}.items(), strict=True):
        for label, (steps, numbers) in lines.items():
            marker = "." if len(steps) < 50 else ""
            panel.plot(steps, numbers, label=label, linewidth=1.2, marker=marker)
        panel.set_title(name, fontsize="medium", loc="left")
        panel.grid(alpha=0.3)
        panel.sharex(panels[0])
        if name in probed:
            _by_layer(panel, name)
        elif len(lines) > 1:
            panel.legend(fontsize="small")
    over_steps[-1].set_xlabel("step")
    if start is not None:
        _draw_start(panels[-1], start)
    write_bytes(path, file_of(figure))


def _probed(records: list[dict[str, Any]]) -> dict[str, dict[str, _Line]]:
    """Steps and numbers of layers, by what was seen of them."""
    curves: dict[str, dict[str, _Line]] = {}
    for record in records:
        for kind, layers in record.get("probe", {}).items():
            for layer, number in layers.items() if kind in _PROBED else ():
                steps, numbers = curves.setdefault(_PROBED[kind], {}).setdefault(layer, ([], []))
                steps.append(record["step"])
                numbers.append(float("nan") if number is None else number)
    return curves


def _by_layer(panel: Any, name: str) -> None:
    """Lines from dark to light, from the first layer to the last; with names for all that there is room for."""
    lines = panel.get_lines()
    colours: Any = need("matplotlib", "drawing curves").colormaps["viridis"]
    for place, line in enumerate(lines):
        line.set_color(colours(0.9 * place / max(1, len(lines) - 1)))
    if name == _PROBED["gradients"] and any(number > 0 for line in lines for number in line.get_ydata()):
        panel.set_yscale("log")
    elif name == _PROBED["dead"]:
        panel.set_ylim(-0.05, 1.05)
    shown = lines if len(lines) <= _LEGEND else [lines[0], lines[-1]]
    panel.legend(handles=shown, fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5))


def _draw_start(panel: Any, variance: Mapping[str, float | None]) -> None:
    """The variances of activations before anything was learned, in the order of the layers."""
    numbers = [float("nan") if number is None else number for number in variance.values()]
    panel.plot(range(len(numbers)), numbers, marker="o", linewidth=1.2)
    panel.set_title("variance of activations at the start, by layer", fontsize="medium", loc="left")
    if any(number > 0 for number in numbers):
        panel.set_yscale("log")
    if len(numbers) <= 2 * _LEGEND:
        panel.set_xticks(range(len(numbers)), list(variance), rotation=60, ha="right", fontsize="x-small")
    panel.grid(alpha=0.3)


def _curves(records: list[dict[str, Any]], names: Mapping[str, str]) -> dict[str, dict[str, _Line]]:
    """Steps and numbers by what the number is and which data it is of."""
    curves: dict[str, dict[str, _Line]] = {}
    for record in records:
        for label, of in (("training", record), ("held out", record.get("held_out", {}))):
            for name, number in numbers_of(of, names).items():
                steps, numbers = curves.setdefault(name, {}).setdefault(label, ([], []))
                steps.append(record["step"])
                numbers.append(float("nan") if number is None else number)
    return curves


def numbers_of(record: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The numbers of a record, an objective by its name in the body where it has one. As it was in the step: what the body
    names is looked at with the weights after it."""
    named, objectives = (record.get(part, {}) for part in NUMBERS)
    return {names.get(name, name): number for name, number in {**named, **objectives}.items()}


def names_of(training: Training) -> dict[str, str]:
    """Of objectives that the body names, and one update alone has, the names there."""
    objectives = [update.objective for update in training.updates]
    names = {value: name for name, value in training.named.items()}
    return {
        update.name: names[update.objective]
        for update in training.updates
        if update.objective in names and objectives.count(update.objective) == 1
    }


def quiet_fonts() -> None:
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


def grid(images: Array, columns: int = _ROW, most: int = _MOST) -> Array:
    """Images side by side, uint8[height, width, channels]: at most so many of them, and so many in a row.

    Values from 0 to 1 are black to white; if some are negative, -1 to 1 are; what lies outside is scaled to fit.
    """
    import numpy as np

    images = images[:most].transpose(0, 2, 3, 1)
    finite = images[np.isfinite(images)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low >= -1 and high <= 1:
        low, high = -1.0, 1.0
    pixels = np.nan_to_num((images - low) / (high - low or 1.0)).clip(0, 1) * 255
    count, height, width, channels = pixels.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    canvas = np.full((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, channels), 128, np.uint8)
    for index, image in enumerate(pixels):
        top, left = (index // columns) * (height + _GAP), (index % columns) * (width + _GAP)
        canvas[top : top + height, left : left + width] = np.rint(image)
    return canvas


def png(pixels: Array) -> bytes:
    """The file of a picture, small ones larger."""
    library = need("PIL.Image", "writing samples")
    scale = max(1, 512 // max(pixels.shape[:2]))
    image = library.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    buffer = BytesIO()
    image.resize((image.width * scale, image.height * scale), library.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def points_png(points: Array, classes: Array | None = None) -> bytes:
    """The file of a picture of points [N, 2], in the colours of their classes [N] if they have some."""
    quiet_fonts()
    figure: Any = need("matplotlib.figure", "drawing points").Figure((5, 5), layout="constrained")
    axes = figure.subplots()
    axes.scatter(
        points[:, 0], points[:, 1], s=6, c=classes, cmap="tab10" if classes is not None else None, linewidths=0
    )
    axes.set_aspect("equal", "datalim")
    axes.grid(alpha=0.3)
    return file_of(figure)


def file_of(figure: Any) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
