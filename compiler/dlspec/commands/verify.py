"""`dlspec verify`: both lowerings of a network, or of a train's objectives, with the same weights, compared."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from dlspec.backends.verify import MOST_MACS
from dlspec.commands.against import verify_against
from dlspec.commands.arguments import Parser, positive, seed, takes_network, takes_weight_files
from dlspec.commands.common import (
    OK,
    WRONG_SPEC,
    Target,
    choose,
    choose_train,
    elaborated,
    elaborated_train,
    is_train,
    open_named,
    say,
    show,
    target,
    update_of,
)
from dlspec.commands.errors import CallError
from dlspec.commands.lowering import HALVES, dtype_of, given_weights, train_weights
from dlspec.tables import natural, padded

if TYPE_CHECKING:
    from dlspec.backends.verify import Report
    from dlspec.ir.graph import Graph
    from dlspec.objectives.training import Training

_OF_NETWORKS = ("optimize", "dtype")
"""Flags that trains do not take."""


def declare(parser: Parser) -> None:
    takes_network(parser, trains=True)
    parser.add_argument("--seed", type=seed, metavar="N", help="draw the weights as the other commands do")
    takes_weight_files(parser)
    parser.add_argument("--dtype", choices=HALVES, help="both in half precision, against float32")
    parser.add_argument(
        "--against", metavar="MODEL", help="compare with an .onnx file, or package.module:name in PyTorch"
    )
    parser.add_argument("--optimize", action="store_true", help="compare the form with BatchNorm folded")
    parser.add_argument("--macs", type=positive, metavar="N", help="leave out sizes that cost more (default 20e9)")


def run(arguments: Namespace) -> int:
    wanted = target(arguments.target)
    program = open_named(wanted.file, arguments)
    if arguments.against is not None:
        graph = elaborated(program, choose(program, wanted), arguments)
        show(program.diagnostics)
        return verify_against(graph, arguments)
    one = wanted.network is not None or arguments.set or arguments.size or arguments.weights
    networks, trains = list(program.networks), list(program.trains)
    if is_train(program, wanted):
        networks, trains = [], [choose_train(program, wanted)] if one else trains
    elif one or not networks:
        networks, trains = [choose(program, wanted)], []
    flag = next((flag for flag in _OF_NETWORKS if getattr(arguments, flag)), None)
    if networks and trains and flag is not None:
        say(f"note: --{flag} is for networks, and leaves out {', '.join(trains)}", sys.stderr)
        trains = []
    status = OK
    for name in networks:
        status = max(status, _shown(_verified(elaborated(program, name, arguments), arguments)))
    for name in trains:
        status = max(status, _shown(_verified_train(elaborated_train(program, name, arguments), wanted, arguments)))
    show(program.diagnostics)
    return status


def _shown(report: Report) -> int:
    """Prints a report, and gives the exit status that it asks for."""
    say("\n".join(_table(report)))
    for fault in report.faults:
        say(f"error: {report.network}: {fault}", sys.stderr)
    return WRONG_SPEC if report.faults else OK


def _verified_train(training: Training, wanted: Target, arguments: Namespace) -> Report:
    """Compares objectives, with the same noise."""
    from dlspec.backends.verify import verify
    from dlspec.passes.noise_inputs import noise_ranges
    from dlspec.passes.objective import objectives

    for flag in _OF_NETWORKS:
        if getattr(arguments, flag):
            raise CallError(f"--{flag} is for networks, and `{training.name}` is a train")
    graph = objectives(training, update_of(training, wanted))
    weights = None
    if arguments.weights is not None or arguments.seed is not None:
        given = train_weights(training, arguments)
        weights = {path: given[path] for path in graph.parameters}
    # Losses of probabilities take numbers between 0 and 1 alone.
    ranges = dict.fromkeys((data.value.name for data in training.data), (0.0, 1.0)) | noise_ranges(training.graph)
    return verify(graph, arguments.seed or 0, weights, arguments.macs or MOST_MACS, ranges)


def _verified(graph: Graph, arguments: Namespace) -> Report:
    from dlspec.backends.verify import telling_weights, verify
    from dlspec.backends.weights import draw_all
    from dlspec.passes.fold_batch_norm import fold_batch_norm, folded_weights

    weights = given_weights(arguments, graph)
    if weights is None and arguments.seed is not None:
        weights = draw_all(graph, arguments.seed)
    if arguments.optimize:
        weights = weights or telling_weights(graph, 0)
        graph, weights = fold_batch_norm(graph), folded_weights(graph, weights)
    return verify(graph, arguments.seed or 0, weights, arguments.macs or MOST_MACS, dtype=dtype_of(arguments))


def _table(report: Report) -> list[str]:
    """A row for each output and set of sizes; differences are to PyTorch in float64, of the largest value."""
    heads = ("Output", "Sizes", "Shape", "ONNX", "PyTorch", "Allowed", "Values", "")
    rows: list[tuple[str, ...]] = [heads]
    for row in report.rows:
        sizes = ", ".join(f"{name}={size}" for name, size in row.sizes.items())
        scale = row.scale or 1.0
        numbers = [f"{value / scale:.1e}" for value in (row.onnx, row.torch, row.allowed)]
        note = row.note or ("ok" if row.ok else "differs")
        output = f"{row.output} (training)" if row.training else row.output
        rows.append((output, sizes, str(list(row.shape)), *numbers, f"{row.compared:,}", note))
    widths = natural(rows)
    lines = ["  ".join(map(padded, row, widths)).rstrip() for row in rows]
    graph, torch, onnx = report.params
    counts = f"params: {graph:,} in the spec, {torch:,} in PyTorch, {onnx:,} in ONNX"
    names = (
        "state dict: names and shapes are those of the spec" if report.names else "state dict: DIFFERS from the spec"
    )
    return [report.network, *lines, counts, names, *report.notes]
