"""A step of `dlspec train`, with its log, beside one of a plain loop over the generated trainer, on the same data.

Both run in one process and in turns: whenever the run has taken some steps, the plain loop takes as many. What is before
the first step and at the end of an epoch is in neither.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

from bench.timing import milliseconds, table

LOGGED = 10  # steps from line to line of the log, the default


@dataclass(frozen=True)
class Case:
    """``shapes``: of one example of each data; a number stands for so many classes."""

    title: str
    spec: str
    shapes: dict[str, tuple[int, ...] | int]
    batch: int = 64
    turn: int = 40


SEGMENT = """\
from std.unet import UNetRecursive
train Segment(width = 8, depth = 3) {
    data image: float[N, 3, 64, 64]
    data mask: int[N, 64, 64]
    shared f = UNetRecursive(width=width, depth=depth)
    loss = cross_entropy(image -> f, mask)
    minimize loss over f using Adam(lr=1e-3)
}
"""

CASES = (
    Case("MLP", "std.mlp:Classify", {"image": (784,), "label": 10}),
    Case("LeNet", "std.lenet:Classify", {"image": (1, 32, 32), "label": 10}),
    Case("GAN", "std.gan:TrainGAN", {"real": (1, 28, 28)}),
    Case("U-Net", SEGMENT, {"image": (3, 64, 64), "mask": (64, 64)}, batch=8, turn=10),
)


class Plain:
    """The loop that a person writes over a generated trainer."""

    def __init__(self, training: Any, data: dict[str, Any], batch: int) -> None:
        import torch

        from dlspec.backends.torch.live import to_training

        _, self.trainer = to_training(training)
        self.feed = self._batches({name: torch.from_numpy(array) for name, array in data.items()}, batch)

    def take(self, steps: int) -> None:
        for number in range(steps):
            objectives = self.trainer.step(self.feed)
            if number % LOGGED == LOGGED - 1:
                self.log = {name: float(objective) for name, objective in objectives.items()}

    def _batches(self, data: dict[str, Any], batch: int) -> Iterator[dict[str, Any]]:
        import torch

        examples = len(next(iter(data.values())))
        while True:
            for rows in torch.randperm(examples).split(batch):
                if len(rows) == batch:
                    yield {name: tensor[rows] for name, tensor in data.items()}


def _data(case: Case, steps: int) -> dict[str, Any]:
    """Random examples, so many that no epoch ends."""
    import numpy as np

    drawn = np.random.default_rng(0)
    examples = (steps + 1) * case.batch
    data: dict[str, Any] = {}
    for name, shape in case.shapes.items():
        if isinstance(shape, int):
            data[name] = drawn.integers(0, shape, examples)
        elif name == "mask":
            data[name] = drawn.integers(0, 2, (examples, *shape))
        else:
            data[name] = drawn.random((examples, *shape), np.float32)
    return data


Clock = tuple[float, float]
"""Seconds, and those of the processor, which others do not make longer."""


def _clock() -> Clock:
    return time.perf_counter(), time.process_time()


def _turns(case: Case, folder: Path, runs: int) -> list[tuple[Clock, Clock]]:
    """What a step of both takes, in each turn but the first."""
    import numpy as np

    from dlspec.pipeline import elaborate_training, open_program, open_source
    from dlspec.source import Source
    from dlspec.training import start
    from dlspec.training.batches import Batches
    from dlspec.training.beginning import Beginning
    from dlspec.training.options import Options

    folder.mkdir()
    steps = case.turn * (runs + 2)
    data = _data(case, steps)
    np.savez(folder / "data.npz", **data)
    file, _, name = case.spec.partition(":") if case.spec.startswith("std.") else ("", "", "Segment")
    program = open_program(file) if file else open_source(Source("segment.dlspec", case.spec))
    training = elaborate_training(program, name)
    plain = Plain(training, data, case.batch)
    times: list[tuple[Clock, Clock]] = []

    def silent(line: str) -> None: ...

    def between(began: Clock, ended: Clock) -> Clock:
        seconds, processor = ((end - begin) / case.turn for begin, end in zip(began, ended, strict=True))
        return seconds, processor

    class Interleaved(Batches):
        began = 0.0, 0.0

        def __next__(self) -> dict[str, Any]:
            if self.taken % case.turn == 0:
                now = _clock()
                if self.taken:
                    plain.take(case.turn)
                    times.append((between(self.began, now), between(now, _clock())))
                self.began = _clock()
            return super().__next__()

    options = Options((str(folder / "data.npz"),), folder / "run", steps=steps, batch=case.batch, held_out=0.0)
    with mock.patch.object(start, "Batches", Interleaved):
        start.train(training, options, Beginning(), silent, silent)
    return times[1:]


def run(folder: Path, runs: int, cases: tuple[Case, ...] = CASES) -> dict[str, float]:
    """Prints them, and returns the ratios by title: the medians over the turns."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # two loops of threads would take the cores from each other
    try:
        times = {case.title: _turns(case, folder / case.title, runs) for case in cases}
    finally:
        torch.set_num_threads(threads)
    rows: list[tuple[str, ...]] = []
    ratios: dict[str, float] = {}
    for title, turns in times.items():
        (ours, theirs), (processor, its) = (
            [median(turn[side][k] for turn in turns) for side in (0, 1)] for k in (0, 1)
        )
        ratios[title] = median(mine[0] / other[0] for mine, other in turns)
        ratios[f"{title}, processor"] = median(mine[1] / other[1] for mine, other in turns)
        rows.append((title, milliseconds(ours), milliseconds(theirs), f"{ratios[title]:.2f}", milliseconds(processor),
                     milliseconds(its), f"{ratios[f'{title}, processor']:.2f}"))  # fmt: skip
    heads = ("", "dlspec train", "plain loop", "ratio (aim 1.05)", "processor", "plain loop", "ratio")
    table("A step of training on the CPU, one thread", heads, rows)
    return ratios
