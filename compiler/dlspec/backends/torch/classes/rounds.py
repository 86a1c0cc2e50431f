"""The loops of a forward, of one plan: the steps of all turns as those of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from dlspec.backends.torch.plans.plan import Action, Slot
from dlspec.backends.torch.plans.tree import Key
from dlspec.backends.torch.python.expressions import Py
from dlspec.backends.torch.python.symbols import LoopId

Place: TypeAlias = tuple[tuple[tuple[int, ...], str], ...]
"""The labels of what stands at one place of a turn, with the turn of each loop around it, the outermost first."""


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """The steps of all turns of a loop as those of one, in which ``index`` numbers the turns.

    ``carried`` are the slots in which a turn finds what another slot of the turn before holds, with that and what it is
    in the first. ``lists`` are those that hold what a slot was in all turns so far, or that a loop inside goes on with.
    ``members`` are what each turn has of its own, but for loops inside. ``pinned``: the constructor says how many turns
    there are. ``made`` are the slots that stand for results, with those of all turns, and ``taken`` the variables of the
    loops around and inside. ``gathers`` is as for `Run`, and ``begun`` are steps that stand before the
    loop.
    """

    key: Key
    targets: tuple[str, ...]
    iterable: Py
    running: Py
    index: str
    body: tuple[Step, ...]
    carried: tuple[tuple[Slot, Slot, Slot], ...]
    lists: dict[Slot, Slot]
    members: tuple[Place, ...]
    loop: LoopId
    pinned: bool
    made: dict[Slot, tuple[Slot, ...]]
    taken: frozenset[str]
    gathers: bool
    begun: tuple[Action, ...]


Step: TypeAlias = Action | Round


def rounds_in(steps: Iterable[Step]) -> Iterator[Round]:
    """The loops among steps, each before those inside."""
    for step in steps:
        if isinstance(step, Round):
            yield step
            yield from rounds_in(step.body)


def actions_in(steps: Iterable[Step]) -> Iterator[Action]:
    """The actions among steps, with those in loops."""
    for step in steps:
        if isinstance(step, Action):
            yield step
        else:
            yield from actions_in(step.body)


def changed(step: Step, change: Callable[[Py], Py]) -> Step:
    """The step with other expressions in place of those of its actions."""
    if isinstance(step, Action):
        return replace(step, value=change(step.value))
    return replace(step, body=tuple(changed(each, change) for each in step.body))
