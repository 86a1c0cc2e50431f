"""The weights of what draws, from the files of a run: of all its networks, or of one."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.commands.errors import CallError
from dlspec.commands.lowering import check_fit, read_files
from dlspec.ir.graph import Graph
from dlspec.training.weights import ALL

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@dataclass(slots=True)
class Found:
    """The weights of a graph as a file has them: all of it under the name of the network ``under``, if it has one."""

    under: str
    weights: dict[str, Array]


def weights_of(graph: Graph, renamed: Mapping[str, str], arguments: Namespace) -> tuple[dict[str, Array], str]:
    """The weights of a graph from the files of the call, and what to say of them.

    A file has the names of the graph, or these under the name of a network of a run, or without that name. ``renamed`` are
    beginnings that are others in the files. What else is in them is left out. Raises `CallError` and `DlspecError`.
    """
    from dlspec.backends.weights import without_gaps

    if not graph.parameters:
        return {}, "none"
    if not arguments.weights:
        raise CallError(
            f"{graph.name} has weights, and no file gives them",
            "--weights FILE, or the folder that `dlspec train` wrote",
        )
    tensors: dict[str, Array] = {}
    for text in arguments.weights:
        tensors |= _read(text, arguments)
    found = list(_found(graph, tensors, renamed))
    whole = [each for each in found if _is_whole(graph, each)]
    if len(whole) > 1 and whole[0].under and whole[1].under:
        names = [each.under for each in whole if each.under]
        hint = f"--weights {_folder(arguments.weights[-1]) / 'networks' / names[-1]}.safetensors"
        raise CallError(f"{', '.join(arguments.weights)} has such weights of {' and of '.join(names)}", hint)
    chosen = whole[0] if whole else max(found, key=lambda each: len(each.weights))
    if not chosen.weights:
        first = next(iter(graph.parameters))
        hint = f"it has {', '.join(list(tensors)[:4])} ..." if tensors else ""
        message = f"{', '.join(arguments.weights)} has none of the weights of {graph.name}, such as `{first}`"
        raise CallError(message, hint, "DL0602")
    weights, _ = without_gaps(graph, chosen.weights)
    check_fit(graph, weights)
    under = f", those of `{chosen.under}`" if chosen.under else ""
    return weights, f"{', '.join(arguments.weights)}{under}"


def _folder(text: str) -> Path:
    """The folder of a run that is given, or whose file is."""
    path = Path(text)
    return path if path.is_dir() else path.parent


def _read(text: str, arguments: Namespace) -> dict[str, Array]:
    """The tensors of ``FILE``, ``FOLDER`` or ``NETWORK=FILE``; with a network, under its name."""
    name, equals, rest = text.partition("=")
    named = bool(equals) and name.isidentifier() and not Path(text).exists()
    file = Path(rest if named else text)
    tensors = read_files([str(file / ALL if file.is_dir() else file)], arguments)
    return {f"{name}.{path}": tensor for path, tensor in tensors.items()} if named else tensors


def _found(graph: Graph, tensors: Mapping[str, Array], renamed: Mapping[str, str]) -> Iterator[Found]:
    """What there is under the names of the graph, behind the name of each network, and without the one that all have."""
    names = {path: [path] for path in graph.parameters}
    for alias, path in graph.aliases.items():
        names[path].append(alias)
    for path, each in names.items():
        names[path] = [_renamed(name, renamed) for name in each]
    first = {name.partition(".")[0] for each in names.values() for name in each}
    networks = dict.fromkeys(name.partition(".")[0] for name in tensors if "." in name)
    behind = len(first) == 1 and all("." in name for each in names.values() for name in each)
    ways = [("", ""), *((network, f"{network}.") for network in networks)]
    for under, beginning in ways:
        yield Found(under, _taken(tensors, {p: [beginning + name for name in each] for p, each in names.items()}))
    if behind:
        yield Found("", _taken(tensors, {p: [n.partition(".")[2] for n in each] for p, each in names.items()}))


def _renamed(name: str, renamed: Mapping[str, str]) -> str:
    first, dot, rest = name.partition(".")
    return f"{renamed.get(first, first)}{dot}{rest}"


def _taken(tensors: Mapping[str, Array], names: Mapping[str, list[str]]) -> dict[str, Array]:
    return {path: tensors[name] for path, each in names.items() for name in each[::-1] if name in tensors}


def _is_whole(graph: Graph, found: Found) -> bool:
    return all(
        path in found.weights and found.weights[path].shape == tuple(parameter.shape)
        for path, parameter in graph.parameters.items()
        if not parameter.is_counter
    )
