"""Nodes of the graph, the tensors between them and the weights that they have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from dlspec.diagnostics import Diagnostic, Note
from dlspec.ir.init import Init
from dlspec.ir.op import Op
from dlspec.ir.program import COMPILER, Origin
from dlspec.ir.types import DType, TensorType
from dlspec.source import Span

if TYPE_CHECKING:
    from dlspec.ir.body import Body
    from dlspec.ir.scope import Scope

_AGAIN = "~"
"""Before the number of a further node of one name. No label has it."""


def again(name: str, count: int) -> str:
    """What the node of a name is called that is the so manieth, a shared layer at its second use for one."""
    return f"{name}{_AGAIN}{count}"


def first_name(name: str) -> str:
    """What the first node is called of those that one belongs to."""
    return name.partition(_AGAIN)[0]


class Value:
    """A tensor in the graph. ``producer`` is None for the inputs of a network; what is given to a body has the node with the
    body. ``uses`` are the nodes that take it, one that takes it twice being there twice."""

    __slots__ = ("name", "producer", "span", "type", "uses")

    def __init__(self, name: str, type: TensorType, producer: Node | None, span: Span) -> None:
        self.name = name
        self.type = type
        self.producer = producer
        self.span = span
        self.uses: list[Node] = []

    @property
    def outside(self) -> Value:
        """What is given to a body, as the tensor outside that it is a slice of or begins as; any other tensor itself."""
        value = self
        while value.producer is not None and value.producer.body is not None:
            around = value.producer.body.entries.get(value)
            if around is None:
                break
            value = around
        return value

    def __repr__(self) -> str:
        return f"%{self.name}: {self.type}"


def made_of(value: Value) -> Iterator[Value]:
    """A tensor, and all that it is made of, each once."""
    seen = {value}
    todo = [value]
    while todo:
        each = todo.pop()
        yield each
        for before in each.producer.inputs if each.producer is not None else ():
            if before not in seen:
                seen.add(before)
                todo.append(before)


class Parameter:
    """A weight of the network. ``path`` is its state-dict key; shared uses refer to one object."""

    __slots__ = ("dtype", "init", "kind", "path", "shape", "span")

    def __init__(
        self,
        path: str,
        shape: tuple[int, ...],
        dtype: DType,
        kind: Literal["param", "buffer"],
        init: Init,
        span: Span,
    ) -> None:
        self.path = path
        self.shape = shape
        self.dtype = dtype
        self.kind: Literal["param", "buffer"] = kind
        self.init = init
        self.span = span

    def copied(self, path: str, dtype: DType | None = None) -> Parameter:
        """One like it under another path, or of another type."""
        return Parameter(path, self.shape, self.dtype if dtype is None else dtype, self.kind, self.init, self.span)

    @property
    def elements(self) -> int:
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def bytes(self) -> int:
        return self.elements * self.dtype.size

    @property
    def is_counter(self) -> bool:
        """Whether it only counts what was seen, as `num_batches_tracked` does."""
        return self.kind == "buffer" and not self.shape and self.dtype.is_integer

    def __repr__(self) -> str:
        return f"{self.path}: {self.kind} {list(self.shape)}"


class Node:
    """One use of an operator.

    ``name`` is unique in the graph and comes from the source: the path of the layer, with ``:2`` and so on for further
    uses of a shared one. ``weights`` are those of the operator, in its order. ``training`` marks what only training
    outputs need, and what is computed of that. ``span`` is the step in the text, ``origin`` what the author wrote there.

    A node with a ``body`` takes the tensors that it goes along, what its states begin as, and what a turn makes of both: the
    next states and what is stacked.
    """

    __slots__ = ("body", "inputs", "name", "op", "origin", "outputs", "scope", "span", "training", "weights")

    def __init__(
        self,
        op: Op,
        inputs: tuple[Value, ...],
        weights: tuple[Parameter, ...],
        scope: Scope,
        name: str,
        span: Span,
        types: tuple[TensorType, ...],
        origin: Origin = COMPILER,
    ) -> None:
        self.op = op
        self.body: Body | None = None
        self.origin = origin
        self.inputs = inputs
        self.weights = weights
        self.scope = scope
        self.name = name
        self.span = span
        self.training = False
        if len(types) == 1:
            self.outputs: tuple[Value, ...] = (Value(name, types[0], self, span),)
        else:
            self.outputs = tuple([Value(f"{name}.out{index}", type, self, span) for index, type in enumerate(types)])
        for value in inputs:
            value.uses.append(self)
        scope.children.append(self)

    def copied(
        self,
        op: Op,
        inputs: tuple[Value, ...],
        weights: tuple[Parameter, ...],
        scope: Scope,
        name: str,
        types: tuple[TensorType, ...],
    ) -> Node:
        """One like it elsewhere, from the same step of the text."""
        made = Node(op, inputs, weights, scope, name, self.span, types, self.origin)
        made.training = self.training
        return made

    @property
    def gives(self) -> tuple[Value, ...]:
        """All tensors that have it as their producer: its outputs, and what it gives to its body."""
        return self.outputs if self.body is None else (*self.outputs, *self.body.given)

    def finding(self, message: str, hint: str = "", code: str = "DL0501", notes: tuple[Note, ...] = ()) -> Diagnostic:
        """What there is to say of the node, with the chain of blocks that it stands in."""
        blocks = [scope for scope in self.scope.ancestors() if scope.kind == "block"]
        trace = tuple(Note(scope.span, f"in {scope.declaration}") for scope in reversed(blocks))
        return Diagnostic(code, message, self.span, notes=notes, hint=hint, trace=trace)

    def __repr__(self) -> str:
        return f"{', '.join(map(repr, self.outputs))} = {self.op!r}({', '.join('%' + v.name for v in self.inputs)})"
