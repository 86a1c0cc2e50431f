"""Makes one class of the plans of several modules of one declaration: they are the same text, run with other values."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Many
from dataclasses import replace
from typing import Any, Protocol

from dlspec.backends.torch.classes.levels import NO_LOOP, Level, Mismatch, Turns, index_of, turn_of
from dlspec.backends.torch.classes.members import members_of
from dlspec.backends.torch.classes.rolling import Steps
from dlspec.backends.torch.classes.rounds import Round, Step
from dlspec.backends.torch.classes.template import (
    Made,
    Makes,
    Optional,
    Rolled,
    SequentialOf,
    TAction,
    Template,
    TLoop,
    TMember,
    TRound,
)
from dlspec.backends.torch.classes.unify import entered_all, laid, merged, same, same_shape
from dlspec.backends.torch.lowering.registry import Ref, Size
from dlspec.backends.torch.plans.plan import Action, Chain, Item, Loop, Make, Option, Part, Plan, Slot
from dlspec.backends.torch.plans.tree import Key, Module
from dlspec.backends.torch.python.computing import is_counted
from dlspec.backends.torch.python.expressions import Binary, Const, IfElse, Own, Py, walk
from dlspec.backends.torch.python.looped import counted, placed
from dlspec.backends.torch.python.symbols import (
    Apart,
    Each,
    Flowing,
    Leaf,
    LoopId,
    Sum,
    Turned,
    own_member,
    signature,
    walk_all,
)
from dlspec.backends.torch.python.targets import names_in


class Classes(Protocol):
    """The classes made so far."""

    def mark(self, module: Module) -> object:
        """What is equal for modules of one class."""
        ...

    def arguments(self, makes: Makes) -> object:
        """What is given where modules are made. Raises `Mismatch` where that is not one text."""
        ...


class Merger:
    """Merges plans into a `Template`. Raises `Mismatch` where they are not of one text."""

    def __init__(self, plans: list[Plan], steps: list[Steps], classes: Classes) -> None:
        self.plans = plans
        self.steps = steps
        self.classes = classes
        self.template = Template(plans)
        self._own: list[set[Slot]] = [set(plan.types) for plan in plans]
        self._looped: dict[Key, TLoop] = {}
        self._rolls: set[LoopId] = set()
        self._listed = False  # whether the parts that are made are of a list, whose loops are those of the forward

    def merge(self) -> Template:
        plans, template = self.plans, self.template
        if len({plan.structure for plan in plans}) > 1:
            raise Mismatch
        template.hinges.update(*(plan.hinges for plan in plans), *(steps.hinges for steps in self.steps))
        chains = [plan.chain for plan in plans if plan.chain is not None]
        if chains:
            template.chain = self.chain(chains, list(plans))
        else:
            self._loops()
            self._members()
            self._actions()
            there = list(range(len(plans)))
            for outputs in zip(*(steps.outputs for steps in self.steps), strict=True):
                template.outputs.append((self.forward([value for value, _ in outputs], there), outputs[0][1]))
        self._inits()
        return template

    def _loops(self) -> None:
        """The loops of the forward, which all plans have."""
        found = [steps.rounds for steps in self.steps]
        if any(rounds.keys() != found[0].keys() for rounds in found):
            raise Mismatch
        for key, first in found[0].items():
            iterable = self.constant([rounds[key].iterable for rounds in found], self.plans)
            if index_of(first.targets, iterable, first.taken) != first.index:
                raise Mismatch
            self._looped[key] = TLoop(first.loop, first.targets, iterable, first.index)

    # Members

    def _members(self) -> None:
        sequences = [members_of(plan, steps) for plan, steps in zip(self.plans, self.steps, strict=True)]
        for label in merged([list(sequence) for sequence in sequences]):
            found = [sequence.get(label) for sequence in sequences]
            flat = [(each, index) for index, made in enumerate(found) for each in made or ()]
            first, plans = flat[0][0].member, [self.plans[index] for _, index in flat]
            if len({(each.member.kind, each.member.conditions) for each, _ in flat}) > 1:
                raise Mismatch
            if None in found and not first.conditions:
                raise Mismatch
            loops = tuple(self._looped[key] for key in flat[0][0].rounds)
            if loops and (None in found or first.conditions or first.kind not in ("module", "param", "buffer")):
                raise Mismatch
            turns = Turns(
                tuple(
                    Level(loop.loop, tuple(each.turns[depth] for each, _ in flat), loop.number, loop.names)
                    for depth, loop in enumerate(loops)
                )
            )
            value = self.constant([each.member.value for each, _ in flat], plans, turns)
            name = self.constant([self.steps[index].name(each.member) for each, index in flat], plans, turns)
            when = self._flag(tuple(made is not None for made in found), first.conditions)
            self.template.members.append(TMember(first.label, name, value, first.kind, when, loops))

    def _inits(self) -> None:
        if len({len(steps.inits) for steps in self.steps}) > 1:
            raise Mismatch
        for statements in zip(*(steps.inits for steps in self.steps), strict=True):
            self.template.inits.append(self.constant([value for value, _ in statements], self.plans))

    # Conditions

    def _flag(self, present: tuple[bool, ...], conditions: tuple[Key, ...]) -> str:
        """The flag of what not every plan has: what its `if`s say that do not hold in all."""
        if all(present):
            return ""
        condition = self.condition(conditions, self.plans, present)
        flag = repr(signature(condition))
        self.template.flags.setdefault(flag, condition)
        return flag

    def condition(self, conditions: tuple[Key, ...], plans: Iterable[Plan], present: tuple[bool, ...]) -> Py:
        """What holds in those that are ``present``, and in no other: a loop of fewer turns is no condition."""
        plans, made = list(plans), None
        if present != tuple(all(key in plan.conditions for key in conditions) for plan in plans):
            raise Mismatch
        for key in conditions:
            having = [plan for plan in plans if key in plan.conditions]
            if len(having) < len(plans):
                written = [plan.conditions[key] for plan in having]
                part = self.constant([w for w in written if w is not None], having) if None not in written else None
                if part is None:
                    raise Mismatch
                made = part if made is None else Binary("and", made, part)
            plans = having
        # What nothing says by a name, such as `x.rank > 2`, cannot hold in some and not in others.
        if made is None or not any(isinstance(inner, Leaf | Turned | Flowing) for inner in walk_all(made)):
            raise Mismatch
        return made

    # Constants

    def constant(self, nodes: Many[Py], plans: Many[Plan], turns: Turns = NO_LOOP, plain: bool = False) -> Py:
        """One expression for several of one text; with ``turns`` they are those of a loop, and get its variables. ``plain``
        ones are `laid`."""
        if not isinstance(nodes[0], Chain) and not plain:
            nodes, plain = laid(nodes, turns, self._written_as_loops(plans))
        first = nodes[0]
        if isinstance(first, Chain):
            if not all(isinstance(node, Chain) for node in nodes):
                raise Mismatch
            return self.chain([node for node in nodes if isinstance(node, Chain)], plans, turns)
        if isinstance(first, Own):
            return self.forward(nodes, list(range(len(nodes))))
        if isinstance(first, Make):
            return self._makes(nodes, plans, turns)
        if not any(isinstance(inner, Make | Chain) for inner in walk(first)):
            found = same(nodes, turns)
            if found is not None:
                return found
        nodes = entered_all(nodes, turns)
        first = nodes[0]
        if isinstance(first, Const | Leaf | Sum | Turned) or any(type(node) is not type(first) for node in nodes):
            raise Mismatch
        return same_shape(nodes, first, lambda parts: self.constant(parts, plans, turns, plain))

    def _written_as_loops(self, plans: Many[Plan]) -> set[LoopId]:
        """The loops of these plans that are written as loops, as far as is known by now."""
        return self._rolls.union(
            *(steps.loops for plan, steps in zip(self.plans, self.steps, strict=True) if plan in plans)
        )

    def _makes(self, nodes: Many[Py], plans: Many[Plan], turns: Turns) -> Makes:
        made = tuple(
            Made(node.module, plan.module, node.module.uses[0])
            for node, plan in zip(nodes, plans, strict=True)
            if isinstance(node, Make)
        )
        if len(made) < len(nodes) or len({self.classes.mark(each.module) for each in made}) > 1:
            raise Mismatch
        makes = Makes(made, turns, frozenset(self._written_as_loops(plans)))
        self.classes.arguments(makes)
        return makes

    # Chains

    def chain(self, chains: list[Chain], plans: Many[Plan], turns: Turns = NO_LOOP) -> SequentialOf:
        if len({(chain.named, chain.listed) for chain in chains}) > 1:
            raise Mismatch
        named, before = chains[0].named, self._listed
        self._listed = chains[0].listed
        parts = self._parts([chain.parts for chain in chains], plans, named, turns)
        self._listed = before
        return SequentialOf(parts, named, chains[0].listed)

    def _parts(
        self, sequences: list[tuple[Part, ...]], plans: Many[Plan], named: bool, turns: Turns = NO_LOOP
    ) -> tuple[tuple[Py, Py], ...]:
        made: list[tuple[Py, Py]] = []
        for key in merged([[part.key for part in parts] for parts in sequences]):
            found = [next((part for part in parts if part.key == key), None) for parts in sequences]
            there = [(part, plan) for part, plan in zip(found, plans, strict=True) if part is not None]
            first, having = there[0][0], [plan for _, plan in there]
            if isinstance(first, Option):
                made += self._option([p if isinstance(p, Option) else None for p in found], plans, named, turns)
            elif len(there) < len(found):
                raise Mismatch
            elif isinstance(first, Loop):
                made += self._loop([part for part, _ in there if isinstance(part, Loop)], having, named, turns)
            else:
                items = [part for part, _ in there if isinstance(part, Item)]
                names = [counted(item.name, self._rolls | turns.loops) for item in items]
                name = self.constant(names, having, turns) if named else first.name
                made.append((name, self.constant([item.value for item in items], having, turns)))
        return _alternatives(made)

    def _option(self, found: list[Option | None], plans: Many[Plan], named: bool, turns: Turns) -> list[tuple[Py, Py]]:
        there = [(index, option) for index, option in enumerate(found) if option is not None]
        inside = [plans[index] for index, _ in there]
        items = self._parts([o.parts for _, o in there], inside, named, turns.at([index for index, _ in there]))
        if len(there) == len(found):
            return list(items)
        if named or turns.levels:
            raise Mismatch
        condition = self.condition((there[0][1].key,), plans, tuple(option is not None for option in found))
        return [(_NAMELESS, Optional(condition, items))]

    def _loop(self, loops: list[Loop], plans: Many[Plan], named: bool, turns: Turns) -> list[tuple[Py, Py]]:
        if self._listed:
            run = any(looped.loop == loops[0].loop for looped in self._looped.values())
            return [self._rolled(loops, plans, named, turns)] if run else self._unrolled(loops, plans, named, turns)
        if not any(parts for loop in loops for parts in loop.iterations):
            self.template.hinges.update(*(loop.hinges for loop in loops))  # nothing is known of what it would make
            return []
        counts = {len(loop.iterations) for loop in loops}
        iterable = loops[0].iterable
        literal = iterable is None or is_counted(iterable)
        # Few turns, or several layers in each of not many, read better one by one.
        width = max((len(parts) for loop in loops for parts in loop.iterations), default=0)
        few = len(counts) == 1 and literal and (max(counts) <= 2 or (width > 1 and max(counts) * width <= 24))
        if not few:
            before = set(self._rolls)
            try:
                return [self._rolled(loops, plans, named, turns)]
            except Mismatch:
                self._rolls = before
                if len(counts) > 1:
                    raise
        return self._unrolled(loops, plans, named, turns)

    def _unrolled(self, loops: list[Loop], plans: Many[Plan], named: bool, turns: Turns) -> list[tuple[Py, Py]]:
        if len({len(loop.iterations) for loop in loops}) > 1:
            raise Mismatch
        self.template.hinges.update(*(loop.hinges for loop in loops))
        made: list[tuple[Py, Py]] = []
        for iterations in zip(*(loop.iterations for loop in loops), strict=True):
            made += self._parts(list(iterations), plans, named, turns)
        return made

    def _rolled(self, loops: list[Loop], plans: Many[Plan], named: bool, turns: Turns) -> tuple[Py, Py]:
        iterables = [loop.iterable for loop in loops if loop.iterable is not None]
        most = max(len(loop.iterations) for loop in loops)
        if len(iterables) < len(loops) or (most == 1 and any(loop.once for loop in loops)):
            raise Mismatch
        iterable = self.constant(iterables, plans, turns)
        targets = loops[0].targets
        if not turns.names.isdisjoint(names_in(targets)):
            raise Mismatch
        flat = [(place, turn, parts) for place, loop in enumerate(loops) for turn, parts in enumerate(loop.iterations)]
        name = index_of(targets, iterable, turns.names | _targets_in(part for _, _, parts in flat for part in parts))
        number = turn_of(name, targets, iterable)
        level = Level(loops[0].loop, tuple(turn for _, turn, _ in flat), number, (name, *names_in(targets)))
        places = [place for place, _, _ in flat]
        inside = turns.at(places).around(level)
        items = self._parts([_placeless(parts) for _, _, parts in flat], [plans[p] for p in places], named, inside)
        if any(isinstance(value, Optional) for _, value in items):
            raise Mismatch
        self._rolls.add(loops[0].loop)
        return _NAMELESS, Rolled(targets, iterable, items, name)

    # Steps

    def _actions(self) -> None:
        by_key = [{step.key: step for step in steps.steps} for steps in self.steps]
        for key in merged([list(steps) for steps in by_key]):
            self.template.steps.append(self._step([steps.get(key) for steps in by_key]))

    def _step(self, found: list[Step | None]) -> TAction | TRound:
        """One step, of the plans that have it."""
        actions = [step for step in found if isinstance(step, Action)]
        rounds = [step for step in found if isinstance(step, Round)]
        if len(rounds) == len(found):
            return self._round(rounds)
        if rounds:
            raise Mismatch
        present = tuple(step is not None for step in found)
        return self._action(actions, [index for index, there in enumerate(present) if there], present)

    def _action(self, actions: list[Action], there: list[int], present: tuple[bool, ...]) -> TAction:
        first = actions[0]
        if len({(a.conditions, a.training, len(a.outputs)) for a in actions}) > 1:
            raise Mismatch
        if not all(present) and not first.conditions:
            raise Mismatch
        if first.mark is not None and not all(present):
            raise Mismatch  # a loop stands whole in one condition, and what is in it may have others
        value = self.forward([action.value for action in actions], there)
        when = self._flag(present, first.conditions)
        return TAction(first.key, value, len(first.outputs), when, _common(actions))

    def _round(self, rounds: list[Round]) -> TRound:
        first, there = rounds[0], list(range(len(rounds)))
        if len({(len(each.body), *each.lists.items(), *(slots[:2] for slots in each.carried)) for each in rounds}) > 1:
            raise Mismatch
        carried = [
            (slot, of, self._slot([each.carried[index][2] for each in rounds], there))
            for index, (slot, of, _) in enumerate(first.carried)
        ]
        body = [self._step(list(steps)) for steps in zip(*(each.body for each in rounds), strict=True)]
        running = self.forward([each.running for each in rounds], there)
        return TRound(replace(self._looped[first.key], iterable=running), body, carried, first.lists)

    def forward(self, nodes: Many[Py], there: list[int]) -> Py:
        """One expression of tensors for several; ``there`` are the plans that have it."""
        nodes = [
            placed(node) if isinstance(node, Turned | Sum | Flowing) or _is_arithmetic(node) else node for node in nodes
        ]
        first = nodes[0]
        if any(type(node) is not type(first) for node in nodes):
            raise Mismatch
        if isinstance(first, Apart):
            apart = [node for node in nodes if isinstance(node, Apart)]
            if first.loop in self._written_as_loops(self.plans):
                raise Mismatch
            return self.forward([node.size for node in apart], there)
        if isinstance(first, Own):
            return own_member(
                self.constant([node.label for node in nodes if isinstance(node, Own)], self.plans), first.numbered
            )
        if isinstance(first, Ref):
            return Ref(self._slot([node.value for node in nodes if isinstance(node, Ref)], there))
        if isinstance(first, Size):
            if len({str(node.dim) for node in nodes if isinstance(node, Size)}) > 1:
                raise Mismatch
            return first
        if isinstance(first, Leaf) and first.definition is not None and first.key[0] == "shape":
            asked = [node.definition for node in nodes if isinstance(node, Leaf) and node.definition is not None]
            return self.forward(asked, there) if len(asked) == len(nodes) else _mismatched()
        if isinstance(first, Const | Leaf | Sum | Turned | Each):
            if len({repr(signature(node)) for node in nodes}) > 1:
                raise Mismatch
            return first
        return same_shape(nodes, first, lambda parts: self.forward(parts, there))

    def _slot(self, slots: list[Slot], there: list[int]) -> Slot:
        if len(set(slots)) == 1:
            return slots[0]
        order = {action.key: position for position, action in enumerate(self.template.actions)}
        latest = max(set(slots), key=lambda slot: -1 if isinstance(slot[0], str) else order.get(slot[0], -1))
        lacking = [(slot, index) for slot, index in zip(slots, there, strict=True) if slot != latest]
        if latest[0] not in order or any(latest in self._own[index] for _, index in lacking):
            raise Mismatch
        # What stands for it where it is left out may itself be left out of some.
        instead = self._slot([slot for slot, _ in lacking], [index for _, index in lacking])
        if self.template.aliases.setdefault(latest, instead) != instead:
            raise Mismatch
        return latest


_NAMELESS = Const("")
"""The name of what is several members."""


def _is_arithmetic(node: Py) -> bool:
    """Whether this is an operation on numbers of the text."""
    return isinstance(node, Binary) and all(isinstance(part, Binary | Const | Turned | Sum) for part in walk(node))


def _mismatched() -> Py:
    raise Mismatch


def _common(actions: list[Action]) -> Action:
    """The step of all plans: what may be overwritten in each may be in the class."""
    first = actions[0]
    if first.augment and not all(action.augment for action in actions):
        first.augment = False
    return first


def _alternatives(items: list[tuple[Py, Py]]) -> tuple[tuple[Py, Py], ...]:
    """What is there where a condition holds, and what where it does not, as one."""
    made: list[tuple[Py, Py]] = []
    for label, value in items:
        before = made[-1][1] if made else None
        if isinstance(value, Optional) and isinstance(before, Optional) and not before.otherwise:
            pair = _either(before, value)
            if pair is not None:
                yes, no = pair
                alone = len(yes.items) == len(no.items) == 1
                if alone and not any(isinstance(each.items[0][1], Rolled | Optional) for each in (yes, no)):
                    made[-1] = (label, IfElse(yes.condition, yes.items[0][1], no.items[0][1]))
                else:
                    made[-1] = (label, Optional(yes.condition, yes.items, no.items))
                continue
        made.append((label, value))
    return tuple(made)


def _either(a: Optional, b: Optional) -> tuple[Optional, Optional] | None:
    """The one that is there where the other is not, behind the one with the plain condition."""
    one, other = repr(signature(a.condition)), repr(signature(b.condition))
    if other == f"('Unary', 'not', {one})":
        return a, b
    return (b, a) if one == f"('Unary', 'not', {other})" else None


def _targets_in(parts: Iterable[Part]) -> set[str]:
    """The variables of the loops among parts."""
    found: set[str] = set()
    for part in parts:
        if isinstance(part, Loop):
            found |= {*names_in(part.targets), *_targets_in(each for turn in part.iterations for each in turn)}
        elif isinstance(part, Option):
            found |= _targets_in(part.parts)
    return found


def _placeless(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """The parts of a turn with keys that are the same in each."""
    counts: dict[Any, int] = {}
    made: list[Part] = []
    for part in parts:
        place = part.key[:4]
        counts[place] = counts.get(place, -1) + 1
        key: Key = (*place, counts[place])
        match part:
            case Item():
                made.append(Item(key, part.name, part.value))
            case Loop():
                turns = tuple(_placeless(p) for p in part.iterations)
                made.append(Loop(key, part.loop, turns, part.targets, part.iterable, part.hinges, part.once))
            case Option():
                made.append(Option(key, _placeless(part.parts)))
    return tuple(made)
