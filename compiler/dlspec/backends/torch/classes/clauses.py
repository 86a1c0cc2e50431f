"""The clauses of a comprehension, `[... for u in units for w in weights(u)]`, as one loop over what all of them run over."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from dlspec.backends.torch.classes.rolling import Steps, rolled
from dlspec.backends.torch.classes.rounds import Round
from dlspec.backends.torch.lowering.registry import Ref
from dlspec.backends.torch.plans.plan import Action, Plan, Run, bare
from dlspec.backends.torch.plans.tree import Key
from dlspec.backends.torch.python.expressions import Clause, Comprehension, Name, Py, Sequence, rebuild
from dlspec.backends.torch.python.sums import rebuild_all
from dlspec.backends.torch.python.symbols import Each, Turned, signature
from dlspec.backends.torch.python.targets import names_in


def rolled_as_one(plan: Plan) -> Steps | None:
    """The steps of a plan with its loops, where clauses of one comprehension are one loop if that can be written so."""
    apart: set[Key] = set()
    while True:
        joining = _Joining(plan, apart)
        steps = rolled(joining.plan)
        made = steps.steps if steps is not None else []
        left = joining.keys - {each.key for each in made if isinstance(each, Round) and not each.members}
        if not left:
            return steps
        apart |= left


class _Joining:
    """A plan with the loops of comprehensions joined, but for some that stay ``apart``."""

    def __init__(self, plan: Plan, apart: set[Key]) -> None:
        self.apart = apart
        self.actions = [*plan.actions]
        self.keys: set[Key] = set()
        loops = [self._run(run) for run in plan.loops]
        self.plan = replace(plan, actions=self.actions, loops=loops) if self.keys else plan

    def _run(self, run: Run) -> Run:
        run = replace(run, inner=tuple(map(self._run, run.inner)))
        inner = _clauses_in(run)
        running = None if inner is None or run.key in self.apart else _over(run, inner)
        if inner is None or running is None:
            return run
        place, turns = count(), [(k, j) for k, each in enumerate(inner) for j in range(len(each.bounds))]
        for k, j in turns:
            at = next(place)
            for number in range(*inner[k].bounds[j]):
                self.actions[number] = _moved(self.actions[number], run, k, inner[k], j, at)
        self.keys = self.keys.difference(each.key for each in inner) | {run.key}
        return replace(
            run,
            bounds=tuple(inner[k].bounds[j] for k, j in turns),
            targets=(*run.targets, *inner[0].targets),
            iterable=bare(running, len(turns)),
            running=running,
            hinges=run.hinges.union(*(each.hinges for each in inner)),
            evenly=run.evenly and all(each.evenly for each in inner),
            inner=(),
            elements=tuple({**run.elements[k], **inner[k].elements[j]} for k, j in turns),
            bare=True,
        )


def _clauses_in(run: Run) -> list[Run] | None:
    """The loops of the next clause, one in each turn, which are all that a turn does."""
    source, _, end = run.loop
    if not run.listed or not run.inner or len(run.inner) != len(run.bounds):
        return None
    for inner, whole in zip(run.inner, run.bounds, strict=True):
        behind = inner.listed and inner.loop[0] == source and inner.loop[1] >= end
        if not behind or not inner.bounds or (inner.bounds[0][0], inner.bounds[-1][1]) != whole:
            return None
    return [*run.inner]


def _over(run: Run, inner: list[Run]) -> Comprehension | None:
    """What the loops run over together, `[(u, w) for u in units for w in u.parameters()]`."""
    around = _clauses(run.running, run.targets)
    own = [_clauses(_in_turn(each.running, run, k), each.targets) for k, each in enumerate(inner)]
    if around is None or own[0] is None or len({repr(signature(each)) for each in own}) > 1:
        return None
    names = [*names_in(run.targets), *names_in(inner[0].targets)]
    if len({*names}) < len(names):
        return None
    *before, last = *around, *own[0]
    targets = tuple(map(Name, (*run.targets, *inner[0].targets)))
    return Comprehension(Sequence(targets, "("), last.target, last.iterable, "[", tuple(before), last.conditions)


def _clauses(running: Py | None, targets: tuple[str, ...]) -> tuple[Clause, ...] | None:
    if isinstance(running, Comprehension) and (running.conditions or running.around):
        return running.clauses if running.passes else None
    return None if running is None else (Clause(", ".join(targets), running),)


def _in_turn(value: Py | None, run: Run, turn: int) -> Py | None:
    """What stands in a turn, with the variables of the loop."""

    def change(inner: Py) -> Py:
        match inner:
            case Each() | Turned() if inner.loop == run.loop and inner.index == turn and inner.name:
                return Name(inner.name)
            case Ref(value=slot) if slot in run.elements[turn]:
                return Name(run.elements[turn][slot])
            case Each() | Turned():
                return inner
            case _:
                return rebuild(inner, change)

    return None if value is None else change(value)


def _moved(action: Action, run: Run, outer: int, inner: Run, turn: int, place: int) -> Action:
    """A step of a turn of the loop inside as one of the loop of both."""

    def change(value: Py) -> Py:
        match value:
            case Each() if (value.loop, value.index) in ((run.loop, outer), (inner.loop, turn)):
                return replace(value, loop=run.loop, index=place)
            case Turned() if (value.loop, value.index) in ((run.loop, outer), (inner.loop, turn)):
                return replace(value, loop=run.loop, index=place, at=None)
            case _:
                return rebuild_all(value, change)

    return replace(action, value=change(action.value))
