"""Mixtral with places for so many tokens at each expert, beside the one that routes every token."""

from __future__ import annotations

from typing import Any

import numpy as np
from catalogue import graph_of
from numpy.testing import assert_allclose

from dlspec.analyses.cost import cost, idle_macs
from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes
from dlspec.backends.runtime import Session
from dlspec.backends.weights import draw

IDS = np.arange(12).reshape(2, 6) * 7 % 211
LAYERS, EXPERTS, WIDTH, HIDDEN = 2, 4, 64, 112


def logits(network: str, **settings: Any) -> Any:
    graph = graph_of(network, settings)
    weights = {path: draw(weight, 3) for path, weight in graph.parameters.items()}
    return Session(to_bytes(build(graph, weights=weights))).run({"ids": IDS})["logits"]


def test_where_every_token_finds_a_place_it_is_the_same() -> None:
    routed = logits("mixtral:MixtralTiny")
    assert_allclose(logits("mixtral:MixtralTinyCapacity", capacity=12), routed, rtol=1e-4, atol=1e-5)
    narrow = logits("mixtral:MixtralTinyCapacity", capacity=2)
    assert np.isfinite(narrow).all()
    assert not np.allclose(narrow, routed, rtol=1e-3, atol=1e-3)
    assert_allclose(narrow[0, 0], routed[0, 0], rtol=1e-4, atol=1e-5)  # the first token finds one everywhere


def test_places_are_what_is_counted() -> None:
    sizes = {"N": 1, "T": 6}
    few, many = (
        cost(graph_of("mixtral:MixtralTinyCapacity", {"capacity": places}), sizes).total.macs for places in (2, 12)
    )
    assert isinstance(few, int)
    assert isinstance(many, int)
    assert many - few == LAYERS * 10 * EXPERTS * 3 * WIDTH * HIDDEN


def test_what_all_experts_would_take_is_known() -> None:
    graph = graph_of("mixtral:MixtralTiny")
    assert idle_macs(graph, {"N": 1, "T": 6}) == LAYERS * 6 * (EXPERTS - 2) * 3 * WIDTH * HIDDEN
    assert idle_macs(graph_of("llama:LlamaTiny"), {"N": 1, "T": 6}) == 0
