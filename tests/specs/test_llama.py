"""Llama with and without a cache of keys and values, and the frequencies of Llama 3.1."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import pi
from typing import Any

import fill
import numpy as np
from catalogue import SPECS, TRUTH, graph_of, program
from numpy.testing import assert_allclose
from test_numerics import assert_fingerprint, filled_weights
from tests.fuzz.timing import timed

from dlspec.analyses.cost import cost
from dlspec.analyses.report import totals
from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes
from dlspec.backends.runtime import Session
from dlspec.ir.dims import Dim
from dlspec.pipeline import elaborate, open_program

RECORD = json.loads((TRUTH / "hf_llama_tiny_kv_cache.json").read_text(encoding="utf-8"))
FIGURES = json.loads((TRUTH / "figures.json").read_text(encoding="utf-8"))["hf_llama_tiny_kv_cache"]
PROMPT, TOTAL = 10, 13


def session(network: str) -> Session:
    graph = graph_of(network)
    weights = filled_weights(graph, [row[0] for row in RECORD["state"]])
    assert weights.keys() == graph.parameters.keys()
    return Session(to_bytes(build(graph, weights=weights), threads=1))


def test_steps_go_on_as_the_prefill_would() -> None:
    """Ten tokens and three steps of one: the logits, keys and values of the record, which are those of all at once."""
    ids: Any = fill.tokens((2, TOTAL), 211)
    step, prefill = session("llama:LlamaTinyStep"), session("llama:LlamaTinyPrefill")
    found = prefill.run({"ids": ids[:, :PROMPT]})
    logits = [found["logits"]]
    for position in range(PROMPT, TOTAL):
        cache = {"past_keys": found["keys"], "past_values": found["values"]}
        found = step.run({"ids": ids[:, position : position + 1], **cache})
        logits.append(found["logits"])
    outputs = [np.concatenate(logits, 1)]
    outputs += [found[name][layer] for layer in range(2) for name in ("keys", "values")]
    for output, expected in zip(outputs, RECORD["fingerprint"]["outputs"], strict=True):
        assert_fingerprint(output, expected)
    whole = prefill.run({"ids": ids})
    for ours, theirs in zip(whole.values(), (outputs[0], found["keys"], found["values"]), strict=True):
        assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert_allclose(session("llama:LlamaTiny").run({"ids": ids})["logits"], whole["logits"], rtol=1e-5, atol=1e-6)


def test_macs_of_a_prefill_and_steps_are_the_records() -> None:
    sizes = [{"N": 2, "T": PROMPT}, *({"N": 2, "P": position} for position in range(PROMPT, TOTAL))]
    names = ["LlamaTinyPrefill", *["LlamaTinyStep"] * (TOTAL - PROMPT)]
    macs = [cost(graph_of(f"llama:{name}"), each).total.macs for name, each in zip(names, sizes, strict=True)]
    assert sum(int(str(each)) for each in macs) == FIGURES["macs"]


def test_eight_billion_parameters_are_counted_in_a_moment() -> None:
    def counted() -> Mapping[str, Dim]:
        graph = elaborate(open_program(SPECS / "llama.dlspec"), "Llama3_8B")
        return totals(graph, graph.default_sizes())

    counts, seconds = timed(counted, 0.3)
    assert counts["params"] == 8_030_261_248
    assert seconds < 0.3


def test_a_step_has_the_weights_of_the_whole() -> None:
    """The whole is compared with the record by name."""
    shapes = [
        {path: weight.shape for path, weight in graph_of(f"llama:{name}").parameters.items()}
        for name in ("Llama3_8B", "Llama3_8BPrefill", "Llama3_8BStep", "Llama3_1_8B")
    ]
    assert all(each == shapes[0] for each in shapes)


def test_frequencies_of_llama_3_1_are_the_published_ones() -> None:
    """By the three cases that its configuration names: factor 8, low_freq_factor 1, high_freq_factor 4, of 8192 tokens."""

    def scaled(frequency: float) -> float:
        length = 2 * pi / frequency
        if length < 8192 / 4:
            return frequency
        if length > 8192 / 1:
            return frequency / 8
        smooth = (8192 / length - 1) / (4 - 1)
        return (1 - smooth) * frequency / 8 + smooth * frequency

    (table,) = [node for node in graph_of("llama:Llama3_1_8B").nodes if type(node.op).__name__ == "RotaryTable"]
    op: Any = table.op
    assert_allclose(op.frequencies, [scaled(500000.0 ** (-2 * i / 128)) for i in range(64)], rtol=1e-12)
    assert {scaled(f) / f for f in op.frequencies} != {1.0}
    assert program("llama").networks
