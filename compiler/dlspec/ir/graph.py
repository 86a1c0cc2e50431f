"""The typed graph: a flat list of nodes in topological order, with a tree of scopes over it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from dlspec.ir.conditions import Condition
from dlspec.ir.dims import Dim
from dlspec.ir.init import Init
from dlspec.ir.op import Op
from dlspec.ir.program import COMPILER, Names, Origin, Template
from dlspec.ir.types import DType, TensorType
from dlspec.source import Span
from dlspec.syntax import ast

if TYPE_CHECKING:
    import networkx as nx

ScopeKind: TypeAlias = Literal["network", "block", "level", "repeat", "for", "iteration", "if", "branches", "branch"]


class Scope:
    """A region of the graph as the spec wrote it.

    ``network``, ``block`` and ``level`` (a label on braces or on a repeat) open a level: they are part of paths, by
    ``label``. The other kinds are transparent: they only remember the structure for pictures and generated source.

    * ``template``: the block, network or labelled step that it is an instance of; None for the other kinds.
    * ``declaration``: the name of the block or network, else an empty string. ``definition`` is where it stands.
    * ``arguments``: the values it was called with, defaults filled in. ``given`` names those that are not defaults.
    * ``origin``: the step that it is, with the author's expressions of its arguments; ``names``: those of its body.
    * ``bound``: the tensors that its body gives names to, each with the first.
    * ``span``: where it was called.
    * ``children``: the nodes and scopes directly inside, in the order in which they run.
    * ``shared``: a use of a layer declared by `shared`; several such scopes have one path, that of the declaration.
    * ``inputs`` and ``outputs``: of a network inside another, the tensors that flow in by its names for them, and all
      that it gives. ``flow``: the tensor that flows into a block.
    * ``twin``: the scope that this one repeats, elaborated from the same with the same types: all in it is the same but
      paths, and what only training needs. ``names``, and the origins and layers of what is in it, are the twin's.
    """

    __slots__ = (
        "arguments", "bound", "children", "declaration", "definition", "flow", "given", "inputs", "kind", "label", "names",
        "opens", "origin", "outputs", "parent", "path", "shared", "span", "template", "twin",
    )  # fmt: skip

    def __init__(
        self,
        kind: ScopeKind,
        parent: Scope | None,
        span: Span,
        label: str = "",
        declaration: str = "",
        definition: Span | None = None,
        arguments: dict[str, Any] | None = None,
        shared: bool = False,
        path: str | None = None,
        origin: Origin = COMPILER,
        template: Template | None = None,
    ) -> None:
        self.kind: ScopeKind = kind
        self.parent = parent
        self.span = span
        self.label = label
        self.declaration = declaration
        self.definition = definition
        self.arguments = {} if arguments is None else arguments
        self.given: tuple[str, ...] = ()
        self.origin = origin
        self.template = template
        self.names: Names | None = None
        self.bound: dict[Value, str] = {}
        self.shared = shared
        self.inputs: dict[str, Value] = {}
        self.flow: Value | None = None
        self.twin: Scope | None = None
        self.outputs: tuple[Value, ...] = ()
        self.children: list[Node | Scope] = []
        self.opens = kind in ("network", "block", "level")
        above = parent.path if parent else ""
        self.path: str = path if path is not None else f"{above}.{label}" if above and label else above or label
        if template is not None:
            template.instances.append(self)
        if parent:
            parent.children.append(self)

    def ancestors(self) -> Iterator[Scope]:
        """This scope and those around it, innermost first."""
        scope: Scope | None = self
        while scope:
            yield scope
            scope = scope.parent

    def __repr__(self) -> str:
        return f"Scope({self.kind}, {self.path!r})"


class Value:
    """A tensor in the graph. ``producer`` is None for the inputs of a network."""

    __slots__ = ("name", "producer", "span", "type")

    def __init__(self, name: str, type: TensorType, producer: Node | None, span: Span) -> None:
        self.name = name
        self.type = type
        self.producer = producer
        self.span = span

    def __repr__(self) -> str:
        return f"%{self.name}: {self.type}"


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

    @property
    def elements(self) -> int:
        count = 1
        for size in self.shape:
            count *= size
        return count

    def __repr__(self) -> str:
        return f"{self.path}: {self.kind} {list(self.shape)}"


class Node:
    """One use of an operator.

    ``name`` is unique in the graph and comes from the source: the path of the layer, with ``:2`` and so on for further
    uses of a shared one. ``weights`` are those of the operator, in its order. ``training`` marks what only training
    outputs need. ``span`` is the step in the text, ``origin`` what the author wrote there.
    """

    __slots__ = ("inputs", "name", "op", "origin", "outputs", "scope", "span", "training", "weights")

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
        self.origin = origin
        self.inputs = inputs
        self.weights = weights
        self.scope = scope
        self.name = name
        self.span = span
        self.training = False
        if len(types) == 1:
            self.outputs = (Value(name, types[0], self, span),)
        else:
            self.outputs = tuple([Value(f"{name}.out{index}", type, self, span) for index, type in enumerate(types)])
        scope.children.append(self)

    def __repr__(self) -> str:
        return f"{', '.join(map(repr, self.outputs))} = {self.op!r}({', '.join('%' + v.name for v in self.inputs)})"


class Output:
    """A named result of a network; ``training`` for one that exists in training only."""

    __slots__ = ("name", "training", "value")

    def __init__(self, name: str, value: Value, training: bool) -> None:
        self.name = name
        self.value = value
        self.training = training


class Graph:
    """A network, elaborated.

    * ``symbols``: the size symbols of the signature in order, each with its default or None.
    * ``sizes``: those pinned by the caller (``--size``): they are numbers in every shape.
    * ``conditions``: what its sizes must satisfy, declared and derived, simplified.
    * ``parameters``: by path, in the order of declaration, which is the state dict's.
    * ``templates``: the declarations that it is made of, each with its instances, in the order in which they first appear.
    """

    def __init__(self, name: str, root: Scope) -> None:
        self.name = name
        self.root = root
        self.inputs: list[Value] = []
        self.outputs: list[Output] = []
        self.nodes: list[Node] = []
        self.parameters: dict[str, Parameter] = {}
        self.symbols: dict[str, int | None] = {}
        self.sizes: dict[str, int] = {}
        self.settings: dict[str, Any] = {}
        self.conditions: tuple[Condition, ...] = ()
        self._templates: dict[int, Template] = {}
        if root.template is not None:
            self._templates[id(root.template.declaration)] = root.template

    @property
    def templates(self) -> tuple[Template, ...]:
        return tuple(self._templates.values())

    def template(self, name: str, declaration: ast.Node) -> Template:
        """The template of a declaration, made where it is new."""
        known = self._templates.get(id(declaration))
        if known is None:
            known = self._templates[id(declaration)] = Template(name, declaration)
        return known

    def default_sizes(self) -> dict[str, int]:
        """Sizes to count with: the signature's defaults; the batch, the first axis of the first input, counts as 1, or
        as the least that the conditions allow."""
        sizes = {name: default for name, default in self.symbols.items() if default is not None}
        batch: Dim | None = self.inputs[0].type.shape[0] if self.inputs and self.inputs[0].type.rank else None
        if str(batch) in self.symbols and str(batch) not in sizes:
            sizes[str(batch)] = self._least(str(batch), sizes)
        return sizes

    def _least(self, symbol: str, sizes: dict[str, int]) -> int:
        known = {symbol, *sizes}
        asked = [each for each in self.conditions if symbol in each.symbols and each.symbols <= known]
        fits = (n for n in range(1, 1025) if all(each.holds({**sizes, symbol: n}) for each in asked))
        return next(fits, 1)

    def needed(self, values: Iterable[Value]) -> list[Node]:
        """The nodes that some tensors depend on, in order."""
        wanted = set(values)
        nodes: list[Node] = []
        for node in reversed(self.nodes):
            if not wanted.isdisjoint(node.outputs):
                nodes.append(node)
                wanted.update(node.inputs)
        return nodes[::-1]

    def inference_nodes(self) -> list[Node]:
        return [node for node in self.nodes if not node.training]

    def inference_inputs(self) -> list[Value]:
        """The inputs, but for those that only training looks at."""
        training = {value for node in self.nodes if node.training for value in node.inputs}
        used = {value for node in self.inference_nodes() for value in node.inputs}
        used.update(output.value for output in self.outputs if not output.training)
        return [value for value in self.inputs if value in used or value not in training]

    def to_networkx(self) -> nx.DiGraph[str]:
        """A view for graph algorithms: nodes by name with the `Node` under ``node``, edges with the tensor's name."""
        import networkx as nx

        view: nx.DiGraph[str] = nx.DiGraph()
        for value in self.inputs:
            view.add_node(value.name, node=None)
        for node in self.nodes:
            view.add_node(node.name, node=node)
            for value in node.inputs:
                view.add_edge(value.producer.name if value.producer else value.name, node.name, tensor=value.name)
        return view
