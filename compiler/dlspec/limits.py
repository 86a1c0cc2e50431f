"""What compiling a spec may take: one budget of steps and one of bytes, counted before anything is done or built."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import cast

from dlspec.diagnostics import Hinted


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a spec may ask for. Each is a flag of the commands that read specs: ``--max-steps`` and so on.

    * ``steps``: of all work while compiling. An expression counts 1, a word of the text 4, a turn of a loop 8, a node of
      the graph 8, a network 100, a file that is imported 400; the items of lists count an eighth each. As many as the
      default take about half a second.
    * ``bytes``: of the strings, lists and numbers that are made while compiling.
    * ``depth``: of blocks, layers and lists inside each other.
    * ``findings``: errors, and warnings, that are told of a file.
    * ``weights``: bytes of the weights that are drawn or written. None is what is free in memory or on the disk.
    """

    steps: int = 600_000
    bytes: int = 100_000_000
    depth: int = 200
    findings: int = 50
    weights: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            limit = getattr(self, field.name)
            if limit is not None and limit < 1:
                raise ValueError(f"the limit of {field.name} is positive, not {limit}")
        if self.depth > DEEPEST:
            raise ValueError(f"the limit of depth is at most {DEEPEST:,}, not {self.depth:,}")


FILE, NETWORK, TOKEN, TURN, SCOPE, NODE = 400, 100, 4, 4, 4, 8
"""Steps of a file that is imported, a network, a word of a text, a turn of a loop, a region and a node."""

ITEMS = 8
"""So many items of a list, or characters of a string, are a step."""

DEEPEST = 1000
"""What is nested deeper than that would meet Python's own limit."""

_DEFAULT = Limits()
_limits: ContextVar[Limits] = ContextVar("limits", default=_DEFAULT)
_budget: ContextVar[Budget | None] = ContextVar("budget", default=None)


class Exceeded(Hinted):
    """More than a limit allows. Its position is found by who asked for it."""

    def __init__(self, what: str, limit: str) -> None:
        hint = f"if that is meant, raise it with --max-{limit}, in Python with `limits=Limits({limit}=...)`"
        super().__init__(what, hint, "DL0407")


class Budget:
    """What is left of the ``limits`` for a file. ``exceeded`` is set once there is nothing left of one."""

    __slots__ = ("bytes", "exceeded", "limits", "steps")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.steps = limits.steps
        self.bytes = limits.bytes
        self.exceeded = False

    def spend(self, steps: int = 1) -> None:
        """Counts steps that are about to be done. Raises `Exceeded`."""
        if steps > self.steps:
            self.exceeded = True
            raise Exceeded(f"this takes more than the {self.limits.steps:,} steps that a spec may take", "steps")
        self.steps -= steps

    def afford(self, steps: int) -> bool:
        """Whether so many steps are left."""
        return steps <= self.steps

    def make(self, bytes: int) -> None:
        """Counts bytes that are about to be made. Raises `Exceeded`."""
        if bytes > self.bytes:
            self.exceeded = True
            limit = self.limits.bytes
            raise Exceeded(f"this makes more than the {limit:,} bytes that the values of a spec may have", "bytes")
        self.bytes -= bytes

    def items(self, count: int, bytes: int = 8) -> None:
        """Counts a list that is about to be made, of so many items of so many bytes. Raises `Exceeded`."""
        self.make(bytes * count)
        self.spend(count // ITEMS)

    def walk(self, value: object) -> int:
        """Counts a value whose items are about to be looked at, in lists at any depth. Returns how many there are.

        Raises `Exceeded`, also for what is nested too deep: what looks at it may do so recursively.
        """
        found, depth = 1, 0
        level: list[object] = [value] if isinstance(value, list) else []
        while level:
            depth += 1
            if depth > self.limits.depth:
                self.exceeded = True
                raise Exceeded(f"lists are inside each other more than {self.limits.depth} deep", "depth")
            inner: list[object] = []
            for items in cast("list[list[object]]", level):
                found += len(items)
                self.spend(1 + len(items) // ITEMS)
                inner += [item for item in items if item.__class__ is list]
            level = inner
        return found


def limits() -> Limits:
    """The limits of what is being done."""
    return _limits.get()


def budget() -> Budget:
    """The budget of what is being compiled; outside of that a new one."""
    return _budget.get() or Budget(_limits.get())


@contextmanager
def spending(limits: Limits | None = None) -> Generator[Budget]:
    """A budget for what is compiled inside, unless there is one already."""
    known = _budget.get()
    if known is not None:
        yield known
        return
    token = _budget.set(Budget(limits or _limits.get()))
    try:
        yield budget()
    finally:
        _budget.reset(token)


@contextmanager
def limited(limits: Limits) -> Generator[None]:
    """The limits of what is compiled inside and is given none."""
    token = _limits.set(limits)
    try:
        yield
    finally:
        _limits.reset(token)
