"""The blocks of std.reparametrised, against torch.nn.utils and against formulas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import spectral_norm, weight_norm

from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes
from dlspec.backends.runtime import make_inputs, run
from dlspec.backends.torch.live import to_module
from dlspec.ir.graph import Graph
from dlspec.pipeline import elaborate, open_source
from dlspec.source import Source

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

IMAGE, ROW = "float[N, 3, 8, 8]", "float[N, 12]"


def net(step: str, type: str = IMAGE) -> Graph:
    block = step.partition("(")[0]
    text = f"from std.reparametrised import {block}\nnetwork Net(x: {type}) -> y {{ x -> layer: {step} }}"
    return elaborate(open_source(Source("net.dlspec", text)), "Net")


def both(graph: Graph, weights: Mapping[str, Array], inputs: Mapping[str, Array]) -> list[Array]:
    """What ONNX Runtime and PyTorch give."""
    module = to_module(graph, weights).eval()
    with torch.no_grad():
        in_torch = module(*map(torch.from_numpy, inputs.values())).numpy()
    return [*run(to_bytes(build(graph, weights=weights)), inputs).values(), in_torch]


def conv() -> nn.Module:
    return nn.Conv2d(3, 5, 3, stride=2, padding=1)


LAYERS: dict[str, tuple[str, Callable[[], nn.Module]]] = {
    "WeightNormConv(5, 3, stride=2, padding=1)": (IMAGE, lambda: weight_norm(conv())),
    "WeightNormLinear(5)": (ROW, lambda: weight_norm(nn.Linear(12, 5))),
    "SpectralConv(5, 3, stride=2, padding=1, steps=200)": (
        IMAGE,
        lambda: spectral_norm(conv(), n_power_iterations=200),
    ),
    "SpectralLinear(5, steps=200)": (ROW, lambda: spectral_norm(nn.Linear(12, 5), n_power_iterations=200)),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated")
@pytest.mark.parametrize("step", LAYERS)
def test_equals_torch(step: str) -> None:
    type, make = LAYERS[step]
    graph = net(step, type)
    torch.manual_seed(0)
    layer = make().train()
    inputs = make_inputs(graph, {"N": 2})
    with torch.no_grad():
        expected = layer(*map(torch.from_numpy, inputs.values())).numpy()
    # Torch keeps the other vector as well, which follows from this one.
    state = {f"layer.{name}": tensor.numpy() for name, tensor in layer.state_dict().items()}
    weights = {path: state[path] for path in graph.parameters}
    assert state.keys() - weights.keys() <= {"layer.weight_v"}
    assert [path for path in state if path in weights] == list(weights)
    for found in both(graph, weights, inputs):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def pixel_norm(x: Tensor) -> Tensor:
    return x / (x.pow(2).mean(1, keepdim=True) + 1e-8).sqrt()


def minibatch_stddev(x: Tensor, group: int) -> Tensor:
    y = x.reshape(group, -1, *x.shape[1:])
    spread = (y - y.mean(0)).square().mean(0).add(1e-8).sqrt().mean((1, 2, 3), keepdim=True)
    return torch.cat([x, spread.repeat(group, 1, *x.shape[2:])], 1)


FORMULAS: dict[str, Callable[[Tensor], Tensor]] = {
    "PixelNorm": pixel_norm,
    "MinibatchStddev": lambda x: minibatch_stddev(x, len(x)),
    "MinibatchStddev(4)": lambda x: minibatch_stddev(x, 4),
}


@pytest.mark.parametrize("step", FORMULAS)
def test_equals_its_formula(step: str) -> None:
    graph = net(step)
    inputs = make_inputs(graph, {"N": 8})
    expected = FORMULAS[step](torch.from_numpy(inputs["x"])).numpy()
    for found in both(graph, {}, inputs):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("step", ["EqualConv(5, 3, padding=1)", "EqualConv(5, 1, gain=1)", "EqualLinear(5, rate=0.01)"])
def test_equalised_learning_rate(step: str) -> None:
    """The weight in use has the variance of its gain, and a slow layer's parameters are as much larger."""
    linear = step.startswith("EqualLinear")
    graph = net(step, ROW if linear else IMAGE)
    inputs = make_inputs(graph, {"N": 2})
    weights = {
        path: np.random.default_rng(0).standard_normal(p.shape, np.float32) for path, p in graph.parameters.items()
    }
    weight, bias = (torch.from_numpy(weights[f"layer.{name}"]) for name in ("weight_orig", "bias"))
    gain, rate = 1 if "gain" in step else sqrt(2), 0.01 if "rate" in step else 1
    scaled = weight * gain * rate / sqrt(weight[0].numel())
    x = torch.from_numpy(inputs["x"])
    padding = weight.shape[-1] // 2
    expected = (
        nn.functional.linear(x, scaled, bias * rate) if linear else nn.functional.conv2d(x, scaled, bias, 1, padding)
    )
    for found in both(graph, weights, inputs):
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-5)
    assert graph.parameters["layer.weight_orig"].init["std"] == pytest.approx(1 / rate)
