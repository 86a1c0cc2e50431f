"""Which loops of a forward are written as loops, and what comes behind them."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Many
from dataclasses import dataclass, replace
from functools import partial, reduce

from dlspec.backends.torch.classes.folding import Around, Folding, runs_in
from dlspec.backends.torch.classes.levels import Mismatch
from dlspec.backends.torch.classes.rounds import Round, Step, changed, rounds_in
from dlspec.backends.torch.lowering.registry import Ref
from dlspec.backends.torch.plans.plan import Action, Member, Plan, Run, Slot
from dlspec.backends.torch.plans.tree import Key, Module
from dlspec.backends.torch.python.computing import is_counted
from dlspec.backends.torch.python.evaluate import evaluate
from dlspec.backends.torch.python.expressions import (
    Binary,
    Call,
    Const,
    Name,
    Own,
    Py,
    Sequence,
    Star,
    rebuild,
    walk,
)
from dlspec.backends.torch.python.looped import counted
from dlspec.backends.torch.python.symbols import Leaf, LoopId

_FEW, _SHORT = 4, 12
"""Turns, and steps of them all, that read better one by one where the text itself says how many turns there are."""


@dataclass(eq=False, slots=True)
class Steps:
    """What a forward runs and gives, with the settings that its loops hang on where they are written out."""

    steps: list[Step]
    outputs: list[tuple[Py, bool]]
    inits: list[tuple[Py, tuple[Key, ...]]]
    hinges: set[str]
    loops: frozenset[LoopId]

    @property
    def rounds(self) -> dict[Key, Round]:
        """The loops by key, each before those inside."""
        return {each.key: each for each in rounds_in(self.steps)}

    def name(self, member: Member) -> Py:
        """The label of a member as an expression."""
        return counted(member.name, self.loops)


class _Gone(Exception):
    """Something behind a loop needs what a turn in the middle of it made, or a list has what its only turn made, of which
    nobody can tell whether it is the last or all."""

    def __init__(self, key: Key) -> None:
        super().__init__()
        self.key = key


def written_out(plan: Plan) -> Steps:
    """All turns of all loops, one after the other."""
    hinges: set[str] = set()
    runs = list(plan.loops)
    while runs:
        run = runs.pop()
        hinges |= run.hinges
        runs += run.inner
    actions: list[Step] = [replace(action, value=_summed(action.value)) for action in plan.actions]
    return _named(plan, actions, plan.outputs, hinges, frozenset())


def _summed(value: Py) -> Py:
    """With signs in place of the sum of a list that is written out."""
    match value:
        case Call(function=Name(text="sum"), args=(Sequence(items=items),)) if Star not in map(type, items):
            return reduce(partial(Binary, "+"), map(_summed, items))
        case _ if any(isinstance(inner, Call) and _is_sum(inner) for inner in walk(value)):
            return rebuild(value, _summed)
        case _:
            return value


def _is_sum(call: Call) -> bool:
    return isinstance(call.function, Name) and call.function.text == "sum"


def _named(
    plan: Plan, steps: list[Step], outputs: list[tuple[Py, bool]], hinges: set[str], loops: frozenset[LoopId]
) -> Steps:
    """The steps with what members are called where some loops are written as loops."""
    inits = plan.inits
    if not plan.members or not all(isinstance(member.name, Const) for member in plan.members):

        def named(value: Py) -> Py:
            return counted(value, loops)

        steps = [changed(each, named) for each in steps]
        outputs = [(named(value), training) for value, training in outputs]
        inits = [(named(value), conditions) for value, conditions in inits]
    return Steps(steps, outputs, inits, hinges, loops)


def rolled(plan: Plan) -> Steps | None:
    """The steps with the loops that can be written as loops; None where there is none."""
    refused: set[Key] = set()
    while True:
        try:
            return _Rolling(plan, refused).steps()
        except _Gone as gone:
            refused.add(gone.key)


class _Rolling:
    """Writes loops as loops, but for some that are ``refused``. Raises `_Gone`."""

    def __init__(self, plan: Plan, refused: set[Key]) -> None:
        self.plan = plan
        self.refused = refused
        self.hinges: set[str] = set()

    def steps(self) -> Steps | None:
        behind = _Behind(Around())
        steps = self._steps((0, len(self.plan.actions)), self.plan.loops, Around(), behind)
        loops = frozenset(each.loop for each in rounds_in(steps))
        if not loops:
            return None
        outputs = [(behind(value), training) for value, training in self.plan.outputs]
        return _named(self.plan, steps, outputs, self.hinges, loops)

    def _steps(self, bounds: tuple[int, int], runs: Many[Run], around: Around, behind: _Behind) -> list[Step]:
        """Those between two actions of the plan, and the loops there."""
        steps: list[Step] = []
        position, end = bounds
        for run in runs:
            if not run.bounds:
                self.hinges |= run.hinges
                continue
            begin = run.bounds[0][0]
            steps += [behind.action(action) for action in self.plan.actions[position:begin]]
            position = run.bounds[-1][1]
            made = self._round(run, around)
            if made is not None:
                steps += [*(made.begun if not around.loops else ()), behind.round(made)]
                behind.add(run.key, made)
            else:
                self.hinges |= run.hinges
                steps += self._steps((begin, position), run.inner, around, behind)
        return steps + [behind.action(action) for action in self.plan.actions[position:end]]

    def _round(self, run: Run, around: Around) -> Round | None:
        if run.key in self.refused or not _worth(run):
            return None
        before = set(self.hinges)
        for turns in (self._with_loops, self._without_loops):
            try:
                return self._folded(run, turns(run, around), around)
            except (Mismatch, _Gone):
                self.hinges = set(before)
        return None

    def _with_loops(self, run: Run, around: Around) -> list[list[Step]]:
        """The steps of each turn, with loops inside as loops. Raises `Mismatch` where none can be."""
        inside = around.inside(run)
        turns: list[list[Step]] = []
        idle = [each for each in run.inner if not each.bounds or each.bounds[0][0] == each.bounds[-1][1]]
        self.hinges.update(*(each.hinges for each in idle), *map(_hinges_in, idle))
        for begin, end in run.bounds:
            inner = [each for each in run.inner if each not in idle and begin <= each.bounds[0][0] < end]
            turns.append(self._steps((begin, end), inner, inside, _Behind(inside)))
        if not any(isinstance(step, Round) for turn in turns for step in turn):
            raise Mismatch
        return turns

    def _without_loops(self, run: Run, around: Around) -> list[list[Step]]:
        self.hinges |= _hinges_in(run)
        return [[*self.plan.actions[begin:end]] for begin, end in run.bounds]

    def _folded(self, run: Run, turns: list[list[Step]], around: Around) -> Round:
        made = Folding(self.plan, run, turns, around).round()
        all_made = [*rounds_in([made])]
        if made.pinned or (run.bare and made.members):
            self.hinges |= run.hinges
        if not around.loops and _places_behind(self.plan, run, all_made):
            self.hinges |= run.hinges | _hinges_in(run)
        return made


def _hinges_in(run: Run) -> set[str]:
    """The settings that the loops inside of one hang on."""
    return set[str]().union(*(inner.hinges for inner in runs_in(run)))


def _worth(run: Run) -> bool:
    turns = len(run.bounds)
    if run.iterable is None or run.running is None or turns == 0 or (turns == 1 and run.alone is None):
        return False
    steps = run.bounds[-1][1] - run.bounds[0][0]
    return run.listed or turns > _FEW or steps > _SHORT or not _is_counted(run)


def _is_counted(run: Run) -> bool:
    """Whether the text says how often a loop and those inside of it run."""
    return run.running is not None and is_counted(run.running) and all(map(_is_counted, run.inner))


def _places_behind(plan: Plan, run: Run, rounds: list[Round]) -> bool:
    """Whether layers without a label stand behind a loop: their positions hang on its turns, and on those inside."""
    own = {label for each in rounds for place in each.members for _, label in place}
    lists = (member for label, member in plan.module.members.items() if label not in plan.numbered)
    if any(isinstance(member, Module) and member.inline for member in lists):
        return True
    fixed = {m.label for m in plan.members if m.label.isdigit() and isinstance(m.name, Const)} - own
    behind = (*(action.value for action in plan.actions[run.bounds[-1][1] :]), *(value for value, _ in plan.outputs))
    return any(str(evaluate(part.label)) in fixed for value in behind for part in walk(value) if isinstance(part, Own))


class _Behind:
    """What comes after loops: what their last turn made, and lists of what all have made."""

    def __init__(self, around: Around) -> None:
        self.around = around
        self._last: dict[Slot, Slot] = {}
        self._gone: dict[Slot, Key] = {}
        self._only: dict[Slot, Key] = {}
        self._lists: list[_Gathered] = []

    def add(self, key: Key, made: Round) -> None:
        """What is known behind a loop, which has a key."""
        for first, slots in made.made.items():
            for slot in slots[:-1]:
                self._gone[slot] = key
            self._last[slots[-1]] = first
        for rounds in _chains((), made):
            if rounds[-1].gathers:
                for step in rounds[-1].body:
                    self._gather(key, made, rounds, step)

    def _gather(self, key: Key, made: Round, rounds: tuple[Round, ...], step: Step) -> None:
        if not isinstance(step, Action) or (step.key, 0) not in made.made:
            return  # a loop, or the number that one inside begins with
        for output in range(len(step.outputs)):
            slots = made.made[step.key, output]
            if len(slots) == 1:
                self._only[slots[0]] = key
            name = self.around.tagged((step.key, output), "so far")
            self._lists.append(_Gathered(slots, name, (step.key, output), [each.lists for each in rounds]))

    def action(self, action: Action) -> Action:
        return replace(action, value=_summed(self(action.value)))

    def step(self, step: Step) -> Step:
        return self.action(step) if isinstance(step, Action) else self.round(step)

    def round(self, made: Round) -> Round:
        body = tuple(map(self.step, made.body))
        carried = tuple((slot, of, self._slot(begun)) for slot, of, begun in made.carried)
        return replace(made, body=body, carried=carried, running=self(made.running))

    def _slot(self, slot: Slot) -> Slot:
        if slot in self._gone:
            raise _Gone(self._gone[slot])
        return self._last.get(slot, slot)

    def __call__(self, value: Py) -> Py:
        match value:
            case Ref(value=slot):
                return Ref(self._slot(slot))
            case Leaf(definition=Py() as definition) if value.key[0] == "shape":
                return self(definition)
            case Sequence(items=items):
                return self._sequence(value, items)
            case Leaf() | Const():
                return value
            case _:
                return rebuild(value, self)

    def _sequence(self, value: Sequence, items: tuple[Py, ...]) -> Py:
        slots = tuple(item.value if isinstance(item, Ref) else None for item in items)
        only = next((self._only[slot] for slot in slots if slot in self._only), None)
        if only is not None:
            raise _Gone(only)
        for listed in self._lists:
            count = len(listed.slots)
            begin = next((k for k in range(len(slots)) if slots[k : k + count] == listed.slots), None)
            if begin is not None:
                listed.keep()
                before, behind = items[:begin], items[begin + count :]
                made = Ref(listed.name)
                return self._sequence(value, (*before, Star(made), *behind)) if before or behind else made
        return Sequence(tuple(item if isinstance(item, Star) else self(item) for item in items), value.opening)


@dataclass(frozen=True, slots=True)
class _Gathered:
    """What all turns of loops inside each other have made, as a list of a ``name``; ``of`` is what the innermost adds."""

    slots: tuple[Slot, ...]
    name: Slot
    of: Slot
    lists: list[dict[Slot, Slot]]

    def keep(self) -> None:
        """The outermost loop begins the list, and the innermost adds to it."""
        *around, inner = self.lists
        for each in around:
            each[self.name] = self.name
        inner[self.name] = self.of


def _chains(around: tuple[Round, ...], made: Round) -> Iterator[tuple[Round, ...]]:
    """A loop, and each inside with those around it."""
    yield (*around, made)
    for step in made.body:
        if isinstance(step, Round):
            yield from _chains((*around, made), step)
