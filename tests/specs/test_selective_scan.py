"""Mamba all at once, and token by token."""

from __future__ import annotations

import json
from typing import Any

import fill
import numpy as np
from catalogue import TRUTH, graph_of
from numpy.testing import assert_allclose
from test_numerics import assert_fingerprint, filled_weights

from dlspec.analyses.cost import cost
from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes
from dlspec.backends.runtime import Session

RECORD = json.loads((TRUTH / "hf_mamba_tiny_states.json").read_text(encoding="utf-8"))
FIGURES = json.loads((TRUTH / "figures.json").read_text(encoding="utf-8"))["hf_mamba_tiny_states"]
TOTAL = 14


def session(network: str) -> Session:
    graph = graph_of(f"selective_scan:{network}")
    weights = filled_weights(graph, [row[0] for row in RECORD["state"]])
    assert weights.keys() == graph.parameters.keys()
    return Session(to_bytes(build(graph, weights=weights), threads=1))


def in_order(found: dict[str, Any]) -> list[Any]:
    """The outputs as the record has them: the logits, then the two states of each layer."""
    layers = range(len(found["states"]))
    return [found["logits"], *(found[name][layer] for layer in layers for name in ("convolved", "states"))]


def test_what_the_layers_know_by_the_end_is_the_records() -> None:
    found = session("MambaTinyPrefill").run({"ids": fill.tokens((2, TOTAL), 211)})
    for output, expected in zip(in_order(found), RECORD["fingerprint"]["outputs"], strict=True):
        assert_fingerprint(output, expected)


def test_steps_go_on_as_the_prefill_would() -> None:
    """Two tokens, fewer than the convolution sees, then one by one and several at once."""
    ids: Any = fill.tokens((2, TOTAL), 211)
    step, prefill = session("MambaTinyStep"), session("MambaTinyPrefill")
    found = prefill.run({"ids": ids[:, :2]})
    logits = [found["logits"]]
    for begin, end in ((2, 3), (3, 4), (4, 5), (5, 10), (10, 13), (13, 14)):
        past = {"past_convolved": found["convolved"], "past_states": found["states"]}
        found = step.run({"ids": ids[:, begin:end], **past})
        logits.append(found["logits"])
    found = {**found, "logits": np.concatenate(logits, 1)}
    for output, expected in zip(in_order(found), RECORD["fingerprint"]["outputs"], strict=True):
        assert_fingerprint(output, expected)
    for output, other in zip(in_order(found), in_order(prefill.run({"ids": ids})), strict=True):
        assert_allclose(output, other, rtol=1e-4, atol=1e-5)


def test_it_counts_as_the_record() -> None:
    found = cost(graph_of("selective_scan:MambaTinyPrefill"), {"N": 2, "T": TOTAL}).total
    assert (found.params, found.macs) == (FIGURES["params"], FIGURES["macs"])
