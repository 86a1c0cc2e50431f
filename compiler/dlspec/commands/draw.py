"""`dlspec draw`: a picture of a network, by the ending of the file. A network that is wrong is drawn as far as it goes."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from dlspec.commands.common import (
    OK,
    CallError,
    CallFindings,
    choose,
    choose_train,
    elaborated_train,
    is_train,
    open_named,
    show,
    target,
)
from dlspec.diagnostics import DlspecError, did_you_mean

if TYPE_CHECKING:
    from dlspec.backends.diagram.scene import Scene, UnknownPath
    from dlspec.diagnostics import Diagnostics
    from dlspec.pipeline import Program


def run(arguments: Namespace) -> int:
    from dlspec.backends.diagram.engine import EngineError
    from dlspec.backends.diagram.picture import FORMATS, Picture
    from dlspec.backends.files import write_bytes

    if arguments.watch:
        from dlspec.commands.watch import watch

        return watch(arguments)
    if arguments.output is None:
        raise CallError("draw needs a file to write, or --watch", "-o net.svg")
    ending = Path(arguments.output).suffix
    if ending not in FORMATS:
        what = f"a {ending} file" if ending else "a file without an ending"
        raise CallError(f"cannot draw {what}", f"the formats are {', '.join(FORMATS)}", "DL0607")
    _check_flags(arguments, ending)
    scene, diagnostics, of_call = scene_of(arguments)
    direction = arguments.rankdir or ("LR" if arguments.wrap else "TB")
    picture = Picture(scene, direction, arguments.theme, arguments.wrap, arguments.poster)
    try:
        content = picture.content(ending)
    except EngineError as error:
        raise CallError(error.message, error.hint) from None
    try:
        write_bytes(arguments.output, content)
    except OSError as error:
        raise CallError(f"cannot write {arguments.output}: {error.strerror or error}") from None
    print(f"wrote {arguments.output}")
    if diagnostics.errors:
        raise (CallFindings if of_call else DlspecError)(diagnostics)
    show(diagnostics)
    return OK


def scene_of(arguments: Namespace) -> tuple[Scene, Diagnostics, bool]:
    """What a call asks to see of a network, with what is wrong with it, and whether that is because of the call.

    Raises `CallError`, and `DlspecError` where there is nothing to draw.
    """
    from dlspec.analyses.report import summarise
    from dlspec.backends.diagram.scene import UnknownPath, build_scene
    from dlspec.commands.settings import parse_settings, parse_sizes
    from dlspec.pipeline import elaborate_partial

    wanted = target(arguments.target)
    program = open_named(wanted.file)
    if is_train(program, wanted):
        return _train_scene(program, choose_train(program, wanted), arguments)
    network = choose(program, wanted)
    declaration = program.networks[network]
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
            collapse=arguments.collapse, faults=faults,
        )  # fmt: skip
    except UnknownPath as error:
        raise _no_block(network, error) from None
    return scene, diagnostics, of_call


def _train_scene(program: Program, train: str, arguments: Namespace) -> tuple[Scene, Diagnostics, bool]:
    """The same of a train, which has to be right to be drawn."""
    from dlspec.analyses.report import summarise
    from dlspec.backends.diagram.scene import UnknownPath
    from dlspec.backends.diagram.trains import build_training_scene

    training = elaborated_train(program, train, arguments)
    try:
        scene = build_training_scene(
            training, summarise(training.graph, arguments.symbolic), depth=arguments.depth, expand=arguments.expand,
            collapse=arguments.collapse,
        )  # fmt: skip
    except UnknownPath as error:
        raise _no_block(train, error) from None
    return scene, program.diagnostics, False


def _no_block(name: str, error: UnknownPath) -> CallError:
    hint = did_you_mean(error.path, error.known) or "`dlspec summary --tree` lists them"
    return CallError(f"`{name}` has no block `{error.path}`", hint)


def _check_flags(arguments: Namespace, ending: str) -> None:
    """Raises `CallError` for options that the format has no use for, or that contradict each other."""
    pictures = (".svg", ".png", ".pdf")
    for flag, endings in (
        ("theme", (*pictures, ".html")), ("rankdir", (*pictures, ".dot", ".mmd")), ("wrap", pictures), ("poster", pictures),
    ):  # fmt: skip
        if getattr(arguments, flag) and ending not in endings:
            raise CallError(f"--{flag} is for {', '.join(endings)} files")
    if arguments.theme == "print" and ending == ".html":
        raise CallError("--theme print is not for .html files", "a page is light or dark")
    if arguments.wrap and arguments.rankdir == "TB":
        raise CallError("--wrap makes rows, which flow from left to right: leave --rankdir TB out")
    both = sorted(set(arguments.expand) & set(arguments.collapse))
    if both:
        raise CallError(f"--expand and --collapse both name `{both[0]}`")
    if arguments.poster:
        for flag in ("rankdir", "depth", "expand", "collapse"):
            if getattr(arguments, flag):
                raise CallError(f"--poster folds the network and opens each block once: leave --{flag} out")
