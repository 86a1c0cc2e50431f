from __future__ import annotations

import random

import pytest
from graphs import graph_of, node, shipped
from tests.fuzz.timing import timed

from dlspec.analyses.cost import Cost, cost
from dlspec.ir.evaluation import evaluate
from dlspec.ir.scope import Scope
from dlspec.limits import Limits, spending

# Expression after `x ->` for a float[N, 4, 10, 10] input, and what it costs, counted by hand.
BY_HAND = [
    ("Conv(8, 3)", Cost(params=8 * 4 * 9 + 8, macs=8 * 8 * 8 * 4 * 9, flops=2 * 8 * 8 * 8 * 4 * 9 + 8 * 8 * 8)),
    ("Conv(8, 3, bias=false)", Cost(params=8 * 4 * 9, macs=8 * 8 * 8 * 4 * 9, flops=2 * 8 * 8 * 8 * 4 * 9)),
    ("Conv(8, 3, groups=4)", Cost(params=8 * 9 + 8, macs=8 * 8 * 8 * 9, flops=2 * 8 * 8 * 8 * 9 + 8 * 8 * 8)),
    ("Flatten -> Linear(5)", Cost(params=400 * 5 + 5, macs=400 * 5, flops=2 * 400 * 5 + 5)),
    ("Flatten", Cost()),
    ("Dropout(0.5)", Cost()),
]


@pytest.mark.parametrize(("layers", "expected"), BY_HAND, ids=[layers for layers, _ in BY_HAND])
def test_costs_counted_by_hand(layers: str, expected: Cost) -> None:
    graph = graph_of(f"network A(x: float[N, 4, 10, 10]) -> y {{ x -> {layers} }}")
    assert cost(graph, graph.default_sizes()).total == expected


def test_batch_norm_has_buffers_and_no_macs() -> None:
    graph = graph_of("network A(x: float[N, 4, 10, 10]) -> y { x -> BatchNorm }")
    own = cost(graph, graph.default_sizes()).total
    assert (own.params, own.buffers, own.macs) == (8, 9, 0)  # mean, variance, and the count of batches
    assert isinstance(own.flops, int)
    assert own.flops >= 400


def test_the_batch_counts_as_one_unless_it_is_given() -> None:
    text = "network A(x: float[N, 8]) -> y { x -> Linear(4) }"
    graph = graph_of(text)
    assert cost(graph, graph.default_sizes()).total.macs == 32
    graph = graph_of(text, {"N": 5})
    assert cost(graph, graph.default_sizes()).total.macs == 160


def test_shared_weights_count_once_and_their_work_every_time() -> None:
    graph = graph_of(
        "network A(x: float[N, 8]) -> y {\n    shared f = Linear(8)\n    x -> f -> ReLU -> f\n}",
    )
    costs = cost(graph, graph.default_sizes())
    assert costs.total.params == 72
    assert costs.total.macs == 2 * 64
    uses = [costs.nodes[n] for n in graph.nodes if n.weights]
    assert [use.params for use in uses] == [72, 0]


def test_what_only_training_needs_has_weights_and_no_work() -> None:
    graph = graph_of(
        "network A(x: float[N, 8]) -> y, extra: training {\n"
        "    h = x -> Linear(8)\n    y = h -> a: Linear(4)\n    extra = h -> b: Linear(2)\n}"
    )
    costs = cost(graph, graph.default_sizes())
    assert costs.total.params == 72 + 36 + 18
    assert costs.total.macs == 64 + 32
    assert costs.nodes[node(graph, "b")] == Cost(params=18)


@pytest.mark.parametrize(("file", "network"), [("resnet", "ResNet50"), ("googlenet", "GoogLeNet"), ("unet", "UNet")])
def test_scopes_roll_up(file: str, network: str) -> None:
    graph = shipped(file, network)
    costs = cost(graph, graph.default_sizes())

    def inside(scope: Scope) -> list[Cost]:
        return [
            part
            for child in scope.children
            for part in (inside(child) if isinstance(child, Scope) else [costs.nodes[child]])
        ]

    assert len(costs.scopes) > 10
    for scope, rolled in costs.scopes.items():
        parts = inside(scope)
        assert rolled == Cost(*(sum(column) for column in zip(*parts, strict=True))) if parts else rolled == Cost()
    assert costs.total == costs.scopes[graph.root]
    assert costs.total.params == sum(p.elements for p in graph.parameters.values() if p.kind == "param")


@pytest.mark.parametrize(
    ("file", "network"), [("resnet", "ResNet50"), ("unet", "UNet"), ("mobilenet_v2", "MobileNetV2")]
)
def test_expressions_are_the_numbers_of_every_size(file: str, network: str) -> None:
    graph = shipped(file, network)
    open_costs = cost(graph, {})
    assert not isinstance(open_costs.total.macs, int)
    draw = random.Random(7)
    for _ in range(10):
        sizes = {"N": draw.randint(1, 9), "H": draw.randint(64, 400), "W": draw.randint(64, 400)}
        numbers = cost(graph, sizes)
        assert evaluate(open_costs.total.macs, sizes) == numbers.total.macs
        assert evaluate(open_costs.total.flops, sizes) == numbers.total.flops
        for part, own in open_costs.nodes.items():
            assert evaluate(own.flops, sizes) == numbers.nodes[part].flops


def test_a_large_network_takes_time_in_proportion() -> None:
    with spending(Limits(steps=10_000_000)):
        graph = graph_of(
            "network A(x: float[N, 4, 8, 8]) -> y { x -> repeat 25_000 { Conv(4, 3, padding=1) -> ReLU } }"
        )
    counted, seconds = timed(lambda: cost(graph, graph.default_sizes()), 5)
    own = counted.total
    assert own.params == 25_000 * 148
    assert own.macs == 25_000 * 4 * 64 * 36
    assert seconds < 5, f"{seconds:.1f} s for 50,000 nodes"
