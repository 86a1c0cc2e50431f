"""Blocks of a train that have no weights and no name: those that are made alike are one member."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from dlspec.backends.torch.classes.template import TAction, Template, TLoop, TMember, TRound
from dlspec.backends.torch.plans.plan import Run
from dlspec.backends.torch.plans.tree import Module
from dlspec.backends.torch.python.evaluate import Unwritten, evaluate
from dlspec.backends.torch.python.expressions import Const, Name, Own, Py, Subscript, rebuild, walk
from dlspec.backends.torch.python.layout import flat
from dlspec.backends.torch.python.sums import rebuild_all
from dlspec.backends.torch.python.symbols import Leaf, LoopId, own_member
from dlspec.ir.scope import within


def alike(
    module: Module, template: Template, value: Callable[[TMember], Py], methods: list[Template]
) -> dict[str, str]:
    """For each member that another stands for, that one: the first that is made so. Where the text of a method finds some
    by the number of a turn, it is one for all of them, or each stays."""
    first: dict[str, str] = {}
    made: dict[str, str] = {}
    for member in template.members:
        label, plain = member.label, member.kind == "module" and not member.when and not member.loops
        if plain and label.isdigit() and not any(within(path, label) for path in module.graph.parameters):
            first[label] = made.setdefault(flat(value(member)), label)
    counted = [labels for method in methods for _, labels in _found(method)]
    if any(labels is None for labels in counted):
        return {}
    apart = {one for labels in counted if labels is not None and len(ones := _ones(labels, first)) > 1 for one in ones}
    return {label: one for label, one in first.items() if label != one and one not in apart}


def _ones(labels: set[str], first: dict[str, str]) -> set[str]:
    return {first.get(label, label) for label in labels}


def with_one(method: Template, ones: dict[str, str]) -> Template:
    """The method with the members that stand for others."""
    found = {id(own): labels for own, labels in _found(method)}

    def change(value: Py) -> Py:
        match value:
            case Subscript(base=Name(text="self"), items=(Const(value=label),)) if label in ones:
                return own_member(Const(ones[label]), numbered=True)
            case Own():
                label, *others = _ones(found[id(value)] or set(), ones) or {""}
                return own_member(Const(label), numbered=True) if label and not others else value
            case Leaf():
                return value
            case _:
                return rebuild(value, change)

    def step(each: TAction | TRound) -> TAction | TRound:
        if isinstance(each, TAction):
            return replace(each, value=change(each.value))
        return replace(each, body=[step(inner) for inner in each.body])

    outputs = [(change(value), training) for value, training in method.outputs]
    return replace(method, steps=[step(each) for each in method.steps], outputs=outputs)


def _found(method: Template) -> Iterator[tuple[Own, set[str] | None]]:
    """The places where members are found by the number of a turn, and which these are; None where nobody can tell."""
    turns = {loop: count for plan in method.plans for loop, count in _counts(plan.loops).items()}

    def inside(steps: list[TAction | TRound], loops: tuple[TLoop, ...]) -> Iterator[tuple[Own, set[str] | None]]:
        for step in steps:
            if isinstance(step, TRound):
                yield from inside(step.body, (*loops, step.loop))
                continue
            for value in walk(step.value):
                if isinstance(value, Own):
                    yield value, _labels(value, loops, turns)

    return inside(method.steps, ())


def _labels(own: Own, loops: tuple[TLoop, ...], turns: dict[LoopId, int]) -> set[str] | None:
    labels = [own.label]
    try:
        for loop in loops:
            numbers = evaluate(loop.iterable) if loop.targets == (loop.index,) else range(turns.get(loop.loop, 0))
            labels = [_at(label, loop.index, number) for label in labels for number in numbers]
        return {evaluate(label) for label in labels} if loops else None
    except Unwritten:
        return None


def _at(label: Py, index: str, number: int) -> Py:
    def change(value: Py) -> Py:
        return Const(number) if isinstance(value, Name) and value.text == index else rebuild_all(value, change)

    return change(label)


def _counts(runs: list[Run] | tuple[Run, ...]) -> dict[LoopId, int]:
    found: dict[LoopId, int] = {}
    for run in runs:
        for loop, count in ((run.loop, len(run.bounds)), *_counts(run.inner).items()):
            found[loop] = max(found.get(loop, 0), count)
    return found
