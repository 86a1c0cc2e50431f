"""`dlspec summary FILE:TRAIN`: the data and networks of a train, and its updates in their order."""

from __future__ import annotations

from collections.abc import Sequence

from dlspec.analyses.training_report import TrainingSummary
from dlspec.analyses.written import number, written_call
from dlspec.objectives.training import Update
from dlspec.render import Paint, printable


def as_table(summary: TrainingSummary, colour: bool) -> str:
    """For people: a table of the data, one of the networks, and a paragraph for each update."""
    training, paint = summary.training, Paint(colour)
    data = [
        (one.value.name, str(one.value.type), " -> ".join(map(written_call, one.augmentations)))
        for one in training.data
    ]
    networks = [
        (network.name, network.declaration, number(summary.params(network.name)), summary.state(network))
        for network in training.networks.values()
    ]
    lines = [
        *_columns(("Data", "Type", "Changed by" if any(row[2] for row in data) else ""), data, paint),
        "",
        *_columns(("Network", "Is", "Params", "Weights"), networks, paint, right=2),
        "",
        paint("Each step", "bold"),
    ]
    for place, update in enumerate(training.updates, 1):
        lines += _update(summary, place, update)
    if training.graph.conditions:
        lines += ["", f"{paint('Needs', 'bold')}  {', '.join(map(str, training.graph.conditions))}"]
    return "\n".join(lines)


def _update(summary: TrainingSummary, place: int, update: Update) -> list[str]:
    times = f", {update.times} times, each on a batch of its own" if update.times > 1 else ""
    reached, params = summary.reached(update), summary.params(*update.over)
    objective = " ".join(update.expression.text.split())
    return [
        f"{place}. {update.name}{times}",
        f"   {update.direction} {objective}",
        f"   over {', '.join(update.over)}: reaches {number(reached)} of {number(params)} params",
        f"   using {summary.using(update)}",
    ]


def _columns(heads: Sequence[str], rows: Sequence[Sequence[str]], paint: Paint, right: int | None = None) -> list[str]:
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        shown = (
            cell.rjust(width) if position == right else cell.ljust(width)
            for position, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join(shown).rstrip()

    return [paint(line(heads), "bold"), *map(line, rows)]
