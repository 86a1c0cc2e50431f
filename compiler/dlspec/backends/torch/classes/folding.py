"""Makes the steps of all turns of a loop those of one, in which a turn finds what the turn before left."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Many
from dataclasses import dataclass, replace
from typing import Any

from dlspec.backends.torch.classes.levels import NO_LOOP, Level, Mismatch, Turns, index_of, turn_of
from dlspec.backends.torch.classes.rounds import Place, Round, Step, actions_in, rounds_in
from dlspec.backends.torch.classes.unify import numbered, same, same_shape
from dlspec.backends.torch.lowering.registry import Ref
from dlspec.backends.torch.plans.plan import Action, Plan, Run, Slot, bare
from dlspec.backends.torch.plans.tree import Key
from dlspec.backends.torch.python.evaluate import evaluate
from dlspec.backends.torch.python.expressions import (
    Attribute,
    Const,
    Name,
    Own,
    Py,
    Sequence,
    Star,
    Subscript,
    walk,
)
from dlspec.backends.torch.python.looped import placed
from dlspec.backends.torch.python.symbols import Apart, Each, Flowing, Leaf, LoopId, Sum, Turned, own_member, walk_all
from dlspec.backends.torch.python.targets import names_in


@dataclass(frozen=True, slots=True)
class Around:
    """The loops around one, and their variables."""

    loops: frozenset[LoopId] = frozenset()
    names: frozenset[str] = frozenset()

    def inside(self, run: Run) -> Around:
        """What is around the loops inside of one."""
        return Around(self.loops | {run.loop}, self.names | {self.index(run), *names_in(run.targets)})

    def index(self, run: Run) -> str:
        """What numbers the turns of one."""
        assert run.iterable is not None
        return index_of(run.targets, run.iterable, self.taken(run))

    def taken(self, run: Run) -> frozenset[str]:
        """The variables of the loops around one and inside of it."""
        return self.names.union(*(names_in(inner.targets) for inner in runs_in(run)))

    def tagged(self, slot: Slot, what: str) -> tuple[Key, int]:
        """A slot beside another, of the loop that these are around."""
        key, output = slot
        assert not isinstance(key, str)
        return (*key[:3], f"{key[3]} {what}{f' {len(self.loops)}' if self.loops else ''}", key[4]), output


def runs_in(run: Run) -> Iterator[Run]:
    """The loops inside of one."""
    for inner in run.inner:
        yield inner
        yield from runs_in(inner)


class Folding:
    """The ``turns`` of a loop of one plan. Raises `Mismatch` where they are not one text."""

    def __init__(self, plan: Plan, run: Run, turns: Many[Many[Step]], around: Around) -> None:
        assert run.iterable is not None
        assert run.running is not None
        self.run = run
        self.iterable, self.running = run.iterable, run.running
        self.count = len(turns)
        self.turns = turns
        self.around = around
        self.index = around.index(run)
        names = (self.index, *names_in(run.targets))
        if not {*plan.inputs, *around.names}.isdisjoint(names):
            raise Mismatch
        number = turn_of(self.index, run.targets, run.iterable)
        self.numbers = Turns((Level(run.loop, tuple(range(self.count)), number, names),), around.loops)
        if len({len(turn) for turn in turns}) > 1 or not turns[0]:
            raise Mismatch
        within = {each.loop for each in runs_in(run)}
        values = (action.value for turn in turns for action in actions_in(turn))
        if any(isinstance(part, Each) and part.loop in within for value in values for part in walk(value)):
            raise Mismatch  # which layers a loop inside has, each turn says by itself
        # What a slot of a turn is called: as the slot of the first turn that stands at its place.
        self.places: list[dict[Slot, Slot]] = [{} for _ in turns]
        for steps in zip(*turns, strict=True):
            for known, step in zip(self.places, steps, strict=True):
                known.update(_places(steps[0], step))
        rounds = rounds_in(step for turn in turns for step in turn)
        self.inner = {name for each in rounds for name in (each.index, *names_in(each.targets))}
        self.carried: dict[Slot, Slot] = {}
        self.begun: dict[Slot, Action] = {}
        self.lists: dict[Slot, Slot] = {}
        self.members: list[Place] = []
        self.pinned = False

    def round(self) -> Round:
        run = self.run
        folded = [self._step(list(steps)) for steps in zip(*self.turns, strict=True)]
        body = tuple(each for step in folded for each in (*(step.begun if isinstance(step, Round) else ()), step))
        carried = tuple((self.around.tagged(slot, "before"), slot, begun) for slot, begun in self.carried.items())
        iterable = bare(self.iterable, 0) if run.bare and not self.members else self.iterable
        return Round(
            run.key, run.targets, iterable, self.running, self.index, body, carried, self.lists, tuple(self.members),
            run.loop, self.pinned, _made(self.turns), self.around.taken(run), run.gathers,
            tuple(self.begun.values()),
        )  # fmt: skip

    def _step(self, steps: list[Step]) -> Step:
        rounds = [step for step in steps if isinstance(step, Round)]
        if rounds:
            return self._round(rounds)
        return self._action([step for step in steps if isinstance(step, Action)])

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

    def _round(self, rounds: list[Round]) -> Round:
        """A loop inside, of which each turn has one."""
        first = rounds[0]
        if len({(each.key[:4], each.targets, each.index, len(each.body), len(each.members)) for each in rounds}) > 1:
            raise Mismatch
        iterable, running = self._fold([r.iterable for r in rounds]), self._fold([r.running for r in rounds])
        body = tuple(self._step(list(steps)) for steps in zip(*(each.body for each in rounds), strict=True))
        numbers: list[dict[Slot, Action]] = [{(action.key, 0): action for action in each.begun} for each in rounds]
        carried = tuple(
            (slot, of, self._slot([each.carried[place][2] for each in rounds], numbers))
            for place, (slot, of, _) in enumerate(first.carried)
        )
        members = tuple(
            tuple(((turn, *path), label) for turn, each in enumerate(rounds) for path, label in each.members[place])
            for place in range(len(first.members))
        )
        if any(len({label for _, label in place}) < len(place) for place in members):
            raise Mismatch  # all turns run what one makes
        return replace(
            first, iterable=iterable, running=running, body=body, carried=carried, lists=dict(first.lists),
            members=members, pinned=any(each.pinned for each in rounds),
            begun=tuple(action for slot, action in numbers[0].items() if slot in {begun for _, _, begun in carried}),
        )  # fmt: skip

    def _fold(self, nodes: list[Py]) -> Py:
        loops = self.numbers.loops
        nodes = [placed(node, loops) if isinstance(node, Turned | Sum | Flowing) else node for node in nodes]
        first = nodes[0]
        if not any(_has_tensors(node) for node in nodes):
            found = same([placed(node, loops) for node in nodes], self.numbers)
            if found is not None:
                return found
        if isinstance(first, Const) and len(nodes) > 1 and all(isinstance(node, Ref) for node in nodes[1:]):
            return self._counted_from(first, [node.value for node in nodes if isinstance(node, Ref)])
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
                places = _numbers(nodes)
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

    def _member(self, names: list[Py], is_numbered: bool) -> Py:
        """What each turn has of its own."""
        made = same([placed(name, self.numbers.loops) for name in names], self.numbers)
        if made is None:
            raise Mismatch
        inside = any(isinstance(each, Name) and each.text in self.inner for each in walk_all(names[0]))
        if not inside and any(isinstance(each, Turned) and each.loop == self.run.loop for each in walk_all(names[0])):
            place = tuple(((turn,), evaluate(name)) for turn, name in enumerate(names))
            if place not in self.members:
                self.members.append(place)
        return own_member(made, is_numbered)

    def _slot(self, slots: list[Slot], numbers: list[dict[Slot, Action]]) -> Slot:
        """What a loop inside begins with: a tensor, or one of the numbers with which those of some turns begin."""
        begun = [known.get(slot) for known, slot in zip(numbers, slots, strict=True)]
        first = begun[0]
        if first is not None and all(each is not None and same([each.value, first.value], NO_LOOP) for each in begun):
            return slots[0]
        found = self._reference(slots) if first is None else self._counted_from(first.value, slots[1:])
        if not isinstance(found, Ref):
            raise Mismatch  # a variable of the loop
        return found.value

    def _reference(self, slots: list[Slot]) -> Py:
        own = {places.get(slot) for places, slot in zip(self.places, slots, strict=True)}
        alike = own.pop()
        if not own and alike is not None:
            return Ref(alike)
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
        return Ref(self.around.tagged(place, "before"))

    def _counted_from(self, number: Py, slots: list[Slot]) -> Py:
        """What begins as a number, `total = 0`, and is the tensor that the turn before left."""
        before = {places.get(slot) for places, slot in zip(self.places, slots, strict=False)}
        place = before.pop()
        if before or place is None or not isinstance(number, Const) or type(number.value) not in (int, float):
            raise Mismatch
        made = next(action for action in actions_in(self.turns[0]) if action.key == place[0])
        slot = self.around.tagged(place, "begun")
        if self.carried.setdefault(place, slot) != slot:
            raise Mismatch
        value, hint = made.outputs[place[1]], made.hint[place[1] : place[1] + 1]
        self.begun[slot] = Action(slot[0], Const(number.value), [value], (), False, False, False, hint)
        return Ref(self.around.tagged(place, "before"))

    def _flowing(self, slot: Slot) -> Ref:
        """What the only turn finds, and the next as it left it. Raises `Mismatch` for what the next may find otherwise."""
        left = self.run.alone.get(slot) if self.run.alone is not None else None
        if left == slot:
            return Ref(slot)
        place = None if left is None else self.places[0].get(left)
        if place is None or self.carried.setdefault(place, slot) != slot:
            raise Mismatch
        return Ref(self.around.tagged(place, "before"))

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
        name = self.around.tagged(place, "so far")
        slot = self.lists.setdefault(name, place)
        assert slot == place
        begun = [self._fold([each[position] for each in items]) for position in range(start)]
        made = Ref(name)
        return Sequence((*begun, Star(made))) if begun else made


def _places(first: Step, step: Step) -> dict[Slot, Slot]:
    """What the slots of a step are called at the same place of the first turn. Raises `Mismatch` for steps of two kinds."""
    match first, step:
        case Action(), Action():
            return {(step.key, output): (first.key, output) for output in range(len(step.outputs))}
        case Round(), Round():
            return _places_of_loops(first, step)
        case _:
            raise Mismatch


def _places_of_loops(first: Round, step: Round) -> dict[Slot, Slot]:
    """What is left behind a loop are the slots of its first turn, which stand for those of the last."""
    found: dict[Slot, Slot] = {}
    if any(
        len(a) != len(b) for a, b in ((first.made, step.made), (first.carried, step.carried), (first.lists, step.lists))
    ):
        raise Mismatch
    for known, (slot, turns) in zip(first.made, step.made.items(), strict=True):
        found |= {slot: known, turns[-1]: known}
    for (known, known_of, _), (slot, of, _) in zip(first.carried, step.carried, strict=True):
        if found.get(of) != known_of:
            raise Mismatch
        found[slot] = known
    for (known, known_of), (slot, of) in zip(first.lists.items(), step.lists.items(), strict=True):
        if found.get(of) != known_of:
            raise Mismatch
        found[slot] = known
    return found


def _made(turns: Many[Many[Step]]) -> dict[Slot, tuple[Slot, ...]]:
    """The results of all turns by those of the first."""
    found: dict[Slot, tuple[Slot, ...]] = {}
    for steps in zip(*turns, strict=True):
        first = steps[0]
        if isinstance(first, Action):
            found |= {
                (first.key, output): tuple((step.key, output) for step in steps) for output in range(len(first.outputs))
            }
        else:
            inner = [step.made.values() for step in steps if isinstance(step, Round)]
            found |= {
                slot: tuple(each for turn in of_turns for each in turn)
                for slot, of_turns in zip(first.made, zip(*inner, strict=True), strict=True)
            }
    return found


def _numbers(nodes: list[Py]) -> list[Any]:
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
