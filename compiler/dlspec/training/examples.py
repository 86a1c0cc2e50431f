"""What a call gives to train on and to look at: opened, matched with the spec's data, and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.backends.runtime import RunError
from dlspec.objectives.training import Training
from dlspec.training.batches import all_of, split
from dlspec.training.checkpoint import Checkpoint
from dlspec.training.classes import check_classes
from dlspec.training.fingerprint import fingerprint
from dlspec.training.opening import given_splits, open_data
from dlspec.training.options import Options, completed
from dlspec.training.sources import Offer
from dlspec.training.table import Table, match, unused

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Examples:
    """``rows`` of the ``table`` are trained on, and ``looked_at`` of ``held``, which may be the same table, are held out.

    ``digest``: see `fingerprint`; ``unused`` are the names of what is given and nobody takes.
    """

    table: Table
    held: Table
    rows: Array
    looked_at: Array
    digest: str
    unused: list[str]

    @property
    def lines(self) -> list[str]:
        """What all of it is, for people."""
        held = [] if self.held is self.table else [f"held out {column}" for column in self.held.columns]
        return [*(f"data {column}" for column in self.table.columns), *held]


def settled_options(options: Options, saved: Checkpoint | None) -> Options:
    """The options of a call or of the run that goes on, with the splits that its folders have. Raises `RunError`."""
    if options.evaluate:
        return completed(options, saved and saved.options)
    given, held_out = given_splits(options.data, options.val_data)
    if held_out:
        if options.held_out is not None:
            raise RunError(f"--val-fraction draws what is held out, and {' '.join(held_out)} is that already")
        options = replace(options, data=given, val_data=held_out, held_out=0.0)
    return completed(options, saved and saved.options)


def to_look_at(training: Training, options: Options, saved: Checkpoint | None) -> Examples:
    """All of ``--data``, of which nothing is trained on, with the classes of the run. Raises `RunError`."""
    table, offer = _table(training, options.data, options, saved and saved.classes)
    return Examples(table, table, all_of(table)[:0], all_of(table), "", unused(training, offer))


def to_train_on(training: Training, options: Options, saved: Checkpoint | None) -> Examples:
    """The examples of a run. Raises `RunError`, also where those of the run that goes on were others."""
    table, offer = _table(training, options.data, options)
    held = _table(training, options.val_data, options, table.classes)[0] if options.val_data else table
    if saved is not None and saved.examples != table.examples:
        raise RunError(f"the run that goes on had {saved.examples} examples, and --data gives {table.examples}")
    tables = [table] if held is table else [table, held]
    digest = fingerprint(*tables)
    if saved is not None and saved.data != digest:
        origins = ", ".join(column.source.origin for each in tables for column in each.columns)
        hint = "its own data goes on with it, and --out names another folder for a run on these"
        raise RunError(f"the run that goes on had other numbers than {origins}", hint)
    rows, looked_at = split(table.examples, options.held_out or 0.0, options.seed or 0)
    return Examples(table, held, rows, looked_at if held is table else all_of(held), digest, unused(training, offer))


def _table(
    training: Training, given: tuple[str, ...], options: Options, classes: Mapping[str, Sequence[str]] | None = None
) -> tuple[Table, Offer]:
    ranks = {data.value.name: data.value.type.rank for data in training.data}
    offer = open_data(given, ranks, options.resize, options.download)
    table = match(training, offer, classes)
    check_classes(table)
    return table, offer
