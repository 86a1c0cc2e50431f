"""`dlspec.analyse`: everything that is known of a text, whether it is right or wrong."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

from dlspec.analyses.cost import Cost, Costs, cost, sum_of
from dlspec.analyses.written import written_call, written_op, written_value
from dlspec.diagnostics import Diagnostic, DlspecError
from dlspec.docstrings import docstring
from dlspec.editing.places import definition, named, path_to, subject
from dlspec.editing.unchanged import Unchanged
from dlspec.elaborate.calls import signature_hint
from dlspec.elaborate.recorder import Record, Recorder
from dlspec.elaborate.session import Session
from dlspec.elaborate.values import AverageLayer, BlockLayer, FrozenLayer, Layer, OpLayer, Ratio, SharedLayer, as_list
from dlspec.files import DISK, Files, read_source, spec_path
from dlspec.ir.dims import Expr
from dlspec.ir.fields import Fielded
from dlspec.ir.graph import Graph
from dlspec.ir.init import Init
from dlspec.ir.node import Value
from dlspec.ir.program import Template
from dlspec.ir.types import TensorType
from dlspec.limits import Limits, spending
from dlspec.ops import FUNCTIONS
from dlspec.pipeline import Checks, open_unchecked
from dlspec.source import Source, Span
from dlspec.syntax import ast

Kind: TypeAlias = Literal["tensor", "layer", "constant", "other"]


@dataclass(frozen=True, slots=True)
class Instance:
    """What an expression was in one instance of what it stands in.

    * ``network``: the network or train that was elaborated, an empty text for what stands outside of them. ``path``: the
      instance in it, as in the names of weights; empty for the network itself.
    * ``kind``, and as ``text`` the type of a tensor, a constant, a layer with its arguments, or something else such as a
      distribution or an optimizer. A list of tensors is a tensor too. ``value`` is the constant.
    * ``outputs``: the types of the tensors, of a layer those it gave; ``inputs``: those that flowed into the layer. Both
      are empty for a layer that was only named.
    * ``signature`` and ``doc``: of the layer or function.
    * ``cost``: of the nodes that were built for it; None where there were none.
    """

    network: str
    path: str
    kind: Kind
    text: str
    value: Any = None
    inputs: tuple[TensorType, ...] = ()
    outputs: tuple[TensorType, ...] = ()
    signature: str = ""
    doc: str = ""
    cost: Cost | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """What stands at a place: the ``span`` of the innermost expression, what it was in each of its ``instances``, and of a
    ``name`` where it was defined, which is None for what is built in."""

    span: Span
    name: str
    definition: Span | None
    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class Symbol:
    """A declaration: where its name stands, all of it, and the comment above it."""

    kind: Literal["block", "network", "train", "constant"]
    name: str
    place: Span
    span: Span
    doc: str


class Analysis:
    """What is known of a text: its ``diagnostics``, its ``symbols``, and what stands `at` each place."""

    def __init__(
        self,
        source: Source,
        files: Files,
        found: tuple[Diagnostic, ...] = (),
        before: Analysis | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.source = source
        self._recorder = Recorder()
        with spending(limits):
            self._opened = open_unchecked(
                source, files, Session(recorder=self._recorder), before and before._opened.imported, limits
            )
            self._checks = Unchanged(self._opened.module, before and before._checks)
            self.diagnostics = (*found, *self._opened.check(self._checks))
        self._costs: dict[Graph, Costs] = {}

    @cached_property
    def symbols(self) -> tuple[Symbol, ...]:
        """The declarations, in order."""
        symbols: list[Symbol] = []
        for declaration in self._opened.module.file.declarations:
            match declaration:
                case ast.Block(name=name, doc=doc):
                    symbols.append(Symbol("block", name.name, name.span, declaration.span, doc))
                case ast.Network(name=name, doc=doc) | ast.Variant(name=name, doc=doc):
                    symbols.append(Symbol("network", name.name, name.span, declaration.span, doc))
                case ast.Train(name=name, doc=doc):
                    symbols.append(Symbol("train", name.name, name.span, declaration.span, doc))
                case ast.Bind(targets=targets):
                    symbols += [Symbol("constant", t.name, t.span, declaration.span, "") for t in ast.names_of(targets)]
                case _:
                    pass
        return tuple(symbols)

    def at(self, line: int, column: int) -> Place | None:
        """What the innermost expression was at a place, both from 1; None where none stands."""
        offset = self.source.offset(line, column)
        path = path_to(self._opened.module.file, offset) if offset is not None else []
        node = subject(path) if path else None
        if node is None:
            return None
        name = named(path)
        instances = tuple(self._instance(node, record) for record in self._records(path, node))
        at = definition(path, self._opened.module)
        return Place(node.span, name.name if name is not None else "", at, _distinct(instances))

    @cached_property
    def _recorded(self) -> Recorder:
        """Diagnostics come first and quickly: what expressions were is found out when somebody asks."""
        self._opened.check(Checks(recorder=self._recorder))
        return self._recorder

    def _records(self, path: list[ast.Node], node: ast.Node) -> list[Record]:
        records = self._recorded.of(node)
        around = path[-2] if len(path) > 1 else None
        if not isinstance(node, ast.Name) or not isinstance(around, ast.Parameter | ast.Data | ast.Output):
            return records
        # The inputs and outputs of a graph are no values of an expression.
        declared = path[1]
        tensors: list[Record] = []
        for graph in self._recorded.graphs:
            root = graph.root
            if root.definition == declared.span or (root.template is not None and _is_variant(root.template, declared)):
                outputs = [output.value for output in graph.outputs if output.name == node.name]
                inputs = [value for value in graph.inputs if value.name == node.name]
                found = outputs if isinstance(around, ast.Output) else inputs
                tensors += [Record(value, graph.root, graph, len(graph.nodes)) for value in found]
        return [*records, *tensors]

    def _instance(self, node: ast.Node, record: Record) -> Instance:
        value, network, path = record.value, record.graph.name, record.scope.path
        nodes = record.nodes
        costs = sum_of([self._costs_of(record.graph).nodes[each] for each in nodes]) if nodes else None
        if isinstance(value, Layer):
            layer = _bare(value)
            text = written_op(nodes[0].op) if isinstance(layer, OpLayer) and len(nodes) == 1 else _written(layer)
            return Instance(
                network, path, "layer", text, None, _types(record.flow), _types(record.result),
                _signature(layer), _doc(layer), costs,
            )  # fmt: skip
        outputs = _types(value)
        signature = doc = ""
        if isinstance(node, ast.Call) and isinstance(node.function, ast.Name) and node.function.name in FUNCTIONS:
            op = FUNCTIONS[node.function.name]
            signature, doc = signature_hint(op, node.function.name), docstring(op)
        if outputs:
            text = ", ".join(str(each) for each in outputs)
            return Instance(network, path, "tensor", text, None, (), outputs, signature, doc, costs)
        if _is_constant(value):
            return Instance(network, path, "constant", written_value(value), value, (), (), signature, doc)
        return Instance(network, path, "other", _other(value), None, (), (), signature, doc)

    def _costs_of(self, graph: Graph) -> Costs:
        if graph not in self._costs:
            self._costs[graph] = cost(graph, graph.default_sizes())
        return self._costs[graph]


def analyse(
    path: str | Path = "",
    *,
    text: str | None = None,
    files: Files = DISK,
    before: Analysis | None = None,
    limits: Limits | None = None,
) -> Analysis:
    """What is known of a spec, right or wrong: of a file or a shipped one such as ``std.resnet``, or of a ``text``, for
    which ``path`` says where its neighbours are.

    Reads nothing but ``files``, which may hold unsaved texts. Never fails for what a text says; raises OSError for a file
    that cannot be read. An analysis from ``before`` an edit makes this one quicker, and no other. What is looked at is
    bounded by ``limits``.
    """
    name, found = str(path), ()
    where = spec_path(path, files) if name else None
    if text is not None or where is None:
        source = Source(name or "text", text or "", where)
    else:
        try:
            source = read_source(where, name, files)
        except DlspecError as error:
            source, found = Source(name, "", where), error.diagnostics
    return Analysis(source, files, found, before, limits)


def _is_variant(template: Template, declared: ast.Node) -> bool:
    """Whether a network is a variant of what is declared."""
    return isinstance(declared, ast.Network) and template.body is declared.body


def _distinct(instances: tuple[Instance, ...]) -> tuple[Instance, ...]:
    """Each once: the turns of a loop are one instance where nothing changes."""
    known = {(i.network, i.path, i.kind, i.text, i.inputs, i.outputs, i.cost): i for i in reversed(instances)}
    return tuple(reversed(known.values()))


def _is_constant(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_constant(each) for each in value)  # type: ignore[reportUnknownVariableType]
    return value is None or isinstance(value, int | float | str | Expr | Ratio | Init)


def _other(value: Any) -> str:
    match value:
        case Fielded():
            return written_call(value)
        case tuple():  # an optimizer, with its schedule and limits
            return _other(value[0])
        case _:
            return written_value(value)


def _types(value: Any) -> tuple[TensorType, ...]:
    values = as_list(value)
    return tuple(each.type for each in values) if all(isinstance(each, Value) for each in values) else ()


def _bare(layer: Layer) -> Layer:
    """The layer in one that is shared, frozen or averaged."""
    match layer:
        case SharedLayer() | FrozenLayer():
            return _bare(layer.layer)
        case AverageLayer():
            return _bare(layer.source)
        case _:
            return layer


def _written(layer: Layer) -> str:
    if not isinstance(layer, OpLayer | BlockLayer):
        return "{ ... }"
    arguments = [f"{name}={written_value(value)}" for name, (value, _) in layer.arguments.items()]
    name = layer.title.strip("`")
    return f"{name}({', '.join(arguments)})" if arguments else name


def _signature(layer: Layer) -> str:
    match layer:
        case OpLayer():
            return signature_hint(layer.op, layer.name)
        case BlockLayer(declaration=declaration):
            return f"{declaration.name.name}({', '.join(map(_declared, declaration.parameters))})"
        case _:
            return ""


def _declared(parameter: ast.Parameter) -> str:
    type_ = "" if parameter.type is None else f": {parameter.type.span.text}"
    default = "" if parameter.default is None else f" = {parameter.default.span.text}"
    return parameter.name.name + type_ + default


def _doc(layer: Layer) -> str:
    match layer:
        case OpLayer():
            return docstring(layer.op)
        case BlockLayer(declaration=declaration):
            return declaration.doc
        case _:
            return ""
