"""Interleaved timings: machines drift, so what is compared runs in turns, and the median counts."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]


def interleaved(tasks: Mapping[str, Callable[[], object]], runs: int, warmup: int = 1) -> dict[str, float]:
    """The median seconds of each task, run in turns: A B A B ..."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for index in range(-warmup, runs):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            if index >= 0:
                times[name].append(time.perf_counter() - start)
    return {name: median(values) for name, values in times.items()}


def process(arguments: Sequence[str]) -> Callable[[], None]:
    """A task that runs Python with these arguments as a whole process. Raises where it fails."""

    def run() -> None:
        subprocess.run([sys.executable, *arguments], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)

    return run


def processor(task: Callable[[], object]) -> float:
    """The seconds of processor time that the processes of a task take, also where others make it wait."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    task()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a table with aligned columns."""
    cells = [[str(cell) for cell in row] for row in [heads, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    print(f"\n{title}")
    for row in cells:
        first, *rest = zip(row, widths, strict=True)
        print("  " + first[0].ljust(first[1]) + "".join(f"  {cell.rjust(width)}" for cell, width in rest))


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f} ms"


def ratio(a: float, b: float) -> str:
    return f"{a / b:.2f}"
