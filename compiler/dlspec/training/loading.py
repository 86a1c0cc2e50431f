"""Batches that are ready before they are asked for: made by a thread beside the steps, or by processes of their own.

What a batch is depends on its number alone, so it does not matter who makes it, and a run may go on with other workers.
"""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.backends.runtime import RunError
from dlspec.training.extras import need
from dlspec.training.seeds import generator_of

if TYPE_CHECKING:
    from torch import Tensor

    Batch: TypeAlias = dict[str, Tensor]

_START = "fork"
"""So workers have the data of this process, also what is mapped from files, without a copy."""


_MOST = 256
"""Processes that are started for one."""


def check_workers(workers: int) -> None:
    """Raises `RunError` where processes cannot be started so that they share what is in memory, and for very many."""
    if workers > _MOST:
        raise RunError(f"--workers {workers} are more than the {_MOST} processes that are started for one")
    if workers and _START not in multiprocessing.get_all_start_methods():
        raise RunError("this system cannot fork, which --workers needs", "leave it out: a thread prepares batches")


def in_worker() -> bool:
    """Whether this process prepares batches for another, and others do so beside it."""
    return need("torch.utils.data", "training").get_worker_info() is not None


class Loader(Iterator["Batch"]):
    """``make`` of each number, in order.

    The first is made here: what is wrong with it is found before processes are started, and these have what it imports.
    What is ``ready``, rows of arrays, is all made here: a thread would take longer to ask for it.
    """

    def __init__(
        self, make: Callable[[int], Batch], numbers: Iterable[int], workers: int = 0, ready: bool = False
    ) -> None:
        self._make = make
        self._numbers = iter(numbers)
        self._workers = workers
        self._thread = None if workers or ready else ThreadPoolExecutor(1, "batches")
        self._next: Future[Batch] | None = None
        self._rest: Iterator[Any] | None = None

    def __next__(self) -> Batch:
        if self._workers:
            return self._of_processes()
        return self._make(next(self._numbers)) if self._thread is None else self._of_the_thread(self._thread)

    def close(self) -> None:
        """Ends the thread or the processes."""
        self._rest = None
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def _of_the_thread(self, thread: ThreadPoolExecutor) -> Batch:
        ready = self._next or thread.submit(self._make, next(self._numbers))
        following = next(self._numbers, None)
        if following is None:
            self._next = None
            self._numbers = iter(())
        else:
            self._next = thread.submit(self._make, following)
        return ready.result()

    def _of_processes(self) -> Batch:
        if self._rest is None:
            first = self._make(next(self._numbers))
            self._rest = self._started()
            return first
        try:
            made: Batch | _Wrong = next(self._rest)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            hint = "fewer --workers, or smaller batches, where the memory was too small"
            raise RunError("a process that prepares batches was ended from outside", hint) from None
        if isinstance(made, _Wrong):
            raise RunError(made.message, made.hint)
        return made

    def _started(self) -> Iterator[Any]:
        loader = need("torch.utils.data", "training").DataLoader(
            _Made(self._make),
            batch_size=None,
            sampler=self._numbers,
            num_workers=self._workers,
            multiprocessing_context=_START,
            generator=generator_of("workers"),  # else it draws from the numbers of the step
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "This DataLoader will create")  # more than there are cores: as asked
            return iter(loader)


@dataclass(frozen=True, slots=True)
class _Wrong:
    """A `RunError` on its way from a worker: as an exception PyTorch would put a traceback into its message."""

    message: str
    hint: str


class _Made:
    """What ``make`` gives, by number: a data set as PyTorch's loader takes it."""

    def __init__(self, make: Callable[[int], Batch]) -> None:
        self._make = make

    def __getitem__(self, number: int) -> Batch | _Wrong:
        try:
            return self._make(number)
        except RunError as error:
            return _Wrong(error.message, error.hint)
