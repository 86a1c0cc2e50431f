"""The part of a graph that leads from some of its tensors to others."""

from __future__ import annotations

from collections.abc import Mapping

from dlspec.ir.edit import Editor
from dlspec.ir.graph import Graph, Output
from dlspec.ir.node import Value
from dlspec.ir.verify import verified


@verified
def between(graph: Graph, inputs: Mapping[str, Value], outputs: Mapping[str, Value]) -> Graph:
    """What makes the ``outputs`` of the ``inputs``, both by the names that they get: any tensors of the graph outside of
    bodies. Further inputs are those of the graph that the nodes between read."""
    names = {value: name for name, value in inputs.items()}
    nodes = graph.needed(outputs.values(), names)
    read = {*outputs.values(), *(value for node in nodes for value in node.inputs)}
    taken = [*inputs.values(), *(value for value in graph.inputs if value in read and value not in names)]
    edit = Editor(graph)
    edit.go_through(taken, [Output(name, value, False) for name, value in outputs.items()], nodes, Editor.keep)
    made = edit.graph
    for value, input in zip(taken, made.inputs, strict=True):
        input.name = names.get(value, value.name)
    known = {name for value in (*taken, *outputs.values()) for name in value.type.symbols}
    known.update(name for node in nodes for value in node.outputs for name in value.type.symbols)
    made.symbols = {name: default for name, default in graph.symbols.items() if name in known}
    made.conditions = tuple(condition for condition in graph.conditions if condition.symbols <= known)
    return made
