"""`dlspec verify`: every shipped network in both lowerings, and what it must not overlook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from catalogue import graph_of, shown
from light import LIGHT
from snippets import SNIPPETS

from dlspec.backends import verify as subject
from dlspec.backends.verify import Report, Row, sample_sizes, verify
from dlspec.pipeline import elaborate, open_source
from dlspec.source import Source

MACS = 10**8
"""Larger samples than the least are left out above it, so that all networks take a minute."""


@pytest.mark.parametrize("network", shown())
def test_shipped_networks(network: str) -> None:
    report = verify(graph_of(network, LIGHT.get(network)), macs=MACS)
    assert report.faults == []
    assert report.compared > 0


def snippet(name: str) -> Any:
    program = open_source(Source("snippet.dlspec", SNIPPETS[name]))
    return elaborate(program, list(program.networks)[-1])


def written(expression: str) -> Any:
    program = open_source(Source("net.dlspec", f"network Net(x: float[N, 3]) -> y {{ {expression} }}"))
    return elaborate(program, "Net")


def with_outputs(monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any]) -> Report:
    """A report where PyTorch's outputs are changed before they are compared."""
    results = subject._results
    monkeypatch.setattr(subject, "_results", lambda result: [change(array) for array in results(result)])
    return verify(snippet("chain"))


def test_finds_a_small_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(array: Any) -> Any:
        array = array.copy()
        array.flat[0] += 1e-3 * np.abs(array).max()
        return array

    report = with_outputs(monkeypatch, change)
    assert any("differs" in fault for fault in report.faults)


def test_finds_another_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    report = with_outputs(monkeypatch, lambda array: array[:, :1])
    assert any("shape" in fault for fault in report.faults)


def test_finds_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(array: Any) -> Any:
        array = array.copy()
        array.flat[-1] = np.nan
        return array

    assert with_outputs(monkeypatch, change).faults


def test_finds_weights_that_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    to_module = subject.to_module

    def one_weight_off(graph: Any, weights: Any) -> Any:
        module = to_module(graph, weights)
        with torch.no_grad():
            next(module.parameters()).flatten()[0] += 0.01
        return module

    monkeypatch.setattr(subject, "to_module", one_weight_off)
    assert verify(snippet("chain")).faults


def test_comparing_nothing_is_a_fault() -> None:
    report = verify(written("log(-1 - abs(x))"))
    assert report.compared == 0
    assert report.faults == ["no value could be compared"]


@pytest.mark.parametrize(
    "draw", ["normal(x.shape)", "normal([3], 2, 0.5)", "uniform([3], -1, 1)", "bernoulli(abs(tanh(x)))"]
)
def test_draws_are_fixed(draw: str) -> None:
    report = verify(written(f"x * {draw}"))
    assert report.faults == []
    assert report.compared > 0


def test_counts_of_parameters_must_agree() -> None:
    row = Row("y", {}, False, (1,), 0.0, 0.0, 1.0, 1e-5, 1)
    assert Report("Net", (3, 3, 3), True, [row]).faults == []
    assert Report("Net", (3, 4, 3), True, [row]).faults
    assert Report("Net", (3, 3, 3), False, [row]).faults


def test_training_outputs_are_compared() -> None:
    report = verify(snippet("training_only"))
    assert {row.output for row in report.rows if row.training} == {"logits", "aux", "loss"}
    assert report.faults == []


def test_sizes_satisfy_the_preconditions() -> None:
    graph = graph_of("unet:UNetRecursive")
    samples = sample_sizes(graph)
    assert len(samples) == 3
    assert all(condition.holds(sizes) for sizes in samples for condition in graph.conditions)
    assert samples[1]["H"] != samples[1]["W"]
