"""`dlspec compile`: a network as a file of another format, by the file's ending."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dlspec.commands.common import OK, CallError, graph_of

if TYPE_CHECKING:
    from dlspec.backends.onnx.model import OnnxModel
    from dlspec.ir.graph import Graph

_PROGRESS_FROM = 1 << 28
"""Bytes of weights from which writing is long enough to be shown."""


def run(arguments: Namespace) -> int:
    ending = Path(arguments.output).suffix
    writer = _WRITERS.get(ending)
    if writer is None:
        what = f"a {ending} file" if ending else "a file without an ending"
        raise CallError(f"cannot write {what}", f"the formats are {', '.join(_WRITERS)}", "DL0607")
    for flag in ("opset", "seed", "weights"):
        if ending != ".onnx" and getattr(arguments, flag) is not None:
            raise CallError(f"--{flag} is for .onnx files")
    graph = graph_of(arguments)
    try:
        writer(graph, arguments)
    except OSError as error:
        raise CallError(f"cannot write {arguments.output}: {error.strerror or error}") from None
    return OK


def onnx_model(graph: Graph, arguments: Namespace) -> OnnxModel:
    """The ONNX model of a graph with the opset, seed and weights of the call. Raises `CallError` and `DlspecError`."""
    from dlspec.backends.onnx.model import build

    if arguments.seed is not None and arguments.weights is not None:
        raise CallError("--seed draws weights and --weights reads them: give one of the two")
    weights = None
    if arguments.weights is not None:
        from dlspec.backends.weights import load_safetensors

        weights = load_safetensors(arguments.weights)
    try:
        return build(graph, opset=arguments.opset, seed=arguments.seed or 0, weights=weights)
    except ValueError as error:
        raise CallError(str(error)) from None


def write_onnx(model: OnnxModel, path: Path) -> list[Path]:
    """Writes a model and shows how far it is, where that takes long and stderr is a terminal. Raises `OSError`."""
    from dlspec.backends.onnx.write import write

    size = sum(weight.elements * weight.dtype.size for weight in model.weights)
    if size < _PROGRESS_FROM or not sys.stderr.isatty():
        return write(model, path)
    with _progress(path.name) as update:
        return write(model, path, progress=update)


@contextmanager
def _progress(name: str) -> Generator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn(f"writing {name}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("")
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _write_onnx(graph: Graph, arguments: Namespace) -> None:
    for path in write_onnx(onnx_model(graph, arguments), Path(arguments.output)):
        print(f"wrote {path}, {path.stat().st_size / 10**6:,.1f} MB" if path.is_file() else f"wrote {path}")


def _write_json(graph: Graph, arguments: Namespace) -> None:
    import json

    from dlspec.backends.files import write_bytes
    from dlspec.backends.graph_json import graph_json

    write_bytes(arguments.output, (json.dumps(graph_json(graph), indent=1) + "\n").encode())
    print(f"wrote {arguments.output}")


_WRITERS: dict[str, Callable[[Graph, Namespace], None]] = {".onnx": _write_onnx, ".json": _write_json}
