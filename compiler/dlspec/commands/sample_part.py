"""What of a file draws: a network as it is or the decoder in it, the generator of a train or its decoder."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dlspec.analyses.generators import Fed, Part, codes, decoder, generators
from dlspec.commands.common import Target, choose, choose_train, elaborated, elaborated_train, is_train, show
from dlspec.commands.errors import CallError
from dlspec.diagnostics import DlspecError, did_you_mean
from dlspec.ir.graph import Graph
from dlspec.ir.node import Value

if TYPE_CHECKING:
    from dlspec.objectives.training import Training
    from dlspec.pipeline import Program

CODE = "DL0610"
"""Of a network or train that draws nothing."""

_LISTED = 4
"""Names in a hint."""


@dataclass(slots=True)
class Drawing:
    """A ``part`` that draws, what it is called, and what trains of its file let flow into its float inputs.

    ``flat``: channels, height and width of images that are vectors of so many numbers.
    """

    title: str
    part: Part
    fed: Fed = field(default_factory=Fed)
    flat: dict[int, tuple[int, int, int]] = field(default_factory=dict[int, "tuple[int, int, int]"])


def drawing(program: Program, wanted: Target, arguments: Namespace) -> Drawing:
    """What is meant. Raises `CallError` where that draws nothing, and `DlspecError`."""
    if is_train(program, wanted):
        training = elaborated_train(program, choose_train(program, wanted), arguments)
        show(program.diagnostics)
        made = _of_train(training, wanted, program)
        made.flat = _flat([], [training])
        return made
    name = choose(program, wanted)
    graph = elaborated(program, name, arguments)
    show(program.diagnostics)
    trainings = _trains(program)
    fed = Fed()
    for training in trainings:
        fed.see(training, program.module.networks[name].declaration)
    part = decoder(graph)
    title = f"the decoder of {graph.name}"
    if part is None:
        title = graph.name
        outputs = {output.name: output.value for output in graph.outputs if not output.training}
        part = Part(graph, {}, outputs, fed.priors, fed.made)
        _check_network(graph, fed, arguments, program)
    elif fed.code is not None:
        part.priors["z"] = fed.code
    return Drawing(title, part, fed, _flat(graph.inputs, trainings))


def _of_train(training: Training, wanted: Target, program: Program) -> Drawing:
    made = generators(training)
    trained = [name for name in made if training.networks[name].source is None]
    name = wanted.update or (trained[0] if len(trained) == 1 else None)
    if name is not None and name not in made:
        known = made or training.networks
        hint = did_you_mean(name, known) or f"it has {', '.join(known)}"
        raise CallError(f"`{name}` of `{training.name}` is no generator", hint, CODE)
    if name is not None:
        return Drawing(f"{name} of {training.name}", made[name])
    if made:
        hint = f"{wanted.file}:{training.name}.{next(iter(made))}"
        raise CallError(f"`{training.name}` has the generators {', '.join(made)}: say which", hint)
    uses = [
        scope for scope in training.graph.root.scopes() if scope.kind == "network" and scope.path in training.networks
    ]
    part = decoder(training.graph, uses)
    if part is None:
        message = (
            f"nothing in `{training.name}` makes something of draws alone, or of one code that it draws of its data"
        )
        raise CallError(message, _others(program), CODE)
    return Drawing(f"the decoder of {training.name}", part)


def _check_network(graph: Graph, fed: Fed, arguments: Namespace, program: Program) -> None:
    """Raises `CallError` for a network that is no generator: nothing is drawn, or data flows into it where it is trained, or
    an image becomes something else."""
    floats = codes({value.name: value for value in graph.inference_inputs()})
    given = {text.partition("=")[0] for text in arguments.input} & floats.keys()
    random = any(node.op.random for node in graph.inference_nodes())
    hint = _others(program)
    if not floats and not random:
        raise CallError(f"`{graph.name}` draws nothing: it has no float inputs and no draws of its own", hint, CODE)
    data = [name for name in floats if name in fed.data and name not in fed.priors and name not in given]
    if data and not any(text.endswith(".npz") and "=" not in text for text in arguments.input):
        name = data[0]
        more = f"--input {name}=FILE gives it"
        message = f"`{graph.name}` takes `{name}`, which is data in `{fed.data[name]}` and not drawn"
        raise CallError(message, f"{more}; {hint}" if hint else more, CODE)
    unknown = [value for name, value in floats.items() if name not in fed.priors and name not in fed.made]
    rank = max((output.value.type.rank for output in graph.outputs), default=0)
    if not given and not random and len(unknown) == len(floats) and all(value.type.rank > rank for value in unknown):
        made = graph.outputs[0].value.type
        raise CallError(f"`{graph.name}` makes {made} of {unknown[0].type}: no sample comes of it", hint, CODE)


def _others(program: Program) -> str:
    """A hint on what of the file may draw: trains with a generator or a decoder, and networks that no train uses."""
    trainings = _trains(program)
    scopes = [scope for training in trainings for scope in training.graph.root.scopes() if scope.template is not None]
    used = {id(scope.template.declaration) for scope in scopes if scope.template is not None}
    names = [training.name for training in trainings if generators(training) or decoder(training.graph) is not None]
    names += [name for name, network in program.networks.items() if id(network.declaration) not in used] if used else []
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"of this file {', '.join(names[:_LISTED])}{more} may draw" if names else ""


def _trains(program: Program) -> list[Training]:
    """The trains of a file that can be had without settings."""
    from dlspec.diagnostics import Diagnostics
    from dlspec.pipeline import Program, elaborate_training

    quiet = Program(program.module, Diagnostics(), program.limits)
    made: list[Training] = []
    for name in program.trains:
        try:
            made.append(elaborate_training(quiet, name))
        except DlspecError:
            continue
    return made


def _flat(values: list[Value], trainings: list[Training]) -> dict[int, tuple[int, int, int]]:
    """What so many numbers are as an image: as inputs that are images say, and data with a height and width."""
    found: dict[int, tuple[int, int, int]] = {}
    for value in [*values, *(data.value for training in trainings for data in training.data)]:
        match value.type.shape:
            case (_, int(channels), int(height), int(width)) if channels in (1, 3) and value.type.dtype.is_float:
                found[channels * height * width] = channels, height, width
            case _:
                pass
    for data in (data for training in trainings for data in training.data if data.pixels and data.pixels[0] in (1, 3)):
        assert data.pixels
        channels, height, width = data.pixels
        found[channels * height * width] = channels, height, width
    return found
