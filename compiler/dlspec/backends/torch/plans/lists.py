"""Writes lists of layers and weights of shared layers as loops over modules: `layers(f, Conv)`, and what is made of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial, reduce
from operator import getitem
from typing import TYPE_CHECKING, Any, cast

from dlspec.backends.torch.lowering.helpers import HELPERS
from dlspec.backends.torch.lowering.lower_modules import module_of
from dlspec.backends.torch.lowering.registry import Ref
from dlspec.backends.torch.plans.places import loop_id
from dlspec.backends.torch.plans.plan import Slot
from dlspec.backends.torch.plans.tree import Element, Module, Region, Step
from dlspec.backends.torch.plans.writing import Writing
from dlspec.backends.torch.python.evaluate import Unwritten, evaluate, is_constant
from dlspec.backends.torch.python.expressions import (
    Call,
    Comprehension,
    Const,
    Name,
    Py,
    Sequence,
    Slice,
    Subscript,
    call,
    method,
    rebuild,
    walk,
)
from dlspec.backends.torch.python.names import variable
from dlspec.backends.torch.python.symbols import ClassOf, Direct, Each, Leaf, Listed, item, signature, tupled
from dlspec.backends.torch.python.targets import kept, targets_of
from dlspec.elaborate.builder import join
from dlspec.elaborate.values import BlockLayer, Inside, OpLayer, SharedLayer
from dlspec.ir.node import Node, Value
from dlspec.ir.program import HOLDER, LISTED, Binding, Names, Written
from dlspec.ir.scope import Scope
from dlspec.ops import LAYERS
from dlspec.ops.constant import Param, Tied
from dlspec.syntax import ast

if TYPE_CHECKING:
    from dlspec.backends.torch.plans.making import Making


@dataclass(frozen=True, slots=True)
class Place:
    """A layer or a weight of a network, by its path."""

    path: str


Made = tuple[Py, Any]
"""An expression, and what it comes to when the class runs: places, constants, and lists of them."""


class Lists:
    """The lists in one module, by what the class would find in its modules. Nothing is taken that is not what the graph has
    there, in its order."""

    def __init__(self, making: Making) -> None:
        self.making = making
        self.tree = making.tree
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
        made = self._found(loop.origin.written["iterable"]) if "iterable" in loop.origin.written else None
        taken = [each.names.turn for each in turns if each.names is not None]
        items = [turn.values[turn.index] for turn in taken if turn is not None]  # a condition may leave some out
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
                path = f"{at.path}.{node.name.name}"
                return self._reached(base, at.path, path), Place(path)
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
            case _:
                number = self._number(node, names, time, own)
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
        place = next(place for each, place in ast.paths_of(turn.step.targets) if each.name == name)
        listed, parts = turn.written.expression, [turn.index, *place]
        while isinstance(listed, ast.List) and parts:
            listed = listed.items[parts.pop(0)]
        whole = turn.written.part(listed) if listed is not turn.written.expression else turn.written
        made, value = self._written(whole)
        for part in parts:
            made, value = item(made, Const(part)), value[part]
        iteration, _ = self.tree.turns.get(where, (None, 0))
        if iteration is None or iteration.parent is None:
            return made, value
        direct = Direct(partial(self._spread, value))
        return Each(loop_id(iteration.parent), variable(name), turn.index, direct), value

    def _comprehension(self, node: ast.Comprehension, names: Names, time: int, own: dict[str, Made]) -> Made:
        clause = node.clauses[0]
        if clause.conditions or len(node.clauses) > 1:
            raise Unwritten
        over, values = self._translate(clause.iterable, names, time, own)
        items: list[Made] = []
        for each in cast("list[Any]", values):
            inner = {
                n.name: (Name(variable(n.name)), reduce(getitem, place, each))
                for n, place in ast.paths_of(clause.targets)
            }
            items.append(self._translate(node.item, names, time, own | inner))
        if len({repr(signature(made)) for made, _ in items}) != 1:
            raise Unwritten
        made = items[0][0]
        used = {part.text for part in walk(made) if isinstance(part, Name)}
        target = ", ".join(kept(each, used) for each in targets_of(clause.targets))
        return Comprehension(made, target, _iterated(over)), [value for _, value in items]

    def _call(
        self, called: str, arguments: list[ast.Expression], names: Names, time: int, own: dict[str, Made]
    ) -> Made:
        first, values = self._translate(arguments[0], names, time, own)
        match called, arguments:
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

    # Modules

    def _layers(self, base: Py, path: str, kind: str, value: Any) -> Made:
        """`layers_of(module, nn.Conv2d)`, with what that finds."""
        if isinstance(value, BlockLayer):
            declared = value.declaration
            blocks = [m for m in self._modules(path) if isinstance(m, Module) and _is_of(m, declared)]
            if not all(block.opens_class for block in blocks):
                raise Unwritten
            return call("layers_of", base, ClassOf(declared)), [Place(block.path) for block in blocks]
        op, pinned = (value.op, value.pinned) if isinstance(value, OpLayer) else LAYERS[kind]
        nodes = [(at, node) for at, node in self._nodes(path) if not isinstance(node.op, Param)]
        called = {at: self._class(node) for at, node in nodes}
        alike = [n for _, n in nodes if type(n.op) is op and pinned in (None, n.inputs[0].type.rank - 2)]
        classes = sorted({self._class(node) for node in alike})
        if not classes or any("." in weight.path[len(at) + 1 :] for at, node in nodes for weight in node.weights):
            raise Unwritten  # a layer of PyTorch that has layers inside
        which = Name(classes[0]) if len(classes) == 1 else Sequence(tuple(map(Name, classes)), "(")
        return call("layers_of", base, which), [Place(at) for at, _ in nodes if called[at] in classes]

    def _class(self, node: Node) -> str:
        make = module_of(node)
        made = make(node.op, node) if make is not None else None
        if not isinstance(made, Call) or not isinstance(made.function, Name):
            raise Unwritten
        return made.function.text

    def _weights(self, path: str) -> Iterator[str]:
        found: dict[str, None] = {}
        for at, node in self._nodes(path):
            own = [weight for weight in node.weights if weight.kind == "param"]
            found |= dict.fromkeys(weight.path for weight in own if not isinstance(node.op, Param) or weight.path == at)
        yield from found

    def _modules(self, path: str) -> Iterator[Module | tuple[str, Node]]:
        """What is at a path and below, as `nn.Module` goes through it: weights of its own first."""
        module = self.tree.modules.get(path)
        if module is None:
            home, _, label = path.rpartition(".")
            node = self.tree.modules[home].members[label]
            assert isinstance(node, Node)
            yield path, node
            return
        yield module
        members = [(join(path, label), member) for label, member in module.members.items()]
        own = [(at, m) for at, m in members if isinstance(m, Node) and isinstance(m.op, Param)]
        yield from own
        for at, member in members:
            if (at, member) not in own:
                yield from self._modules(at)

    def _nodes(self, path: str) -> Iterator[tuple[str, Node]]:
        return (each for each in self._modules(path) if not isinstance(each, Module))

    # How they are reached

    def _direct(self, path: str) -> Py:
        home, _, label = path.rpartition(".")
        return self.making.access(self.tree.modules[home], label)

    def _spread(self, value: Any) -> Py:
        """What is written out, layer by layer."""
        if isinstance(value, list):
            return Sequence(tuple(map(self._spread, cast("list[Any]", value))))
        return self._direct(value.path) if isinstance(value, Place) else Const(value)

    def _reached(self, base: Py, around: str, path: str) -> Py:
        """What is inside a layer that is at hand."""
        where: Module | Node | None = self.tree.modules.get(around)
        for part in path[len(around) + 1 :].split("."):
            base = self.making.part(base, where, part)
            where = where.members.get(part) if isinstance(where, Module) else None
        return base


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


def _iterated(made: Py) -> Py:
    """What a loop runs over, which need not be a list."""
    match made:
        case Call(function=Name(text="list"), args=(inner,)):
            return inner
        case _:
            return made


def _is_of(module: Module, declared: ast.Node) -> bool:
    return module.scope.template is not None and module.scope.template.declaration is declared


def _places(value: Any) -> Any:
    """What a value of the graph is, as places."""
    if isinstance(value, list):
        return [_places(each) for each in cast("list[Any]", value)]
    if isinstance(value, Inside):
        return Place(value.path)
    if isinstance(value, Value) and value.producer is not None and isinstance(value.producer.op, Tied):
        return Place(value.producer.weights[0].path)
    return value
