"""The typed graph: a flat list of nodes in topological order, with a tree of scopes over it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from dlspec.ir.condition import Condition
from dlspec.ir.dims import Dim
from dlspec.ir.intervals import Interval
from dlspec.ir.node import Node, Parameter, Value
from dlspec.ir.op import Numbers
from dlspec.ir.program import Names, Template
from dlspec.ir.scope import Scope
from dlspec.ir.verify import verify
from dlspec.source import Span
from dlspec.syntax import ast

if TYPE_CHECKING:
    import networkx as nx


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
    * ``names``: of the graph that was elaborated, those in which its instances have parameters or something was bound.
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
        self.names: list[Names] = []
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
        """Raises `BrokenGraph` where the graph is not what these classes say that it is."""
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
