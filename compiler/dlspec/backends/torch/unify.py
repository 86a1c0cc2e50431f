"""Makes one class of the plans of several modules: where their constants differ, a hole is left."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Sequence as Many
from dataclasses import fields
from typing import Any

from dlspec.backends.torch.express import ANY, Environment, NotExpressible, Text, express
from dlspec.backends.torch.plan import Chain, Item, Loop, Make, Option, Part, Plan, Slot
from dlspec.backends.torch.python import Attribute, Binary, Const, Keyword, Label, Name, Py, Subscript, walk
from dlspec.backends.torch.registry import Ref, Size
from dlspec.backends.torch.sizes import from_text, relation
from dlspec.backends.torch.template import (
    Hole,
    Makes,
    Mismatch,
    Optional,
    Rolled,
    SequentialOf,
    TAction,
    Template,
    TMember,
    Unreachable,
)  # fmt: skip
from dlspec.backends.torch.tree import Key
from dlspec.ir.dims import Dim, Expr, symbols


class Unifier:
    """Unifies plans into a `Template`. Raises `Mismatch` where they differ in more than constants and options."""

    def __init__(self, plans: list[Plan], text: Text | None) -> None:
        self.plans = plans
        self.template = Template(plans, text)
        self._own: list[set[Slot]] = [set(plan.types) for plan in plans]

    def unify(self) -> Template:
        plans, template = self.plans, self.template
        if len({plan.structure for plan in plans}) > 1:
            raise Mismatch
        chains = [plan.chain for plan in plans if plan.chain is not None]
        if chains:
            template.chain = self.chain(chains, template.envs)
        else:
            self._members()
            self._actions()
            there, made = list(range(len(plans))), tuple(plans[0].types)
            for outputs in zip(*(plan.outputs for plan in plans), strict=True):
                template.outputs.append((self.forward([value for value, _ in outputs], there, made), outputs[0][1]))
        self._inits()
        return template

    # Members

    def _members(self) -> None:
        sequences = [[member.label for member in plan.members] for plan in self.plans]
        for label in merged(sequences):
            found = [next((m for m in plan.members if m.label == label), None) for plan in self.plans]
            there = [m for m in found if m is not None]
            if len({(m.kind, m.conditions) for m in there}) > 1 or (None in found and not there[0].conditions):
                raise Mismatch
            value = self.constant([None if m is None else m.value for m in found], self.template.envs)
            self.template.members.append(TMember(label, value, there[0].kind, tuple(m is not None for m in found)))

    def _inits(self) -> None:
        if len({len(plan.inits) for plan in self.plans}) > 1:
            raise Mismatch
        for statements in zip(*(plan.inits for plan in self.plans), strict=True):
            self.template.inits.append(self.constant([value for value, _ in statements], self.template.envs))

    # Constants

    def constant(self, nodes: Many[Py | None], envs: Many[Environment], name: str = "") -> Py:
        """One expression for several, with holes where their constants differ. None stands for what is not there."""
        there = [node for node in nodes if node is not None]
        first = there[0]
        if isinstance(first, Chain):
            chains = [node for node in nodes if isinstance(node, Chain)]
            if len(chains) < len(there):
                raise Mismatch
            return self.chain(chains, [env for env, node in zip(envs, nodes, strict=True) if node is not None])
        if any(type(node) is not type(first) for node in there):
            raise Mismatch
        if isinstance(first, Const):
            return Hole(tuple(node.value if isinstance(node, Const) else ANY for node in nodes), tuple(envs), name)
        if isinstance(first, Make):
            return Makes(tuple(node.module if isinstance(node, Make) else None for node in nodes), tuple(envs))

        def inner(parts: list[Any], part: str) -> Py:
            return self.constant(parts, envs, part)

        return self._same_shape(nodes, first, inner)

    def _same_shape(self, nodes: Many[Py | None], first: Py, inner: Callable[[list[Any], str], Py]) -> Py:
        """Rebuilds the first expression with each part unified."""

        def unified(values: list[Any], part: str) -> Any:
            given = [value for value in values if value is not None]
            one = next((value for value in values if value is not None), None)
            if isinstance(one, Py):
                return inner(values, part)
            if isinstance(one, Keyword):
                if any(v is not None and v.name != one.name for v in values):
                    raise Mismatch
                if one.name == "inplace":
                    all_in_place = all(v.value.value for v in values if v is not None)
                    return Keyword(one.name, Const(all_in_place), one.default)
                return Keyword(one.name, inner([None if v is None else v.value for v in values], one.name), one.default)
            if isinstance(one, tuple):
                if any(v is not None and len(v) != len(one) for v in values):  # type: ignore[reportUnknownArgumentType]
                    raise Mismatch
                return tuple(
                    unified([None if v is None else v[index] for v in values], part)
                    for index in range(len(one))  # type: ignore[reportUnknownArgumentType]
                )
            if any(value is not None and value != one for value in given):
                raise Mismatch
            return one

        made = {
            f.name: unified([None if n is None else getattr(n, f.name) for n in nodes], f.name) for f in fields(first)
        }
        return type(first)(**made)

    # Chains

    def chain(self, chains: list[Chain], envs: Many[Environment]) -> SequentialOf:
        if len({chain.named for chain in chains}) > 1:
            raise Mismatch
        return SequentialOf(self._parts([chain.parts for chain in chains], envs, chains[0].named), chains[0].named)

    def _parts(
        self, sequences: list[tuple[Part, ...]], envs: Many[Environment], named: bool
    ) -> tuple[tuple[str, Py], ...]:
        made: list[tuple[str, Py]] = []
        for key in merged([[part.key for part in parts] for parts in sequences]):
            found = [next((part for part in parts if part.key == key), None) for parts in sequences]
            there = [part for part in found if part is not None]
            first = there[0]
            if isinstance(first, Option):
                made += self._option([p if isinstance(p, Option) else None for p in found], envs, named)
            elif len(there) < len(found):
                raise Mismatch
            elif isinstance(first, Loop):
                made += self._loop([part for part in there if isinstance(part, Loop)], envs, named)
            else:
                items = [part for part in there if isinstance(part, Item)]
                if named and len({item.label for item in items}) > 1:
                    raise Mismatch
                made.append((first.label, self.constant([item.value for item in items], envs)))
        return tuple(made)

    def _option(self, found: list[Option | None], envs: Many[Environment], named: bool) -> list[tuple[str, Py]]:
        present = tuple(option is not None for option in found)
        parts = [option.parts for option in found if option is not None]
        inside = [env for env, option in zip(envs, found, strict=True) if option is not None]
        items = self._parts(parts, inside, named)
        if all(present):
            return list(items)
        if named:
            raise Mismatch
        return [("", Optional(Hole(present, tuple(envs)), items))]

    def _loop(self, loops: list[Loop], envs: Many[Environment], named: bool) -> list[tuple[str, Py]]:
        counts = [len(loop.iterations) for loop in loops]
        level = len(set(counts)) == 1
        # Few iterations, or several layers in each of not many, read better one by one.
        width = max((len(parts) for loop in loops for parts in loop.iterations), default=0)
        if level and (counts[0] <= 2 or (width > 1 and counts[0] * width <= 24)):
            return self._unrolled(loops, envs, named)
        for peeled in (0, 1):
            if min(counts) < peeled or max(counts) == peeled:
                continue
            try:
                rolled = self._rolled([loop.iterations[peeled:] for loop in loops], peeled, envs, named)
            except (Mismatch, NotExpressible):
                continue
            head = self._unrolled([Loop(lp.key, lp.iterations[:peeled]) for lp in loops], envs, named) if peeled else []
            return [*head, rolled]
        if level:
            return self._unrolled(loops, envs, named)
        raise Mismatch

    def _unrolled(self, loops: list[Loop], envs: Many[Environment], named: bool) -> list[tuple[str, Py]]:
        made: list[tuple[str, Py]] = []
        for iterations in zip(*(loop.iterations for loop in loops), strict=True):
            made += self._parts(list(iterations), envs, named)
        return made

    def _rolled(
        self, loops: list[tuple[tuple[Part, ...], ...]], start: int, envs: Many[Environment], named: bool
    ) -> tuple[str, Py]:
        flat = [
            (dict(env) | {"i": i + start}, parts)
            for env, loop in zip(envs, loops, strict=True)
            for i, parts in enumerate(loop)
        ]
        inner = [env for env, _ in flat]
        parts = [_placeless(part) for _, part in flat]
        items = self._parts(parts, inner, False)
        for _, value in items:
            if isinstance(value, Rolled | Optional):
                raise Mismatch
            self._check(value, len(items) > 1)
        count = Hole(tuple(len(loop) for loop in loops), tuple(envs), "depth")
        self._check(count)
        label = None
        if named:
            labels = [item.label for _, part in flat for item in part if isinstance(item, Item)]
            if len(items) != 1:
                raise Mismatch
            label = _pattern(labels, inner)
        return "", Rolled(count, tuple(value for _, value in items), label, max(len(loop) for loop in loops))

    def _check(self, value: Py, constant: bool = False) -> None:
        """Raises `NotExpressible` where a hole of a loop has no expression, or one with its index must not have it."""
        for node in walk(value):
            if isinstance(node, Hole):
                made = express(node.values, node.envs, self.template.text, node.name)
                if constant and any(isinstance(part, Name) and part.text == "i" for part in walk(made)):
                    raise NotExpressible("the index of a loop over several layers")
            elif isinstance(node, Makes):
                self.check_made(node)
            elif isinstance(node, SequentialOf):
                for _, item in node.items:
                    self._check(item, constant)

    def check_made(self, node: Makes) -> None:
        """Raises `NotExpressible` where the arguments of a class in a loop have no expression."""
        raise NotImplementedError

    # Steps

    def _actions(self) -> None:
        plans = self.plans
        by_key = [{action.key: action for action in plan.actions} for plan in plans]
        at_hand: list[Slot] = [(name, 0) for name in plans[0].inputs]
        for key in merged([[action.key for action in plan.actions] for plan in plans]):
            found = [actions.get(key) for actions in by_key]
            there = [index for index, action in enumerate(found) if action is not None]
            actions = [action for action in found if action is not None]
            first = actions[0]
            if len({(a.conditions, a.training, len(a.outputs)) for a in actions}) > 1:
                raise Mismatch
            if len(there) < len(plans) and not first.conditions:
                raise Mismatch
            value = self.forward([action.value for action in actions], there, tuple(at_hand))
            at_hand += [(key, position) for position in range(len(first.outputs))]
            if first.augment and not all(action.augment for action in actions):
                first.augment = False
            present = tuple(action is not None for action in found)
            self.template.actions.append(TAction(key, value, len(first.outputs), present, first))

    def forward(self, nodes: Many[Py], there: list[int], at_hand: tuple[Slot, ...]) -> Py:
        """One expression of tensors for several; ``there`` are the plans that have it."""
        first = nodes[0]
        if any(type(node) is not type(first) for node in nodes):
            raise Mismatch
        if isinstance(first, Ref):
            return Ref(self._slot([node.value for node in nodes if isinstance(node, Ref)], there))
        if isinstance(first, Size):
            return self._size([node.dim for node in nodes if isinstance(node, Size)], there, at_hand)
        if isinstance(first, Const):
            values = [ANY] * len(self.plans)
            for index, node in zip(there, nodes, strict=True):
                values[index] = node.value if isinstance(node, Const) else ANY
            return Hole(tuple(values), self.template.envs)

        def inner(parts: list[Any], part: str) -> Py:
            return self._named(self.forward(parts, there, at_hand), part)

        return self._same_shape(nodes, first, inner)

    def _named(self, value: Py, name: str) -> Py:
        known = name not in ("args", "base", "items", "left", "operand", "right", "value", "values")
        return Hole(value.values, value.envs, name) if isinstance(value, Hole) and not value.name and known else value

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

    # Sizes

    def _size(self, dims: list[Dim], there: list[int], at_hand: tuple[Slot, ...]) -> Py:
        """A size: a number, what the constructor knows, or the size of a tensor at hand."""
        first = dims[0]
        if isinstance(first, int) and all(dim == first for dim in dims):
            return Const(first)
        values = [ANY] * len(self.plans)
        for index, dim in zip(there, dims, strict=True):
            values[index] = dim
        known = Hole(tuple(values), self.template.envs, "size")
        numbers = all(isinstance(dim, int) for dim in dims)
        if numbers and self._is_given(known):
            return known
        made = self._of_tensors(dims, [self.plans[index] for index in there], at_hand)
        if made is not None:
            return made
        if all(self.plans[index].module.parent is None for index in there):
            return self._from_inputs(first, self.plans[there[0]])
        if numbers:
            return known
        raise Unreachable([self.plans[index].module for index in there])

    def _is_given(self, hole: Hole) -> bool:
        """Whether the constructor's own arguments say the size, not only what flows in."""
        try:
            made = express(hole.values, hole.envs, self.template.text)
        except NotExpressible:
            return False
        names = {node.text for node in walk(made) if isinstance(node, Name)}
        return any(not name.endswith(("_channels", "_features")) for name in names)

    def _of_tensors(self, dims: list[Dim], plans: list[Plan], at_hand: tuple[Slot, ...]) -> Py | None:
        for slot in at_hand:
            if not all(slot in plan.types for plan in plans):
                continue
            for axis in range(min(plan.types[slot].rank for plan in plans)):
                made = relation([plan.types[slot].shape[axis] for plan in plans], dims)
                if made is not None:
                    return made(Subscript(Attribute(Ref(slot), "shape"), (Const(axis),)))
        return None

    def _from_inputs(self, dim: Dim, plan: Plan) -> Py:
        """A size by the symbols of the network's inputs."""
        known: dict[str, Py] = {}
        for name in plan.inputs:
            for axis, size in enumerate(plan.types[name, 0].shape):
                if isinstance(size, Expr) and str(size) in symbols(size):
                    known.setdefault(str(size), Subscript(Attribute(Ref((name, 0)), "shape"), (Const(axis),)))
        return from_text(str(dim), known)


