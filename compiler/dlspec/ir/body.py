"""What a node holds that does something turn by turn."""

from __future__ import annotations

from collections.abc import Callable

from dlspec.ir.dims import Dim
from dlspec.ir.node import Node, Value
from dlspec.ir.scope import Scope
from dlspec.ir.types import TensorType


class Body:
    """What a node does in each of its turns: the nodes in a ``scope``, which stand before it in the graph.

    Each turn finds its own ``slices`` of the tensors that the node goes along, and ``states`` as the turn before left them.
    Those are tensors that the node gives, though they are none of its outputs. What else is read stands outside and is the
    same in each turn: it is ``captured``. ``begins`` is what is given to the first turn, until a node has it.
    """

    __slots__ = ("begins", "node", "scope", "slices", "states")

    def __init__(
        self, scope: Scope, slices: tuple[Value, ...], states: tuple[Value, ...], begins: tuple[Value, ...] = ()
    ) -> None:
        self.scope = scope
        self.slices = slices
        self.states = states
        self.begins = begins
        self.node: Node | None = None
        scope.body = self

    def close(self, node: Node) -> None:
        """Makes it the body of a node, which takes what flows into the first turn and what each turn makes."""
        self.node = node
        node.body = self
        for value in self.given:
            value.producer = node
            value.name = f"{node.name}.{value.name.rpartition('.')[2]}"

    def copied(self, scope: Scope, retype: Callable[[TensorType], TensorType] | None = None) -> Body:
        """One like it elsewhere, whose scope is still empty; tensors of other types, if they are to have others."""

        def copy(value: Value) -> Value:
            return Value(value.name, value.type if retype is None else retype(value.type), None, value.span)

        return Body(scope, tuple(map(copy, self.slices)), tuple(map(copy, self.states)))

    @property
    def given(self) -> tuple[Value, ...]:
        return (*self.slices, *self.states)

    @property
    def turns(self) -> Dim:
        """How often it runs: once, as long as no node has it, since something in it could not be built."""
        if self.node is None:
            return 1
        return self.node.op.turns(tuple([value.type for value in self.node.inputs]))

    @property
    def entries(self) -> dict[Value, Value]:
        """What is given to a turn, with what it is a slice of, or begins as."""
        return dict(zip(self.given, self.begins if self.node is None else self.node.inputs, strict=False))

    @property
    def results(self) -> tuple[Value, ...]:
        """What a turn makes: the next states, then what is stacked."""
        assert self.node
        return self.node.inputs[len(self.given) :]

    @property
    def nodes(self) -> list[Node]:
        """Those of one turn, without those in the bodies of other nodes."""
        return [node for node in self.scope.nodes() if node.scope.inside is self.scope]

    @property
    def captured(self) -> list[Value]:
        made = {self.node, *self.scope.nodes()}
        read = [*(value for node in self.scope.nodes() for value in node.inputs), *self.results]
        return list(dict.fromkeys(value for value in read if value.producer not in made))
