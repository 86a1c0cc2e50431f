"""What RepVGG is for: the branches that are trained add up to one convolution, which computes the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import pytest
from catalogue import graph_of
from test_numerics import assert_equal_outputs, outputs_of, random_weight

from dlspec.backends.runtime import make_inputs

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
SIZES = {"N": 1, "H": 64, "W": 95}
EPS = 1e-5


def added_up(weights: Mapping[str, Array], block: str) -> dict[str, Array]:
    """The weights of a block that is deployed, of those that it was trained with."""
    kernel, bias = np.float64(0), np.float64(0)
    for branch in ("conv_kxk", "conv_1x1", "identity"):
        norm = f"{block}.{branch}" if branch == "identity" else f"{block}.{branch}.bn"
        if f"{norm}.weight" not in weights:
            continue
        weight, shift, mean, var = (
            weights[f"{norm}.{name}"].astype(np.float64) for name in ("weight", "bias", "running_mean", "running_var")
        )
        linear = (
            np.eye(len(weight))[..., None, None] if branch == "identity" else weights[f"{block}.{branch}.conv.weight"]
        )
        border = (3 - linear.shape[-1]) // 2
        scale = weight / np.sqrt(var + EPS)
        kernel = kernel + np.pad(linear, [(0, 0), (0, 0), *2 * [(border, border)]]) * scale[:, None, None, None]
        bias = bias + shift - mean * scale
    return {
        f"{block}.reparam_conv.weight": np.asarray(kernel, np.float32),
        f"{block}.reparam_conv.bias": np.asarray(bias, np.float32),
    }


@pytest.mark.parametrize(
    ("settings", "blocks"), [({}, 22), ({"depths": [1, 2, 3, 2], "a": 0.25, "b": 0.5}, 9)], ids=str
)
def test_deployed_computes_what_was_trained(settings: Mapping[str, Any], blocks: int) -> None:
    trained = graph_of("repvgg:RepVGG_A0", settings, SIZES)
    deployed = graph_of("repvgg:RepVGG_A0_Deployed", settings, SIZES)
    generator = np.random.default_rng(3)
    weights = {path: random_weight(each, generator, 0.7) for path, each in trained.parameters.items()}
    paths = {path.partition(".conv_kxk.")[0] for path in weights if ".conv_kxk." in path}
    merged = {path: weights[path] for path in deployed.parameters if path in weights}
    for path in paths:
        merged |= added_up(weights, path)
    assert len(paths) == blocks
    assert merged.keys() == deployed.parameters.keys()
    inputs = make_inputs(trained, {})
    (expected,), (found,) = outputs_of(trained, weights, inputs), outputs_of(deployed, merged, inputs)
    assert_equal_outputs(found, expected)
