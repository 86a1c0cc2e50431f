"""`dlspec compile`: a network as a file of another format, by the file's ending."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.commands.common import (
    OK,
    CallError,
    Target,
    choose,
    elaborated,
    elaborated_train,
    is_train,
    open_named,
    show,
    target,
)
from dlspec.commands.lowering import dtype_of, prepared

if TYPE_CHECKING:
    from dlspec.backends.onnx.model import OnnxModel
    from dlspec.ir.graph import Graph
    from dlspec.pipeline import Program

_PROGRESS_FROM = 1 << 28
"""Bytes of weights from which writing is long enough to be shown."""


def run(arguments: Namespace) -> int:
    ending = Path(arguments.output).suffix
    writer = _WRITERS.get(ending)
    if writer is None:
        what = f"a {ending} file" if ending else "a file without an ending"
        raise CallError(f"cannot write {what}", f"the formats are {', '.join(_WRITERS)}", "DL0607")
    for flag, endings in _FLAGS.items():
        if ending not in endings and getattr(arguments, flag):
            raise CallError(f"--{flag} is for {' and '.join(endings)} files")
    wanted = target(arguments.target)
    program = open_named(wanted.file)
    if is_train(program, wanted):
        from dlspec.commands.compile_train import WRITERS

        writer = WRITERS[ending]
    try:
        writer(program, wanted, arguments)
    except OSError as error:
        raise CallError(f"cannot write {arguments.output}: {error.strerror or error}") from None
    return OK


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


def show_written(path: Path) -> None:
    """Says what was written."""
    print(f"wrote {path}, {path.stat().st_size / 10**6:,.1f} MB" if path.is_file() else f"wrote {path}")


def _graph(program: Program, wanted: Target, arguments: Namespace) -> Graph:
    graph = elaborated(program, choose(program, wanted), arguments)
    show(program.diagnostics)
    return graph


def _write_onnx(program: Program, wanted: Target, arguments: Namespace) -> None:
    for path in write_onnx(onnx_model(_graph(program, wanted, arguments), arguments), Path(arguments.output)):
        show_written(path)


def _write_json(program: Program, wanted: Target, arguments: Namespace) -> None:
    from dlspec.backends.graph_json import graph_json

    write_json(graph_json(_graph(program, wanted, arguments)), arguments.output)


def write_json(made: Mapping[str, Any], path: str) -> None:
    """Writes JSON and says so. Raises `OSError`."""
    import json

    from dlspec.backends.files import write_bytes

    write_bytes(path, (json.dumps(made, indent=1) + "\n").encode())
    print(f"wrote {path}")


def write_source(text: str, path: Path) -> None:
    """Writes source and says so. Raises `OSError`."""
    from dlspec.backends.files import write_bytes

    write_bytes(path, text.encode())
    print(f"wrote {path}, {text.count(chr(10)):,} lines")


def _write_python(program: Program, wanted: Target, arguments: Namespace) -> None:
    """The network as PyTorch source, or all of a file where none is named, trains included unless the options are for
    networks alone. Weights that are given go beside it."""
    from dlspec.backends.files import write_bytes
    from dlspec.backends.torch import source
    from dlspec.passes.fold_batch_norm import fold_batch_norm

    names = list(program.networks)
    trains = list(program.trains)
    if wanted.network is not None or arguments.set or arguments.size or arguments.weights:
        names, trains = [choose(program, wanted)], []
    elif not names:
        choose(program, wanted)
    graphs = [elaborated(program, name, arguments) for name in names]
    if arguments.optimize or arguments.dtype:
        trains = []
    trainings = [elaborated_train(program, name, arguments) for name in trains]
    show(program.diagnostics)
    path = Path(arguments.output)
    if arguments.weights is not None:
        from safetensors.numpy import save  # pyright: ignore[reportUnknownVariableType]

        graph, weights = prepared(graphs[0], arguments, retype=True)
        assert weights is not None
        beside = path.with_suffix(".safetensors")
        write_bytes(beside, save({name: weights[name] for name in graph.parameters}))
        show_written(beside)
    if arguments.optimize:
        graphs = [fold_batch_norm(graph) for graph in graphs]
    text = source([*graphs, *trainings], dtype=dtype_of(arguments), channels_last=arguments.optimize)
    write_source(text, path)


Writer: TypeAlias = "Callable[[Program, Target, Namespace], None]"

_WRITERS: dict[str, Writer] = {
    ".onnx": _write_onnx,
    ".py": _write_python,
    ".json": _write_json,
}

_FLAGS: dict[str, tuple[str, ...]] = {
    "opset": (".onnx",),
    "seed": (".onnx",),
    "weights": (".onnx", ".py"),
    "optimize": (".onnx", ".py"),
    "dtype": (".onnx", ".py"),
}
"""Which files an option is for."""
