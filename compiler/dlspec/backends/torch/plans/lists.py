"""Writes lists of layers and weights of shared layers as loops over modules: `layers(f, Conv)`, and what is made of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial, reduce
from operator import getitem
from typing import TYPE_CHECKING, Any, cast

from dlspec.backends.torch.lowering.helpers import HELPERS
from dlspec.backends.torch.lowering.registry import Ref
from dlspec.backends.torch.plans.holders import Holders, Place
from dlspec.backends.torch.plans.places import loop_id
from dlspec.backends.torch.plans.plan import Slot
from dlspec.backends.torch.plans.tree import Element, Region, Step
from dlspec.backends.torch.plans.weighed import Made, computed, size_of
from dlspec.backends.torch.plans.writing import Writing
from dlspec.backends.torch.python.clauses import comprehended
from dlspec.backends.torch.python.computing import item, tupled
from dlspec.backends.torch.python.evaluate import CALLS, Unwritten, evaluate, is_constant
from dlspec.backends.torch.python.expressions import (
    Binary,
    Call,
    Clause,
    Comprehension,
    Const,
    Name,
    Py,
    Sequence,
    Slice,
    Subscript,
    Unary,
    call,
    method,
    rebuild,
    walk,
)
from dlspec.backends.torch.python.names import variable
from dlspec.backends.torch.python.symbols import Direct, Each, Leaf, Listed, signature
from dlspec.backends.torch.python.targets import targets_of
from dlspec.elaborate.builder import join
from dlspec.elaborate.values import Inside, SharedLayer
from dlspec.ir.node import Node, Value
from dlspec.ir.program import HOLDER, LISTED, Binding, Names, Written
from dlspec.ir.scope import Scope
from dlspec.ops.constant import Tied
from dlspec.syntax import ast

if TYPE_CHECKING:
    from dlspec.backends.torch.plans.making import Making


class Lists(Holders):
    """The lists in one module, by what the class would find in its modules. Nothing is taken that is not what the graph has
    there, in its order."""

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self._known: dict[int, tuple[Written, Made | None]] = {}
        self._items: dict[tuple[Names, str], Made] = {}
        self._users: dict[Binding, set[int]] = {}
        self._called: dict[Binding, str] = {}
        self._user = 0
        self._owned: dict[Scope | None, list[Binding]] = {}
        self._kept: dict[Binding, Made] = {}

    # What a plan asks for

    def look(self, elements: list[Element]) -> None:
        """Finds the names for lists that several steps use: these are variables, of the turn in which they are bound."""
        uses = list(_uses(elements))
        for written, scope in uses:
            self._found(written)
            around = [each for each in scope.ancestors() if each.kind == "iteration" and each.names is not None]
            for binding in self._users:
                if not any(binding in each for each in self._owned.values()):
                    turn = next((each for each in around if each.names and each.names.time < binding.time), None)
                    self._owned.setdefault(turn, []).append(binding)
        self._known, self._items = {}, {}

    def bound(self, turn: Scope | None) -> Iterator[tuple[Binding, str, Py]]:
        """The lists that have variables, as they are bound in a turn, or outside of all."""
        for binding in sorted(self._owned.get(turn, ()), key=lambda each: each.time):
            made = self._found(binding.written) if binding.written is not None else None
            if made is not None and len(self._users[binding]) > 1 and isinstance(made[0], Call | Comprehension):
                yield binding, self._called[binding], self._used(made[0])

    def keep(self, binding: Binding, variable: Py) -> None:
        """From now on the list that is bound is this variable."""
        assert binding.written is not None
        _, value = self._written(binding.written)
        self._kept[binding] = variable, value

    def over(self, loop: Scope, turns: list[Scope]) -> Py | None:
        """What a loop runs over, if that is a list of layers or weights, or one made of such."""
        made = self._looped(loop)
        taken = [each.names.turn for each in turns if each.names is not None]
        items = [turn.values[turn.index] for turn in taken if turn is not None]
        return None if made is None or made[1] != _places(items) else self._used(_iterated(made[0]))

    def weight(self, node: Node) -> Py | None:
        """A weight of a layer that a variable of a loop stands for."""
        written = node.origin.written.get(HOLDER)
        made = None if written is None else self._found(written)
        path = node.weights[0].path
        if made is None or not isinstance(made[1], Place) or not any(isinstance(i, Each) for i in walk(made[0])):
            return None
        around = made[1].path
        return self._reached(made[0], around, path) if path.startswith(f"{around}.") else None

    def listed(self, written: Written, values: tuple[Value, ...]) -> Py | None:
        """The list of weights that an operator is given."""
        made = self._found(written)
        fits = (
            made is not None and isinstance(made[0], Comprehension | Call | Each) and made[1] == _places(list(values))
        )
        return self._used(made[0]) if made is not None and fits else None

    def _used(self, made: Py) -> Py:
        self.making.helpers.update(i.text for i in walk(made) if isinstance(i, Name) and i.text in HELPERS)
        return made

    def _found(self, written: Written) -> Made | None:
        known = self._known.get(id(written))
        if known is None:
            user, self._user = self._user, id(written)
            try:
                made = self._translate(written.expression, written.names, written.time, {})
            except (Unwritten, LookupError, TypeError, ValueError):
                made = None
            self._user = user
            known = self._known[id(written)] = written, made
        return known[1]

    def _written(self, written: Written) -> Made:
        made = self._found(written)
        if made is None:
            raise Unwritten
        return made

    # Expressions

    def _translate(self, node: ast.Expression, names: Names, time: int, own: dict[str, Made]) -> Made:
        """An expression of layers and weights. ``own`` are the variables of comprehensions around it. Raises `Unwritten`."""

        def inner(part: ast.Expression) -> Made:
            return self._translate(part, names, time, own)

        match node:
            case ast.Name(name=name) if name in own:
                return own[name]
            case ast.Name():
                return self._name(node.name, names, time)
            case ast.Attribute():
                base, at = inner(node.base)
                if not isinstance(at, Place):
                    raise Unwritten
                if at.path in self.tree.graph.parameters:
                    return size_of(base, self.tree.graph.parameters[at.path].shape, node.name.name)
                path = f"{at.path}.{node.name.name}"
                return self._reached(base, at.path, path), Place(path)
            case ast.Index(items=(ast.Slice() as cut,)):
                base, values = inner(node.base)
                parts = [
                    None if p is None else self._number(p, names, time, own) for p in (cut.start, cut.stop, cut.step)
                ]
                ends = [None if part is None else evaluate(part) for part in parts]
                return Subscript(base, (Slice(*parts),)), values[slice(*ends)]
            case ast.Index(items=(at,)) if not isinstance(at, ast.Slice | ast.Rest):
                base, values = inner(node.base)
                place = self._number(at, names, time, own)
                return item(base, place), values[evaluate(place)]
            case ast.List():
                made = [inner(each) for each in node.items]
                return Sequence(tuple(each for each, _ in made), "("), [value for _, value in made]
            case ast.Comprehension():
                return self._comprehension(node, names, time, own)
            case ast.Call(function=ast.Name(name=called), branches=None) if names.seen(called, time) is None:
                if any(argument.name is not None for argument in node.arguments):
                    raise Unwritten
                return self._call(called, [argument.value for argument in node.arguments], names, time, own)
            case ast.Unary() if _has(node, own):
                return computed(partial(Unary, node.operator), inner(node.operand))
            case ast.Binary() if _has(node, own):
                sides = (
                    inner(side) if _has(side, own) else self._given(side, names, time)
                    for side in (node.left, node.right)
                )
                return computed(partial(Binary, node.operator), *sides)
            case _:
                number = self._number(node, names, time, own)
                return number, evaluate(number)

    def _given(self, node: ast.Expression, names: Names, time: int) -> Made:
        """What a variable of a comprehension is compared with: a size of what a loop around it runs over, or a number."""
        with suppress(Unwritten, LookupError, TypeError, ValueError):
            made, value = self._translate(node, names, time, {})
            if any(isinstance(each, Each) for each in walk(made)):
                return made, value
        number = self._number(node, names, time, {})
        return number, evaluate(number)

    def _number(self, node: ast.Expression, names: Names, time: int, own: dict[str, Made]) -> Py:
        if isinstance(node, ast.Name) and node.name in own:
            return own[node.name][0]
        module = self.making.plan.module
        return Writing(self.making.author, module, module.scope, None).translate(node, names, time)

    def _name(self, name: str, names: Names, time: int) -> Made:
        found = names.seen(name, time)
        if found is None:
            raise Unwritten
        where, binding = found
        if isinstance(binding.value, SharedLayer):
            path = join(binding.value.home, binding.value.label)
            return self._direct(path), Place(path)
        if binding.written is not None:
            if not binding.place:
                self._users.setdefault(binding, set()).add(self._user)
                self._called[binding] = variable(name)
            made, value = self._kept.get(binding) or self._written(binding.written)
            for part in binding.place:
                made, value = item(made, Const(part)), value[part]
            return made, value
        if where.turn is not None:
            return self._turn(name, where)
        home = self.tree.home(where)
        if home is not None and name in home.origin.written:
            return self._written(home.origin.written[name])
        if not is_constant(binding.value):
            raise Unwritten
        return Const(tupled(binding.value)), binding.value

    def _turn(self, name: str, where: Names) -> Made:
        """A variable of a loop; an item of what is looped over where that makes no nodes, or is written item by item."""
        known = self._items.get((where, name))
        if known is None:
            known = self._items[where, name] = self._item(name, where)
        return known

    def _item(self, name: str, where: Names) -> Made:
        turn = where.turn
        if turn is None or not isinstance(turn.step, ast.For | ast.Clause):
            raise Unwritten
        places = next(places for each, places in ast.paths_of(turn.step.targets) if each.name == name)
        listed, parts = turn.written.expression, [turn.index, *places]
        while isinstance(listed, ast.List) and parts:
            listed = listed.items[parts.pop(0)]
        whole = turn.written.part(listed) if listed is not turn.written.expression else turn.written
        made, value = self._written(whole)
        for part in parts:
            made, value = item(made, Const(part)), value[part]
        iteration, place = self.tree.turns.get(where, (None, 0))
        if iteration is None or iteration.parent is None:
            return made, value
        direct = Direct(partial(self._spread, value))
        return Each(loop_id(iteration.parent), variable(name), place, direct), value

    def _comprehension(self, node: ast.Comprehension, names: Names, time: int, own: dict[str, Made]) -> Made:
        turns, clauses = [own], list[Clause]()
        for clause in node.clauses:
            left, made = self._turns_of(clause, names, time, turns)
            turns = [turn for _, turn in left]
            clauses.append(made)
        items = [self._translate(node.item, names, time, turn) for turn in turns]
        return comprehended(_alike([made for made, _ in items]), clauses), [value for _, value in items]

    def _looped(self, loop: Scope) -> Made | None:
        """What a loop runs over, but for what its conditions leave out."""
        written, clause = loop.origin.written.get("iterable"), loop.origin.step
        if written is None or not isinstance(clause, ast.Clause) or not clause.conditions:
            return None if written is None else self._found(written)
        try:
            turns, own = self._turns_of(clause, written.names, written.time, [{}])
        except (Unwritten, LookupError, TypeError, ValueError):
            return None
        first, *others = map(Name, targets_of(clause.targets))
        item = Sequence((first, *others), "(") if others else first
        return Comprehension(item, own.target, own.iterable, conditions=own.conditions), [each for each, _ in turns]

    def _turns_of(
        self, clause: ast.Clause, names: Names, time: int, around: list[dict[str, Made]]
    ) -> tuple[list[tuple[Any, dict[str, Made]]], Clause]:
        """The items that a clause runs over and its conditions leave, each with the variables, in all turns ``around`` it,
        which are given by theirs; and the clause in Python."""
        tests = [[*_tests(condition)] for condition in clause.conditions]
        asked: dict[ast.Expression, list[Py]] = {test: [] for each in tests for test in each}
        over: list[Py] = []
        left: list[tuple[Any, dict[str, Made]]] = []
        for own in around:
            made, values = self._translate(clause.iterable, names, time, own)
            over.append(made)
            for each in cast("list[Any]", values):
                places = ast.paths_of(clause.targets)
                turn = own | {n.name: (Name(variable(n.name)), reduce(getitem, place, each)) for n, place in places}
                for test, found in asked.items():  # one that is not reached need not have a meaning
                    made, holds = self._translate(test, names, time, turn)
                    found.append(made)
                    if not holds:
                        break
                else:
                    left.append((each, turn))
        conditions = tuple(reduce(partial(Binary, "and"), (_alike(asked[test]) for test in each)) for each in tests)
        return left, Clause(", ".join(targets_of(clause.targets)), _iterated(_alike(over)), conditions)

    def _call(
        self, called: str, arguments: list[ast.Expression], names: Names, time: int, own: dict[str, Made]
    ) -> Made:
        first, values = self._translate(arguments[0], names, time, own)
        match called, arguments:
            case (("len" | "min" | "max" | "sum" | "prod" | "abs"), [_]):
                return computed(partial(call, CALLS[called]), (first, values))
            case "weights", [_]:
                return call("list", method(first, "parameters")), [*map(Place, self._weights(values.path))]
            case "layers", [_, ast.Name(name=kind)]:
                found = names.seen(kind, time)
                return self._layers(first, values.path, kind, None if found is None else found[1].value)
            case "by_shape", [_]:
                groups: dict[Any, list[Any]] = {}
                for each in values:
                    tensor = each if isinstance(each, Place) else each[0]
                    groups.setdefault(self.tree.graph.parameters[tensor.path].shape, []).append(each)
                return call("by_shape", first), [*groups.values()]
            case "enumerate", [_]:
                return call("enumerate", _iterated(first)), [list(pair) for pair in enumerate(values)]
            case "reversed", [_]:
                return Subscript(first, (Slice(None, None, Const(-1)),)), values[::-1]
            case "zip", [_, *others]:
                more = [self._translate(each, names, time, own) for each in others]
                zipped = zip(values, *(value for _, value in more), strict=True)
                return call("zip", *(_iterated(made) for made in (first, *(m for m, _ in more)))), [*map(list, zipped)]
            case _:
                raise Unwritten


def _uses(elements: list[Element]) -> Iterator[tuple[Written, Scope]]:
    """What steps and loops are written with that may be lists of weights or layers, and where."""
    for element in elements:
        if isinstance(element, Step):
            said = element.node.origin.written
            yield from ((said[key], element.node.scope) for key in (HOLDER, LISTED) if key in said)
        elif isinstance(element, Region):
            if element.kind == "loop" and "iterable" in element.scope.origin.written:
                yield element.scope.origin.written["iterable"], element.scope
            for part in element.parts:
                yield from _uses(part)


def one_by_one(loop: Scope, elements: tuple[dict[Slot, str], ...], targets: tuple[str, ...]) -> Py | None:
    """The tensors that a loop runs over, one by one; None where its variables are more than tensors and their number."""
    match loop.origin.written["iterable"].expression if "iterable" in loop.origin.written else None:
        case ast.Call(function=ast.Name(name="enumerate"), arguments=(_,)) if len(targets) == 2:
            if isinstance(loop.origin.step, ast.Clause) and loop.origin.step.conditions:
                return None  # the numbers of those that are left are other ones
            numbered = True
        case _:
            numbered = False
    columns = [
        [slot for each in elements for slot, name in each.items() if name == target] for target in targets[numbered:]
    ]
    if not columns or any(len(column) != len(elements) for column in columns):
        return None
    lists = [Sequence(tuple(map(Ref, column))) for column in columns]
    whole = lists[0] if len(lists) == 1 else call("zip", *lists)
    return call("enumerate", whole) if numbered else whole


def as_one(made: Py, items: list[Py], listed: Py) -> Py:
    """An operator of a list with the list as one expression."""
    said = listed if isinstance(listed, Each) else Listed(listed, Direct(lambda: Sequence(tuple(items))))

    def change(inner: Py) -> Py:
        if isinstance(inner, Sequence) and [*map(id, inner.items)] == [*map(id, items)]:
            return said
        return inner if isinstance(inner, Leaf) else rebuild(inner, change)

    return change(made)


def _has(node: ast.Expression, own: dict[str, Made]) -> bool:
    """Whether variables of comprehensions are in an expression."""
    return any(isinstance(part, ast.Name) and part.name in own for part in ast.walk(node))


def _tests(condition: ast.Expression) -> Iterator[ast.Expression]:
    """The conditions of a conjunction, each of which is asked where those before hold."""
    if isinstance(condition, ast.Binary) and condition.operator == "and":
        yield from _tests(condition.left)
        yield from _tests(condition.right)
    else:
        yield condition


def _alike(made: list[Py]) -> Py:
    """The expression that all are. Raises `Unwritten` where there is none."""
    if len({repr(signature(each)) for each in made}) != 1:
        raise Unwritten
    return made[0]


def _iterated(made: Py) -> Py:
    """What a loop runs over, which need not be a list."""
    match made:
        case Call(function=Name(text="list"), args=(inner,)):
            return inner
        case _:
            return made


def _places(value: Any) -> Any:
    """What a value of the graph is, as places."""
    if isinstance(value, list):
        return [_places(each) for each in cast("list[Any]", value)]
    if isinstance(value, Inside):
        return Place(value.path)
    if isinstance(value, Value) and value.producer is not None and isinstance(value.producer.op, Tied):
        return Place(value.producer.weights[0].path)
    return value
