from __future__ import annotations

import pytest
from graphs import graph_of, shipped

from dlspec.analyses.memory import memory
from dlspec.ir.dims import Dim
from dlspec.ir.evaluation import evaluate
from dlspec.ir.graph import Graph
from dlspec.ir.node import Value

KB = 4 * 256  # bytes of a float[1, 256]

# What stands in a network over x: float[N, 256], the peak in units of such a tensor, and the node at it.
BY_HAND = [
    ("x -> a: ReLU", 2, "a"),
    ("x -> a: ReLU -> b: ReLU -> c: ReLU", 2, "a"),
    ("x -> a: Linear(512) -> b: ReLU -> c: Linear(256)", 4, "b"),
    ("x -> Add { a: ReLU -> b: ReLU | Identity }", 3, "b"),
    ("x -> Reshape([N, 16, 16]) -> Flatten -> a: ReLU", 2, "a"),
    ("x -> Dropout(0.5) -> a: ReLU -> Dropout(0.5) -> b: ReLU", 2, "a"),
    ("x", 1, None),
]


def open_text(layers: str) -> str:
    return f"network A(x: float[N, 256]) -> y {{ {layers} }}"


@pytest.mark.parametrize(("layers", "units", "name"), BY_HAND, ids=[layers for layers, _, _ in BY_HAND])
def test_peaks_counted_by_hand(layers: str, units: int, name: str | None) -> None:
    graph = graph_of(open_text(layers))
    found = memory(graph, graph.default_sizes())
    assert found.peak == units * KB
    assert (found.peak_node.name if found.peak_node else None) == name


def test_outputs_stay_to_the_end() -> None:
    graph = graph_of(
        "network A(x: float[N, 256]) -> y, z {\n    y = x -> ReLU\n    z = y -> Tanh -> Sigmoid -> ReLU\n}",
    )
    assert memory(graph, graph.default_sizes()).peak == 3 * KB


def test_a_declared_weight_is_no_activation() -> None:
    graph = graph_of("network A(x: float[N, 256]) -> y {\n    param g: float[256] = 1.0\n    x * g\n}")
    found = memory(graph, graph.default_sizes())
    assert (found.weights, found.peak) == (1024, 2 * KB)


def test_weights_and_buffers_are_apart() -> None:
    graph = graph_of("network A(x: float[N, 4, 8, 8]) -> y { x -> BatchNorm }")
    found = memory(graph, graph.default_sizes())
    assert (found.weights, found.buffers) == (8 * 4, 8 * 4 + 8)


def test_what_only_training_needs_takes_no_memory_at_inference() -> None:
    graph = graph_of(
        "network A(x: float[N, 256]) -> y, extra: training {\n    y = x -> ReLU\n    extra = x -> Linear(100_000)\n}",
    )
    assert memory(graph, graph.default_sizes()).peak == 2 * KB


def live_at(graph: Graph, index: int, sizes: dict[str, int]) -> int:
    """Bytes alive while a node runs, straight from the definition: made by then, and read then or later."""
    nodes = graph.inference_nodes()

    def storage(value: Value) -> Value | None:
        producer = value.producer
        if producer is not None and producer.weights and not producer.inputs:
            return None
        if producer is not None and (producer.op.view or producer.op.identity_in_eval):
            return storage(producer.inputs[0])
        return value

    made = {*graph.inference_inputs(), *(value for node in nodes[: index + 1] for value in node.outputs)}
    needed = {storage(value) for node in nodes[index:] for value in (*node.inputs, *node.outputs)}
    needed |= {storage(output.value) for output in graph.outputs if not output.training}
    return sum(evaluate(value.type.bytes, sizes) for value in made & needed)


@pytest.mark.parametrize(
    ("file", "network"),
    [("resnet", "ResNet18"), ("unet", "UNet"), ("squeezenet", "SqueezeNet1_1"), ("googlenet", "GoogLeNet")],
)
def test_peaks_of_shipped_networks(file: str, network: str) -> None:
    graph = shipped(file, network)
    sizes = graph.default_sizes()
    alive = [live_at(graph, index, sizes) for index in range(len(graph.inference_nodes()))]
    found = memory(graph, sizes)
    assert found.peak == max(alive)
    assert found.peak_node is graph.inference_nodes()[alive.index(max(alive))]


UNUSED = [
    "y = x -> ReLU\n    dead = x -> Linear(512) -> Tanh\n    t = mean(x)",
    "d = uniform([x.batch, 1])\n    dead = d * x\n    m = d * x\n    y = x -> Linear(2)\n    t = mean(m)",
    "m = exp(x)\n    a, b = m -> Split(2)\n    dead = b -> Linear(900)\n    y = x\n    t = mean(a)",
    "a, b = x -> Split(2)\n    y = a\n    dead = z -> Reshape([N, 2, 2]) -> Dropout\n    t = mean(z)",
]


@pytest.mark.parametrize("body", UNUSED)
def test_what_nothing_uses(body: str) -> None:
    graph = graph_of(f"network A(x: float[N, 256], z: float[N, 4]) -> y, t: training {{\n    {body}\n}}")
    sizes = graph.default_sizes()
    alive = [live_at(graph, index, sizes) for index in range(len(graph.inference_nodes()))]
    at_the_start = sum(evaluate(value.type.bytes, sizes) for value in graph.inference_inputs())
    assert memory(graph, sizes).peak == max([*alive, at_the_start])


def test_an_open_peak_is_the_peak_of_every_size() -> None:
    graph = shipped("resnet", "ResNet18")
    peak: Dim = memory(graph, {}).peak
    assert not isinstance(peak, int)
    for size in (32, 33, 97, 224, 500):
        sizes = {"N": 2, "H": size, "W": size + 7}
        assert evaluate(peak, sizes) == memory(graph, sizes).peak
