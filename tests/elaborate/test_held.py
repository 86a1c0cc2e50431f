"""What a shared layer holds, as lists: its weights, its layers of a kind, and those of one shape."""

from __future__ import annotations

import pytest
from tests.elaborate.specs import found_in, graph_of

from dlspec.ops.constant import Tied

NET = """
block Unit(width) { conv: Conv(width, 3, padding=1) -> norm: BatchNorm -> ReLU }
block Plain { sum(x ** 2) }
network Net(x: float[N, 3, 8, 8]) -> y { x -> stem: Conv(8, 3) -> repeat 2 { Unit(8) } -> Flatten -> Linear(4) }
"""
UNIT = ["conv.weight", "conv.bias", "norm.weight", "norm.bias"]
ALL = ["stem.weight", "stem.bias", *(f"{i}.{name}" for i in (1, 2) for name in UNIT), "4.weight", "4.bias"]


def network(body: str) -> str:
    return f"{NET}network Held(x: float[N, 3, 8, 8]) -> y {{\n    shared f = Net\n    shared g = Net\n    h = x -> f\n{body}\n}}\n"


def tied(expression: str) -> list[str]:
    """The weights of f that are in a list, in its order."""
    graph = graph_of(network(f"y = stack([sum(w) for w in {expression}])"), "Held")
    return [node.weights[0].path.removeprefix("f.") for node in graph.nodes if isinstance(node.op, Tied)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("weights(f)", ALL),
        ("[norm.bias for norm in layers(f, BatchNorm)]", ["1.norm.bias", "2.norm.bias"]),
        ("[norm.running_var for norm in layers(f, BatchNorm2d)]", ["1.norm.running_var", "2.norm.running_var"]),
        ("[conv.weight for conv in layers(f, Conv)]", ["stem.weight", "1.conv.weight", "2.conv.weight"]),
        ("[w for unit in layers(f, Unit) for w in weights(unit)]", ALL[2:-2]),
        ("[conv.bias for unit in layers(f, Unit) for conv in layers(unit, Conv)]", ["1.conv.bias", "2.conv.bias"]),
        ("weights(layers(f, Net)[0])", ALL),
        ("weights(layers(f, Linear)[0])", ALL[-2:]),
    ],
)
def test_what_is_held(expression: str, expected: list[str]) -> None:
    assert tied(expression) == expected


def test_they_are_in_the_order_of_a_state_dict() -> None:
    text = """
block Net { x -> "a.0": Linear(4) -> b: Linear(4) -> "a.1": Linear(4) }
network Held(x: float[N, 4]) -> y {
    shared f = Net
    h = x -> f
    y = stack([sum(w) for w in %s])
}"""
    for asked in ("weights(f)", "[w for layer in layers(f, Linear) for w in weights(layer)]"):
        graph = graph_of(text % asked, "Held")
        paths = [node.weights[0].path for node in graph.nodes if isinstance(node.op, Tied)]
        assert paths == [f"f.{layer}.{name}" for layer in ("a.0", "a.1", "b") for name in ("weight", "bias")]


def test_what_is_made_after_the_first_question_is_held_too() -> None:
    graph = graph_of(network("before = len(weights(f))\nk = x -> g\ny = weights(g)[before - 1]"), "Held")
    (node,) = [node for node in graph.nodes if isinstance(node.op, Tied) and node.outputs[0] is graph.outputs[0].value]
    assert node.weights[0].path == "g.4.bias"


def test_those_of_one_shape_are_together() -> None:
    pairs = "[[conv.weight, conv.bias] for conv in layers(f, Conv)]"
    body = f"shapes = [len(same) for same in by_shape({pairs})]\nexpect shapes == [1, 2]\n"
    body += "expect len(by_shape(weights(f))) == 5\ny = stack([a for a, b in by_shape(" + pairs + ")[1]])"
    graph = graph_of(network(body), "Held")
    assert graph.outputs[0].value.type.shape == (2, 8, 8, 3, 3)


@pytest.mark.parametrize(
    ("expression", "code", "message"),
    [
        ("weights(g)", "DL0302", "`g` has no weights yet"),
        ("weights(Net)", "DL0305", "`weights` takes a `shared` layer, not the layer `Net`"),
        ("weights(x)", "DL0305", "`weights` takes a `shared` layer, not a tensor float[N, 3, 8, 8]"),
        ("layers(f, LSTM)", "DL0302", "`f` has no `LSTM` with weights"),
        ("layers(f, Conv1d)", "DL0302", "`f` has no `Conv1d` with weights"),
        ("layers(f, Plain)", "DL0302", "`f` has no `Plain` with weights"),
        ("layers(layers(f, Unit)[0], Linear)", "DL0302", "a layer of `f` has no `Linear` with weights"),
        ("layers(f, Conv(3, 3))", "DL0305", "a kind is a layer with weights or a block, not a call of it"),
        ("layers(f, { x -> ReLU })", "DL0305", "a kind is a layer with weights or a block, not a chain of some"),
        ("layers(f, 3)", "DL0305", "a kind is a layer with weights or a block, not the number 3"),
        ("layers(f)", "DL0304", "`layers` needs `kind`"),
        ("weights(f, Conv)", "DL0306", "`weights` takes 1 argument"),
        ("weight(f)", "DL0302", "there is no `weight` here"),
        ("weights", "DL0308", "`weights` is a function"),
        (
            "by_shape([1, 2])", "DL0305",
            "`by_shape` takes a list of tensors, or of lists that begin with one, not the list [1, 2]",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong(expression: str, code: str, message: str) -> None:
    found = found_in(network(f"y = {expression}"))
    assert [(each.code, each.message) for each in found] == [(code, message)]
    assert found[0].hint


def test_a_shared_layer_without_weights_is_used_where_something_flows_into_it() -> None:
    def found(used: str) -> list[tuple[str, str]]:
        text = f"{NET}train Fit {{\n    data x: float[N, 3, 8, 8]\n    shared f = Net\n    shared plain = Plain\n"
        text += f"    minimize mean(x -> f) + {used} over f using SGD(lr=0.1)\n}}\n"
        return [(each.code, each.message) for each in found_in(text)]

    assert found("sum(stack([w -> plain for w in weights(f)]))") == []
    assert found("sum(stack([sum(w) for w in weights(f)]))") == [("DL0708", "nothing uses `plain`")]
