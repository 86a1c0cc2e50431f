"""Random valid programs and mutants for as long as is asked: ``make fuzz PROGRAMS=20000 MUTANTS=200000 SEED=1``.

What is wrong is printed, made as small as it goes. What was wrong once is kept in ``kept/``, where the tests try it each
time.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from mutants import Tally, mutants
from promises import Fault, Lacking, fault, same, variants
from reduce import reduced
from valid_programs import program

KEPT = Path(__file__).parent / "kept"


class Programs:
    """What became of programs: how many were ``tried``, and for how many a backend says that it ``lacks`` something."""

    def __init__(self) -> None:
        self.tried = self.variants = 0
        self.lacks: Counter[str] = Counter()
        self.failures: list[tuple[int, str, str]] = []
        self.operators: set[str] = set()

    def add(self, seed: int, minimise: bool = True) -> None:
        self.tried += 1
        made = program(seed)
        self.operators |= {operator.__name__ for operator in made.operators}
        text = made.written()
        try:
            wrong = fault(text)
            if wrong is not None:
                shown = reduced(text, lambda other: _like(other, wrong)) if minimise else text
                self.failures.append((seed, f"{wrong.kind}: {wrong.about}", shown))
                return
            for what, other in variants(made, seed).items():
                if other == text:
                    continue
                self.variants += 1
                differs = same(text, other)
                if differs:
                    self.failures.append((seed, f"{what}: {differs}", f"{text}\n# {what}:\n{other}"))
        except Lacking as lacking:
            self.lacks[str(lacking)] += 1
        except Exception as error:
            self.failures.append((seed, f"{type(error).__name__}: {error}", text))

    def table(self) -> str:
        rows = [
            f"programs  {self.tried:,} tried, {len(self.failures)} failed, {len(self.operators)} operators",
            f"          {self.variants:,} written in another way, with the same results",
            f"          {self.lacks.total()} that a backend says it lacks something for",
        ]
        return "\n".join(rows + [f"          {count:6} {message}" for message, count in self.lacks.most_common(8)])


def _like(text: str, wrong: Fault) -> bool:
    try:
        found = fault(text)
    except Lacking:
        return False
    return found is not None and (found.kind, found.about[:25]) == (wrong.kind, wrong.about[:25])


def _paced(count: int, each: Callable[[int], None], report: Callable[[], str], seconds: float) -> None:
    start = last = time.monotonic()
    for number in range(count):
        each(number)
        now = time.monotonic()
        if now - last > 300:
            last = now
            print(report(), flush=True)
        if seconds and now - start > seconds:
            break
    print(report(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=20_000)
    parser.add_argument("--mutants", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0, help="of each of the two at most")
    given = parser.parse_args()
    programs, tally, shown = Programs(), Tally(), 0

    def one(number: int) -> None:
        nonlocal shown
        programs.add(given.seed * 1_000_000 + number)
        for seed, message, text in programs.failures[shown:]:
            print(f"# seed {seed}: {message}\n{text}", flush=True)
        shown = len(programs.failures)

    _paced(given.programs, one, programs.table, given.seconds)
    wanted = mutants(given.mutants, given.seed)
    _paced(given.mutants, lambda _: tally.add(next(wanted)), tally.table, given.seconds)
    for failure in tally.failures:
        print(failure)
    raise SystemExit(bool(programs.failures or tally.failures))


if __name__ == "__main__":
    main()
