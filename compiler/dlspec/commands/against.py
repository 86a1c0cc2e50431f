"""`dlspec verify --against`: a network beside an ONNX file or a module of PyTorch, on the same input."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from dlspec.commands.common import OK, WRONG_SPEC, say, show
from dlspec.commands.errors import CallError
from dlspec.commands.lowering import check_fit, given_weights

if TYPE_CHECKING:
    from dlspec.backends.against import Comparison
    from dlspec.ir.graph import Graph


def verify_against(graph: Graph, arguments: Namespace) -> int:
    """Prints what differs; status 1 where an output does. Raises `CallError`, `RunError` and `DlspecError`."""
    from dlspec.backends.against import compare_with, onnx_model, torch_module
    from dlspec.backends.weights import with_aliases, without_gaps

    for flag in ("optimize", "dtype", "macs"):
        if getattr(arguments, flag):
            raise CallError(f"--{flag} goes not with --against")
    place = str(arguments.against)
    given = given_weights(Namespace(**{**vars(arguments), "seed": None}), graph)
    if Path(place).suffix == ".onnx":
        theirs = onnx_model(Path(place))
    elif ":" in place:
        sys.path.insert(0, os.getcwd())
        theirs = torch_module(place, given and with_aliases(graph, given))
    else:
        raise CallError(f"--against {place} is neither an .onnx file nor package.module:name of a module of PyTorch")
    weights = given
    if weights is None:
        known = graph.parameters.keys() | graph.aliases.keys()
        own = {name: array for name, array in theirs.weights.items() if name in known}
        weights, warnings = without_gaps(graph, own or theirs.weights)
        show(warnings)
    check_fit(graph, weights)
    found = compare_with(graph, weights, theirs, arguments.seed or 0)
    say("\n".join(_told(found, graph, arguments)))
    return OK if all(output.ok for output in found.outputs) else WRONG_SPEC


def _told(found: Comparison, graph: Graph, arguments: Namespace) -> list[str]:
    lines = [f"{graph.name} against {arguments.against}"]
    whose = ", ".join(arguments.weights) if arguments.weights else f"those of {arguments.against}"
    lines.append(f"weights: {whose}")
    lines += [
        f"input {name}: {list(shape)}, made up, drawn with seed {arguments.seed or 0}"
        for name, shape in found.inputs.items()
    ]
    lines += [f"output {output}: {'ok' if output.ok else 'differs'}" for output in found.outputs]
    between = f"{len(found.between)} layers between, matched {found.matched}"
    if found.first is not None and all(output.ok for output in found.outputs):
        same = sum(difference.ok for difference in found.between)
        lines.append(f"{between}: {same} are the same; where the outputs are, the others may be folded into each other")
    elif found.first is not None:
        lines.append(f"{between}: the first that differs is {found.first}")
    elif found.between:
        worst = max(found.between, key=lambda each: (each.largest or 0.0) / (each.scale or 1.0))
        lines.append(f"{between}: none differs, the largest is {worst}")
    else:
        lines.append("nothing between them could be matched")
    return lines
