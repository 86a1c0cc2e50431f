"""CLIP reads a text up to the first token that ends it."""

from __future__ import annotations

import numpy as np
from catalogue import graph_of
from test_numerics import filled_weights, outputs_of

END = 99


def test_a_text_is_read_up_to_its_first_end() -> None:
    graph = graph_of("clip:CLIPTiny")
    weights = filled_weights(graph)
    image = np.zeros((1, 3, 32, 32), np.float32)
    ids = np.array([[5, 17, 4, END, 8, END, 31, 2], [5, 17, 4, END, 3, 60, END, 1], [5, 17, 5, END, 8, END, 31, 2]])
    _, (first, later, before), _ = outputs_of(graph, weights, {"ids": ids, "image": image})
    np.testing.assert_allclose(first, later, rtol=0, atol=1e-6)
    assert np.abs(first - before).max() > 1e-2
    np.testing.assert_allclose(np.linalg.norm(first), 1, rtol=1e-6)
