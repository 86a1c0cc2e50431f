"""The typed graph: a flat list of nodes in topological order, with a tree of scopes over it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast

from dlspec.diagnostics import Diagnostic, Note
from dlspec.ir.condition import Condition
from dlspec.ir.dims import Dim
from dlspec.ir.init import Init
from dlspec.ir.intervals import Interval
from dlspec.ir.op import Numbers, Op
from dlspec.ir.program import COMPILER, Names, Origin, Template, Written
from dlspec.ir.types import DType, TensorType
from dlspec.ir.verify import verify
from dlspec.source import Span
from dlspec.syntax import ast

if TYPE_CHECKING:
    import networkx as nx

    from dlspec.ir.body import Body

ScopeKind: TypeAlias = Literal[
    "network", "block", "level", "repeat", "for", "iteration", "if", "branches", "branch", "part", "scan"
]

_NONE: Mapping[str, Written] = {}

_AGAIN = "~"
"""Before the number of a further node of one name. No label has it."""


def again(name: str, count: int) -> str:
    """What the node of a name is called that is the so manieth, a shared layer at its second use for one."""
    return f"{name}{_AGAIN}{count}"


def first_name(name: str) -> str:
    """What the first node is called of those that one belongs to."""
    return name.partition(_AGAIN)[0]


def within(path: str, part: str) -> bool:
    """Whether a path is that of a part, or below it."""
    return path.startswith(part) and path[len(part) : len(part) + 1] in ("", ".")


class Scope:
    """A region of the graph as the spec wrote it.

    ``network``, ``block`` and ``level`` (a label on braces or on a repeat) open a level: they are part of paths, by
    ``label``. The other kinds are transparent: they only remember the structure for pictures and generated source.

    * ``template``: the block, network or labelled step that it is an instance of; None for the other kinds.
    * ``declaration``: the name of the block or network, else an empty string. ``definition`` is where it stands.
    * ``arguments``: the values it was called with, defaults filled in. ``given`` names those that are not defaults.
    * ``origin``: the step that it is, with the author's expressions of its arguments; ``names``: those of its body.
    * ``bound``: the tensors that its body gives names to, each with the first. ``labels``: what labels that are computed
      in it were written as.
    * ``span``: where it was called.
    * ``children``: the nodes and scopes directly inside, in the order in which they run.
    * ``shared``: a use of a layer declared by `shared`; several such scopes have one path, that of the declaration.
    * ``inputs``: of a network inside another, the tensors that flow in by its names for them. ``outputs``: all that such a
      network gives, and a block that gives a list. ``flow``: the tensor that flows into a block, labelled braces or a turn
      of a loop.
    * ``body``: of a `scan`, what its node does in each turn. ``inside`` is the innermost scope that has one, this one or one
      around it.
    * ``twin``: the scope that this one repeats, elaborated from the same with the same types: all in it is the same but
      paths, and what only training needs. ``names``, and the origins and layers of what is in it, are the twin's.
    """

    __slots__ = (
        "arguments", "body", "bound", "children", "declaration", "definition", "flow", "given", "inputs", "inside", "kind",
        "label", "labels", "names", "opens", "origin", "outputs", "parent", "path", "shared", "span", "template", "twin",
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
        self.labels: Mapping[str, Written] = _NONE
        self.shared = shared
        self.inputs: dict[str, Value] = {}
        self.flow: Value | None = None
        self.twin: Scope | None = None
        self.outputs: tuple[Value, ...] = ()
        self.children: list[Node | Scope] = []
        self.opens = kind in ("network", "block", "level")
        self.body: Body | None = None
        self.inside: Scope | None = self if kind == "scan" else parent.inside if parent else None
        above = parent.path if parent else ""
        self.path: str = path if path is not None else f"{above}.{label}" if above and label else above or label
        if template is not None:
            template.instances.append(self)
        if parent:
            parent.children.append(self)

    @property
    def folds(self) -> bool:
        """Whether it is a level of what is shown: what opens one is, but for those that only the dots in a label enter."""
        return self.opens and (self.kind != "level" or self.template is not None)

    def ancestors(self) -> Iterator[Scope]:
        """This scope and those around it, innermost first."""
        scope: Scope | None = self
        while scope:
            yield scope
            scope = scope.parent

    def walk(self) -> Iterator[Node | Scope]:
        """All nodes and scopes inside, in the order in which they run; a scope comes before what is inside it."""
        stack: list[Node | Scope] = self.children[::-1]
        while stack:
            part = stack.pop()
            yield part
            if isinstance(part, Scope):
                stack += part.children[::-1]

    def nodes(self) -> Iterator[Node]:
        return (part for part in self.walk() if isinstance(part, Node))

    def scopes(self) -> Iterator[Scope]:
        """This scope and all inside it, each before those inside it."""
        stack = [self]
        while stack:
            scope = stack.pop()
            yield scope
            stack += [part for part in reversed(scope.children) if isinstance(part, Scope)]

    def tensors(self) -> Iterator[Value]:
        """Those of the graph that are said to be given to it, to flow in, to have names in it and to come of it."""
        yield from _tensors([*self.arguments.values(), *self.inputs.values(), *self.bound, *self.outputs])
        if self.flow is not None:
            yield self.flow

    def copied(self, parent: Scope | None, path: str | None = None, template: Template | None = None) -> Scope:
        """One like it elsewhere, without what is inside, at another path if one is given; of the same template unless
        another is given. `refer` does the tensors."""
        path = self.path if path is None else path
        made = Scope(
            self.kind, parent, self.span, self.label, self.declaration, self.definition, None, self.shared, path,
            self.origin, self.template if template is None else template,
        )  # fmt: skip
        made.given, made.names, made.labels = self.given, self.names, self.labels
        return made

    def refer(self, scope: Scope, copy_of: Callable[[Value], Value | None]) -> None:
        """Says of tensors what another scope says, which this one is a copy of; what has no copy is left out."""
        self.arguments = {
            name: _with_copies(value, copy_of)
            for name, value in scope.arguments.items()
            if None not in map(copy_of, _tensors(value))
        }
        self.inputs = {name: copy for name, value in scope.inputs.items() if (copy := copy_of(value)) is not None}
        outputs = [copy for value in scope.outputs if (copy := copy_of(value)) is not None]
        self.outputs = tuple(outputs) if len(outputs) == len(scope.outputs) else ()
        self.flow = None if scope.flow is None else copy_of(scope.flow)
        self.bound = {copy: name for value, name in scope.bound.items() if (copy := copy_of(value)) is not None}

    def __repr__(self) -> str:
        return f"Scope({self.kind}, {self.path!r})"


def _tensors(argument: Any) -> list[Value]:
    """The tensors in an argument, which may be lists of them."""
    if isinstance(argument, list):
        return [value for item in cast("list[Any]", argument) for value in _tensors(item)]
    return [argument] if isinstance(argument, Value) else []


def _with_copies(argument: Any, copy_of: Callable[[Value], Value | None]) -> Any:
    if isinstance(argument, list):
        return [_with_copies(item, copy_of) for item in cast("list[Any]", argument)]
    return copy_of(argument) if isinstance(argument, Value) else argument


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


class Output:
    """A named result of a network; ``training`` for one that exists in training only."""

    __slots__ = ("name", "training", "value")

    def __init__(self, name: str, value: Value, training: bool) -> None:
        self.name = name
        self.value = value
        self.training = training


class Derived(NamedTuple):
    """A precondition that nobody stated, with the step that demands it and what flows in there."""

    condition: Condition
    span: Span
    inputs: tuple[Value, ...]


class Claim(NamedTuple):
    """What a spec says of a tensor by what it makes of it there: that its numbers are in an interval, or are raw scores."""

    value: Value
    title: str
    takes: Interval | Numbers
    span: Span


class Prior(NamedTuple):
    """A distribution of numbers, drawn each for itself: ``family`` and the order of ``parameters`` are torch's."""

    family: str
    parameters: tuple[float, ...]

    def __str__(self) -> str:
        return f"{self.family}({', '.join(f'{number:g}' for number in self.parameters)})"


