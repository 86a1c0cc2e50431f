"""`dlspec summary FILE:TRAIN`: the data and networks of a train, and its updates in their order."""

from __future__ import annotations

from collections.abc import Sequence

from dlspec.analyses.training_report import TrainingSummary
from dlspec.analyses.written import number, written_call
from dlspec.objectives.training import Update
from dlspec.render import Paint, printable
from dlspec.tables import GAP, cut, natural, padded, shortened, wrapped

_HANGING = " " * 5
"""Before the lines in which a line of an update goes on."""


def as_table(summary: TrainingSummary, colour: bool, width: int | None = None) -> str:
    """For people, in ``width`` columns: a table of the data, one of the networks, and a paragraph for each update."""
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
        *_columns(("Data", "Type", "Changed by" if any(row[2] for row in data) else ""), data, paint, width),
        "",
        *_columns(("Network", "Is", "Params", "Weights"), networks, paint, width, right=2),
        "",
        paint("Each step", "bold"),
    ]
    for place, update in enumerate(training.updates, 1):
        for line in _update(summary, place, update):
            first, *more = wrapped(line, width and width - len(_HANGING))
            lines += [first, *(_HANGING + rest for rest in more)]
    if summary.frozen:
        lines += ["", f"{number(summary.trained)} params are trained, {number(summary.frozen)} are frozen"]
    if training.graph.conditions:
        first, *more = wrapped(", ".join(map(str, training.graph.conditions)), width and width - len("Needs  "))
        lines += ["", f"{paint('Needs', 'bold')}  {first}", *(" " * len("Needs  ") + rest for rest in more)]
    return "\n".join(lines)


def _update(summary: TrainingSummary, place: int, update: Update) -> list[str]:
    times = f", {update.times} times, each on a batch of its own" if update.times > 1 else ""
    reaches = f"reaches {number(summary.reached(update))} of {number(summary.changed(update))} params"
    objective = " ".join(update.expression.text.split())
    over = [f"   over {', '.join(update.over)}: {reaches}"]
    if any(group.own for group in update.groups):
        groups = [
            f"{group.path}: {number(summary.changed(update, group))} params, {summary.rates(group)}"
            for group in update.groups
        ]
        over = [f"   over {groups[0]}", *(f"        {group}" for group in groups[1:]), f"   {reaches}"]
    return [
        f"{place}. {update.name}{times}",
        f"   {update.direction} {objective}",
        *over,
        f"   using {summary.using(update)}",
    ]


def _columns(
    heads: Sequence[str], rows: Sequence[Sequence[str]], paint: Paint, room: int | None, right: int | None = None
) -> list[str]:
    cells = [heads, *([printable(cell) for cell in row] for row in rows)]
    widths = natural(cells)
    if room is not None:
        widths = cut(widths, [place for place in reversed(range(len(heads))) if place != right], room)

    def line(row: Sequence[str]) -> str:
        shown = (
            padded(shortened(cell, width), width, position == right)
            for position, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return (" " * GAP).join(shown).rstrip()

    first, *others = map(line, cells)
    return [paint(first, "bold"), *others]
