"""Makes one class of the plans of several modules of one declaration: they are the same text, run with other values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from collections.abc import Sequence as Many
from dataclasses import fields
from typing import Any, Protocol

from dlspec.backends.torch.evaluate import CALLS
from dlspec.backends.torch.plan import Action, Chain, Item, Loop, Make, Option, Part, Plan, Slot
from dlspec.backends.torch.python import Binary, Call, Const, IfElse, Keyword, Label, Name, Py, Subscript, walk
from dlspec.backends.torch.registry import Ref, Size
from dlspec.backends.torch.symbols import Leaf, Sum, Turned, at_start, is_counted, placed, signature, turned
from dlspec.backends.torch.template import (
    Looped,
    Made,
    Makes,
    Mismatch,
    Optional,
    Rolled,
    SequentialOf,
    TAction,
    Template,
    TMember,
)  # fmt: skip
from dlspec.backends.torch.tree import Key, Module


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

    def __init__(self, plans: list[Plan], classes: Classes) -> None:
        self.plans = plans
        self.classes = classes
        self.template = Template(plans)
        self._own: list[set[Slot]] = [set(plan.types) for plan in plans]

    def merge(self) -> Template:
        plans, template = self.plans, self.template
        if len({plan.structure for plan in plans}) > 1:
            raise Mismatch
        template.hinges.update(*(plan.hinges for plan in plans))
        chains = [plan.chain for plan in plans if plan.chain is not None]
        if chains:
            template.chain = self.chain(chains, list(plans))
        else:
            self._members()
            self._actions()
            there = list(range(len(plans)))
            for outputs in zip(*(plan.outputs for plan in plans), strict=True):
                template.outputs.append((self.forward([value for value, _ in outputs], there), outputs[0][1]))
        self._inits()
        return template

    # Members

    def _members(self) -> None:
        sequences = [[member.label for member in plan.members] for plan in self.plans]
        for label in merged(sequences):
            found = [next((m for m in plan.members if m.label == label), None) for plan in self.plans]
            there = [(m, plan) for m, plan in zip(found, self.plans, strict=True) if m is not None]
            first = there[0][0]
            if len({(m.kind, m.conditions) for m, _ in there}) > 1 or (None in found and not first.conditions):
                raise Mismatch
            value = self.constant([m.value for m, _ in there], [plan for _, plan in there])
            present = tuple(m is not None for m in found)
            self._flag(present, first.conditions)
            self.template.members.append(TMember(label, value, first.kind, present))

    def _inits(self) -> None:
        if len({len(plan.inits) for plan in self.plans}) > 1:
            raise Mismatch
        for statements in zip(*(plan.inits for plan in self.plans), strict=True):
            self.template.inits.append(self.constant([value for value, _ in statements], self.plans))

    # Conditions

    def _flag(self, present: tuple[bool, ...], conditions: tuple[Key, ...]) -> None:
        """The condition of what not every plan has: those of its `if`s that do not hold in all."""
        if all(present) or present in self.template.flags:
            return
        self.template.flags[present] = self.condition(conditions, self.plans)

    def condition(self, conditions: tuple[Key, ...], plans: Iterable[Plan]) -> Py:
        plans, made = list(plans), None
        for key in conditions:
            having = [plan for plan in plans if key in plan.conditions]
            if len(having) < len(plans):
                written = [plan.conditions[key] for plan in having]
                part = self.constant([w for w in written if w is not None], having) if None not in written else None
                if part is None:
                    raise Mismatch
                made = part if made is None else Binary("and", made, part)
            plans = having
        if made is None:
            raise Mismatch
        return made

    # Constants

    def constant(self, nodes: Many[Py], plans: Many[Plan], turns: Turns | None = None) -> Py:
        """One expression for several of one text; with ``turns`` they are those of a loop, and get its variables."""
        if not isinstance(nodes[0], Chain):
            nodes = [placed(node, turns.loop if turns else None) for node in nodes]
        first = nodes[0]
        if isinstance(first, Chain):
            if not all(isinstance(node, Chain) for node in nodes):
                raise Mismatch
            return self.chain([node for node in nodes if isinstance(node, Chain)], plans, turns)
        if isinstance(first, Make):
            return self._makes(nodes, plans, turns)
        if not any(isinstance(inner, Make | Chain) for inner in walk(first)):
            same = _same(nodes, turns)
            if same is not None:
                return same
        if isinstance(first, Const | Leaf | Sum | Turned) or any(type(node) is not type(first) for node in nodes):
            raise Mismatch
        return _same_shape(nodes, first, lambda parts: self.constant(parts, plans, turns))

    def _makes(self, nodes: Many[Py], plans: Many[Plan], turns: Turns | None) -> Makes:
        made = tuple(
            Made(node.module, plan.module, node.module.uses[0], turn)
            for node, plan, turn in zip(nodes, plans, turns.turns if turns else [0] * len(nodes), strict=True)
            if isinstance(node, Make)
        )
        if len(made) < len(nodes) or len({self.classes.mark(each.module) for each in made}) > 1:
            raise Mismatch
        makes = Makes(made, Looped(turns.loop, turns.index) if turns else None)
        self.classes.arguments(makes)
        return makes

    # Chains

    def chain(self, chains: list[Chain], plans: Many[Plan], turns: Turns | None = None) -> SequentialOf:
        if len({chain.named for chain in chains}) > 1:
            raise Mismatch
        named = chains[0].named
        return SequentialOf(self._parts([chain.parts for chain in chains], plans, named, turns), named)

    def _parts(
        self, sequences: list[tuple[Part, ...]], plans: Many[Plan], named: bool, turns: Turns | None = None
    ) -> tuple[tuple[str, Py], ...]:
        made: list[tuple[str, Py]] = []
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
                if named and turns is None and len({item.label for item in items}) > 1:
                    raise Mismatch
                made.append((first.label, self.constant([item.value for item in items], having, turns)))
        return _alternatives(made)

    def _option(
        self, found: list[Option | None], plans: Many[Plan], named: bool, turns: Turns | None
    ) -> list[tuple[str, Py]]:
        there = [(index, option) for index, option in enumerate(found) if option is not None]
        inside = [plans[index] for index, _ in there]
        inner = None if turns is None else Turns(turns.loop, [turns.turns[index] for index, _ in there], turns.index)
        items = self._parts([option.parts for _, option in there], inside, named, inner)
        if len(there) == len(found):
            return list(items)
        if named or turns is not None:
            raise Mismatch
        condition = self.condition((there[0][1].key,), plans)
        return [("", Optional(condition, items))]

    def _loop(self, loops: list[Loop], plans: Many[Plan], named: bool, turns: Turns | None) -> list[tuple[str, Py]]:
        if turns is not None:
            return self._unrolled(loops, plans, named, turns)
        counts = {len(loop.iterations) for loop in loops}
        iterable = loops[0].iterable
        literal = iterable is None or is_counted(iterable)
        # Few turns, or several layers in each of not many, read better one by one.
        width = max((len(parts) for loop in loops for parts in loop.iterations), default=0)
        few = len(counts) == 1 and literal and (max(counts) <= 2 or (width > 1 and max(counts) * width <= 24))
        if not few:
            try:
                return [self._rolled(loops, plans, named)]
            except Mismatch:
                if len(counts) > 1:
                    raise
        return self._unrolled(loops, plans, named, None)

    def _unrolled(self, loops: list[Loop], plans: Many[Plan], named: bool, turns: Turns | None) -> list[tuple[str, Py]]:
        if len({len(loop.iterations) for loop in loops}) > 1:
            raise Mismatch
        self.template.hinges.update(*(loop.hinges for loop in loops))
        made: list[tuple[str, Py]] = []
        for iterations in zip(*(loop.iterations for loop in loops), strict=True):
            made += self._parts(list(iterations), plans, named, turns)
        return made

    def _rolled(self, loops: list[Loop], plans: Many[Plan], named: bool) -> tuple[str, Py]:
        iterables = [loop.iterable for loop in loops if loop.iterable is not None]
        if len(iterables) < len(loops):
            raise Mismatch
        iterable = self.constant(iterables, plans)
        name, targets = _index_of(loops[0], iterable)
        flat = [
            (plan, turn, parts)
            for loop, plan in zip(loops, plans, strict=True)
            for turn, parts in enumerate(loop.iterations)
        ]
        if not flat:
            return "", Rolled(targets, iterable, (), None, name)
        turns = Turns(loops[0].loop, [turn for _, turn, _ in flat], Name(name))
        items = self._parts([_placeless(parts) for _, _, parts in flat], [plan for plan, _, _ in flat], named, turns)
        if any(isinstance(value, Rolled | Optional) for _, value in items):
            raise Mismatch
        label = None
        if named:
            labels = [item.label for _, _, part in flat for item in part if isinstance(item, Item)]
            if len(items) != 1:
                raise Mismatch
            label = _pattern(labels, turns)
        return "", Rolled(targets, iterable, tuple(value for _, value in items), label, name)

    # Steps

    def _actions(self) -> None:
        plans = self.plans
        by_key = [{action.key: action for action in plan.actions} for plan in plans]
        for key in merged([[action.key for action in plan.actions] for plan in plans]):
            found = [actions.get(key) for actions in by_key]
            there = [index for index, action in enumerate(found) if action is not None]
            actions = [action for action in found if action is not None]
            first = actions[0]
            if len({(a.conditions, a.training, len(a.outputs)) for a in actions}) > 1:
                raise Mismatch
            if len(there) < len(plans) and not first.conditions:
                raise Mismatch
            value = self.forward([action.value for action in actions], there)
            present = tuple(action is not None for action in found)
            self._flag(present, first.conditions)
            self.template.actions.append(TAction(key, value, len(first.outputs), present, _common(actions)))

    def forward(self, nodes: Many[Py], there: list[int]) -> Py:
        """One expression of tensors for several; ``there`` are the plans that have it."""
        nodes = [placed(node) if isinstance(node, Turned | Sum) else node for node in nodes]
        first = nodes[0]
        if any(type(node) is not type(first) for node in nodes):
            raise Mismatch
        if isinstance(first, Ref):
            return Ref(self._slot([node.value for node in nodes if isinstance(node, Ref)], there))
        if isinstance(first, Size):
            if len({str(node.dim) for node in nodes if isinstance(node, Size)}) > 1:
                raise Mismatch
            return first
        if isinstance(first, Leaf) and first.definition is not None and first.key[0] == "shape":
            asked = [node.definition for node in nodes if isinstance(node, Leaf) and node.definition is not None]
            return self.forward(asked, there) if len(asked) == len(nodes) else _mismatched()
        if isinstance(first, Const | Leaf | Sum | Turned):
            if len({repr(signature(node)) for node in nodes}) > 1:
                raise Mismatch
            return first
        return _same_shape(nodes, first, lambda parts: self.forward(parts, there))

    def _slot(self, slots: list[Slot], there: list[int]) -> Slot:
        if len(set(slots)) == 1:
            return slots[0]
        order = {action.key: position for position, action in enumerate(self.template.actions)}
        latest = max(set(slots), key=lambda slot: -1 if isinstance(slot[0], str) else order.get(slot[0], -1))
        lacking = [(slot, index) for slot, index in zip(slots, there, strict=True) if slot != latest]
        if any(latest in self._own[index] for _, index in lacking):
            raise Mismatch
        # What stands for it where it is left out may itself be left out of some.
        instead = self._slot([slot for slot, _ in lacking], [index for _, index in lacking])
        if self.template.aliases.setdefault(latest, instead) != instead:
            raise Mismatch
        return latest


class Turns:
    """The turns of a loop that several expressions are of, and the name of the number of a turn."""

    def __init__(self, loop: tuple[str, int, int], turns: list[int], index: Py) -> None:
        self.loop = loop
        self.turns = turns
        self.index = index


def unified(nodes: Many[Py], turns: Turns | None) -> Py:
    """One expression for several that make nothing. Raises `Mismatch`."""
    nodes = [placed(node, turns.loop if turns else None) for node in nodes]
    found = _same(nodes, turns)
    if found is not None:
        return found
    first = nodes[0]
    if isinstance(first, Const | Leaf | Sum | Turned) or any(type(node) is not type(first) for node in nodes):
        raise Mismatch
    return _same_shape(nodes, first, lambda parts: unified(parts, turns))


def _same(nodes: Many[Py], turns: Turns | None) -> Py | None:
    """The expression that all are; where the first turn of a loop has another, a choice."""
    if turns is None:
        return nodes[0] if len({repr(signature(node)) for node in nodes}) == 1 else None
    by_turn = [(turn, repr(signature(node, turns.loop, turn))) for node, turn in zip(nodes, turns.turns, strict=True)]
    firsts = {text for turn, text in by_turn if turn == 0}
    later = {text for turn, text in by_turn if turn > 0}
    if len(firsts) > 1 or len(later) > 1:
        return None
    try:
        written = {
            turn: turned(node, turns.loop, turn, turns.index) for node, turn in zip(nodes, turns.turns, strict=True)
        }
    except LookupError:
        raise Mismatch from None
    rest = next((written[turn] for turn in turns.turns if turn > 0), written.get(0))
    if not firsts or not later or firsts == later:
        return rest
    at = next(node for node, turn in zip(nodes, turns.turns, strict=True) if turn > 0)
    begun = next(node for node, turn in zip(nodes, turns.turns, strict=True) if turn == 0)
    if repr(signature(at_start(at, turns.loop))) == repr(signature(begun)):
        return rest
    if rest is None or not (_is_size(begun) and _is_size(at)):
        return None
    return IfElse(Binary("==", turns.index, Const(0)), written[0], rest)


def _same_shape(nodes: Many[Py], first: Py, inner: Callable[[list[Any]], Py]) -> Py:
    """Rebuilds the first expression with each part merged."""

    def unified(values: list[Any]) -> Any:
        one = values[0]
        if isinstance(one, Py):
            if not all(isinstance(value, Py) for value in values):
                raise Mismatch
            return inner(values)
        if isinstance(one, Keyword):
            if any(not isinstance(v, Keyword) or v.name != one.name for v in values):
                raise Mismatch
            if one.name == "inplace":
                return Keyword(one.name, Const(all(v.value.value for v in values)), one.default)
            return Keyword(one.name, inner([v.value for v in values]), one.default)
        if isinstance(one, tuple):
            if any(not isinstance(v, tuple) or len(v) != len(one) for v in values):  # type: ignore[reportUnknownArgumentType]
                raise Mismatch
            return tuple(unified([v[index] for v in values]) for index in range(len(one)))  # type: ignore[reportUnknownArgumentType]
        if any(value != one for value in values):
            raise Mismatch
        return one

    made = {f.name: unified([getattr(n, f.name) for n in nodes]) for f in fields(first)}
    return type(first)(**made)


def merged(sequences: list[list[Any]]) -> list[Any]:
    """One order that has each of the sequences in it. Raises `Mismatch` where there is none."""
    if all(sequence == sequences[0] for sequence in sequences[1:]):
        return list(sequences[0])
    order: list[Any] = []
    for sequence in sequences:
        position = 0
        for key in sequence:
            if key in order[position:]:
                position = order.index(key, position) + 1
            elif key in order:
                raise Mismatch
            else:
                order.insert(position, key)
                position += 1
    return order


def _mismatched() -> Py:
    raise Mismatch


def _is_size(node: Py) -> bool:
    """Whether this is a number, and not what is made with it."""
    if isinstance(node, Call):
        return isinstance(node.function, Name) and node.function.text in CALLS.values()
    return isinstance(node, Const | Leaf | Sum | Turned | Binary | Subscript | IfElse)


def _common(actions: list[Action]) -> Action:
    """The step of all plans: what may be overwritten in each may be in the class."""
    first = actions[0]
    if first.augment and not all(action.augment for action in actions):
        first.augment = False
    return first


def _alternatives(items: list[tuple[str, Py]]) -> tuple[tuple[str, Py], ...]:
    """What is there where a condition holds, and what where it does not, as one."""
    made: list[tuple[str, Py]] = []
    for label, value in items:
        before = made[-1][1] if made else None
        if isinstance(value, Optional) and isinstance(before, Optional) and not before.otherwise:
            pair = _either(before, value)
            if pair is not None:
                yes, no = pair
                if len(yes.items) == len(no.items) == 1:
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


def _index_of(loop: Loop, iterable: Py) -> tuple[str, tuple[str, ...]]:
    """What numbers the turns of a loop: a variable of it that does, else one of its own, `i`."""
    called = iterable.function.text if isinstance(iterable, Call) and isinstance(iterable.function, Name) else ""
    single = isinstance(iterable, Call) and len(iterable.args) == 1
    if (called == "range" and len(loop.targets) == 1 and single) or (called == "enumerate" and len(loop.targets) == 2):
        return loop.targets[0], loop.targets
    return "i", loop.targets


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
                made.append(Item(key, part.label, part.value))
            case Loop():
                turns = tuple(_placeless(p) for p in part.iterations)
                made.append(Loop(key, part.loop, turns, part.targets, part.iterable, part.hinges))
            case Option():
                made.append(Option(key, _placeless(part.parts)))
    return tuple(made)


def _pattern(labels: list[str], turns: Turns) -> Py:
    """`f"layer{i + 1}"` for labels that are numbered by the turns."""
    matches = [re.fullmatch(r"(.*?)(\d+)(\D*)", label) for label in labels]
    found = [m for m in matches if m is not None]
    if len(found) < len(labels) or len({(m[1], m[3]) for m in found}) > 1:
        raise Mismatch
    shifts = {int(m[2]) - turn for m, turn in zip(found, turns.turns, strict=True)}
    if len(shifts) > 1 or any(str(int(m[2])) != m[2] for m in found):
        raise Mismatch
    shift = shifts.pop()
    index = turns.index
    if shift:
        index = Binary("+" if shift > 0 else "-", index, Const(abs(shift)))
    return Label(found[0][1], index, found[0][3])
