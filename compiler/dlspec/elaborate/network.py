"""Elaborates a network of a file into a graph."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress

from dlspec.collector import paused_collector
from dlspec.diagnostics import Diagnostics, Note, did_you_mean
from dlspec.elaborate.builder import broken_default, too_much
from dlspec.elaborate.calls import bind_block, is_input
from dlspec.elaborate.flow import Elaborator
from dlspec.elaborate.recorder import make_elaborator
from dlspec.elaborate.session import Session
from dlspec.elaborate.values import (
    UNBOUND,
    Abandon,
    BlockLayer,
    Env,
    Failure,
    Fault,
    has_poison,
    kind_of,
)
from dlspec.ir.bounds import MOST, check_size
from dlspec.ir.conditions import Conditions
from dlspec.ir.constants import is_dim
from dlspec.ir.dims import Dim, symbol
from dlspec.ir.forget import take_apart
from dlspec.ir.graph import Graph, Output
from dlspec.ir.node import Node, Value
from dlspec.ir.op import OpError
from dlspec.ir.program import Origin, Template
from dlspec.ir.scope import Scope
from dlspec.ir.types import DTYPES, TensorType
from dlspec.ir.verify import verified
from dlspec.limits import NETWORK, Exceeded, budget
from dlspec.ops.constant import Stored
from dlspec.source import Span
from dlspec.syntax import ast

# Layers that are nested within `Limits.depth`, each with expressions nested within `syntax.limits`.
_FRAMES = 2000


@contextmanager
def deep_recursion() -> Generator[None]:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, _FRAMES * budget().limits.depth))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


@verified
def elaborate_network(
    network: BlockLayer,
    settings: Mapping[str, object],
    sizes: Mapping[str, int],
    diagnostics: Diagnostics,
    session: Session,
) -> Graph | None:
    """The graph of a network, or None where ``diagnostics`` has new errors, or something of it could not be read.

    ``settings`` replace the defaults of its parameters, ``sizes`` turn symbols of its signature into numbers.
    """
    before = len(diagnostics.errors)
    graph, elaborator = _run(network, settings, sizes, diagnostics, session)
    if graph.outputs and not elaborator.incomplete and len(diagnostics.errors) == before:
        elaborator.instances.share()
        return graph
    if session.recorder is None:
        take_apart(graph)
    return None


def elaborate_partial(
    network: BlockLayer,
    settings: Mapping[str, object],
    sizes: Mapping[str, int],
    diagnostics: Diagnostics,
    session: Session,
) -> tuple[Graph, list[Fault]]:
    """What could be built of a network, and the steps that could not: none where ``diagnostics`` has no new errors."""
    graph, elaborator = _run(network, settings, sizes, diagnostics, session)
    return graph, elaborator.faults


def _run(
    network: BlockLayer,
    settings: Mapping[str, object],
    sizes: Mapping[str, int],
    diagnostics: Diagnostics,
    session: Session,
) -> tuple[Graph, Elaborator]:
    declaration = network.declaration
    assert isinstance(declaration, ast.Network)
    graph = new_graph(declaration)
    conditions = Conditions()
    elaborator = make_elaborator(graph, conditions, diagnostics, session)
    before = len(diagnostics.errors)
    with deep_recursion(), paused_collector(), suppress(Abandon):
        try:
            elaborator.builder.spend(NETWORK, declaration.name.span)
            _elaborate(elaborator, graph, network, declaration, settings, sizes)
            if len(diagnostics.errors) == before:
                graph.conditions = conditions.simplified()
                check_defaults(graph, declaration.name, diagnostics)
        except Exceeded as error:
            elaborator.report(too_much(error, declaration.name.span))
        except Failure as failure:
            elaborator.report(failure)
    return graph, elaborator


def new_graph(declaration: ast.Network | ast.Train) -> Graph:
    """An empty graph for what a declaration will be."""
    name = declaration.name
    template = Template(name.name, declaration)
    origin = Origin(declaration, "scope", labelled=True)
    root = Scope("network", None, name.span, "", name.name, declaration.span, origin=origin, template=template)
    return Graph(name.name, root)


def _elaborate(
    elaborator: Elaborator,
    graph: Graph,
    network: BlockLayer,
    declaration: ast.Network,
    settings: Mapping[str, object],
    sizes: Mapping[str, int],
) -> None:
    env = bind_settings(elaborator, graph, network, settings)
    if env is None:
        return
    for parameter in declaration.parameters:
        if parameter.type is not None and is_input(declaration, parameter):
            if parameter.default is not None:
                raise Failure("DL0305", "an input has no default", parameter.default.span)
            value = graph_input(elaborator, graph, parameter.name, parameter.type, env, sizes)
            if all(value.name != other.name for other in graph.inputs):  # declared twice is an error elsewhere
                graph.inputs.append(value)
    refuse_unknown_sizes(graph, declaration.name, sizes)
    for value in graph.inputs:
        env.names[value.name] = value
    outputs = elaborator.outputs(declaration, env)
    if has_poison(outputs):
        return
    for output, value in zip(declaration.outputs, outputs, strict=True):
        _output(graph, output, value, declaration)
    if not any(not output.training for output in graph.outputs):
        raise Failure("DL0409", f"`{graph.name}` has no output outside of training", declaration.name.span)
    unused = _mark_training(graph)
    if not unused:
        return
    given = {weight for node in graph.nodes if not isinstance(node.op, Stored) for weight in node.weights}
    if not elaborator.diagnostics.errors and not elaborator.incomplete:
        for node in unused:
            if isinstance(node.origin.step, ast.Param) and node.origin.step.name.name == "_":
                continue  # a published file has it, and nothing uses it
            if isinstance(node.op, Stored) and not given.isdisjoint(node.weights):
                continue  # a layer is given it
            elaborator.warn("DL0702", "no output needs what this computes", node.span, "use it, or take it out")


def bind_settings(
    elaborator: Elaborator, graph: Graph, layer: BlockLayer, settings: Mapping[str, object]
) -> Env | None:
    """The environment of a body with the settings in it, given ones and defaults; None after an error in one.

    Raises `Failure`.
    """
    span = layer.declaration.name.span
    given = [(ast.Argument(span, ast.Name(span, n), ast.Constant(span, None)), value) for n, value in settings.items()]
    env = Env(layer.module.env, {})
    elaborator.builder.at_home(env, graph.root)
    elaborator.bind_parameters(bind_block(layer, given, None, span, env), env, span)
    if has_poison(list(env.names.values())):
        return None
    graph.settings = dict(env.names)
    graph.root.arguments = dict(env.names)
    return env


def graph_input(
    elaborator: Elaborator, graph: Graph, name_: ast.Name, type_: ast.Type, env: Env, sizes: Mapping[str, int]
) -> Value:
    """The tensor that an input of a signature declares. Its symbols become those of the graph. Raises `Failure`."""
    if type_.name not in DTYPES:
        raise Failure("DL0302", f"there is no element type `{type_.name}`", type_.span, hint=", ".join(DTYPES))
    shape: list[Dim] = []
    for axis in type_.axes or ():
        name = axis.size.name if isinstance(axis.size, ast.Name) else ""
        known = env.find(name) is not UNBOUND if name else True
        if not known and name[:1].isupper():
            graph.symbols[name] = None
            if name in sizes:
                graph.sizes[name] = sizes[name]
            env.names[name] = sizes[name] if name in sizes else symbol(name)
        if axis.default is not None:
            if name not in graph.symbols:
                raise Failure("DL0305", "only a symbol has a default size, as in `H = 224`", axis.span)
            default = elaborator.evaluate(axis.default, env)
            if type(default) is not int or not 1 <= default < MOST:
                message = f"a size is a positive int of less than 2 ** 63, not {kind_of(default)}"
                raise Failure("DL0305", message, axis.default.span)
            graph.symbols[name] = default
        size = elaborator.evaluate(axis.size, env)
        if not is_dim(size):
            raise Failure("DL0305", f"a size is an int, not {kind_of(size)}", axis.span)
        if isinstance(size, int) and size < 1:
            raise Failure("DL0201", f"a size of {size}", axis.span)
        shape.append(size)
    span = Span(name_.span.source, name_.span.start, type_.span.end)
    made = TensorType(DTYPES[type_.name], tuple(shape))
    try:
        check_size(made)
    except OpError as error:
        raise Failure(error.code, f"`{name_.name}`: {error.message}", type_.span) from None
    return Value(name_.name, made, None, span)


def refuse_unknown_sizes(graph: Graph, declared: ast.Name, sizes: Mapping[str, int]) -> None:
    """Raises `Failure` for a size that is no symbol of the graph, or not positive."""
    for name, size in sizes.items():
        if name not in graph.symbols:
            known = list(graph.symbols)
            raise Failure(
                "DL0302", f"`{graph.name}` has no size `{name}`", declared.span,
                hint=did_you_mean(name, known) or f"it has {', '.join(known) or 'none'}",
            )  # fmt: skip
        if size < 1:
            raise Failure("DL0201", f"the size {name} = {size} is not positive", declared.span)


def _output(graph: Graph, output: ast.Output, value: object, declaration: ast.Network) -> None:
    if value is None and output.training:
        return
    if not isinstance(value, Value):
        name, body = output.name, declaration.body.statements
        bound = [
            each
            for each in body
            if isinstance(each, ast.Bind) and name.name in [n.name for n in ast.names_of(each.targets)]
        ]
        at = bound[-1].value.span if bound else body[-1].span
        several = "several outputs are several names after the arrow, each bound in the body"
        raise Failure(
            "DL0409", f"the output `{name.name}` is {kind_of(value)}, not a tensor", at,
            notes=(Note(name.span, "this is the output"),), hint=several if isinstance(value, list) else "",
        )  # fmt: skip
    graph.outputs.append(Output(output.name.name, value, output.training))


def _mark_training(graph: Graph) -> list[Node]:
    """Marks the nodes that only training outputs need, and what else is computed of those. Returns the last ones of what no
    output needs."""
    inference = _reached(output.value for output in graph.outputs if not output.training)
    if len(inference) == len(graph.nodes):
        return []
    training = _reached(output.value for output in graph.outputs if output.training)
    for node in training - inference:
        node.training = True
    unneeded = [node for node in graph.nodes if node not in inference and node not in training]
    for node in unneeded:
        node.training = any(value.producer is not None and value.producer.training for value in node.inputs)
    for node in graph.nodes:
        if node.training and node.body is not None:
            for inner in node.body.scope.nodes():
                inner.training = True
    feeding = {value.producer for node in unneeded for value in node.inputs}
    return [node for node in unneeded if node not in feeding]


def _reached(values: Iterator[Value]) -> set[Node]:
    seen: set[Node] = set()
    stack = [value.producer for value in values]
    while stack:
        node = stack.pop()
        if node is not None and node not in seen:
            seen.add(node)
            stack += [value.producer for value in node.inputs]
    return seen


def check_defaults(graph: Graph, declared: ast.Name, diagnostics: Diagnostics) -> None:
    """Reports default sizes of a signature that its own conditions exclude."""
    broken = broken_default(graph.conditions, graph)
    if broken:
        condition, sizes = broken
        message = f"the default size {sizes} breaks `{condition}`, which `{graph.name}` needs"
        failure = Failure("DL0201", message, declared.span, hint="choose a default that fits")
        diagnostics.add(failure.diagnostic)
