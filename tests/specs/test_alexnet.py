"""std.alexnet begins as its paper has it (section 5): biases of 1 behind what ReLU would else leave dead, the others 0."""

from __future__ import annotations

import numpy as np
import pytest
from catalogue import graph_of

from dlspec.backends.weights import draw


def test_weights_of_the_two_streams_begin_as_in_the_paper() -> None:
    weights = graph_of("alexnet:AlexNetTwoStreams", {"hidden": 64}).parameters
    arrays = {path: draw(each, 0) for path, each in weights.items()}
    ones = {
        path.removesuffix(".bias") for path, array in arrays.items() if path.endswith(".bias") and (array == 1).all()
    }
    zeros = {path.removesuffix(".bias") for path, array in arrays.items() if path.endswith(".bias") and not array.any()}
    assert ones == {"conv2", "conv4", "conv5", "fc6", "fc7"}
    assert zeros == {"conv1", "conv3", "fc8"}
    for layer in ones | zeros:
        array = arrays[f"{layer}.weight"]
        assert np.std(array) == pytest.approx(0.01, rel=0.05)
        assert abs(np.mean(array)) < 3e-4
