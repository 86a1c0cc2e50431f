"""What the commands share: naming a network, with its settings and sizes, and elaborating it."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from dlspec.commands.errors import CallError, CallFindings
from dlspec.diagnostics import Diagnostic, DlspecError, did_you_mean
from dlspec.files import Disk, read_source, spec_path
from dlspec.render import plain, render, wants_colour
from dlspec.source import Source

if TYPE_CHECKING:
    from dlspec.ir.graph import Graph
    from dlspec.objectives.training import Training
    from dlspec.pipeline import Program
    from dlspec.syntax import ast

_Made = TypeVar("_Made")

OK, WRONG_SPEC, WRONG_CALL = 0, 1, 2
"""Exit statuses."""


@dataclass(frozen=True, slots=True)
class Target:
    """``FILE[:NETWORK]``, as the user wrote it; ``network`` may be the name of a train, with one of its updates."""

    file: str
    network: str | None
    update: str | None = None


def target(text: str) -> Target:
    """Takes ``FILE:NETWORK`` or ``FILE:TRAIN.UPDATE`` apart. A colon that belongs to the name of a file that exists is
    left in it."""
    file, colon, name = text.rpartition(":")
    network, dot, update = name.partition(".")
    named = network.isidentifier() and (update.isidentifier() and update != "dlspec" if dot else True)
    if not colon or not named or Path(text).exists():
        return Target(text, None)
    return Target(file, network, update if dot else None)


def read(name: str) -> Source:
    """The text of a spec. Raises `DlspecError` where it is not UTF-8, `OSError` where it cannot be read."""
    return read_source(spec_path(name), name)


def open_named(name: str, arguments: Namespace) -> Program:
    """The program of a file. Raises as `read`, and `DlspecError` for what is wrong with it."""
    from dlspec.pipeline import open_source

    return open_source(read(name), Disk(arguments.project))


def choose(program: Program, wanted: Target) -> str:
    """The network that is meant: the one that is named, or the only one. Raises `CallError`."""
    if wanted.network in program.trains:
        hint = f"{wanted.file} has {', '.join(program.module.networks) or 'none'}"
        raise CallError(f"`{wanted.network}` is a train, and this is for networks", hint)
    if wanted.update is not None:
        raise CallError(f"`{wanted.network}.{wanted.update}`: only a train has updates")
    return _chosen(wanted, "network", list(program.networks or program.need), also=program.need)


def choose_train(program: Program, wanted: Target) -> str:
    """The train that is meant: the one that is named, or the only one. Raises `CallError`."""
    hint = "`train NAME { ... }` says what is optimised, on which data"
    return _chosen(wanted, "train", list(program.trains), hint)


def _chosen(wanted: Target, kind: str, names: list[str], none: str = "", also: Collection[str] = ()) -> str:
    """The name that is meant: of ``names``, or where it is written of those that are there ``also``."""
    if wanted.network is not None and (wanted.network in names or wanted.network in also):
        return wanted.network
    if wanted.network is not None:
        known = list(dict.fromkeys((*names, *also)))
        hint = did_you_mean(wanted.network, known) or f"it has {', '.join(known) or 'none'}"
        raise CallError(f"{wanted.file} declares no {kind} `{wanted.network}`", hint)
    if not names:
        raise CallError(f"{wanted.file} declares no {kind}", none)
    if len(names) > 1:
        hint = f"{wanted.file}:{names[0]}, of {', '.join(names)}"
        raise CallError(f"{wanted.file} declares {len(names)} {kind}s: say which", hint)
    return names[0]


def is_train(program: Program, wanted: Target) -> bool:
    """Whether a train is meant, where a network can be as well. Raises `CallError` for a name that is neither."""
    if wanted.network is None:
        return not program.module.networks and bool(program.trains)
    names = [*program.module.networks, *program.trains]
    if wanted.network not in names:
        hint = did_you_mean(wanted.network, names) or f"it has {', '.join(names) or 'none'}"
        kinds = "network or train" if program.trains else "network"
        raise CallError(f"{wanted.file} declares no {kinds} `{wanted.network}`", hint)
    return wanted.network in program.trains


def update_of(training: Training, wanted: Target) -> str | None:
    """The update that is meant, if one is. Raises `CallError`."""
    names = [update.name for update in training.updates]
    if wanted.update is not None and wanted.update not in names:
        hint = did_you_mean(wanted.update, names) or f"it has {', '.join(names)}"
        raise CallError(f"`{training.name}` has no update `{wanted.update}`", hint)
    return wanted.update


def graph_of(arguments: Namespace) -> Graph:
    """The graph that ``FILE[:NETWORK] --set k=v --size H=256`` names. What it warns of goes to stderr.

    Raises `CallError` and `DlspecError`.
    """
    wanted = target(arguments.target)
    program = open_named(wanted.file, arguments)
    graph = elaborated(program, choose(program, wanted), arguments)
    show(program.diagnostics)
    return graph


def elaborated(program: Program, network: str, arguments: Namespace) -> Graph:
    """The graph of one network of a file, with the settings and sizes of the call.

    Raises `CallError` and `DlspecError`; `CallFindings` where the network is fine without those settings and sizes.
    """
    from dlspec.pipeline import elaborate

    return _elaborated(elaborate, program, program.module.networks[network].declaration, arguments)


def elaborated_train(program: Program, train: str, arguments: Namespace) -> Training:
    """A train of a file, with the settings and sizes of the call. Raises as `elaborated`."""
    from dlspec.pipeline import elaborate_training

    return _elaborated(elaborate_training, program, program.trains[train], arguments)


def _elaborated(
    make: Callable[[Program, str, Mapping[str, Any] | None, Mapping[str, int] | None], _Made],
    program: Program,
    declaration: ast.Block | ast.Network | ast.Train,
    arguments: Namespace,
) -> _Made:
    from dlspec.commands.settings import parse_settings, parse_sizes

    name = declaration.name.name
    settings = parse_settings(arguments.set, declaration, program)
    sizes = parse_sizes(arguments.size, declaration)
    try:
        return make(program, name, settings, sizes)
    except DlspecError as error:
        if settings or sizes:
            make(program, name, None, None)
            raise CallFindings(error.diagnostics) from None
        raise


def say(text: str, stream: TextIO | None = None, end: str = "\n") -> None:
    """Prints lines, without the control characters of what stands in them. All that commands print in plain text goes
    through this, and what is coloured through `Paint`."""
    print(plain(text), file=stream, end=end, flush=True)


def show(diagnostics: Iterable[Diagnostic]) -> None:
    """Prints findings to stderr."""
    found = list(diagnostics)
    if found:
        print(render(found, wants_colour(sys.stderr)) + "\n", file=sys.stderr)
