"""What was tried and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Tally:
    """A line of the table. ``failures`` say how each is made again."""

    group: str
    name: str
    tried: int = 0
    failures: list[str] = field(default_factory=list)

    def note(self, failure: str | None) -> None:
        """Counts one that was tried."""
        self.tried += 1
        if failure:
            self.failures.append(failure)


def show(tallies: Sequence[Tally]) -> None:
    for tally in tallies:
        print(
            f"{tally.group:<14} {tally.name:<28} {tally.tried:>8,} tried  {len(tally.failures):>4} failures", flush=True
        )
        for failure in tally.failures[:5]:
            print(f"    {failure}", flush=True)
