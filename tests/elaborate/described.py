"""All that elaboration tells of a network or a train, as plain values: equal where two elaborations say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dlspec.diagnostics import Diagnostic, Diagnostics
from dlspec.elaborate.values import BlockLayer, OpLayer
from dlspec.ir.dims import Expr
from dlspec.ir.graph import Graph
from dlspec.ir.node import Node, Value
from dlspec.ir.program import Names, Origin
from dlspec.ir.scope import Scope


def scopes(graph: Graph) -> list[Scope]:
    """Each before those in it, in the order in which they run."""
    found: list[Scope] = []
    stack = [graph.root]
    while stack:
        found.append(stack.pop())
        stack.extend(child for child in reversed(found[-1].children) if isinstance(child, Scope))
    return found


def copies(graph: Graph) -> int:
    """How many blocks and turns are copies."""
    return sum(scope.twin is not None for scope in scopes(graph))


def described(graph: Graph) -> dict[str, Any]:
    """What the graph says, by what it is about."""
    made = scopes(graph)
    numbers = {scope: number for number, scope in enumerate(made)}
    return {
        "nodes": [_node(node, numbers) for node in graph.nodes],
        "scopes": [_scope(scope, numbers) for scope in made],
        "weights": [_parameter(path, parameter) for path, parameter in graph.parameters.items()],
        "aliases": graph.aliases,
        "templates": [(t.name, id(t.declaration), [numbers[each] for each in t.instances]) for t in graph.templates],
        "inputs": [_value(value) for value in graph.inputs],
        "outputs": [(output.name, output.value.name, output.training) for output in graph.outputs],
        "conditions": [str(condition) for condition in graph.conditions],
        "sizes": (graph.symbols, graph.sizes),
    }


def findings(diagnostics: Diagnostics) -> list[Any]:
    return [_finding(found) for found in diagnostics]


def _finding(found: Diagnostic) -> Any:
    notes = [(note.span, note.text) for note in (*found.notes, *found.trace)]
    message = re.sub("0x[0-9a-f]+", "", found.message)
    return found.code, message, found.span, found.label, notes, found.hint, found.severity


def _node(node: Node, numbers: dict[Scope, int]) -> Any:
    weights = [weight.path for weight in node.weights]
    read = [value.name for value in node.inputs]
    made = [_value(value) for value in node.outputs]
    by_node = all(value.producer is node for value in node.outputs)
    return (
        node.name,
        node.op,
        read,
        made,
        by_node,
        weights,
        numbers[node.scope],
        node.span,
        node.training,
        _origin(node.origin),
    )


def _scope(scope: Scope, numbers: dict[Scope, int]) -> Any:
    children = [numbers[child] if isinstance(child, Scope) else child.name for child in scope.children]
    return {
        "is": (scope.kind, scope.path, scope.label, scope.declaration, scope.opens, scope.shared),
        "stands": (scope.span, scope.definition, scope.parent and numbers[scope.parent], children),
        "arguments": {name: _by_name(value) for name, value in scope.arguments.items()},
        "given": scope.given,
        "origin": _origin(scope.origin),
        "template": scope.template and (scope.template.name, id(scope.template.declaration)),
        "bound": [(value.name, name) for value, name in scope.bound.items()],
        "inputs": [(name, value.name) for name, value in scope.inputs.items()],
        "outputs": [value.name for value in scope.outputs],
        "flow": scope.flow and scope.flow.name,
        "names": list(_names(scope.names)),
    }


def _parameter(path: str, parameter: Any) -> Any:
    own = parameter.path, parameter.shape, parameter.dtype, parameter.kind, parameter.init, parameter.span
    return path, own


def _value(value: Value) -> Any:
    return value.name, value.type, value.span


def _origin(origin: Origin) -> Any:
    written = {name: (type(each.expression), each.expression.span, each.span) for name, each in origin.written.items()}
    return id(origin.step), origin.form, written, origin.labelled, origin.chosen


def _names(names: Names | None) -> Iterator[Any]:
    """The names of a body. Their tensors by their types: those of a copy are its twin's."""
    if names is not None:
        yield from ((name, _by_type(value)) for name, value in names.names.items())
        yield names.transparent, names.turn is not None, names.scope is not None


def _by_name(value: Any) -> Any:
    """A value with its tensors by their names, but for those in a layer, which is the twin's in a copy."""
    match value:
        case Value():
            return value.name
        case list():
            return [_by_name(item) for item in value]
        case _:
            return _by_type(value)


def _by_type(value: Any) -> Any:
    match value:
        case Value():
            return value.type
        case list():
            return [_by_type(item) for item in value]
        case OpLayer():
            return value.op, value.name, [(name, _by_type(given)) for name, (given, _) in value.arguments.items()]
        case BlockLayer():
            return id(value.declaration), [(name, _by_type(given)) for name, (given, _) in value.arguments.items()]
        case int() | float() | str() | Expr() | None:
            return value
        case _:
            return type(value)
