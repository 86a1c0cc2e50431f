"""`dlspec summary`: the layers of a network with what they cost, a line for each network of a file, or a train."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from dlspec.commands.arguments import Parser, positive, takes_network
from dlspec.commands.common import (
    OK,
    Target,
    choose,
    choose_train,
    elaborated,
    elaborated_train,
    is_train,
    open_named,
    show,
    target,
)
from dlspec.commands.errors import CallError
from dlspec.render import room, wants_colour

if TYPE_CHECKING:
    from dlspec.analyses.report import Summary
    from dlspec.pipeline import Program


def declare(parser: Parser) -> None:
    takes_network(parser, trains=True)
    parser.add_argument("--format", choices=("table", "json", "markdown", "csv"), default="table")
    parser.add_argument("--depth", type=positive, metavar="K", help="fold what is nested deeper than K levels")
    parser.add_argument("--tree", action="store_true", help="show blocks above their layers")
    parser.add_argument(
        "--width", type=positive, metavar="N", help="columns of the table (default those of the terminal)"
    )
    parser.add_argument("--symbolic", action="store_true", help="count with open sizes instead of their defaults")


def run(arguments: Namespace) -> int:
    from dlspec.analyses.report import summarise

    for flag in ("tree", "width"):
        if getattr(arguments, flag) and arguments.format != "table":
            raise CallError(f"--{flag} goes with --format table only")
    wanted = target(arguments.target)
    program = open_named(wanted.file, arguments)
    if is_train(program, wanted):
        print(_of_train(program, wanted, arguments))
        return OK
    names = list(program.networks)
    if wanted.network is not None or len(names) < 2:
        names = [choose(program, wanted)]
    elif arguments.set or arguments.size or arguments.depth or arguments.tree:
        raise CallError(
            f"{wanted.file} declares {len(names)} networks, and --set, --size, --depth and --tree are for one of them",
            f"{wanted.file}:{names[0]}, of {', '.join(names)}",
        )
    graphs = [elaborated(program, name, arguments) for name in names]
    show(program.diagnostics)
    print(_text([summarise(graph, arguments.symbolic) for graph in graphs], arguments))
    return OK


def _of_train(program: Program, wanted: Target, arguments: Namespace) -> str:
    """Raises `CallError` for options that are for networks alone."""
    import json

    from dlspec.analyses.training_report import TrainingSummary
    from dlspec.commands.summary_train import as_table

    for flag in ("depth", "tree", "symbolic"):
        if getattr(arguments, flag):
            raise CallError(f"--{flag} is for networks, and `{wanted.network}` is a train")
    if wanted.update is not None or arguments.format not in ("table", "json"):
        raise CallError("the summary of a train is one table, or --format json")
    summary = TrainingSummary(elaborated_train(program, choose_train(program, wanted), arguments))
    show(program.diagnostics)
    if arguments.format == "json":
        return json.dumps(summary.to_json(), indent=2)
    return as_table(summary, wants_colour(sys.stdout), arguments.width or room(sys.stdout))


def _text(summaries: list[Summary], arguments: Namespace) -> str:
    from dlspec import report

    match arguments.format:
        case "json":
            return report.as_json(summaries, arguments.depth)
        case "markdown":
            return report.as_markdown(summaries, arguments.depth)
        case "csv":
            return report.as_csv(summaries, arguments.depth)
        case _:
            width = arguments.width or room(sys.stdout)
            return report.as_table(summaries, arguments.depth, arguments.tree, wants_colour(sys.stdout), width)
