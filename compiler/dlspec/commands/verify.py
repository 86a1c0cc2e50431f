"""`dlspec verify`: both lowerings of a network with the same weights, compared."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from dlspec.commands.common import OK, WRONG_SPEC, CallError, elaborated, open_named, show, target
from dlspec.commands.lowering import drawn, given_weights

if TYPE_CHECKING:
    from dlspec.backends.verify import Report
    from dlspec.ir.graph import Graph


def run(arguments: Namespace) -> int:
    from dlspec.commands.common import choose

    wanted = target(arguments.target)
    program = open_named(wanted.file)
    one = wanted.network is not None or arguments.set or arguments.size or arguments.weights
    names = [choose(program, wanted)] if one else list(program.networks)
    if not names:
        raise CallError(f"{wanted.file} declares no network")
    status = OK
    for name in names:
        graph = elaborated(program, name, arguments)
        report = _verified(graph, arguments)
        print("\n".join(_table(report)))
        for fault in report.faults:
            print(f"error: {report.network}: {fault}", file=sys.stderr)
            status = WRONG_SPEC
    show(program.diagnostics)
    return status


def _verified(graph: Graph, arguments: Namespace) -> Report:
    from dlspec.backends import rewrite
    from dlspec.backends.runtime import RunError
    from dlspec.backends.verify import MOST_MACS, telling, verify

    macs = MOST_MACS if arguments.macs is None else arguments.macs
    weights = given_weights(arguments)
    if weights is None and arguments.seed is not None:
        weights = drawn(graph, arguments.seed)
    if arguments.optimize:
        weights = weights or {path: telling(parameter, 0) for path, parameter in graph.parameters.items()}
        graph, weights = rewrite.fold_batch_norm(graph), rewrite.folded_weights(graph, weights)
    try:
        return verify(graph, arguments.seed or 0, weights, macs)
    except RunError as error:
        raise CallError(error.message, error.hint) from None


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
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    graph, torch, onnx = report.params
    counts = f"params: {graph:,} in the spec, {torch:,} in PyTorch, {onnx:,} in ONNX"
    names = (
        "state dict: names and shapes are those of the spec" if report.names else "state dict: DIFFERS from the spec"
    )
    return [report.network, *lines, counts, names, *report.notes]
