"""The loops of a forward: the steps of each turn are one text, in which a turn finds what the turn before left."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Many
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any

from dlspec.backends.torch.classes.template import Mismatch
from dlspec.backends.torch.classes.unify import Turns, index_of, numbered, same, same_shape, turn_of
from dlspec.backends.torch.lowering.registry import Ref
from dlspec.backends.torch.plans.plan import Action, Member, Plan, Round, Run, Slot, bare
from dlspec.backends.torch.plans.tree import Key, Module
from dlspec.backends.torch.python.computing import is_counted
from dlspec.backends.torch.python.evaluate import evaluate
from dlspec.backends.torch.python.expressions import (
    Attribute,
    Binary,
    Call,
    Const,
    Name,
    Own,
    Py,
    Sequence,
    Star,
    Subscript,
    rebuild,
    walk,
)
from dlspec.backends.torch.python.looped import counted, placed
from dlspec.backends.torch.python.symbols import Apart, Each, Flowing, Leaf, LoopId, Sum, Turned, own_member, walk_all
from dlspec.backends.torch.python.targets import names_in

_FEW, _SHORT = 4, 12
"""Turns, and steps of them all, that read better one by one where the text itself says how many turns there are."""


@dataclass(eq=False, slots=True)
class Steps:
    """What a forward runs and gives, with the settings that its loops hang on where they are written out."""

    steps: list[Action | Round]
    outputs: list[tuple[Py, bool]]
    inits: list[tuple[Py, tuple[Key, ...]]]
    hinges: set[str]
    loops: frozenset[LoopId]

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
    actions: list[Action | Round] = [replace(action, value=_summed(action.value)) for action in plan.actions]
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
    plan: Plan, steps: list[Action | Round], outputs: list[tuple[Py, bool]], hinges: set[str], loops: frozenset[LoopId]
) -> Steps:
    """The steps with what members are called where some loops are written as loops."""
    inits = plan.inits
    if not plan.members or not all(isinstance(member.name, Const) for member in plan.members):

        def named(value: Py) -> Py:
            return counted(value, loops)

        def step(made: Action | Round) -> Action | Round:
            if isinstance(made, Action):
                return replace(made, value=named(made.value))
            return replace(made, body=tuple(replace(each, value=named(each.value)) for each in made.body))

        steps = [step(each) for each in steps]
        outputs = [(named(value), training) for value, training in outputs]
        inits = [(named(value), conditions) for value, conditions in inits]
    return Steps(steps, outputs, inits, hinges, loops)


def rolled(plan: Plan) -> Steps | None:
    """The steps with the loops that can be written as loops; None where there is none."""
    refused: set[Key] = set()
    while True:
        try:
            return _rolled(plan, refused)
        except _Gone as gone:
            refused.add(gone.key)


def _rolled(plan: Plan, refused: set[Key]) -> Steps | None:
    rounds: list[tuple[Run, Round]] = []
    hinges: set[str] = set()

    def choose(runs: Many[Run]) -> None:
        for run in runs:
            made = None if run.key in refused else _round(plan, run)
            if made is not None:
                rounds.append((run, made))
                hinges.update(*(inner.hinges for inner in run.inner))
                if made.pinned or (run.bare and made.members) or _places_behind(plan, made):
                    hinges.update(run.hinges)
            else:
                hinges.update(run.hinges)
                choose(run.inner)

    choose(plan.loops)
    if not rounds:
        return None
    behind = _Behind()
    steps: list[Action | Round] = []
    position = 0
    for run, made in rounds:
        steps += [behind.action(action) for action in plan.actions[position : run.bounds[0][0]]]
        steps.append(behind.round(made))
        behind.add(plan, run, made)
        position = run.bounds[-1][1]
    steps += [behind.action(action) for action in plan.actions[position:]]
    outputs = [(behind(value), training) for value, training in plan.outputs]
    return _named(plan, steps, outputs, hinges, frozenset(made.loop for _, made in rounds))


def _round(plan: Plan, run: Run) -> Round | None:
    try:
        return _Folding(plan, run).round() if _worth(run) else None
    except Mismatch:
        return None


def _worth(run: Run) -> bool:
    turns = len(run.bounds)
    if run.iterable is None or run.running is None or turns == 0 or (turns == 1 and run.alone is None):
        return False
    steps = run.bounds[-1][1] - run.bounds[0][0]
    return run.listed or turns > _FEW or steps > _SHORT or not is_counted(run.running)


def _places_behind(plan: Plan, made: Round) -> bool:
    """Whether layers without a label stand behind a loop: their positions hang on its turns."""
    own = {label for turn in made.members for label in turn}
    lists = (member for label, member in plan.module.members.items() if label not in plan.numbered)
    if any(isinstance(member, Module) and member.inline for member in lists):
        return True
    begin = min((int(label) for label in own if label.isdigit()), default=-1)
    numbers = (int(m.label) for m in plan.members if m.label.isdigit() and isinstance(m.name, Const))
    return any(number > begin and str(number) not in own for number in numbers)


class _Folding:
    """Makes the steps of all turns of a loop those of one. Raises `Mismatch` where they are not one text."""

    def __init__(self, plan: Plan, run: Run) -> None:
        assert run.iterable is not None
        assert run.running is not None
        self.run = run
        self.iterable, self.running = run.iterable, run.running
        self.count = len(run.bounds)
        self.turns = [plan.actions[begin:end] for begin, end in run.bounds]
        self.index, self.targets = index_of(run, run.iterable)
        if not {self.index, *names_in(self.targets)}.isdisjoint(plan.inputs):
            raise Mismatch
        within = {each.loop for each in _runs_in(run)}
        values = (action.value for turn in self.turns for action in turn)
        if any(isinstance(part, Each) and part.loop in within for value in values for part in walk(value)):
            raise Mismatch  # which layers a loop inside has, each turn says by itself
        self.numbers = Turns(run.loop, list(range(self.count)), turn_of(self.index, self.targets, run.iterable))
        self.places: list[dict[Slot, tuple[int, int]]] = [
            {
                (action.key, output): (position, output)
                for position, action in enumerate(turn)
                for output in range(len(action.outputs))
            }
            for turn in self.turns
        ]
        self.carried: dict[tuple[int, int], Slot] = {}
        self.lists: dict[Slot, Slot] = {}
        self.members: list[tuple[str, ...]] = []
        self.pinned = False

    def round(self) -> Round:
        if len({len(turn) for turn in self.turns}) > 1 or not self.turns[0]:
            raise Mismatch
        body = tuple(self._action(list(actions)) for actions in zip(*self.turns, strict=True))
        carried = tuple(
            (self._slot(place, "before"), self._slot(place), begun) for place, begun in self.carried.items()
        )
        iterable = bare(self.iterable, 0) if self.run.bare and not self.members else self.iterable
        return Round(
            self.run.key, self.targets, iterable, self.running, self.index, body, carried, self.lists,
            tuple(zip(*self.members, strict=True)), self.run.loop, self.pinned,
        )  # fmt: skip

    def _slot(self, place: tuple[int, int], what: str = "") -> Slot:
        """What stands for a result of all turns: the name that it has in the first."""
        position, output = place
        key = self.turns[0][position].key
        return ((*key[:3], f"{key[3]} {what}", key[4]) if what else key, output)

    def _action(self, actions: list[Action]) -> Action:
        first = actions[0]
        alike = {(tuple(key[:4] for key in a.conditions), a.training, len(a.outputs), a.key[:4]) for a in actions}
        if len(alike) > 1 or first.training:
            raise Mismatch
        value = self._fold([action.value for action in actions])
        # What the last turn gives may have the name that the author gave to the whole.
        hint = first.hint if all(action.hint == first.hint for action in actions) else ()
        augment = all(action.augment for action in actions)
        return replace(first, value=value, augment=augment, conditions=(), hint=hint)

    def _fold(self, nodes: list[Py]) -> Py:
        nodes = [placed(node, self.run.loop) if isinstance(node, Turned | Sum | Flowing) else node for node in nodes]
        first = nodes[0]
        if not any(_has_tensors(node) for node in nodes):
            found = same([placed(node, self.run.loop) for node in nodes], self.numbers)
            if found is not None:
                return found
        if any(type(node) is not type(first) for node in nodes):
            raise Mismatch
        match first:
            case Ref():
                return self._reference([node.value for node in nodes if isinstance(node, Ref)])
            case Leaf(definition=Py()):
                return self._fold([node.definition for node in nodes if isinstance(node, Leaf) and node.definition])
            case Sequence():
                listed = self._listed([node.items for node in nodes if isinstance(node, Sequence)])
                if listed is not None:
                    return listed
            case Own():
                return self._member([node.label for node in nodes if isinstance(node, Own)], first.numbered)
            case Subscript(base=Attribute(), items=(Const(value=int()),)):
                places = _places(nodes)
                if len(set(places)) == 1 or not self.run.evenly:
                    return same_shape(nodes, first, self._fold)
                base = self._fold([node.base for node in nodes if isinstance(node, Subscript)])
                self.pinned = True
                return Subscript(base, (numbered(places, self.numbers),))
            case Const() | Leaf() | Sum() | Turned() | Each() | Name() | Apart():
                raise Mismatch
            case _:
                pass
        return same_shape(nodes, first, self._fold)

    def _member(self, names: list[Py], numbered: bool) -> Py:
        """What each turn has of its own."""
        made = same([placed(name, self.run.loop) for name in names], self.numbers)
        if made is None:
            raise Mismatch
        labels = tuple(evaluate(name) for name in names)
        turned = any(isinstance(each, Turned) and each.loop == self.run.loop for each in walk_all(names[0]))
        if turned and labels not in self.members:
            self.members.append(labels)
        return own_member(made, numbered)

    def _reference(self, slots: list[Slot]) -> Py:
        own = {places.get(slot) for places, slot in zip(self.places, slots, strict=True)}
        if len(own) == 1 and None not in own:
            return Ref(self._slot(own.pop() or (0, 0)))
        variables = {known.get(slot) for known, slot in zip(self.run.elements, slots, strict=True)}
        variable = variables.pop()
        if not variables and variable is not None:
            return Name(variable)
        inside = [slot for slot in slots if any(slot in places for places in self.places)]
        if not inside and len(set(slots)) == 1 and self.count > 1:
            return Ref(slots[0])
        if self.count == 1:
            return self._flowing(slots[0])
        before = {places.get(slot) for places, slot in zip(self.places, slots[1:], strict=False)}
        place = before.pop()
        if before or place is None or slots[0] in inside or self.carried.setdefault(place, slots[0]) != slots[0]:
            raise Mismatch
        return Ref(self._slot(place, "before"))

    def _flowing(self, slot: Slot) -> Ref:
        """What flows into the only turn, which the next finds as it left it. Raises `Mismatch` for another tensor."""
        assert self.run.alone is not None
        flow, left = self.run.alone
        place = self.places[0].get(left)
        if slot != flow or place is None:
            raise Mismatch
        self.carried[place] = flow
        return Ref(self._slot(place, "before"))

    def _listed(self, items: list[tuple[Py, ...]]) -> Py | None:
        """A list to which each turn has added one, after what is there from the start."""
        if {len(each) - turn for turn, each in enumerate(items)} != {len(items[0])} or self.count < 2:
            return None
        start, last = len(items[0]), items[-1][-1]
        place = self.places[self.count - 2].get(last.value) if isinstance(last, Ref) else None
        if place is None:
            return None
        for turn, each in enumerate(items):
            added = [node.value if isinstance(node, Ref) else None for node in each[start:]]
            if [slot and self.places[k].get(slot) for k, slot in enumerate(added)] != [place] * turn:
                return None
        slot = self.lists.setdefault(self._slot(place, "so far"), self._slot(place))
        assert slot == self._slot(place)
        begun = [self._fold([each[position] for each in items]) for position in range(start)]
        made = Ref(self._slot(place, "so far"))
        return Sequence((*begun, Star(made))) if begun else made


class _Behind:
    """What comes after loops: what their last turn made, and lists of what all have made."""

    def __init__(self) -> None:
        self._last: dict[Slot, Slot] = {}
        self._gone: dict[Slot, Key] = {}
        self._only: dict[Slot, Key] = {}
        self._lists: list[tuple[tuple[Slot, ...], Slot, dict[Slot, Slot]]] = []

    def add(self, plan: Plan, run: Run, made: Round) -> None:
        turns = [plan.actions[begin:end] for begin, end in run.bounds]
        for actions in zip(*turns, strict=True):
            for output in range(len(actions[0].outputs)):
                slots = tuple((action.key, output) for action in actions)
                for slot in slots[:-1]:
                    self._gone[slot] = run.key
                self._last[slots[-1]] = slots[0]
                if not run.gathers:
                    continue
                if len(slots) == 1:
                    self._only[slots[0]] = run.key
                key = slots[0][0]
                self._lists.append((slots, ((*key[:3], f"{key[3]} so far", key[4]), output), made.lists))

    def action(self, action: Action) -> Action:
        return replace(action, value=_summed(self(action.value)))

    def round(self, made: Round) -> Round:
        body = tuple(self.action(action) for action in made.body)
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
        for listed, name, lists in self._lists:
            begin = next((k for k in range(len(slots)) if slots[k : k + len(listed)] == listed), None)
            if begin is not None:
                lists[name] = self._last[listed[-1]]
                before, behind = items[:begin], items[begin + len(listed) :]
                return self._sequence(value, (*before, Star(Ref(name)), *behind)) if before or behind else Ref(name)
        return Sequence(tuple(item if isinstance(item, Star) else self(item) for item in items), value.opening)


def _runs_in(run: Run) -> Iterator[Run]:
    for inner in run.inner:
        yield inner
        yield from _runs_in(inner)


def _places(nodes: list[Py]) -> list[Any]:
    """What stands between the brackets. Raises `Mismatch` where one is no constant of the kind of the first."""
    items = [node.items[0] for node in nodes if isinstance(node, Subscript)]
    places: list[Any] = [item.value for item in items if isinstance(item, Const)]
    if len(places) < len(nodes) or any(not isinstance(place, type(places[0])) for place in places):
        raise Mismatch
    return places


def _has_tensors(node: Py) -> bool:
    return any(
        isinstance(inner, Ref) or _is_member(inner) or (isinstance(inner, Leaf) and inner.key[0] == "shape")
        for inner in walk(node)
    )


def _is_member(node: Py) -> bool:
    match node:
        case Own() | Attribute(base=Name(text="self")) | Subscript(base=Name(text="self")):
            return True
        case _:
            return False
