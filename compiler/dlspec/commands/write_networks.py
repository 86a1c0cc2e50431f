"""Files of networks, as `dlspec compile` writes them."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from dlspec.commands.common import Target, choose, elaborated, elaborated_train, show
from dlspec.commands.lowering import check_fit, dtype_of, prepared
from dlspec.commands.writing import onnx_model, show_written, write_json, write_onnx, write_source

if TYPE_CHECKING:
    from dlspec.ir.graph import Graph
    from dlspec.pipeline import Program


def _graph(program: Program, wanted: Target, arguments: Namespace) -> Graph:
    graph = elaborated(program, choose(program, wanted), arguments)
    show(program.diagnostics)
    return graph


def onnx(program: Program, wanted: Target, arguments: Namespace) -> None:
    for path in write_onnx(onnx_model(_graph(program, wanted, arguments), arguments), Path(arguments.output)):
        show_written(path)


def json(program: Program, wanted: Target, arguments: Namespace) -> None:
    from dlspec.backends.graph_json import graph_json

    write_json(graph_json(_graph(program, wanted, arguments)), arguments.output)


def python(program: Program, wanted: Target, arguments: Namespace) -> None:
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
        names = [choose(program, wanted)]
    graphs = [elaborated(program, name, arguments) for name in names]
    if arguments.optimize or arguments.dtype:
        trains = []
    trainings = [elaborated_train(program, name, arguments) for name in trains]
    show(program.diagnostics)
    path = Path(arguments.output)
    if arguments.weights is not None:
        from safetensors.numpy import save  # pyright: ignore[reportUnknownVariableType]

        from dlspec.backends.weights import with_aliases

        graph, weights = prepared(graphs[0], arguments, retype=True)
        assert weights is not None
        check_fit(graph, weights)
        beside = path.with_suffix(".safetensors")
        write_bytes(beside, save(with_aliases(graph, {name: weights[name] for name in graph.parameters})))
        show_written(beside)
    if arguments.optimize:
        graphs = [fold_batch_norm(graph) for graph in graphs]
    text = source([*graphs, *trainings], dtype=dtype_of(arguments), channels_last=arguments.optimize)
    write_source(text, path)
