"""`dlspec compile FILE:TRAIN`: a train as a PyTorch trainer, its objectives as an ONNX model, or all of it as JSON."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from dlspec.commands.common import CallError, Target, choose_train, elaborated_train, show, update_of
from dlspec.commands.compile import Writer, show_written, write_json, write_onnx, write_source
from dlspec.commands.lowering import train_weights

if TYPE_CHECKING:
    from dlspec.ir.training import Training
    from dlspec.pipeline import Program


def _training(program: Program, wanted: Target, arguments: Namespace) -> Training:
    """The train that is meant. Raises `CallError` for an update that it has not, and for options that are for networks."""
    training = _elaborated(program, choose_train(program, wanted), arguments)
    if update_of(training, wanted) is not None and not arguments.output.endswith(".onnx"):
        raise CallError("one objective alone is for .onnx files", f"{wanted.file}:{training.name} is the whole train")
    show(program.diagnostics)
    return training


def _elaborated(program: Program, name: str, arguments: Namespace) -> Training:
    for flag in ("optimize", "dtype"):
        if getattr(arguments, flag):
            raise CallError(f"--{flag} is for networks, and `{name}` is a train")
    return elaborated_train(program, name, arguments)


def _write_onnx(program: Program, wanted: Target, arguments: Namespace) -> None:
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


def _write_json(program: Program, wanted: Target, arguments: Namespace) -> None:
    from dlspec.backends.graph_json import training_json

    write_json(training_json(_training(program, wanted, arguments)), arguments.output)


def _write_python(program: Program, wanted: Target, arguments: Namespace) -> None:
    """The train that is named, or all of a file of trains."""
    from dlspec.backends.torch import source

    if arguments.weights is not None:
        raise CallError(
            "--weights is for the .onnx files of a train", "its PyTorch class takes them by load_state_dict"
        )
    if wanted.network is None and not (arguments.set or arguments.size):
        trainings = [_elaborated(program, name, arguments) for name in program.trains]
        show(program.diagnostics)
    else:
        trainings = [_training(program, wanted, arguments)]
    write_source(source(trainings), Path(arguments.output))


WRITERS: dict[str, Writer] = {".onnx": _write_onnx, ".py": _write_python, ".json": _write_json}
