"""The channel between two rows: the edges that change their place across the flow, each on a track of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_APART = 6.0


@dataclass(slots=True, eq=False)
class Crossing:
    """A tensor that comes into the channel at ``start`` and leaves it at each of ``ends``. ``track`` counts from the
    side where it comes in; None where it runs straight through. One that trades places with another changes over to
    the track ``second`` at ``middle``."""

    start: float
    ends: Sequence[float]
    track: int | None = None
    middle: float = 0.0
    second: int | None = None

    @property
    def low(self) -> float:
        return min(self.start, *self.ends)

    @property
    def high(self) -> float:
        return max(self.start, *self.ends)


def assign_tracks(crossings: Sequence[Crossing], passing: Sequence[float] = ()) -> int:
    """Gives tracks to all that do not run straight, so that no two lie on one another, nor on what is ``passing``. Returns
    how many there are.

    One that comes in where another leaves turns before it. Beyond that those that go the same way are nested, so that
    they do not cross.
    """
    turning = [crossing for crossing in crossings if any(end != crossing.start for end in crossing.ends)]
    rightward = sorted((c for c in turning if sum(c.ends) >= c.start * len(c.ends)), key=lambda c: -c.start)
    leftward = sorted((c for c in turning if sum(c.ends) < c.start * len(c.ends)), key=lambda c: c.start)
    before: dict[Crossing, list[Crossing]] = {c: [] for c in turning}
    for one in turning:
        for other in turning:
            if one is not other and any(abs(end - one.start) < _APART for end in other.ends):
                before[other].append(one)
    placed: list[Crossing] = []
    trading: list[Crossing] = []
    waiting = [*rightward, *leftward]
    while waiting:
        ready = next((c for c in waiting if all(b.track is not None for b in before[c])), None)
        if ready is None:
            ready = waiting[0]
            trading.append(ready)
        waiting.remove(ready)
        lowest = max((b.track + 1 for b in before[ready] if b.track is not None), default=0)
        taken = {c.track for c in placed if c.low - _APART < ready.high and ready.low < c.high + _APART}
        ready.track = next(track for track in range(lowest, lowest + len(taken) + 1) if track not in taken)
        placed.append(ready)
    count = max((c.track + 1 for c in turning if c.track is not None), default=0)
    for crossing in trading:
        crossing.middle, crossing.second = _between(crossing, crossings, passing), count
        count += 1
    return count


def _between(crossing: Crossing, others: Sequence[Crossing], passing: Sequence[float]) -> float:
    """A place between where a tensor comes in and leaves where nothing else runs along."""
    taken = [*passing, *(place for other in others for place in (other.start, *other.ends))]
    middle = (crossing.start + crossing.ends[0]) / 2
    for step in range(200):
        for place in (middle + step * _APART, middle - step * _APART):
            if all(abs(place - other) >= _APART for other in taken):
                return place
    return middle
