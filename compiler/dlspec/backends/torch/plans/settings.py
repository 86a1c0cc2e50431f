"""What in a network hangs on which of its settings."""

from __future__ import annotations

from typing import Any, cast

from dlspec.backends.torch.plans.places import homes_of, names_in, turn_of
from dlspec.backends.torch.plans.tree import Tree
from dlspec.backends.torch.plans.turns import may_differ
from dlspec.backends.torch.python.symbols import Leaf
from dlspec.elaborate.values import Distribution
from dlspec.ir.node import Node, Value
from dlspec.ir.program import Names, Written
from dlspec.ir.scope import Scope
from dlspec.syntax import ast


class Settings:
    """The settings of one network behind what is written in it."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._sizes: dict[Node, frozenset[str]] = {}
        self._reached = 0
        self._regions: dict[Scope, frozenset[str]] = {}
        self._written: dict[int, tuple[Written, frozenset[str]]] = {}
        self._copies: dict[Scope, list[Scope]] = {}
        if tree.graph.settings:
            for scope in tree.graph.root.scopes():
                if scope.twin is not None:
                    self._copies.setdefault(scope.twin, []).append(scope)
        self._names: dict[int, tuple[ast.Expression, frozenset[str]]] = {}

    def behind(self, written: Written) -> frozenset[str]:
        """The settings of the network that something written depends on."""
        if not self.tree.graph.settings:
            return frozenset()
        known = self._written.get(id(written))
        if known is not None:
            return known[1]
        self._written[id(written)] = written, frozenset()  # what names itself adds nothing
        found = frozenset[str]().union(*(self._by(name, written) for name in self._names_in(written.expression)))
        self._written[id(written)] = written, found
        return found

    def behind_asked(self, asked: Written, sized: bool) -> frozenset[str]:
        """The settings behind what stands as a number where a distribution is asked: the numbers that it is told by, and
        where something is ``sized`` as it is the sizes of its tensors too."""
        if sized:
            return self.behind(asked)
        found = frozenset[str]()
        for name in self._names_in(asked.expression):
            seen = asked.names.seen(name, asked.time)
            if seen is None or isinstance(seen[1].value, Value):
                continue
            written = seen[1].written
            known = isinstance(seen[1].value, Distribution) and written is not None
            found |= self.behind_asked(written, sized) if known and written is not None else self._by(name, asked)
        return found

    def _by(self, name: str, written: Written) -> frozenset[str]:
        seen = written.names.seen(name, written.time)
        if seen is None:
            return frozenset()
        where, binding = seen
        home = self.tree.home(where)
        if binding.written is not None:
            return self.behind(binding.written)
        if where.turn is not None:
            return self.behind(where.turn.written)
        if home is self.tree.graph.root and name in self.tree.graph.settings:
            return frozenset({name})
        if home is not None and name in home.origin.written:
            alike = (home, *self._copies.get(home, ()))
            return frozenset[str]().union(*(self.behind(each.origin.written[name]) for each in alike))
        return self._of_tensors(binding.value)

    def _of_tensors(self, value: Any) -> frozenset[str]:
        """Those that the sizes of a tensor, or of those in a list, may depend on."""
        if isinstance(value, list):
            return frozenset[str]().union(*map(self._of_tensors, cast("list[Any]", value)))
        tensor = self.tree.now(value)
        return self.of(tensor) if isinstance(tensor, Value) else frozenset()

    def of_structure(self) -> frozenset[str]:
        """The settings that conditions depend on, what the only turn of a loop decides, and how many layers a comprehension
        makes."""
        found = self._of_comprehensions() if self.tree.graph.settings else set[str]()
        decisive: set[tuple[int, str]] = set()
        for scope in self.tree.graph.root.scopes() if self.tree.graph.settings else ():
            if may_differ(scope):
                found = found.union(*(self.behind(each) for each in scope.origin.written.values()))
            if scope.kind == "if":
                found |= self._decisive(scope.origin.written["condition"], decisive)
        return frozenset(found)

    def _of_comprehensions(self) -> set[str]:
        """The settings that lists depend on whose items make layers, unless they are written item by item."""
        found: set[str] = set()
        seen: set[Names] = set()
        for node in self.tree.graph.nodes:
            for written in node.origin.written.values():
                names: Names | None = written.names
                while names is not None and names not in seen:
                    seen.add(names)
                    turn = names.turn
                    if turn is not None and isinstance(turn.step, ast.Clause):
                        found |= (
                            frozenset() if isinstance(turn.written.expression, ast.List) else self.behind(turn.written)
                        )
                    names = names.parent
        return found

    def _decisive(self, written: Written, known: set[tuple[int, str]]) -> frozenset[str]:
        """The settings that a condition depends on in any instance of its block: where it does not hold, nothing is left
        of it. Those of the parameters that are ``known`` are found before."""
        found = self.behind(written)
        for name in self._names_in(written.expression):
            seen = written.names.seen(name, written.time)
            home = self.tree.home(seen[0]) if seen is not None else None
            if seen is None or home is None:
                continue
            if seen[1].written is not None:
                found |= self._decisive(seen[1].written, known)
            elif name in home.origin.written and home.template is not None and (id(home.template), name) not in known:
                known.add((id(home.template), name))
                alike = (each.origin.written.get(name) for each in home.template.instances)
                found = found.union(*(self.behind(each) for each in alike if each is not None))
        return found

    def of(self, value: Value) -> frozenset[str]:
        """The settings that the sizes of a tensor may depend on."""
        if not self.tree.graph.settings:
            return frozenset()
        value = value.outside
        if value.producer is None:
            return self._of_input(value)
        nodes = self.tree.graph.nodes
        while value.producer not in self._sizes and self._reached < len(nodes):
            node = nodes[self._reached]
            self._reached += 1
            found = set(self._around(node.scope))
            for x in (each.outside for each in node.inputs):
                found |= self._sizes.get(x.producer, frozenset[str]()) if x.producer else self._of_input(x)
            for written in node.origin.written.values():
                found |= self.behind(written)
            self._sizes[node] = frozenset(found)
        return self._sizes.get(value.producer, frozenset())

    def _of_input(self, value: Value) -> frozenset[str]:
        """Those that the signature of the network has among its sizes."""
        root = self.tree.graph.root
        if root.template is None or root.names is None:
            return frozenset()
        sizes = [
            axis.size
            for parameter in root.template.parameters
            if parameter.name.name == value.name and parameter.type is not None
            for axis in parameter.type.axes or ()
        ]
        return frozenset[str]().union(*(self.behind(Written(size, root.names)) for size in sizes))

    def _around(self, scope: Scope) -> frozenset[str]:
        """The settings that the loops and conditions around a place depend on."""
        known = self._regions.get(scope)
        if known is None:
            above = self._around(scope.parent) if scope.parent else frozenset[str]()
            known = self._regions[scope] = above | self.of_region(scope)
        return known

    def of_region(self, scope: Scope) -> frozenset[str]:
        """The settings that say how often a loop runs, or whether a condition holds."""
        if scope.kind not in ("repeat", "for", "if"):
            return frozenset()
        counts = [each for each in scope.origin.written.values() if not isinstance(each.expression, ast.List)]
        return frozenset[str]().union(*map(self.behind, counts))

    def _names_in(self, expression: ast.Expression) -> frozenset[str]:
        known = self._names.get(id(expression))
        if known is None:
            known = self._names[id(expression)] = expression, frozenset(names_in(expression))
        return known[1]

    def behind_leaf(self, leaf: Leaf, use: Scope) -> frozenset[str]:
        """The settings that a name of a module depends on where the module is used."""
        if leaf.key[0] == "size":
            return self.of(self.tree.sized(use)[int(leaf.key[1])])
        if leaf.key[0] == "turn":
            turn = turn_of(leaf.key[1], use)
            return self.behind(turn.names.turn.written) if turn and turn.names and turn.names.turn else frozenset()
        written = homes_of(use)[int(leaf.key[1])].origin.written.get(leaf.key[2])
        return frozenset() if written is None else self.behind(written)
