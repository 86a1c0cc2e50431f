"""What the lowerings write ONNX nodes with."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, overload

from dlspec.backends.onnx.sizes import Sizes
from dlspec.backends.onnx.wire import ELEMENT, Attribute, OnnxNode
from dlspec.diagnostics import Diagnostics, DlspecError
from dlspec.ir.dims import Dim
from dlspec.ir.graph import Graph, Output
from dlspec.ir.node import Node, Value
from dlspec.ir.op import Op
from dlspec.ir.scope import Scope
from dlspec.ir.types import DTYPES, DType, TensorType
from dlspec.passes.retype import numpy_dtype

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
    Nested: TypeAlias = "bool | int | float | Sequence[Nested]"

OpType = TypeVar("OpType", bound=Op)
Result: TypeAlias = str | tuple[str, ...]
Lowering: TypeAlias = "Callable[[Emitter, OpType, Node, list[str], list[str]], Result]"
"""Writes an operator: takes its node and the names of the node's inputs and of its weights, gives those of the outputs."""


class Emitter:
    """Lowers the nodes of a graph and keeps what they become.

    * ``nodes``: ONNX nodes in topological order, those that compute sizes first.
    * ``constants``: arrays by name. ``values``: the ONNX name of every tensor of the graph that was lowered.
    * ``opset``: the version of the default operator set that the nodes are written in.
    """

    def __init__(self, graph: Graph, inputs: Sequence[Value], outputs: Sequence[Output], opset: int) -> None:
        self.graph = graph
        self.opset = opset
        self.constants: dict[str, Array] = {}
        self.values: dict[Value, str] = {value: value.name for value in inputs}
        self._taken = {*self.values.values(), *(output.name for output in outputs), *graph.parameters}
        self._constant_names: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._wanted = {output.value: output.name for output in reversed(outputs)}
        self._shared: dict[Hashable, str] = {}
        self._sharing, self._shares = False, 0
        self._nodes: list[OnnxNode] = []
        self._node: Node | None = None
        self._count = 0
        self._sizes = Sizes(self, inputs)

    @property
    def nodes(self) -> list[OnnxNode]:
        return [*self._sizes.nodes, *self._nodes]

    # For lowerings

    @overload
    def op(
        self, op_type: str, inputs: Sequence[str], outputs: Literal[1] = 1, **attributes: Attribute | None
    ) -> str: ...
    @overload
    def op(
        self, op_type: str, inputs: Sequence[str], outputs: int, **attributes: Attribute | None
    ) -> tuple[str, ...]: ...
    def op(
        self, op_type: str, inputs: Sequence[str], outputs: int = 1, **attributes: Attribute | None
    ) -> str | tuple[str, ...]:
        """Adds a node and returns the name of its output, or the names of several.

        An empty name among the inputs is an optional one left out; an attribute that is None is left out.
        """
        names = [self._intermediate() for _ in range(outputs)]
        self._nodes.append(OnnxNode(op_type, names[0], list(inputs), names, attributes))
        return names[0] if outputs == 1 else tuple(names)

    def constant(self, value: Nested | Array, dtype: DType | str | None = None) -> str:
        """An initializer with these values, one for all uses of the same.

        Without a ``dtype`` ints are int64, floats float32 and an array is what it is.
        """
        import numpy as np

        if isinstance(dtype, str):
            dtype = DTYPES[dtype]
        array = np.asarray(value, numpy_dtype(dtype) if dtype else None)
        if dtype is None and not isinstance(value, np.ndarray) and array.dtype == np.float64:
            array = array.astype(np.float32)
        key = (array.dtype.name, array.shape, array.tobytes())
        name = self._constant_names.get(key)
        if name is None:
            name = self._constant_names[key] = self.unique(f"constant/{len(self.constants)}")
            self.constants[name] = array
        return name

    def scalar(self, value: float, like: DType) -> str:
        """A 0-d constant of an element type."""
        return self.constant(value, like)

    def shape(self, dims: Sequence[Dim]) -> str:
        """A 1-D int64 tensor of sizes: a constant, or computed from the sizes of the graph's inputs when the model
        runs."""
        return self._sizes.vector(dims)

    def dim1(self, dim: Dim) -> str:
        """A size as a 1-D int64 tensor of one element."""
        return self._sizes.vector((dim,))

    def dim(self, dim: Dim) -> str:
        """A size as a 0-d int64 tensor."""
        return self._sizes.scalar(dim)

    def once(self, key: Hashable, make: Callable[[], str]) -> str:
        """A tensor that several nodes want alike, such as a mask: made for the first of them, and named after none."""
        if key not in self._shared:
            around, self._sharing = self._sharing, True
            try:
                self._shared[key] = make()
            finally:
                self._sharing = around
        return self._shared[key]

    def cast(self, x: str, dtype: DType | str) -> str:
        return self.op("Cast", [x], to=ELEMENT[DTYPES[dtype] if isinstance(dtype, str) else dtype])

    def require_opset(self, opset: int, what: str) -> None:
        """Raises the backend's error when the chosen opset is older. ``what`` begins the sentence."""
        if self.opset < opset:
            raise self.unsupported(
                f"{what} needs ONNX opset {opset}, and {self.opset} was asked for", f"use --opset {opset}"
            )

    def unsupported(self, message: str, hint: str = "") -> DlspecError:
        """The error to raise for what ONNX cannot express, at the position of the node that is being lowered."""
        assert self._node
        return DlspecError([self._node.finding(message, hint)])

    # For what has a body

    def given(self, value: Value) -> str:
        """The name of a tensor that is given to each turn of a body."""
        name = self.values[value] = self.unique(value.name)
        return name

    def turn(
        self, nodes: Iterable[Node], results: Sequence[Value], lowering_of: Callable[[type[Op]], Lowering[Any] | None]
    ) -> tuple[list[OnnxNode], list[str]]:
        """The nodes of one turn of a body, and the names of its results, each of its own and made there.

        Constants and sizes are those of the whole model. Raises as `lower`.
        """
        around, node, count, shared = self._nodes, self._node, self._count, self._shared
        self._nodes, self._shared = [], dict(shared)  # nothing outside sees what a turn makes
        try:
            self.lower(nodes, lowering_of)
            self._node, self._count = node, count
            names: list[str] = []
            made = {name for part in self._nodes for name in part.outputs}
            for value in results:
                name = self.values[value]
                if name not in made or name in names:
                    name = self.op("Identity", [name])
                names.append(name)
            return self._nodes, names
        finally:
            self._nodes, self._node, self._shared = around, node, shared

    # For the model

    def lower(self, nodes: Iterable[Node], lowering_of: Callable[[type[Op]], Lowering[Any] | None]) -> None:
        """Lowers nodes in their order. Raises `DlspecError` with everything that has no lowering."""
        found = Diagnostics()
        for node in nodes:
            self._node, self._count = node, 0
            start = len(self._nodes)
            try:
                results = self._results(node, lowering_of(type(node.op)))
            except DlspecError as error:
                found.extend(error.diagnostics)
                results = tuple(value.name for value in node.outputs)
            self._bind(node, results, start)
        found.check()

    def finish(self, outputs: Sequence[Output]) -> None:
        """Gives every output its name, with an Identity where its tensor has another one already. What no output needs, such
        as the steps of a recurrent layer whose last state alone is taken, is left out: ONNX Runtime would compute it."""
        for output in outputs:
            name = self.values[output.value]
            if name != output.name:
                self._nodes.append(OnnxNode("Identity", f"output/{output.name}", [name], [output.name]))
        read = {output.name for output in outputs}
        for nodes in (self._nodes, self._sizes.nodes):
            kept: list[OnnxNode] = []
            for node in reversed(nodes):
                if not read.isdisjoint(node.outputs):
                    kept.append(node)
                    read.update(name for each in node.walk() for name in each.inputs)
            nodes[:] = kept[::-1]
        made = {name for node in self.nodes for each in node.walk() for name in each.outputs}
        self.values = {value: name for value, name in self.values.items() if value.producer is None or name in made}

    def unique(self, name: str) -> str:
        """The name, or with a number behind it when another tensor has it."""
        candidate, count = name, 2
        while candidate in self._taken:
            candidate, count = f"{name}:{count}", count + 1
        self._taken.add(candidate)
        return candidate

    def _results(self, node: Node, lowering: Lowering[Any] | None) -> tuple[str, ...]:
        taken = node.inputs if node.body is None else node.body.entries.values()
        inputs = [self.values[value] for value in taken]
        if node.op.identity_in_eval:
            return (inputs[0],)
        if lowering is None:
            raise self.unsupported(f"{type(node.op).__name__} cannot be written to ONNX")
        weights = [weight.path for weight in node.weights]
        narrow = _narrow(node) if node.body is None else frozenset[DType]()  # what is in the body is
        if narrow:
            inputs = [
                self.cast(x, _WIDE) if value.type.dtype in narrow else x
                for x, value in zip(inputs, node.inputs, strict=True)
            ]
            weights = [self.cast(w.path, _WIDE) if w.dtype in narrow else w.path for w in node.weights]
        worked = _in_float32(node, narrow) if narrow else node
        result = lowering(self, worked.op, worked, inputs, weights)
        results = (result,) if isinstance(result, str) else result
        return tuple(
            self.cast(name, value.type.dtype) if value.type.dtype in narrow else name
            for name, value in zip(results, node.outputs, strict=True)
        )

    def _bind(self, node: Node, results: tuple[str, ...], start: int) -> None:
        """Gives the outputs their tensors; those made since ``start`` are renamed to the outputs' own names."""
        if len(results) != len(node.outputs):
            raise AssertionError(f"the lowering of {node} returned {len(results)} tensors")
        made = self._nodes[start:]
        producers = {name: part for part in made for name in part.outputs}
        renamed: dict[str, str] = {}
        for value, result in zip(node.outputs, results, strict=True):
            if result in producers and result not in renamed:
                renamed[result] = self._wanted.get(value) or self.unique(value.name)
            self.values[value] = renamed.get(result, result)
        if not renamed:
            return
        producers[next(iter(renamed))].name = node.name
        for part in made:
            part.inputs = [renamed.get(name, name) for name in part.inputs]
            part.outputs = [renamed.get(name, name) for name in part.outputs]

    def _intermediate(self) -> str:
        if self._sharing:
            self._shares += 1
            return self.unique(f"shared/{self._shares - 1}")
        assert self._node
        name = self.unique(f"{self._node.name}/{self._count}")
        self._count += 1
        return name


_WIDE = DType.FLOAT32


def _narrow(node: Node) -> frozenset[DType]:
    """The element types of half precision that the node is not computed in: float16 where the operator sums, and bfloat16
    always, for which ONNX Runtime has hardly a kernel."""
    tensors = (*node.inputs, *node.outputs)
    types = {*(value.type.dtype for value in tensors), *(weight.dtype for weight in node.weights)}
    return frozenset(dtype for dtype in types if dtype is DType.BFLOAT16 or (node.op.wide and dtype.is_half))


def _in_float32(node: Node, narrow: frozenset[DType]) -> Node:
    """A node like it, beside the graph, whose tensors are float32 where they were of half precision."""

    def wide(type: TensorType) -> TensorType:
        return TensorType(_WIDE, type.shape) if type.dtype in narrow else type

    fields = {field.name: getattr(node.op, field.name) for field in node.op.fields}
    op = node.op.changed(**{name: _WIDE for name, value in fields.items() if value in narrow})
    inputs = tuple([Value(value.name, wide(value.type), None, value.span) for value in node.inputs])
    types = tuple([wide(value.type) for value in node.outputs])
    return Node(op, inputs, node.weights, Scope("network", None, node.span), node.name, node.span, types)
