"""`dlspec run`: a network in ONNX Runtime or PyTorch, on given or made-up inputs."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.commands.arguments import Parser, positive, takes_form, takes_network, takes_weights
from dlspec.commands.common import OK, graph_of, say
from dlspec.commands.errors import CallError
from dlspec.commands.given import given_inputs, given_labels, input_of
from dlspec.commands.lowering import dtype_of, prepared
from dlspec.commands.writing import onnx_model, write_npz, write_onnx
from dlspec.ir.graph import Graph

if TYPE_CHECKING:
    import numpy as np

    from dlspec.backends.runtime import Session
    from dlspec.backends.torch.session import TorchSession

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_FIRST = 6
"""Values of an output that are printed."""

_ROWS = 8
"""Rows of an output whose top classes are printed."""


def declare(parser: Parser) -> None:
    takes_network(parser)
    takes_weights(parser)
    takes_form(parser)
    parser.add_argument("--backend", choices=("onnx", "torch"), default="onnx")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="where to run it (default cpu)")
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="an input as .npy or an image, or an .npz of several",
    )
    parser.add_argument("-o", "--output", metavar="OUT.npz", help="write the outputs by their names too")
    parser.add_argument("--provider", metavar="NAME", help="ONNX Runtime's: cpu (default), cuda, tensorrt ...")
    parser.add_argument(
        "--repeat", type=positive, default=10, metavar="N", help="runs to take the time of (default 10)"
    )
    parser.add_argument(
        "--top", type=int, default=5, metavar="K", help="classes to show of an [N, K] output (default 5)"
    )
    parser.add_argument(
        "--labels",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help="names of the classes of an output, a line each",
    )


def run(arguments: Namespace) -> int:
    from dlspec.backends.arrays import converted, shown_sizes
    from dlspec.backends.runtime import make_inputs, not_finite

    if arguments.output is not None and Path(arguments.output).suffix != ".npz":
        raise CallError(f"-o {arguments.output}: outputs are written as .npz", "-o out.npz")
    graph = graph_of(arguments)
    labels = given_labels(arguments.labels, graph)
    files = given_inputs(arguments.input, graph)
    place = _place(arguments)
    seed = arguments.seed or 0
    taken = _as_taken(graph, arguments)
    given = {name: converted(array, input_of(taken, name)) for name, array in files.items()}
    sizes = shown_sizes(taken, {name: array.shape for name, array in given.items()})
    inputs = make_inputs(taken, taken.sizes | sizes, seed) | given
    with _session(graph, arguments, place) as session:
        outputs = session.run(inputs)
        seconds = session.time(inputs, arguments.repeat)
    lines = [
        f"{graph.name} in {'PyTorch' if arguments.backend == 'torch' else 'ONNX Runtime'} on {place}",
        f"weights: {', '.join(arguments.weights or ()) or f'made up, drawn with seed {seed}'}",
    ]
    for name, array in inputs.items():
        origin = "made up" if name not in given else "given"
        if name in given and files[name].dtype != array.dtype:
            origin = f"converted from {files[name].dtype.name}"
        lines.append(f"input {name}: {array.dtype.name} {list(array.shape)}, {origin}")
    for name, array in outputs.items():
        lines.append(f"output {name}: {array.dtype.name} {list(array.shape)}")
        lines += _described(array, arguments.top, labels.get(name))
    lines.append(f"time: {median(seconds) * 1000:.2f} ms, the median of {arguments.repeat} runs")
    if arguments.output is not None:
        write_npz(outputs, Path(arguments.output))
        lines.append(f"wrote {arguments.output}")
    say("\n".join(lines))
    for sentence in not_finite(outputs):
        say(f"warning: {sentence}", sys.stderr)
    return OK


def _place(arguments: Namespace) -> str:
    """Where the network runs: a device, or one of ONNX Runtime's providers. Raises `CallError`."""
    torch = arguments.backend == "torch"
    if torch and arguments.provider is not None:
        raise CallError("--provider is ONNX Runtime's", "use --device with --backend torch")
    if torch and arguments.opset is not None:
        raise CallError("--opset is for --backend onnx")
    if arguments.provider is not None and arguments.device is not None:
        raise CallError("--provider and --device both say where to run: give one of the two")
    return arguments.provider or arguments.device or "cpu"


def _as_taken(graph: Graph, arguments: Namespace) -> Graph:
    """The graph whose inputs are those to feed: they have the element type that it is run in."""
    from dlspec.passes.retype import with_dtype

    dtype = dtype_of(arguments)
    return graph if dtype is None else with_dtype(graph, dtype)


@contextmanager
def _session(graph: Graph, arguments: Namespace, place: str) -> Generator[Session | TorchSession]:
    if arguments.backend == "torch":
        from dlspec.backends.torch.session import TorchSession

        graph, weights = prepared(graph, arguments, retype=False)
        dtype, seed = dtype_of(arguments), arguments.seed or 0
        yield TorchSession(graph, weights, seed, device=place, dtype=dtype, channels_last=arguments.optimize)
        return
    from dlspec.backends.room import weigh
    from dlspec.backends.runtime import COPIES, Session

    with TemporaryDirectory(prefix="dlspec-") as folder:
        path, model = Path(folder, "model.onnx"), onnx_model(graph, arguments)
        weigh(model.weights, COPIES)
        write_onnx(model, path)
        yield Session(path, place, graph)


def _described(array: Array, top: int, labels: list[str] | None) -> list[str]:
    import numpy as np

    if not array.size:
        return []
    numbers = array.astype(np.float64)
    first = ", ".join(f"{value:.6g}" for value in numbers.ravel()[:_FIRST])
    with np.errstate(all="ignore"):  # what is not finite is said
        mean, std = numbers.mean(), numbers.std()
    lines = [
        f"  min {numbers.min():.6g}, mean {mean:.6g}, max {numbers.max():.6g}, std {std:.6g}",
        f"  first values: {first}{', ...' if array.size > _FIRST else ''}",
    ]
    if array.ndim == 2 and array.shape[1] > 1 and top > 0:
        lines += _top_classes(numbers, top, labels)
    return lines


def _top_classes(scores: Array, top: int, labels: list[str] | None) -> list[str]:
    import numpy as np

    classes = scores.shape[1]
    if labels is not None and len(labels) != classes:
        raise CallError(f"there are {len(labels)} labels, and the output has {classes} classes")
    lines: list[str] = []
    for index, row in enumerate(scores[:_ROWS]):
        best = np.argsort(-row, kind="stable")[:top]
        shown = [f"{labels[k] if labels else k} ({row[k]:.4g})" for k in best]
        lines.append(f"  top {len(shown)} of row {index}: {', '.join(shown)}")
    if len(scores) > _ROWS:
        lines.append(f"  and {len(scores) - _ROWS} more rows")
    return lines
