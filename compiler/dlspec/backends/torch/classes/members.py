"""The members of a plan, in the order in which they are made, those of the turns of loops together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dlspec.backends.torch.classes.levels import Mismatch
from dlspec.backends.torch.classes.rolling import Steps
from dlspec.backends.torch.classes.rounds import Place, Round
from dlspec.backends.torch.plans.plan import Member, Plan
from dlspec.backends.torch.plans.tree import Key
from dlspec.backends.torch.python.evaluate import evaluate
from dlspec.backends.torch.python.expressions import Attribute, Const, Own, Py, Subscript, walk
from dlspec.backends.torch.python.symbols import signature


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """A member, made in the given turns of the loops of these keys."""

    member: Member
    rounds: tuple[Key, ...] = ()
    turns: tuple[int, ...] = ()


def members_of(plan: Plan, steps: Steps) -> dict[Any, list[Standing]]:
    """The members in order, by label; those that the turns of a loop have are one for each place in a turn. Raises
    `Mismatch` where loops make them in another order than the plan."""
    by_label = {member.label: position for position, member in enumerate(plan.members)}
    made: dict[int, tuple[Any, list[Standing]]] = {
        position: (repr(signature(steps.name(member))), [Standing(member)])
        for position, member in enumerate(plan.members)
    }
    for step in steps.steps if plan.members else ():  # the methods of a train have the members of its class
        places = list(_places(step, ())) if isinstance(step, Round) else []
        if not places:
            continue
        order = _in_order(places, by_label)
        if order != list(range(order[0], order[0] + len(order))):
            raise Mismatch  # made in another order than they are run
        labels = {plan.members[position].label for position in order}
        if any(_mentions(init, labels) for init, _ in steps.inits):
            raise Mismatch
        for number, (keys, place) in enumerate(places):
            standing = [(by_label[label], turns) for turns, label in place]
            for position, _ in standing:
                del made[position]
            members = [Standing(plan.members[position], keys, turns) for position, turns in standing]
            made[standing[0][0]] = ((keys, number), members)
    return {label: members for _, (label, members) in sorted(made.items())}


def _places(made: Round, around: tuple[Key, ...]) -> Iterator[tuple[tuple[Key, ...], Place]]:
    """What each turn has of its own, with the keys of the loops around it."""
    keys = (*around, made.key)
    for place in made.members:
        yield keys, place
    for step in made.body:
        if isinstance(step, Round):
            yield from _places(step, keys)


def _in_order(places: list[tuple[tuple[Key, ...], Place]], positions: dict[str, int]) -> list[int]:
    """The positions of what loops make, turn by turn."""
    ranks: dict[tuple[Key, ...], int] = {}
    for keys, place in places:
        first = min(positions[label] for _, label in place)
        for depth in range(1, len(keys) + 1):
            ranks[keys[:depth]] = min(first, ranks.get(keys[:depth], first))

    def order(keys: tuple[Key, ...], place: Place) -> Iterator[tuple[list[int], int]]:
        for turns, label in place:
            beside = [*(ranks[keys[: depth + 2]] for depth in range(len(keys) - 1)), positions[place[0][1]]]
            yield [number for pair in zip(turns, beside, strict=True) for number in pair], positions[label]

    return [position for _, position in sorted(each for keys, place in places for each in order(keys, place))]


def _mentions(value: Py, labels: set[str]) -> bool:
    """Whether an expression reaches one of these members."""
    for inner in walk(value):
        if isinstance(inner, Attribute) and inner.name in labels:
            return True
        if isinstance(inner, Own) and evaluate(inner.label) in labels:
            return True
        if isinstance(inner, Subscript) and any(isinstance(i, Const) and str(i.value) in labels for i in inner.items):
            return True
    return False
