"""Where a block that is too long is broken into lines, which are read as those of a text are: each from left to right.

Between two rows of boxes a line may end. Each tensor that passes there turns down at its end, runs back below it and comes
in where the next line begins, so that places are sought which few tensors pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dlspec.backends.diagram.pieces import PADDING, TRACK

BEND = 14.0
"""How far outside of the lines the first tensor runs from one to the next."""


class Row(NamedTuple):
    """A row of boxes: its ``length`` along the flow, that of the ``channel`` behind it, and of the ``texts`` in that, which
    stay where a line ends. ``passing`` tensors leave it, none where no line may end; ``must`` where one has to."""

    length: float
    channel: float
    texts: float
    passing: int
    must: bool = False


class Lines(NamedTuple):
    """The rows that lines begin with, and how far the first box is from where the block begins and the last from its end."""

    starts: tuple[int, ...]
    before: float
    behind: float


def side(passing: int) -> float:
    """What tensors take of the side of a line."""
    return BEND + max(passing - 1, 0) * TRACK


def break_lines(rows: Sequence[Row], room: float, framed: bool, before: float, behind: float) -> Lines:
    """Breaks rows into lines no longer than ``room`` with the sides, where that is possible, and else no longer than needed.

    ``before`` and ``behind`` are what the block needs for its own ends.
    """
    counts = sorted({row.passing for row in rows[:-1] if row.passing})
    least = max((row.passing for row in rows[:-1] if row.must), default=0)
    best: tuple[float, Lines] | None = None
    for most in [count for count in counts if count >= least]:
        ends = (PADDING if framed else 0.0) + side(most)
        lines = Lines((), max(ends, before), max(ends, behind))
        inner = room - lines.before - lines.behind
        longest = _longest_piece(rows, most)
        if best is None or longest + lines.before + lines.behind < best[0]:
            starts = _balanced(rows, most, max(inner, longest))
            best = longest + lines.before + lines.behind, lines._replace(starts=starts)
        if longest <= inner:
            break
    return best[1] if best is not None else Lines((0,), before, behind)


def _longest_piece(rows: Sequence[Row], most: int) -> float:
    """The longest line where one ends wherever it may."""
    longest, length = 0.0, 0.0
    for row in rows:
        ends = _ends(row, most) or row is rows[-1]
        length += row.length + (row.texts if ends else row.channel)
        if ends:
            longest, length = max(longest, length), 0.0
    return longest


def _balanced(rows: Sequence[Row], most: int, room: float) -> tuple[int, ...]:
    """The first rows of lines that are no longer than the room: as few as there can be, and those as equal as they can."""
    count = len(rows)
    best: list[tuple[int, float]] = [(0, 0.0)] * (count + 1)  # of what begins at a row: lines, and what they lack
    ends = [count] * count
    for start in range(count - 1, -1, -1):
        best[start], length = (count + 1, 0.0), 0.0
        for last in range(start, count):
            row = rows[last]
            length += row.length
            if length > room and last > start:
                break
            final = last == count - 1
            if final or _ends(row, most):
                used = length if final else length + row.texts
                lines, lack = best[last + 1]
                crowd = 0.0 if final else (row.passing - 1) * (room / 2) ** 2
                found = lines + 1, lack + (room - used) ** 2 + crowd
                if used <= room + 0.01 and found < best[start]:
                    best[start], ends[start] = found, last + 1
            if row.must:
                break
            length += row.channel
    starts = [0]
    while ends[starts[-1]] < count:
        starts.append(ends[starts[-1]])
    return tuple(starts)


def _ends(row: Row, most: int) -> bool:
    return row.must or 0 < row.passing <= most
