"""Files that commands write, and what they say of them."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.commands.common import say
from dlspec.commands.errors import CallError
from dlspec.commands.lowering import prepared
from dlspec.render import printable

if TYPE_CHECKING:
    import numpy as np

    from dlspec.backends.onnx.model import OnnxModel
    from dlspec.ir.graph import Graph

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_PROGRESS_FROM = 1 << 28
"""Bytes of weights from which writing is long enough to be shown."""


def onnx_model(graph: Graph, arguments: Namespace) -> OnnxModel:
    """The ONNX model of a graph with the opset, seed and weights of the call. Raises `CallError` and `DlspecError`."""
    from dlspec.backends.onnx.model import build

    graph, weights = prepared(graph, arguments, retype=True)
    try:
        return build(graph, opset=arguments.opset, seed=arguments.seed or 0, weights=weights)
    except ValueError as error:
        raise CallError(str(error)) from None


def write_onnx(model: OnnxModel, path: Path) -> list[Path]:
    """Writes a model and shows how far it is, where that takes long and stderr is a terminal. Raises `OSError`."""
    from dlspec.backends.onnx.write import write

    size = sum(weight.bytes for weight in model.weights)
    if size < _PROGRESS_FROM or not sys.stderr.isatty():
        return write(model, path)
    with _progress(path.name) as update:
        return write(model, path, progress=update)


@contextmanager
def _progress(name: str) -> Generator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(f"writing {printable(name)}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("")
        yield lambda done, total: progress.update(task, completed=done, total=total)


def show_written(path: Path) -> None:
    """Says what was written."""
    say(f"wrote {path}, {path.stat().st_size / 10**6:,.1f} MB" if path.is_file() else f"wrote {path}")


def write_json(made: Mapping[str, Any], path: str) -> None:
    """Writes JSON and says so. Raises `OSError`."""
    import json

    from dlspec.backends.files import write_bytes

    write_bytes(path, (json.dumps(made, indent=1) + "\n").encode())
    say(f"wrote {path}")


def write_npz(arrays: Mapping[str, Array], path: Path) -> None:
    """Arrays as an .npz, whole or not at all. Raises `OSError`."""
    from io import BytesIO
    from zipfile import ZipFile

    import numpy as np

    from dlspec.backends.files import write_bytes

    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:  # `numpy.savez` takes no array by the name `file`
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
    write_bytes(path, buffer.getvalue())


def write_source(text: str, path: Path) -> None:
    """Writes source and says so. Raises `OSError`."""
    from dlspec.backends.files import write_bytes

    write_bytes(path, text.encode())
    say(f"wrote {path}, {text.count(chr(10)):,} lines")
