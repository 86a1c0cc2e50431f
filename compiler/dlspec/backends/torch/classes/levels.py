"""The turns of loops inside each other that several expressions are of."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Sequence as Many
from dataclasses import dataclass, replace

from dlspec.backends.torch.python.expressions import Call, Const, Name, Py
from dlspec.backends.torch.python.symbols import LoopId, Sum


class Mismatch(Exception):
    """The plans are not of one structure."""


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """The turn of one loop that each of several expressions is of, what numbers the turns, and the variables."""

    loop: LoopId
    turns: tuple[int, ...]
    index: Py
    names: tuple[str, ...]

    @property
    def once(self) -> bool:
        """Whether all are of the first turn."""
        return max(self.turns, default=0) == 0


@dataclass(frozen=True, slots=True, eq=False)
class Turns:
    """The levels of several expressions, that of the outermost loop first; of loops ``beyond`` all are of one turn, which
    they say as they are."""

    levels: tuple[Level, ...] = ()
    beyond: frozenset[LoopId] = frozenset()

    @property
    def loops(self) -> frozenset[LoopId]:
        return self.beyond.union(level.loop for level in self.levels)

    @property
    def names(self) -> frozenset[str]:
        """The variables of all loops."""
        return frozenset(name for level in self.levels for name in level.names)

    def at(self, places: Many[int]) -> Turns:
        """Of expressions that stand at these places among those of today, each as often as it is given."""
        levels = (replace(each, turns=tuple(each.turns[place] for place in places)) for each in self.levels)
        return replace(self, levels=tuple(levels))

    def around(self, level: Level) -> Turns:
        """With one loop more, inside all others."""
        return replace(self, levels=(*self.levels, level))


NO_LOOP = Turns()


def index_of(targets: tuple[str, ...], iterable: Py, taken: Collection[str] = ()) -> str:
    """What numbers the turns of a loop: a variable of it that does, else one of its own, `i`, that is not ``taken`` by loops
    around it and inside."""
    counts = _begin(iterable) is not None and len(targets) == 1
    called = iterable.function.text if isinstance(iterable, Call) and isinstance(iterable.function, Name) else ""
    if counts or (called == "enumerate" and len(targets) == 2):
        return targets[0]
    return next(name for name in "ijklmn" if name not in targets and name not in taken)


def turn_of(index: str, targets: tuple[str, ...], iterable: Py) -> Py:
    """The number of a turn, from 0 on, by the variable that numbers them."""
    begin = _begin(iterable) if targets == (index,) else 0
    return Sum(((Const(1), Name(index)),), -begin) if begin else Name(index)


def _begin(iterable: Py) -> int | None:
    """Where `range` begins to count by one. None for all else."""
    match iterable:
        case Call(function=Name(text="range"), args=(_,)):
            return 0
        case Call(function=Name(text="range"), args=(Const(value=int(begin)), _)):
            return begin
        case _:
            return None
