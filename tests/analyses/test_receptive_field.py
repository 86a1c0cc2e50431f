"""Receptive fields, against published ones and against what a NaN in the input touches in PyTorch."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
import torch
from graphs import graph_of, node, shipped

from dlspec.analyses.receptive_field import Axis, receptive_fields
from dlspec.backends.torch.live import to_module
from dlspec.ir.graph import Graph


def fields(graph: Graph, name: str) -> tuple[Axis, ...]:
    return receptive_fields(graph, graph.default_sizes())[node(graph, name).outputs[0]]


@pytest.mark.parametrize(
    ("spec", "network", "name", "size", "jump"),
    [
        ("alexnet", "AlexNet", "features.12", 195, 32),
        ("vgg", "VGG16", "features.30", 212, 32),
        # With the stride at the 3x3 convolution, as torchvision has it, not at the 1x1 before.
        ("resnet", "ResNet50", "layer4.2.conv3", 427, 32),
    ],
)
def test_published_sizes(spec: str, network: str, name: str, size: int, jump: int) -> None:
    """AlexNet and VGG-16 as in table 1 of Araujo et al.; ResNet-50 by hand with their formula."""
    for axis in fields(shipped(spec, network), name):
        assert (axis.size, axis.jump) == (size, jump)


def test_start_is_minus_the_padding() -> None:
    graph = graph_of(
        "network A(x: float[N, 3, 32, 32]) -> y { x -> a: Conv(8, 5, padding=2) -> b: Conv(8, 3, stride=2) }"
    )
    assert [(axis.size, axis.jump, axis.start) for axis in fields(graph, "b")] == [(7, 2, -2), (7, 2, -2)]


def test_size_is_open() -> None:
    graph = graph_of("network A(x: float[N, 3, L]) -> y { x -> a: Conv(8, 3) -> b: GlobalAvgPool -> c: Conv(8, 1) }")
    (a,) = fields(graph, "a")
    (c,) = fields(graph, "c")
    assert (a.size, a.whole, str(a.seen)) == (3, False, "3")
    assert (c.size, c.whole, str(c.seen)) == (None, True, "L")


def test_padding_that_follows_from_the_size_moves_the_start_alone() -> None:
    text = """network A(x: float[N, 3, {sizes}]) -> y {{
        y = x -> a: Conv(8, 7, stride=2, padding="same") -> b: MaxPool(3, 2, padding="same") -> c: Conv(8, 3)
    }}"""
    open_ones = fields(graph_of(text.format(sizes="H, W")), "c")
    assert [(axis.size, axis.jump, axis.start, axis.whole) for axis in open_ones] == [(19, 4, None, False)] * 2
    even, odd = fields(graph_of(text.format(sizes="224, 223")), "c")
    assert [(axis.size, axis.jump, axis.start) for axis in (even, odd)] == [(19, 4, -2), (19, 4, -3)]


def test_upsampling_moves_by_less_than_an_element() -> None:
    text = "network A(x: float[N, 3, 32]) -> y { x -> a: ConvTranspose(8, 4, stride=2) -> b: Conv(8, 3) }"
    (axis,) = fields(graph_of(text), "b")
    assert (axis.size, axis.jump) == (3, Fraction(1, 2))


@pytest.mark.parametrize(
    ("spec", "network", "sizes"),
    [
        ("resnet", "ResNet18", {"H": 97, "W": 64}),
        ("googlenet", "GoogLeNet", {"H": 64, "W": 96}),
        ("unet", "UNet", {"H": 32, "W": 64}),
        ("unet", "UNetBilinear", {"H": 48, "W": 48}),
        ("mobilenet_v2", "MobileNetV2", {"H": 65, "W": 64}),
        ("densenet", "DenseNet121", {"H": 64, "W": 64}),
    ],
)
def test_nothing_else_is_seen(spec: str, network: str, sizes: dict[str, int], compared: Any) -> None:
    """For every layer with a module of its own: which columns of the image touch which columns of its output."""
    graph = shipped(spec, network, sizes)
    known = receptive_fields(graph, graph.default_sizes())
    batch, (height, width) = sizes["W"], (sizes["H"], sizes["W"])
    image = torch.rand(batch, graph.inputs[0].type.shape[1], height, width)
    image[torch.arange(batch), :, :, torch.arange(batch)] = torch.nan
    module = to_module(graph, None, 0).eval()
    made: dict[str, torch.Tensor] = {}
    for name, child in module.named_modules():
        if not list(child.children()):
            child.register_forward_hook(lambda _m, _i, out, name=name: made.setdefault(name, out))
    with torch.no_grad():
        module(image)
    exact = checked = 0
    for one in graph.nodes:
        out = made.get(one.name)
        if out is None or out.ndim != 4 or list(out.shape[1:2]) != list(one.outputs[0].type.shape[1:2]):
            continue
        touched = out.isnan().any(dim=1).any(dim=1)  # [column of the image, column of the output]
        axis = known[one.outputs[0]][1]
        if axis.whole:
            continue
        assert axis.size is not None
        seen = [int(touched[:, column].sum()) for column in range(touched.shape[1])]
        assert max(seen) <= min(axis.size, width)
        if axis.size <= width // 2:  # else it may reach over an edge wherever it is
            checked += 1
            exact += max(seen) == axis.size
        first = touched[:, 0].nonzero()
        assert axis.start is not None
        assert int(first.min()) == max(axis.start, 0)
    assert exact == checked
    compared("layers with what touches them", checked)
