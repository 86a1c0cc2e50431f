"""A graph as JSON, for other programs to read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias, cast

from dlspec.ir.fields import Fielded
from dlspec.ir.graph import Graph
from dlspec.ir.init import Init
from dlspec.ir.node import Node, Parameter, Value
from dlspec.ir.scope import Scope
from dlspec.ir.types import DType
from dlspec.objectives.training import Group, Training, Update
from dlspec.source import Span

Json: TypeAlias = dict[str, Any]


def graph_json(graph: Graph) -> Json:
    """The whole graph but for the values of its weights.

    Nodes stand in the order of running, those of a body in the node that has it, and refer to tensors and weights by name.
    A size is a number, or a string with an expression in the ``symbols``. ``scopes`` are the blocks and labelled braces
    around the nodes, by path.
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
        "aliases": graph.aliases,
        "scopes": [{"path": scope.path, "block": scope.declaration} for scope in levels],
        "nodes": [_node(node) for node in graph.outermost],
    }


def training_json(training: Training) -> Json:
    """A train: its graph, whose outputs are the objectives, and how it is optimised, in the order of the updates."""
    graph = graph_json(training.graph)
    return {
        "train": graph.pop("network"),
        **graph,
        "data": [
            {"name": data.value.name, "augmentations": [_called(change) for change in data.augmentations]}
            for data in training.data
        ],
        "networks": [
            {
                "name": network.name,
                "declaration": network.declaration,
                "frozen": network.frozen,
                "average_of": network.source,
                "decay": network.decay if network.source is not None else None,
            }
            for network in training.networks.values()
        ],
        "frozen": list(training.frozen),
        "updates": [_update(update) for update in training.updates],
        "named": {name: value.name for name, value in training.named.items()},
    }


def _update(update: Update) -> Json:
    return {
        "name": update.name,
        "direction": update.direction,
        "objective": update.expression.text,
        "over": list(update.over),
        "groups": [_group(group) for group in update.groups],
        "optimizer": _called(update.optimizer),
        "schedule": None if update.schedule is None else _called(update.schedule),
        "rate": None if update.rate is None else update.rate.name,
        "limits": _called(update.limits)["arguments"],
        "decay": update.decay,
        "times": update.times,
        "source": _place(update.span),
    }


def _group(group: Group) -> Json:
    return {
        "path": group.path,
        "own": {name: _value(getattr(group.optimizer, name)) for name in group.own},
        "rate": None if group.rate is None else group.rate.name,
    }


def _called(made: Fielded) -> Json:
    """What a spec calls with arguments: its name and all of them."""
    return {
        "name": type(made).__name__,
        "arguments": {name: _value(value) for name, value in made.arguments.items()},
    }


def _place(span: Span) -> Json:
    return {"file": span.source.name, "line": span.line, "column": span.column}


def _node(node: Node) -> Json:
    """A node; one with a body takes what its first turn is given and what the body captures."""
    body = node.body
    inputs = node.inputs if body is None else (*body.entries.values(), *body.captured)
    made = {
        "name": node.name,
        "op": type(node.op).__name__,
        "arguments": _called(node.op)["arguments"],
        "inputs": [value.name for value in inputs],
        "outputs": [_tensor(value) for value in node.outputs],
        "weights": [weight.path for weight in node.weights],
        "scope": node.scope.path,
        "training": node.training,
        "source": _place(node.span),
    }
    if body is not None:
        made["body"] = {
            "turns": _value(body.turns),
            "given": [_tensor(value) for value in body.given],
            "nodes": [_node(inner) for inner in body.nodes],
            "results": [value.name for value in body.results],
        }
    return made


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
        case Fielded():
            return _called(value)
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
