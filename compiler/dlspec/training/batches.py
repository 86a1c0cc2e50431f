"""Which examples each batch has: shuffled anew in each epoch, divided among processes, ready before they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.backends.runtime import RunError
from dlspec.backends.torch.live import require_torch
from dlspec.training.loading import Loader
from dlspec.training.seeds import generator_of
from dlspec.training.table import Table

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

DEFAULT_BATCH = 64


def split(examples: int, fraction: float, seed: int) -> tuple[Array, Array]:
    """Which examples are trained on and which are held out, drawn by the seed. Raises `RunError`."""
    order = require_torch().randperm(examples, generator=generator_of(seed, "split")).numpy()
    if not 0 <= fraction < 1 or round(examples * fraction) == examples:
        raise RunError(f"--val-fraction {fraction:g} leaves none of {examples} examples to train on")
    held_out = round(examples * fraction)
    return order[held_out:], order[:held_out]


def all_of(table: Table) -> Array:
    """All examples, in order."""
    import numpy as np

    return np.arange(table.examples)


def batch_size(table: Table, asked: int | None, examples: int, processes: int, accumulated: int = 1) -> int:
    """The examples of a batch, of all processes together and of all parts that these take it in.

    Raises `RunError` where it does not fit.
    """
    parts = processes * accumulated
    fixed = (table.batch or 0) * parts
    size = asked or fixed or max(min(DEFAULT_BATCH, examples) // parts, 1) * parts
    if size > examples:
        raise RunError(
            f"a batch of {size} is more than the {examples} examples to train on", f"--batch-size {examples}"
        )
    if size % processes:
        raise RunError(f"a batch of {size} cannot be divided among {processes} processes", "--batch-size K * processes")
    if size % parts:
        raise RunError(f"a batch of {size} cannot be taken in {parts} parts of one size", "--accumulate PARTS")
    refusal = table.refusal(size // parts)
    if refusal:
        raise RunError(refusal, "--batch-size gives the examples of a batch, of all processes together")
    return size


class Batches(Iterator[dict[str, "Tensor"]]):
    """The batches to train on, without end; each process gets its part of every one.

    ``taken`` is how many were given out, over all epochs: a run goes on from there. What is left over at the end of an
    epoch is not trained on in it. Batch ``k`` is the same whenever it is asked for, by this process or by one of its
    ``workers``.
    """

    def __init__(
        self,
        table: Table,
        rows: Array,
        size: int,
        seed: int,
        *,
        process: int = 0,
        processes: int = 1,
        taken: int = 0,
        workers: int = 0,
    ) -> None:
        self._table = table
        self._rows = rows
        self._size = size
        self._seed = seed
        self._part = size // processes
        self._first = process * self._part
        self.per_epoch = len(rows) // size
        self.taken = taken
        self._workers = workers
        self._ready = all(column.ready for column in table.columns)
        self._order = lru_cache(2)(self._shuffled)
        self._loader = Loader(self.at, count(taken), workers, self._ready)

    @property
    def epochs(self) -> float:
        """Epochs that were given out."""
        return self.taken / self.per_epoch

    def __next__(self) -> dict[str, Tensor]:
        made = next(self._loader)
        self.taken += 1
        return made

    def go_to(self, taken: int) -> None:
        """Goes on after so many batches, those before or behind."""
        self._loader.close()
        self.taken = taken
        self._loader = Loader(self.at, count(taken), self._workers, self._ready)

    def at(self, number: int) -> dict[str, Tensor]:
        """This process's part of batch ``number``, by the names of `data`."""
        epoch, place = divmod(number, self.per_epoch)
        start = place * self._size + self._first
        indices = self._rows[self._order(epoch)[start : start + self._part]]
        batch: dict[str, Tensor] = {}
        for column in self._table.columns:
            batch[column.name] = column.augmented(indices, self._first, self._size, self._seed, number)
        return batch

    def close(self) -> None:
        """Ends what prepares batches."""
        self._loader.close()

    def _shuffled(self, epoch: int) -> Array:
        generator = generator_of(self._seed, "order", epoch)
        return require_torch().randperm(len(self._rows), generator=generator).numpy()


def settled(table: Table, indices: Array) -> dict[str, Tensor]:
    """Those examples as they are looked at, not trained on: nothing is changed at random."""
    return {column.name: column.settled(indices) for column in table.columns}
