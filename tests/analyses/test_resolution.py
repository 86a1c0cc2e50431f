"""Strides of tensors: in whole steps, whatever the sizes are rounded to."""

from __future__ import annotations

from fractions import Fraction

import pytest

from dlspec.analyses.resolution import joined_levels, resolutions
from dlspec.pipeline import elaborate, open_source
from dlspec.source import Source

IMAGE = "image: float[N, 3, H = 64, W = 96]"


def names(body: str, inputs: str = IMAGE) -> list[str]:
    graph = elaborate(open_source(Source("a.dlspec", f"network A({inputs}) -> y {{ {body} }}")), "A")
    found = resolutions(graph)
    return [" x ".join(found.names[row]) for row in found.finest_first()]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("image -> Conv(8, 3) -> Conv(8, 5)", ["H x W"]),
        ("image -> Conv(8, 3, stride=2) -> MaxPool(2)", ["H x W", "H/2 x W/2", "H/4 x W/4"]),
        ("image -> Conv(8, 3, stride=[1, 3], padding=1)", ["H x W", "H x W/3"]),
        ("image -> ConvTranspose(8, 4, stride=2, padding=1) -> Upsample(scale_factor=2)", ["4H x 4W", "2H x 2W", "H x W"]),
        ("image -> Upsample(scale_factor=1.5)", ["3H/2 x 3W/2", "H x W"]),
        ("x = image -> MaxPool(3, stride=2, padding=1)\n image -> Crop(x)", ["H x W", "H/2 x W/2"]),
        ("y = image -> Conv(3, 7, stride=4)\n [image, y -> Resize(image)] -> Concat", ["H x W", "H/4 x W/4"]),
        ("image -> GlobalAvgPool -> Conv(8, 1) -> Flatten -> Linear(10)", ["H x W", "1 x 1"]),
        ("image -> AdaptiveAvgPool([8, 8])", ["H x W", "8 x 8"]),
        ("image -> PixelUnshuffle(4) -> PixelShuffle(2)", ["H x W", "H/2 x W/2", "H/4 x W/4"]),
        ('image -> Conv(8, 8, stride=8) -> Rearrange("n c h w -> n (h w) c") -> Linear(16)', ["H x W", "H/8 x W/8"]),
    ],
)  # fmt: skip
def test_the_levels_of_a_network(body: str, expected: list[str]) -> None:
    assert names(body) == expected


@pytest.mark.parametrize(
    ("inputs", "body", "expected"),
    [
        ("z: float[N, 16]", "z -> Linear(64) -> Unflatten(1, [4, 4, 4]) -> Upsample(scale_factor=2)", ["8 x 8", "4 x 4"]),
        ("s: float[N, 2, T = 100]", "s -> Conv(4, 9, stride=4)", ["T", "T/4"]),
        ("s: float[N, 2, T]", "s -> Conv(4, 9, stride=4)", ["T", "T/4"]),
        ("v: float[N, 1, D = 9, H = 33, W = 33]", "v -> Conv(4, 3, stride=[1, 2, 2])", ["D x H x W", "D x H/2 x W/2"]),
        ("a: float[N, 8, H = 26, W = 26], b: float[N, 8, P = 13, Q = 13]", "(b -> Resize(a)) + a", ["H x W", "P x Q"]),
        ("x: float[N, 8]", "x -> Linear(4)", []),
    ],
)  # fmt: skip
def test_of_other_inputs(inputs: str, body: str, expected: list[str]) -> None:
    assert names(body, inputs) == expected


@pytest.mark.parametrize(
    ("body", "levels"),
    [
        ("a = image -> Conv(8, 3, padding=1)\n [a, a -> MaxPool(2) -> Upsample(scale_factor=2)] -> Concat", 1),
        ("image -> Conv(8, 1) -> Add { Identity | Conv(8, 3, padding=1) }", 0),
        ("a = image -> Conv(8, 1)\n a * (a -> GlobalAvgPool -> Conv(8, 1) -> Sigmoid)", 0),
        ("image -> MaxPool(2) -> Upsample(scale_factor=2) -> Add { Identity | Conv(3, 3, padding=1) }", 0),
        ("image -> MaxPool(2) -> Upsample(scale_factor=2) -> Add { Identity | Identity }", 0),
    ],
)
def test_what_joins_levels(body: str, levels: int) -> None:
    graph = elaborate(open_source(Source("a.dlspec", f"network A({IMAGE}) -> y {{ {body} }}")), "A")
    assert len(joined_levels(graph, resolutions(graph))) == levels


def test_a_tensor_without_space_is_where_it_is_used() -> None:
    text = "g = t -> Linear(8) -> Unflatten(1, [8, 1, 1])\n (image -> Conv(8, 2, stride=2)) * g"
    graph = elaborate(open_source(Source("a.dlspec", f"network A({IMAGE}, t: float[N, 4]) -> y {{ {text} }}")), "A")
    found = resolutions(graph)
    image, t = graph.inputs
    assert found.strides[image] == (Fraction(1), Fraction(1))
    assert found.names[found.strides[t]] == ("1", "1")
    assert t not in found.space
