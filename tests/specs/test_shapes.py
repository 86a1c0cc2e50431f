"""The inferred shape of every node: symbolic against pinned sizes, against ONNX's inference, against ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from random import Random
from typing import Any, TypeAlias

import pytest
from catalogue import graph_of, shape_at, shown
from onnx_shapes import check_observed, check_shapes

from dlspec.backends.onnx import wire
from dlspec.backends.onnx.model import OnnxModel, build
from dlspec.backends.runtime import make_inputs
from dlspec.diagnostics import DlspecError
from dlspec.ir.graph import Graph
from dlspec.ir.types import TensorType

Compared: TypeAlias = Callable[[str, int], None]

SYMBOLIC = [network for network in shown() if graph_of(network).symbols.keys() - {"N"}]


_MANY = 1 << 20
"""More than any bound on a size."""


def weightless(model: OnnxModel) -> OnnxModel:
    """The model with its weights as inputs: inference asks for their shapes only, and VGG has half a gigabyte of
    them."""
    inputs = [wire.value_info(weight.path, TensorType(weight.dtype, weight.shape)) for weight in model.weights]
    body = model.body + b"".join(wire.message(11, info) for info in inputs)
    return OnnxModel(model.head, body, [], model.seed, None, model.values)


def spatial(graph: Graph) -> list[str]:
    return [name for name in graph.symbols if name != "N"]


def random_sizes(graph: Graph, random: Random) -> Iterator[dict[str, int]]:
    """Sizes that meet the preconditions, small, large and odd."""
    names = spatial(graph)
    while True:
        sizes: dict[str, int] = {}
        while sizes.keys() != set(names):
            name, size = names[len(sizes)], random.randint(1, random.choice((40, 120, 700)))
            if alone(graph, name, size):
                sizes[name] = size
        if all(condition.holds({**sizes, "N": 1}) for condition in graph.conditions):
            yield sizes


def alone(graph: Graph, name: str, size: int) -> bool:
    """Whether a size meets the preconditions on it alone."""
    return all(condition.holds({name: size}) for condition in graph.conditions if condition.symbols == {name})


def assert_same_shapes(symbolic: Graph, pinned: Graph, sizes: Mapping[str, int]) -> None:
    assert [node.name for node in symbolic.nodes] == [node.name for node in pinned.nodes]
    for open_node, node in zip(symbolic.nodes, pinned.nodes, strict=True):
        for open_value, value in zip(open_node.outputs, node.outputs, strict=True):
            assert shape_at(open_value.type, sizes) == shape_at(value.type, sizes), f"{node.name} at {sizes}"


def test_resnet50_at_fifty_sizes(compared: Compared) -> None:
    symbolic = graph_of("resnet:ResNet50")
    assert symbolic.conditions == ()
    random = Random(50)
    odd = 0
    for _ in range(50):
        sizes = {"H": random.randint(1, 600), "W": random.randint(1, 600)}
        odd += sizes["H"] % 2 or sizes["W"] % 2
        assert_same_shapes(symbolic, graph_of("resnet:ResNet50", sizes=sizes), {**sizes, "N": 3})
    assert odd > 20
    compared("shapes of ResNet50's nodes at 50 sizes", 50 * len(symbolic.nodes))


@pytest.mark.parametrize("network", SYMBOLIC)
def test_symbolic_shapes_are_those_of_numbers(network: str) -> None:
    symbolic = graph_of(network)
    sizes_of = random_sizes(symbolic, Random(network))
    for _ in range(4):
        sizes = next(sizes_of)
        assert_same_shapes(symbolic, graph_of(network, sizes=sizes), {**sizes, "N": 3})


@pytest.mark.parametrize("network", SYMBOLIC)
def test_preconditions_are_exact(network: str) -> None:
    """Sizes that break them do not elaborate, whatever the reason; those that meet them do (above)."""
    symbolic = graph_of(network)
    sizes = next(random_sizes(symbolic, Random(3)))
    for condition in symbolic.conditions:
        names = sorted(condition.symbols)
        below = [
            [size for size in (*range(sizes[name], 0, -1), _MANY) if len(names) == 1 or alone(symbolic, name, size)]
            for name in names
        ]
        tried = (dict(zip(names, chosen, strict=True)) for chosen in product(*below))
        broken = next(chosen for chosen in tried if not condition.holds({**sizes, "N": 1, **chosen}))
        with pytest.raises(DlspecError):
            graph_of(network, sizes={**sizes, **broken})


PRECONDITIONS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unet:UNetRecursive": ({}, ["H % 16 == 0", "W % 16 == 0"]),
    "unet:UNetRecursive3D": ({"depth": 2}, ["D % 4 == 0", "H % 4 == 0", "W % 4 == 0"]),
    "unet:UNet": ({}, ["H >= 16", "W >= 16"]),
    "unet:UNetOriginal": ({}, ["H >= 188", "W >= 188"]),
    "alexnet:AlexNet": ({}, ["H >= 63", "W >= 63"]),
    "inception_v3:InceptionV3": ({"aux": False}, ["H >= 75", "W >= 75"]),
    "mobilenet_v2:MobileNetV2": ({}, []),
}


@pytest.mark.parametrize("network", PRECONDITIONS)
def test_preconditions_read_so(network: str) -> None:
    settings, expected = PRECONDITIONS[network]
    assert [str(condition) for condition in graph_of(network, settings).conditions] == expected


@pytest.mark.parametrize("network", shown())
def test_onnx_infers_the_same_shapes(network: str, compared: Compared) -> None:
    symbols = graph_of(network).symbols
    graph = graph_of(network, sizes={name: size or 2 for name, size in symbols.items()})
    comparison = check_shapes(weightless(build(graph)))
    assert comparison.differences == []
    assert comparison.equal > 0.9 * (comparison.equal + comparison.unknown)
    compared("dimensions that ONNX infers", comparison.equal)


@pytest.mark.parametrize("network", shown())
def test_onnx_infers_the_same_shapes_of_open_sizes(network: str, compared: Compared) -> None:
    """Of sizes that it cannot compute ONNX knows nothing, so there is less to compare."""
    comparison = check_shapes(weightless(build(graph_of(network))))
    assert comparison.differences == []
    assert comparison.equal > 0
    compared("dimensions that ONNX infers of open sizes", comparison.equal)


@pytest.mark.parametrize(
    ("network", "sizes"),
    [
        ("resnet:ResNet18", {"N": 2, "H": 61, "W": 70}),
        ("googlenet:GoogLeNet", {"N": 1, "H": 95, "W": 64}),
        ("unet:UNet", {"N": 1, "H": 45, "W": 50}),
        ("unet:UNetRecursive", {"N": 1, "H": 32, "W": 48}),
        ("unet:UNetOriginal", {"N": 1, "H": 188, "W": 189}),
    ],
)
def test_every_value_has_its_shape_in_onnx_runtime(network: str, sizes: dict[str, int], compared: Compared) -> None:
    graph = graph_of(network)
    comparison = check_observed(build(graph), make_inputs(graph, sizes), sizes)
    assert comparison.differences == []
    assert comparison.equal >= 2 * (len(graph.inference_nodes()) - len(_without_a_node(graph)))
    compared("dimensions that ONNX Runtime computes", comparison.equal)


def _without_a_node(graph: Graph) -> list[str]:
    """What the ONNX model does not need a node for."""
    return [node.name for node in graph.nodes if node.op.identity_in_eval or type(node.op).__name__ == "Identity"]
