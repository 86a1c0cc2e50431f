"""A graph as JSON, for other programs to read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias, cast

from dlspec.ir.graph import Graph, Node, Parameter, Scope, Value
from dlspec.ir.init import Init
from dlspec.ir.types import DType

Json: TypeAlias = dict[str, Any]


def graph_json(graph: Graph) -> Json:
    """The whole graph but for the values of its weights.

    Nodes stand in the order of running, and refer to tensors and weights by name. A size is a number, or a string with
    an expression in the ``symbols``. ``scopes`` are the blocks and labelled braces around the nodes, by path.
    """
    levels = [scope for scope in _levels(graph.nodes) if scope is not graph.root]
    return {
        "network": graph.name,
        "symbols": graph.symbols,
        "sizes": graph.sizes,
        "settings": {name: _value(value) for name, value in graph.settings.items()},
        "preconditions": [str(condition) for condition in graph.conditions],
        "inputs": [_tensor(value) for value in graph.inputs],
        "outputs": [
            {"name": output.name, "tensor": output.value.name, "training": output.training} for output in graph.outputs
        ],
        "parameters": [_parameter(parameter) for parameter in graph.parameters.values()],
        "scopes": [{"path": scope.path, "block": scope.declaration} for scope in levels],
        "nodes": [_node(node) for node in graph.nodes],
    }


def _node(node: Node) -> Json:
    return {
        "name": node.name,
        "op": type(node.op).__name__,
        "arguments": {field.name: _value(getattr(node.op, field.name)) for field in node.op.fields},
        "inputs": [value.name for value in node.inputs],
        "outputs": [_tensor(value) for value in node.outputs],
        "weights": [weight.path for weight in node.weights],
        "scope": node.scope.path,
        "training": node.training,
        "source": {"file": node.span.source.name, "line": node.span.line, "column": node.span.column},
    }


def _tensor(value: Value) -> Json:
    return {"name": value.name, "dtype": value.type.dtype.label, "shape": _value(value.type.shape)}


def _parameter(parameter: Parameter) -> Json:
    return {
        "path": parameter.path,
        "kind": parameter.kind,
        "dtype": parameter.dtype.label,
        "shape": list(parameter.shape),
        "init": _value(parameter.init),
    }


def _value(value: Any) -> Any:
    """A field's value in JSON; sizes and what is no constant as a string."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case tuple() | list():
            return [_value(item) for item in cast("Iterable[Any]", value)]
        case DType():
            return value.label
        case Init():
            described: Json = {"kind": value.kind, **dict(value.arguments)}
            return described if value.kind != "data" else {**described, "values": _value(value.values)}
        case _:
            return str(value)


def _levels(nodes: Iterable[Node]) -> list[Scope]:
    """The scopes around nodes that open a level, each before those inside it."""
    seen: dict[Scope, None] = {}
    for node in nodes:
        around: list[Scope] = []
        for scope in node.scope.ancestors():
            if scope in seen:
                break
            around.append(scope)
        seen.update(dict.fromkeys(reversed(around)))
    return [scope for scope in seen if scope.opens]
