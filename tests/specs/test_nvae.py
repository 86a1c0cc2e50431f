"""What std.nvae is made of: that its flows see the past alone, and that its likelihood is one."""

from __future__ import annotations

from itertools import product
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
from catalogue import program
from torch import Tensor, nn

from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes
from dlspec.backends.runtime import run
from dlspec.backends.torch.live import to_module, to_training
from dlspec.backends.weights import draw
from dlspec.ir.graph import Graph
from dlspec.pipeline import elaborate, elaborate_training, open_source
from dlspec.source import Source

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


def net(block: str, inputs: str, body: str) -> Graph:
    text = f"from std.nvae import {block}\nnetwork Net({inputs}) -> y {{ {body} }}"
    return elaborate(open_source(Source("net.dlspec", text)), "Net")


def weights_of(graph: Graph) -> dict[str, Array]:
    return {path: draw(parameter, 3) for path, parameter in graph.parameters.items()}


@pytest.mark.parametrize("mirror", ["false", "true"])
def test_a_flow_sees_the_past_alone(mirror: str) -> None:
    """The determinant of its Jacobian is 1: the matrix is triangular in the order of pixels and channels, or backwards."""
    graph = net("Flow", "z: float[N, 2, 4, 4]", f"z -> Flow({mirror}, 12)")
    module = to_module(graph, weights_of(graph)).eval()

    def in_order(pixels: Tensor) -> Tensor:
        z = pixels.reshape(1, 4, 4, 2).permute(0, 3, 1, 2)
        return module(z).permute(0, 2, 3, 1).flatten()

    jacobian = torch.autograd.functional.jacobian(in_order, torch.randn(32, generator=torch.manual_seed(0)))
    assert isinstance(jacobian, Tensor)
    pixels = jacobian.reshape(16, 2, 16, 2)
    matrix = (pixels.flip(0, 2) if mirror == "true" else pixels).reshape(32, 32)
    torch.testing.assert_close(matrix.diagonal(), torch.ones(32))
    assert matrix.triu(1).abs().max() == 0
    assert matrix.tril(-1).count_nonzero() > 200


def test_likelihood_of_all_images_is_one() -> None:
    """Of one pixel with eight steps of each colour."""
    graph = net(
        "LogisticMixture", "image: float[N, 3, 1, 1], p: float[N, 20, 1, 1]", "image -> LogisticMixture(p, steps=7)"
    )
    images = np.asarray(list(product(np.arange(8) / 7, repeat=3)), np.float32).reshape(512, 3, 1, 1)
    parameters = np.random.default_rng(0).standard_normal((1, 20, 1, 1)).astype(np.float32).repeat(512, 0)
    found = run(to_bytes(build(graph)), {"image": images, "p": parameters})["y"]
    assert found.shape == (512, 1, 1)
    assert np.exp(found.astype(np.float64)).sum() == pytest.approx(1, abs=1e-4)


def test_steepness_is_that_of_all_convolutions_and_norms() -> None:
    """By the singular values of what they multiply by, and by no power iteration: Vahdat and Kautz, section 3.2."""
    settings = {"width": 4, "groups": [2], "iterations": 60}
    model, _ = to_training(elaborate_training(program("nvae"), "TrainNVAE", settings))
    used: list[Tensor] = []
    conv2d = nn.functional.conv2d
    model.eval()

    def kept(x: Tensor, weight: Tensor, *rest: Any, **more: Any) -> Tensor:
        used.extend([weight.detach()] * (not isinstance(weight, nn.Parameter)))  # plain convolutions stay as they are
        return conv2d(x, weight, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.functional, "conv2d", kept)
        model.model(torch.rand(1, 3, 32, 32))
    assert len(used) == sum(path.endswith("log_weight_norm") for path, _ in model.named_parameters())
    expected = sum(float(torch.linalg.svdvals(weight.flatten(1))[0]) for weight in used)
    expected += sum(float(m.weight.abs().max()) for m in model.modules() if isinstance(m, nn.BatchNorm2d))
    found = model.measure(torch.rand(1, 3, 32, 32), torch.tensor(0))["steepness"]
    assert found.item() == pytest.approx(expected, rel=1e-3)
    assert found.item() <= expected * (1 + 1e-6)
