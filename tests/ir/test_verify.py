"""What `Graph.verify` finds: each line of what holds of a graph, broken by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
from tests.elaborate.specs import graph_of

from dlspec.ir.dims import symbol
from dlspec.ir.graph import Graph, Output
from dlspec.ir.node import Node, Value
from dlspec.ir.program import Template
from dlspec.ir.scope import Scope
from dlspec.ir.types import DType, TensorType
from dlspec.ir.verify import BrokenGraph, verified
from dlspec.ops.activation import ReLU
from dlspec.ops.combine import Add

TEXT = """
block Twice(act: layer) { (x -> conv: Conv(4, 3, padding=1) -> act) + (x -> Conv(4, 1)) }
network Net(x: float[N, 4, H, W], y: float[N, 4, H, W]) -> a, b, c: training {
    a = x -> first: Twice(ReLU)
    b = a + y
    c = tanh(b)
}
"""

Break: TypeAlias = Callable[[Graph], object]


def first(graph: Graph) -> Scope:
    return next(scope for scope in graph.root.scopes() if scope.declaration == "Twice")


def swap(parts: list[Node]) -> None:
    parts[0], parts[1] = parts[1], parts[0]


def elsewhere(value: Value) -> Value:
    return Value("elsewhere", value.type, None, value.span)


def node(graph: Graph, name: str) -> Node:
    return next(node for node in graph.nodes if node.name == name)


def rename(graph: Graph, one: str, other: str) -> None:
    node(graph, one).name = other


def retype(value: Value, type: TensorType) -> None:
    value.type = type


def more(graph: Graph) -> Template:
    return Template("More", graph.templates[0].declaration)


BREAKS: list[tuple[str, Break, str]] = [
    ("a node that no scope holds", lambda g: first(g).children.pop(), "the scopes hold other nodes than the list"),
    ("a node that the list lacks", lambda g: g.nodes.pop(), "the scopes hold other nodes than the list"),
    ("another order", lambda g: swap(g.nodes), "in another order"),
    ("inputs that come later", lambda g: swap(g.nodes), "which is not there yet"),
    ("another scope", lambda g: setattr(g.nodes[0], "scope", g.root), "does not know it"),
    ("another parent", lambda g: setattr(first(g), "parent", None), "does not know it"),
    ("an unknown input", lambda g: g.inputs.pop(), "add takes %y: float[N, 4, H, W], which is not there yet"),
    (
        "an input from somewhere",
        lambda g: setattr(g.inputs[0], "producer", g.nodes[0]),
        "is an input and has a producer",
    ),
    (
        "no producer",
        lambda g: setattr(g.nodes[0].outputs[0], "producer", None),
        "does not know that first.conv gives it",
    ),
    ("a use too many", lambda g: g.inputs[1].uses.append(g.nodes[0]), "%y: float[N, 4, H, W] has other uses"),
    ("a use too few", lambda g: g.inputs[0].uses.pop(), "%x: float[N, 4, H, W] has other uses"),
    ("one name for two", lambda g: rename(g, "tanh", "add"), "2 nodes are called add"),
    ("one input's name for two", lambda g: setattr(g.inputs[1], "name", "x"), "2 inputs are called x"),
    ("one output's name for two", lambda g: setattr(g.outputs[1], "name", "a"), "2 outputs are called a"),
    ("another type", lambda g: retype(g.nodes[0].outputs[0], TensorType(DType.FLOAT16, ())), "gives float[N, 4, H, W]"),
    ("another operator", lambda g: setattr(node(g, "add"), "op", ReLU()), "takes x"),
    (
        "an unknown size",
        lambda g: retype(g.inputs[1], TensorType(DType.FLOAT32, (symbol("K"), 4, symbol("H"), symbol("W")))),
        "has a size that is no symbol of the graph",
    ),
    ("a pinned size", lambda g: g.sizes.update(H=3), "has a size that is no symbol of the graph"),
    ("a weight that is missing", lambda g: setattr(g.nodes[0], "weights", ()), "has the weights []"),
    ("a parameter that is missing", lambda g: g.parameters.pop("first.conv.bias"), "of first.conv is no parameter"),
    (
        "a parameter of no node",
        lambda g: g.parameters.update(more=g.nodes[0].weights[0].copied("more")),
        "no node has more: param [4, 4, 3, 3]",
    ),
    (
        "an unknown output",
        lambda g: g.outputs.append(Output("d", elsewhere(g.inputs[0]), False)),
        "the output d is not",
    ),
    ("a scope's stranger", lambda g: setattr(first(g), "flow", elsewhere(g.inputs[0])), "speaks of %elsewhere"),
    ("an argument's stranger", lambda g: first(g).arguments.update(z=[elsewhere(g.inputs[0])]), "speaks of %elsewhere"),
    (
        "training at inference",
        lambda g: setattr(node(g, "add"), "training", True),
        "add is for training, and inference",
    ),
    ("a name's stranger", lambda g: first(g).bound.update({elsewhere(g.inputs[0]): "z"}), "speaks of %elsewhere"),
    ("an instance too few", lambda g: first(g).template.instances.pop(), "Twice has other instances"),
    (
        "an unknown template",
        lambda g: setattr(first(g), "template", Template("More", g.templates[0].declaration)),
        "More, which",
    ),
]


@pytest.mark.parametrize(("change", "message"), [row[1:] for row in BREAKS], ids=[row[0] for row in BREAKS])
def test_each_fault_is_found(change: Break, message: str) -> None:
    graph = graph_of(TEXT)
    graph.verify()
    change(graph)
    with pytest.raises(BrokenGraph) as caught:
        graph.verify()
    assert message in str(caught.value)


def test_a_tensor_that_is_used_twice_has_two_uses() -> None:
    graph = graph_of("network Net(x: float[N]) -> y { x + x }")
    graph.verify()
    (plus,) = graph.nodes
    assert isinstance(plus.op, Add)
    assert graph.inputs[0].uses == [plus, plus]


def test_what_is_made_is_checked_where_the_environment_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Graph:
        graph = graph_of(TEXT)
        graph.nodes.pop()
        return graph

    with pytest.raises(BrokenGraph):
        verified(broken)()
    monkeypatch.delenv("DLSPEC_VERIFY")
    assert verified(broken) is broken
