"""Files of trains: a PyTorch trainer, the objectives as an ONNX model, or all of it as JSON."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from dlspec.commands.common import Target, choose_train, elaborated_train, show, update_of
from dlspec.commands.errors import CallError
from dlspec.commands.lowering import train_weights
from dlspec.commands.writing import show_written, write_json, write_onnx, write_source

if TYPE_CHECKING:
    from dlspec.objectives.training import Training
    from dlspec.pipeline import Program


def _training(program: Program, wanted: Target, arguments: Namespace) -> Training:
    """The train that is meant. Raises `CallError` for an update that it has not."""
    training = elaborated_train(program, choose_train(program, wanted), arguments)
    update_of(training, wanted)
    show(program.diagnostics)
    return training


def onnx(program: Program, wanted: Target, arguments: Namespace) -> None:
    """All objectives as outputs, or the one that is named; data, the step and noise are the inputs."""
    from dlspec.backends.onnx.model import build
    from dlspec.passes.objective import objectives

    training = _training(program, wanted, arguments)
    graph = objectives(training, wanted.update)
    weights = train_weights(training, arguments)
    try:
        model = build(graph, opset=arguments.opset, weights={path: weights[path] for path in graph.parameters})
    except ValueError as error:
        raise CallError(str(error)) from None
    for path in write_onnx(model, Path(arguments.output)):
        show_written(path)


def json(program: Program, wanted: Target, arguments: Namespace) -> None:
    from dlspec.backends.graph_json import training_json

    write_json(training_json(_training(program, wanted, arguments)), arguments.output)


def python(program: Program, wanted: Target, arguments: Namespace) -> None:
    """The train that is named, or all of a file of trains."""
    from dlspec.backends.torch import source

    if wanted.network is None and not (arguments.set or arguments.size):
        trainings = [elaborated_train(program, name, arguments) for name in program.trains]
        show(program.diagnostics)
    else:
        trainings = [_training(program, wanted, arguments)]
    write_source(source(trainings), Path(arguments.output))
