"""What a call asks to see of a network or a train."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from dlspec.commands.common import Target, choose, choose_train, elaborated_train, is_train
from dlspec.commands.errors import CallError
from dlspec.diagnostics import DlspecError, did_you_mean

if TYPE_CHECKING:
    from dlspec.backends.diagram.scene import Scene, UnknownPath
    from dlspec.backends.spread import Spread
    from dlspec.diagnostics import Diagnostics
    from dlspec.pipeline import Program


def scene_of(program: Program, wanted: Target, arguments: Namespace) -> tuple[Scene, Diagnostics, bool]:
    """What a call asks to see of a network, with what is wrong with it, and whether that is because of the call.

    Raises `CallError`, and `DlspecError` where there is nothing to draw.
    """
    from dlspec.analyses.report import summarise
    from dlspec.backends.diagram.building import build_scene
    from dlspec.backends.diagram.scene import UnknownPath
    from dlspec.commands.settings import parse_settings, parse_sizes
    from dlspec.pipeline import elaborate_partial

    if is_train(program, wanted):
        return _train_scene(program, choose_train(program, wanted), arguments)
    network = choose(program, wanted)
    declaration = program.module.networks[network].declaration
    settings = parse_settings(arguments.set, declaration, program)
    sizes = parse_sizes(arguments.size, declaration)
    graph, faults, diagnostics = elaborate_partial(program, network, settings, sizes)
    if diagnostics.errors and not graph.inputs:
        raise DlspecError(diagnostics)
    of_call = bool(
        diagnostics.errors and (settings or sizes) and not elaborate_partial(program, network)[2].errors
    )  # fmt: skip
    diagnostics.extend(program.diagnostics)
    try:
        scene = build_scene(
            graph, summarise(graph, arguments.symbolic), depth=arguments.depth, expand=arguments.expand,
            collapse=arguments.collapse, unroll=arguments.unroll or arguments.style == "volumes", faults=faults,
        )  # fmt: skip
    except UnknownPath as error:
        raise _no_block(network, error) from None
    return scene, diagnostics, of_call


def spreads_of(scene: Scene, arguments: Namespace, whole: bool) -> dict[str, Spread] | None:
    """How the values of the weights are spread that a call names. They have to be those of the network where that is
    ``whole``; of one that is wrong, some are of what could not be built. Raises `CallError` and `DlspecError`."""
    from dlspec.commands.lowering import check_fit, given_weights

    tensors = given_weights(arguments, scene.graph)
    if tensors is None:
        return None
    from dlspec.backends.spread import spreads

    if whole:
        check_fit(scene.graph, tensors)
    return spreads(tensors)


def _train_scene(program: Program, train: str, arguments: Namespace) -> tuple[Scene, Diagnostics, bool]:
    """The same of a train, which has to be right to be drawn."""
    from dlspec.analyses.report import summarise
    from dlspec.backends.diagram.scene import UnknownPath
    from dlspec.backends.diagram.trains import build_training_scene

    training = elaborated_train(program, train, arguments)
    try:
        scene = build_training_scene(
            training, summarise(training.graph, arguments.symbolic), depth=arguments.depth, expand=arguments.expand,
            collapse=arguments.collapse, unroll=arguments.unroll,
        )  # fmt: skip
    except UnknownPath as error:
        raise _no_block(train, error) from None
    return scene, program.diagnostics, False


def _no_block(name: str, error: UnknownPath) -> CallError:
    hint = did_you_mean(error.path, error.known) or "`dlspec summary --tree` lists them"
    return CallError(f"`{name}` has no block `{error.path}`", hint)
