"""An ensemble is the mean of what its networks hold for likely."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from catalogue import graph_of
from test_numerics import outputs_of, random_weight

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


def test_an_ensemble_is_the_mean_of_its_networks() -> None:
    ensemble, alone = graph_of("lenet:LeNet5Ensemble", {"size": 3}), graph_of("lenet:LeNet5")
    generator = np.random.default_rng(0)
    weights = {path: random_weight(each, generator) for path, each in ensemble.parameters.items()}
    image = generator.standard_normal((4, 1, 32, 32)).astype(np.float32)
    likely: list[Array] = []
    for i in range(3):
        own = {path: weights[f"models.{i}.{path}"] for path in alone.parameters}
        (logits,) = outputs_of(alone, own, {"image": image})
        likely.append(np.exp(logits) / np.exp(logits).sum(1, keepdims=True))
    (found,) = outputs_of(ensemble, weights, {"image": image})
    assert len(weights) == 3 * len(alone.parameters)
    assert np.abs(likely[0] - likely[1]).max() > 0.01
    np.testing.assert_allclose(found, np.mean(likely, 0), rtol=1e-5, atol=1e-6)
