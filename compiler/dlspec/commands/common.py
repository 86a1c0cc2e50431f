"""What the commands share: naming a network, its settings and sizes, and what is wrong with a call."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dlspec.diagnostics import Diagnostic, DlspecError, did_you_mean
from dlspec.render import render, wants_colour
from dlspec.source import Source, Span

if TYPE_CHECKING:
    from dlspec.ir.graph import Graph
    from dlspec.pipeline import Program
    from dlspec.syntax import ast

OK, WRONG_SPEC, WRONG_CALL = 0, 1, 2
"""Exit statuses."""


class CallError(Exception):
    """A call that cannot be carried out, whatever the spec says: exit status 2."""

    def __init__(self, message: str, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code


class CallFindings(DlspecError):
    """Findings that come of what the call gave, not of the spec: exit status 2."""


@dataclass(frozen=True, slots=True)
class Target:
    """``FILE[:NETWORK]``, as the user wrote it."""

    file: str
    network: str | None


def target(text: str) -> Target:
    """Takes ``FILE:NETWORK`` apart. A colon that belongs to the name of a file that exists is left in it."""
    file, colon, network = text.rpartition(":")
    if not colon or not network.isidentifier() or Path(text).exists():
        return Target(text, None)
    return Target(file, network)


def find_file(name: str) -> Path:
    """The file of a name: itself, or for ``std.resnet`` the shipped spec."""
    from dlspec.resources import resource

    path = Path(name)
    library, *parts = name.split(".")
    if path.exists() or library != "std" or not parts:
        return path
    return resource("specs").joinpath(*parts).with_suffix(".dlspec")


def read(name: str) -> Source:
    """The text of a spec. Raises `DlspecError` where it is not UTF-8, `OSError` where it cannot be read."""
    path = find_file(name)
    content = path.read_bytes()
    try:
        return Source(name, content.decode("utf-8"), path)
    except UnicodeDecodeError as error:
        source = Source(name, content.decode("utf-8", "replace"), path)
        start = len(content[: error.start].decode("utf-8"))
        message = f"{name} is not UTF-8 text: byte {content[error.start]:#04x} cannot stand here"
        hint = "save it as UTF-8" if b"\0" not in content else "this does not look like a text file"
        raise DlspecError([Diagnostic("DL0606", message, Span(source, start, start + 1), hint=hint)]) from None


def open_named(name: str) -> Program:
    """The program of a file. Raises as `read`, and `DlspecError` for what is wrong with it."""
    from dlspec.pipeline import open_source

    return open_source(read(name))


def choose(program: Program, wanted: Target) -> str:
    """The network that is meant: the one that is named, or the only one. Raises `CallError`."""
    names = list(program.networks)
    if wanted.network is None:
        if len(names) == 1:
            return names[0]
        if not names:
            raise CallError(f"{wanted.file} declares no network")
        raise CallError(
            f"{wanted.file} declares {len(names)} networks: say which",
            f"{wanted.file}:{names[0]}, of {', '.join(names)}",
        )
    if wanted.network not in names:
        hint = did_you_mean(wanted.network, names) or f"it has {', '.join(names) or 'none'}"
        raise CallError(f"{wanted.file} declares no network `{wanted.network}`", hint)
    return wanted.network


def graph_of(arguments: Namespace) -> Graph:
    """The graph that ``FILE[:NETWORK] --set k=v --size H=256`` names. What it warns of goes to stderr.

    Raises `CallError` and `DlspecError`.
    """
    wanted = target(arguments.target)
    program = open_named(wanted.file)
    graph = elaborated(program, choose(program, wanted), arguments)
    show(program.diagnostics)
    return graph


def elaborated(program: Program, network: str, arguments: Namespace) -> Graph:
    """The graph of one network of a file, with the settings and sizes of the call.

    Raises `CallError` and `DlspecError`; `CallFindings` where the network is fine without those settings and sizes.
    """
    from dlspec.commands.settings import parse_settings, parse_sizes
    from dlspec.pipeline import elaborate

    declaration = program.networks[network]
    settings = parse_settings(arguments.set, declaration, program)
    sizes = parse_sizes(arguments.size, declaration)
    try:
        return elaborate(program, network, settings, sizes)
    except DlspecError as error:
        if settings or sizes:
            elaborate(program, network)
            raise CallFindings(error.diagnostics) from None
        raise


def show(diagnostics: Iterable[Diagnostic]) -> None:
    """Prints findings to stderr."""
    found = list(diagnostics)
    if found:
        print(render(found, wants_colour(sys.stderr)) + "\n", file=sys.stderr)


def check_known(kind: str, names: Iterable[str], known: Iterable[str], declaration: ast.Network) -> None:
    """Raises `CallError` for a name that is not among those known."""
    known = list(known)
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or (f"it has {', '.join(known)}" if known else "it has none")
            raise CallError(f"`{declaration.name.name}` has no {kind} `{name}`", hint)
