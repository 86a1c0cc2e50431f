"""Weights that layers have in common: `f.weight` of a shared layer, and layers that are given a weight."""

from __future__ import annotations

import pytest
from tests.elaborate.specs import codes_in, found_in, graph_of, net

from dlspec.analyses.report import summarise
from dlspec.ops.constant import Tied
from dlspec.ops.linear import Linear

IDS = "ids: int[N, T]"
EMBEDDED = "shared embed = Embedding(50, 8)\nh = ids -> embed\n"


def test_a_weight_of_a_shared_layer_is_its_own() -> None:
    graph = graph_of(net(EMBEDDED + "h -> Linear(8) -> { linear(x, embed.weight) }", IDS))
    (node,) = [node for node in graph.nodes if isinstance(node.op, Tied)]
    assert node.weights == (graph.parameters["embed.weight"],)
    assert node.outputs[0].type.shape == (50, 8)
    assert list(graph.parameters) == ["embed.weight", "0.weight", "0.bias"]
    assert summarise(graph).totals["params"] == 50 * 8 + 8 * 8 + 8
    assert graph.aliases == {}


def test_a_layer_that_is_given_a_weight_has_it_under_its_own_name_too() -> None:
    body = EMBEDDED + "param b: float[50]\nh -> head: Linear(50, weight=embed.weight, bias=b)"
    graph = graph_of(net(body, IDS))
    (layer,) = [node for node in graph.nodes if isinstance(node.op, Linear)]
    assert layer.weights == (graph.parameters["embed.weight"], graph.parameters["b"])
    assert graph.aliases == {"head.weight": "embed.weight", "head.bias": "b"}
    assert summarise(graph).totals["params"] == 50 * 8 + 50
    assert not any(isinstance(node.op, Tied) for node in graph.nodes)


@pytest.mark.parametrize(
    ("before", "path"),
    [
        ("block B { x -> table: Embedding(50, 8) -> rest: { Linear(8) -> ReLU } }", "f.table.weight"),
        ("block B { x -> { Embedding(50, 8) } -> scaled: { param gamma: float[8]\n x * gamma } }", "f.scaled.gamma"),
        ("network B(i: int[M, U]) -> out { i -> a: { b: Embedding(50, 8) } }", "f.a.b.weight"),
    ],
)
def test_a_weight_inside_a_shared_block(before: str, path: str) -> None:
    graph = graph_of(net(f"shared f = B\nh = ids -> f\nsum({path}) + sum(h)", IDS, before=before))
    (node,) = [node for node in graph.nodes if isinstance(node.op, Tied)]
    assert node.weights[0].path == path


def test_checks_of_a_whole_file_find_nothing() -> None:
    assert codes_in(net(EMBEDDED + "h -> Linear(50, bias=false, weight=embed.weight)", IDS)) == []
    named = "w = embed.weight\nh -> Linear(50, bias=false, weight=w)"
    assert codes_in(net(EMBEDDED + named, IDS)) == []


REFUSED = [
    ("before something flows", "shared f = Linear(8)\nlinear(ids -> Embedding(9, 8), f.weight) -> f", "DL0302", "has no weights yet"),
    ("another name", EMBEDDED + "linear(h, embed.weigth)", "DL0302", "did you mean `weight`?"),
    ("a layer that is not there", "shared f = { Embedding(9, 8) -> c: Linear(8) }\nh = ids -> f\nlinear(h, f.d.weight)", "DL0302", "it has 0, c"),
    ("a layer and no weight", "shared f = { Embedding(9, 8) -> c: Linear(8) }\nh = ids -> f\nh * f.c", "DL0305", "a layer of `f`"),
    ("another shape", EMBEDDED + "h -> Linear(40, bias=false, weight=embed.weight)", "DL0201", "as float32 [50, 8]"),
    ("a computed tensor", EMBEDDED + "h -> Linear(50, bias=false, weight=2 * embed.weight)", "DL0305", "takes a weight"),
    ("a buffer", "buffer w: float[50, 8]\nids -> Embedding(9, 8) -> Linear(50, weight=w)", "DL0305", "takes a weight"),
    ("a misspelt argument", EMBEDDED + "h -> Linear(50, bias=false, wieght=embed.weight)", "DL0303", "did you mean `weight`?"),
    ("no such weight", EMBEDDED + "h -> Linear(50, bias=false, weight=embed.weight) -> PReLU(bias=embed.weight)", "DL0303", "has no weight `bias`"),
    ("a layer without weights", EMBEDDED + "h -> ReLU(weight=embed.weight)", "DL0303", "`ReLU` has no weight"),
    ("an initialiser too", EMBEDDED + "h -> Linear(50, bias=false, weight=embed.weight, weight_init=zeros())", "DL0303", "without `weight_init`"),
    ("differentiated by", EMBEDDED + "y = linear(h, embed.weight)\ngrad(sum(y), embed.weight)", "DL0410", "a weight of a layer"),
    ("a param that a layer has", "param w: float[8, 8]\ny = ids -> Embedding(9, 8) -> Linear(8, weight=w)\ngrad(sum(y * mean(w)), w)", "DL0410", "a weight of a layer"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "code", "text"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused(body: str, code: str, text: str) -> None:
    (found,) = found_in(net(body, IDS))
    assert found.code == code
    assert text in f"{found.message} {found.hint}"


def test_a_weight_of_what_could_not_be_built_is_no_error_more() -> None:
    body = "shared f = { Embedding(9, 8) -> Lienar(8) -> c: Linear(8) }\nh = ids -> f\nlinear(h, f.c.weight)"
    assert codes_in(net(body, IDS)) == ["DL0301"]
