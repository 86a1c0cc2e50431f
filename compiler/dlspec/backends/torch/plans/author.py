"""Writes constants as the author did: an expression of the text, in the names that a class has where it stands."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeAlias

from dlspec.backends.torch.plans.places import homes_of, turn_of
from dlspec.backends.torch.plans.probing import Probe, probe
from dlspec.backends.torch.plans.settings import Settings
from dlspec.backends.torch.plans.tree import Module, Tree
from dlspec.backends.torch.plans.writing import Writing
from dlspec.backends.torch.python import expressions as py
from dlspec.backends.torch.python.evaluate import Unwritten, evaluate, same
from dlspec.backends.torch.python.expressions import Py
from dlspec.backends.torch.python.symbols import Leaf
from dlspec.ir.node import Node, Value
from dlspec.ir.program import Written
from dlspec.ir.scope import Scope

AtHand: TypeAlias = Callable[[Value], "Py | None"]
"""The tensors that a forward has in variables."""


class Author:
    """The author's expressions, for the modules of one graph.

    ``given`` are the parameters that some call gives, by the declaration, and the settings of networks on which their
    structure does not hang.
    """

    def __init__(self, tree: Tree, settings: Settings, given: dict[int, Collection[str]]) -> None:
        self.tree = tree
        self.settings = settings
        self.given = given
        self._probed: dict[tuple[Any, ...], Probe | None] = {}
        self.sizes: dict[tuple[Any, ...], Py | None] = {}

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

    def value(self, leaf: Leaf, use: Scope) -> Any:
        """What a name of a module comes to where the module is used."""
        if leaf.key[0] == "size":
            return self.tree.sized(use)[int(leaf.key[1])].type.shape[int(leaf.key[2])]
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
