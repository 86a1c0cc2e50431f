"""What harmonic filters are for: turning the image turns the magnitudes, and nothing else; of the network, nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from catalogue import graph_of
from test_numerics import outputs_of, random_weight

from dlspec.backends.weights import draw
from dlspec.pipeline import elaborate, open_source
from dlspec.source import Source

TEXT = """from std.hnet import HarmonicConv, HarmonicReLU, Magnitude
network Net(image: float[N, 1, 28, 28]) -> magnitude {
    image -> HarmonicConv(4, orders=1, parts=1) -> HarmonicReLU -> HarmonicConv(3) -> Magnitude(1e-12) -> Flatten(1, 3)
}"""


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_magnitudes_turn_with_the_image(quarters: int) -> None:
    """But for what the 101 samples on a ring, which do not turn into themselves, leave."""
    graph = elaborate(open_source(Source("net.dlspec", TEXT)), "Net", None, {"N": 1})
    weights = {path: draw(parameter, 2) for path, parameter in graph.parameters.items()}
    image = np.random.default_rng(1).standard_normal((1, 1, 28, 28)).astype(np.float32)

    def magnitudes(image: np.ndarray) -> np.ndarray:
        (found,) = outputs_of(graph, weights, {"image": image.copy()})
        return found

    before, after = magnitudes(image), magnitudes(np.rot90(image, quarters, (2, 3)))
    size = before.std()
    assert before.shape == (1, 6, 28, 28)
    assert np.abs(np.rot90(before, quarters, (2, 3)) - after).max() < 0.01 * size
    # A mirror image is no turn.
    assert np.abs(magnitudes(image[..., ::-1])[..., ::-1] - before).max() > 0.1 * size


def moved(sizes: dict[str, int], change: Callable[[np.ndarray], np.ndarray], **settings: bool) -> float:
    """By how much of their size the logits move where the image is changed."""
    graph = graph_of("hnet:HNet", settings, {"N": 2, **sizes})
    generator = np.random.default_rng(1)
    weights = {
        path: draw(parameter, 2) if len(parameter.shape) > 1 else random_weight(parameter, generator)
        for path, parameter in graph.parameters.items()
    }
    image = generator.standard_normal((2, 1, sizes["H"], sizes["W"])).astype(np.float32)
    (before,) = outputs_of(graph, weights, {"image": image})
    (after,) = outputs_of(graph, weights, {"image": np.ascontiguousarray(change(image))})
    return float(np.abs(after - before).max() / before.std())


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("size", [28, 20])
def test_the_network_is_invariant(size: int, quarters: int) -> None:
    assert moved({"H": size, "W": size}, lambda image: np.rot90(image, quarters, (2, 3))) < 1e-4


def test_a_wide_image_may_be_turned() -> None:
    assert moved({"H": 20, "W": 28}, lambda image: np.rot90(image, 2, (2, 3))) < 1e-4


def test_the_published_network_is_not_invariant() -> None:
    square = {"H": 28, "W": 28}
    assert moved(square, lambda image: np.rot90(image, 1, (2, 3)), invariant=False) > 1e-2
    # A mirror image is no turn.
    assert moved(square, lambda image: image[..., ::-1]) > 1e-2
