"""Graphs made of graphs: what a rule keeps, inserts, replaces and removes, and scopes that are copied within one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.elaborate.specs import graph_of

from dlspec.ir.edit import Editor, copied, edited
from dlspec.ir.graph import Graph, Output
from dlspec.ir.node import Node, Value
from dlspec.ops.activation import ReLU, Tanh
from dlspec.ops.combine import Add
from dlspec.ops.constant import Param

NETWORK = """
block Step(n, skip: tensor, act: layer = ReLU) { (x -> conv: Conv(n, 3, padding=1) -> act) + skip }
network Net(image: float[N, 4, H, W], other: float[N, 4, H, W]) -> out, more, extra: training {
    shared twice = Linear(4)
    out = image -> first: Step(4, skip=other) -> repeat 2 { Step(4, skip=image) }
    more = out -> ReLU -> GlobalAvgPool -> Flatten -> twice -> twice
    extra = tanh(other)
}
"""


def described(graph: Graph) -> list[Any]:
    """All that there is to say of a graph, by names."""

    def argument(value: Any) -> str:
        return repr(value) if isinstance(value, Value | int) else type(value).__name__

    scopes = [
        (s.kind, s.path, s.label, s.declaration, s.shared, s.given, {n: argument(v) for n, v in s.arguments.items()},
         repr(s.inputs), repr(s.outputs), repr(s.flow), repr(s.bound), s.template and s.template.name, s.names, s.origin)
        for s in graph.root.scopes()
    ]  # fmt: skip
    nodes = [
        (repr(n), n.name, n.scope.path, [w.path for w in n.weights], n.training, n.span, n.origin) for n in graph.nodes
    ]
    outputs = [(o.name, repr(o.value), o.training) for o in graph.outputs]
    return [graph.name, graph.inputs and repr(graph.inputs), outputs, scopes, nodes, list(graph.parameters.items())]


def by_name(graph: Graph, *names: str) -> list[Output]:
    return [output for output in graph.outputs if output.name in names]


def test_a_copy_says_the_same_and_shares_no_tensor() -> None:
    graph = graph_of(NETWORK)
    made = copied(graph)
    made.verify()
    graph.verify()
    assert list(map(repr, described(made))) == list(map(repr, described(graph)))
    assert not {*made.root.tensors(), *made.inputs} & {*graph.root.tensors(), *graph.inputs}
    assert not {*made.nodes, *made.root.scopes()} & {*graph.nodes, *graph.root.scopes()}


@pytest.mark.parametrize(
    ("outputs", "inputs", "nodes"),
    [
        (["out", "more", "extra"], ["image", "other"], {"tanh", "first.conv", "twice~2"}),
        (["out"], ["image", "other"], {"first.conv"}),
        (["extra"], ["image", "other"], {"tanh"}),
    ],
)
def test_a_copy_holds_what_the_outputs_need(outputs: list[str], inputs: list[str], nodes: set[str]) -> None:
    graph = graph_of(NETWORK)
    made = copied(graph, by_name(graph, *outputs))
    made.verify()
    assert [value.name for value in made.inputs] == inputs
    assert {node.name for node in made.nodes} & {"tanh", "first.conv", "twice~2"} == nodes


def test_inputs_that_only_training_looks_at_go_with_it() -> None:
    graph = graph_of("network Net(x: float[N], label: int[N]) -> y, z: training { y = relu(x)\n z = label + 1 }")
    assert [value.name for value in copied(graph, by_name(graph, "y")).inputs] == ["x"]
    assert [value.name for value in copied(graph).inputs] == ["x", "label"]
    assert [value.name for value in copied(graph, by_name(graph, "y"), graph.inputs).inputs] == ["x", "label"]


def keep(edit: Editor, node: Node) -> Sequence[Value]:
    return edit.keep(node)


def on_relu(change: Callable[[Editor, Node], Sequence[Value]]) -> Callable[[Editor, Node], Sequence[Value]]:
    return lambda edit, node: change(edit, node) if isinstance(node.op, ReLU) else edit.keep(node)


def scaled(edit: Editor, node: Node) -> Sequence[Value]:
    weight = node.weights[0] if node.weights else None
    assert weight is None
    twice = edit.insert(Add(), (edit.inputs(node)[0], edit.inputs(node)[0]))
    return edit.insert(Tanh(), edit.insert(Add(), (*twice, *edit.keep(node))), name=node.name)


PLAIN = "network Net(x: float[N, 2]) -> y { a: Linear(2) -> b: ReLU -> c: Linear(2) }"
EDITS = {
    "keep": (keep, ["a", "b", "c"], "%b"),
    "another operator": (on_relu(lambda edit, node: edit.keep(node, Tanh())), ["a", "b", "c"], "%b"),
    "remove": (on_relu(lambda edit, node: edit.inputs(node)), ["a", "c"], "%a"),
    "insert": (on_relu(scaled), ["a", "b.add", "b", "b.add~2", "b~2", "c"], "%b~2"),
    "replace": (on_relu(lambda edit, node: edit.insert(Tanh(), edit.inputs(node), name="t")), ["a", "t", "c"], "%t"),
    "the name of what is gone": (
        on_relu(lambda edit, node: edit.insert(Tanh(), edit.inputs(node), name=node.name)), ["a", "b", "c"], "%b",
    ),
    "an input": (
        on_relu(lambda edit, node: [edit.input("noise", node.outputs[0].type, node.span)]), ["a", "c"], "%noise",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "names", "taken"), EDITS.values(), ids=EDITS)
def test_what_a_rule_puts_in_the_place_of_a_node(rule: Any, names: list[str], taken: str) -> None:
    graph = graph_of(PLAIN)
    before = described(graph)
    made = edited(graph, rule)
    made.verify()
    graph.verify()
    assert described(graph) == before
    assert [node.name for node in made.nodes] == names
    assert repr(made.nodes[-1].inputs[0]).startswith(taken + ":")
    assert {node.span.text for node in made.nodes} <= {node.span.text for node in graph.nodes}


def test_a_weight_is_put_beside_those_that_are_there() -> None:
    graph = graph_of(PLAIN)

    def rule(edit: Editor, node: Node) -> Sequence[Value]:
        for weight in node.weights:
            edit.insert(Param(weight.path, weight.shape, weight.init, weight.kind, weight.dtype), weights=(weight,))
        return edit.keep(node)

    made = edited(graph, rule)
    made.verify()
    assert list(made.parameters) == list(graph.parameters)
    assert [node.name for node in made.nodes][:3] == ["a.param", "a.param~2", "a"]