class Graph:
    """A network, elaborated.

    * ``symbols``: the size symbols of the signature in order, each with its default or None.
    * ``sizes``: those pinned by the caller (``--size``): they are numbers in every shape.
    * ``conditions``: what its sizes must satisfy, declared and derived, simplified. ``derived`` says where the latter
      come from, as long as the graph is the one that was elaborated.
    * ``claims``: what is said of tensors that no node says. ``divergences``: those that say how far two distributions are
      apart. ``priors``: of tensors by which a distribution is told, the one that it is to be close to. All three of the
      graph that was elaborated.
    * ``nodes``: in the order of running; those in the body of another stand before it.
    * ``parameters``: by path, in the order of declaration, which is the state dict's. ``aliases``: further names that the
      state dict has for some of them, each with the path.
    * ``frozen``: the paths of layers and blocks whose weights and statistics training leaves as they are, each with where
      that is said.
    * ``former``: what scopes and tensors of the graph that this one was made of have become: names still mean those.
    * ``templates``: the declarations that it is made of, each with its instances, in the order in which they first appear.
    """

    def __init__(self, name: str, root: Scope) -> None:
        self.name = name
        self.root = root
        self.inputs: list[Value] = []
        self.outputs: list[Output] = []
        self.nodes: list[Node] = []
        self.parameters: dict[str, Parameter] = {}
        self.aliases: dict[str, str] = {}
        self.frozen: dict[str, Span] = {}
        self.symbols: dict[str, int | None] = {}
        self.sizes: dict[str, int] = {}
        self.settings: dict[str, Any] = {}
        self.conditions: tuple[Condition, ...] = ()
        self.derived: list[Derived] = []
        self.claims: list[Claim] = []
        self.divergences: set[Value] = set()
        self.priors: dict[Value, Prior] = {}
        self.former: dict[Any, Any] = {}
        self._templates: dict[int, Template] = {}
        if root.template is not None:
            self._templates[id(root.template.declaration)] = root.template

    @property
    def templates(self) -> tuple[Template, ...]:
        return tuple(self._templates.values())

    def keep(self, templates: Iterable[Template]) -> None:
        """Takes templates that were made elsewhere for its own."""
        self._templates |= {id(template.declaration): template for template in templates}

    def template(self, name: str, declaration: ast.Node) -> Template:
        """The template of a declaration, made where it is new."""
        known = self._templates.get(id(declaration))
        if known is None:
            known = self._templates[id(declaration)] = Template(name, declaration)
        return known

    def default_sizes(self) -> dict[str, int]:
        """Sizes to count with: those that were given, else the signature's defaults; the batch, the first axis of the
        first input, counts as 1, or as the least that the conditions allow."""
        known = {name: self.sizes.get(name, default) for name, default in self.symbols.items()}
        sizes = {name: size for name, size in known.items() if size is not None}
        batch: Dim | None = self.inputs[0].type.shape[0] if self.inputs and self.inputs[0].type.rank else None
        if str(batch) in self.symbols and str(batch) not in sizes:
            sizes[str(batch)] = self._least(str(batch), sizes)
        return sizes

    def _least(self, symbol: str, sizes: dict[str, int]) -> int:
        known = {symbol, *sizes}
        asked = [each for each in self.conditions if symbol in each.symbols and each.symbols <= known]
        fits = (n for n in range(1, 1025) if all(each.holds({**sizes, symbol: n}) for each in asked))
        return next(fits, 1)

    def needed(self, values: Iterable[Value], known: Collection[Value] = ()) -> list[Node]:
        """The nodes that some tensors depend on, in order; not those behind tensors that are ``known``."""
        wanted = set(values).difference(known)
        nodes: list[Node] = []
        for node in reversed(self.nodes):
            if not wanted.isdisjoint(node.outputs):
                nodes.append(node)
                wanted.update(value for value in node.inputs if value not in known)
        return nodes[::-1]

    def verify(self) -> None:
        """Raises `BrokenGraph` where the graph is not what this module says that it is."""
        verify(self)

    @property
    def outermost(self) -> list[Node]:
        """The nodes that are in no body."""
        return [node for node in self.nodes if node.scope.inside is None]

    def inference_nodes(self) -> list[Node]:
        return [node for node in self.nodes if not node.training]

    def inference_inputs(self) -> list[Value]:
        """The inputs, but for those that only training looks at."""
        training = {value for node in self.nodes if node.training for value in node.inputs}
        used = {value for node in self.inference_nodes() for value in node.inputs}
        used.update(output.value for output in self.outputs if not output.training)
        return [value for value in self.inputs if value in used or value not in training]

    def to_networkx(self) -> nx.DiGraph[str]:
        """A view for graph algorithms: nodes by name with the `Node` under ``node``, edges with the
        ``tensor``'s name and its ``type``.

        Without circles: into the first turn of a body flows what its states begin as, and no edge leads back.
        """
        import networkx as nx

        view: nx.DiGraph[str] = nx.DiGraph()
        for value in self.inputs:
            view.add_node(value.name, node=None)
        for node in self.nodes:
            view.add_node(node.name, node=node)
            for value in (each.outside for each in node.inputs):
                source = value.producer.name if value.producer else value.name
                view.add_edge(source, node.name, tensor=value.name, type=str(value.type))
        return view