def merged(sequences: list[list[Any]]) -> list[Any]:
    """One order that has each of the sequences in it. Raises `Mismatch` where there is none."""
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


def _placeless(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """The parts of an iteration with keys that are the same in each."""

    def plain(key: Key, index: int) -> Key:
        return (*key[:4], index)

    made: list[Part] = []
    for index, part in enumerate(parts):
        key = plain(part.key, index)
        match part:
            case Item():
                made.append(Item(key, part.label, part.value))
            case Loop():
                made.append(Loop(key, tuple(_placeless(p) for p in part.iterations)))
            case Option():
                made.append(Option(key, _placeless(part.parts)))
    return tuple(made)


def _pattern(labels: list[str], envs: Many[Environment]) -> Py:
    """`f"layer{i + 1}"` for labels that are numbered so."""
    matches = [re.fullmatch(r"(.*?)(\d+)(\D*)", label) for label in labels]
    found = [m for m in matches if m is not None]
    if len(found) < len(labels) or len({(m[1], m[3]) for m in found}) > 1:
        raise Mismatch
    shifts = {int(m[2]) - env["i"] for m, env in zip(found, envs, strict=True)}
    if len(shifts) > 1 or any(str(int(m[2])) != m[2] for m in found):
        raise Mismatch
    shift = shifts.pop()
    index: Py = Name("i")
    if shift:
        index = Binary("+" if shift > 0 else "-", index, Const(abs(shift)))
    return Label(found[0][1], index, found[0][3])
