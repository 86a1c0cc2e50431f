"""What harmonic filters are for: turning the image turns the magnitudes, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from test_numerics import outputs_of

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
