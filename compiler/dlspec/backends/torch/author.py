"""Writes constants as the author did: an expression of the text, in the names that a class has where it stands."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeAlias

from dlspec.backends.torch import python as py
from dlspec.backends.torch.evaluate import Unwritten, evaluate, same
from dlspec.backends.torch.places import homes_of, names_in, turn_of
from dlspec.backends.torch.probing import Probe, probe
from dlspec.backends.torch.python import Py
from dlspec.backends.torch.symbols import Leaf
from dlspec.backends.torch.tree import Module, Tree
from dlspec.backends.torch.writing import Writing
from dlspec.ir.graph import Node, Scope, Value
from dlspec.ir.program import Names, Turn, Written
from dlspec.syntax import ast

AtHand: TypeAlias = Callable[[Value], "Py | None"]
"""The tensors that a forward has in variables."""


class Author:
    """The author's expressions, for the modules of one graph.

    ``given`` are the parameters that some call gives, by the declaration, and the settings of networks on which their
    structure does not hang.
    """

    def __init__(self, tree: Tree, given: dict[int, Collection[str]]) -> None:
        self.tree = tree
        self.given = given
        self._probed: dict[tuple[Any, ...], Probe | None] = {}
        self.sizes: dict[tuple[Any, ...], Py | None] = {}
        self._settings: dict[Node, frozenset[str]] = {}
        self._reached = 0
        self._regions: dict[Scope, frozenset[str]] = {}
        self._written: dict[int, tuple[Written, frozenset[str]]] = {}
        self._copies: dict[Scope, list[Scope]] = {}
        if tree.graph.settings:
            for scope in tree.graph.root.scopes():
                if scope.twin is not None:
                    self._copies.setdefault(scope.twin, []).append(scope)
        self._names: dict[int, tuple[ast.Expression, frozenset[str]]] = {}

    def expression(
        self, written: Written, value: Any, module: Module, place: Scope, at_hand: AtHand | None = None
    ) -> Py:
        """What was written, for a step at a ``place`` inside a module. Raises `Unwritten` where it cannot be said there,
        or would not give the value."""
        made = Writing(self, module, place, at_hand).written(written)
        if not same(evaluate(made), value):
            raise Unwritten
        return made

    def size(self, value: Value, axis: int, module: Module, place: Scope) -> Py:
        """A size of a tensor as the constructor of a module says it. Raises `Unwritten`."""
        return Writing(self, module, place, None).size(value, axis % value.type.rank)

    def looped(self, loop: Scope, module: Module, at_hand: AtHand | None = None) -> Py:
        """What a loop inside a module runs over. Raises `Unwritten`."""
        writing = Writing(self, module, loop.parent or loop, at_hand)
        if "count" in loop.origin.written:
            return py.call("range", writing.written(loop.origin.written["count"]))
        return writing.written(loop.origin.written["iterable"])

    def bound(self, leaf: Leaf, use: Scope, module: Module) -> Py:
        """What a module gives for a name of another that it makes. Raises `Unwritten`."""
        return Writing(self, module, use.parent or use, None).bound(leaf, use)

    def settings(self, written: Written) -> frozenset[str]:
        """The settings of the network that something written depends on."""
        if not self.tree.graph.settings:
            return frozenset()
        known = self._written.get(id(written))
        if known is not None:
            return known[1]
        self._written[id(written)] = written, frozenset()  # what names itself adds nothing
        found = frozenset[str]().union(
            *(self._settings_by(name, written) for name in self._names_in(written.expression))
        )
        self._written[id(written)] = written, found
        return found

    def _settings_by(self, name: str, written: Written) -> frozenset[str]:
        seen = written.names.seen(name, written.time)
        if seen is None:
            return frozenset()
        where, binding = seen
        home = self._home(where)
        if binding.written is not None:
            return self.settings(binding.written)
        if where.turn is not None:
            return self.settings(where.turn.written)
        if home is self.tree.graph.root and name in self.tree.graph.settings:
            return frozenset({name})
        if home is not None and name in home.origin.written:
            alike = (home, *self._copies.get(home, ()))
            return frozenset[str]().union(*(self.settings(each.origin.written[name]) for each in alike))
        tensor = self.tree.now(binding.value)
        return self.settings_of(tensor) if isinstance(tensor, Value) else frozenset()

    def settings_of_structure(self) -> frozenset[str]:
        """The settings that conditions depend on, and paths but for the numbers of turns, which the loop of a class has
        too."""
        found: set[str] = set()
        decisive: set[tuple[int, str]] = set()
        for scope in self.tree.graph.root.scopes() if self.tree.graph.settings else ():
            if scope.kind == "if":
                found |= self._decisive(scope.origin.written["condition"], decisive)
            for label in scope.labels:
                plain = _plainly_in(label.expression)
                for name in self._names_in(label.expression):
                    seen = label.names.seen(name, label.time)
                    if seen is None or name not in plain or not _counts(seen[0].turn, name, most=1):
                        found |= self._settings_by(name, label)
        return frozenset(found)

    def _decisive(self, written: Written, known: set[tuple[int, str]]) -> frozenset[str]:
        """The settings that a condition depends on in any instance of its block: where it does not hold, nothing is left
        of it. Those of the parameters that are ``known`` are found before."""
        found = self.settings(written)
        for name in self._names_in(written.expression):
            seen = written.names.seen(name, written.time)
            home = self._home(seen[0]) if seen is not None else None
            if seen is None or home is None:
                continue
            if seen[1].written is not None:
                found |= self._decisive(seen[1].written, known)
            elif name in home.origin.written and home.template is not None and (id(home.template), name) not in known:
                known.add((id(home.template), name))
                alike = (each.origin.written.get(name) for each in home.template.instances)
                found = found.union(*(self.settings(each) for each in alike if each is not None))
        return found

    def evenly(self, label: Written) -> bool:
        """Whether a label in a loop is numbered by the turns, each one more than the one before or so many more."""
        plain = _plainly_in(label.expression)
        for name in self._names_in(label.expression):
            seen = label.names.seen(name, label.time)
            if seen is None:
                continue
            where, _ = seen
            if where.turn is None and len(where.history.get(name, ())) > 1:
                return False
            if where.turn is not None and (name not in plain or not _counts(where.turn, name, most=2)):
                return False
        return True

    def settings_of(self, value: Value) -> frozenset[str]:
        """The settings that the sizes of a tensor may depend on."""
        if not self.tree.graph.settings or value.producer is None:
            return frozenset()
        nodes = self.tree.graph.nodes
        while value.producer not in self._settings and self._reached < len(nodes):
            node = nodes[self._reached]
            self._reached += 1
            parts = [self._settings.get(x.producer, frozenset[str]()) for x in node.inputs if x.producer]
            parts += [self.settings(written) for written in node.origin.written.values()]
            self._settings[node] = frozenset[str]().union(*parts, self._around(node.scope))
        return self._settings.get(value.producer, frozenset())

    def _around(self, scope: Scope) -> frozenset[str]:
        """The settings that the loops and conditions around a place depend on."""
        known = self._regions.get(scope)
        if known is None:
            above = self._around(scope.parent) if scope.parent else frozenset[str]()
            own = scope.origin.written.values() if scope.kind in ("repeat", "for", "if") else ()
            known = self._regions[scope] = above.union(*(self.settings(written) for written in own))
        return known

    def _home(self, names: Names) -> Scope | None:
        return self.tree.home(names)

    def _names_in(self, expression: ast.Expression) -> frozenset[str]:
        known = self._names.get(id(expression))
        if known is None:
            known = self._names[id(expression)] = expression, frozenset(names_in(expression))
        return known[1]

    def behind(self, leaf: Leaf, use: Scope) -> frozenset[str]:
        """The settings that a name of a module depends on where the module is used."""
        if leaf.key[0] == "size":
            return self.settings_of(self.tree.inputs(use)[int(leaf.key[1])])
        if leaf.key[0] == "turn":
            turn = turn_of(leaf.key[1], use)
            return self.settings(turn.names.turn.written) if turn and turn.names and turn.names.turn else frozenset()
        written = homes_of(use)[int(leaf.key[1])].origin.written.get(leaf.key[2])
        return frozenset() if written is None else self.settings(written)

    def value(self, leaf: Leaf, use: Scope) -> Any:
        """What a name of a module comes to where the module is used."""
        if leaf.key[0] == "size":
            return self.tree.inputs(use)[int(leaf.key[1])].type.shape[int(leaf.key[2])]
        if leaf.key[0] == "turn":
            around = turn_of(leaf.key[1], use)
            return None if around is None or around.names is None else around.names.names[leaf.key[2]]
        names = homes_of(use)[int(leaf.key[1])].names
        assert names is not None
        return names.names[leaf.key[2]]

    def probed(self, node: Node) -> Probe | None:
        """How the sizes of what an operator gives follow from those of its inputs."""
        key = (node.op, tuple(value.type for value in node.inputs), node.origin.step)
        if key not in self._probed:
            self._probed[key] = probe(node)
        return self._probed[key]


def _plainly_in(label: ast.Expression) -> set[str]:
    """The names that a label has as numbers, or that and a constant: `"l{i}"`, `"l{i + 1}"`, `"l{2 * i}"`."""
    plain: set[str] = set()
    for part in label.parts if isinstance(label, ast.String) else ():
        sides = (
            (part.left, part.right) if isinstance(part, ast.Binary) and part.operator in ("+", "-", "*") else (part,)
        )
        if all(isinstance(side, ast.Name | ast.Constant) for side in sides):
            plain |= {side.name for side in sides if isinstance(side, ast.Name)}
    return plain


def _counts(turn: Turn | None, name: str, most: int) -> bool:
    """Whether a variable of a loop counts its turns: `i` of `enumerate(widths)`, or of a `range` that is given so many
    arguments at most."""
    step = turn.step if turn is not None else None
    if not isinstance(step, ast.For) or not isinstance(step.targets[0], ast.Name) or step.targets[0].name != name:
        return False
    match step.iterable:
        case ast.Call(function=ast.Name(name="range"), arguments=arguments):
            return len(arguments) <= most
        case ast.Call(function=ast.Name(name="enumerate"), arguments=arguments):
            return len(arguments) == 1
        case _:
            return False
