"""Losses that are given something else than they expect."""

from __future__ import annotations

import pytest
from tests.elaborate.specs import graph_of

from dlspec.analyses.objectives_lint import loss_findings

SIGNATURE = "x: float[N, 8], y: int[N], t: float[N, 4], image: float[N, 4, 6, 6], map: int[N, 6, 6]"

WRONG = [
    ("cross_entropy(x -> Linear(4) -> Softmax(1), y)", "takes raw scores, and these are probabilities"),
    ("cross_entropy(log_softmax(x -> Linear(4), 1), y)", "takes raw scores, and these are log-probabilities"),
    ("cross_entropy(softmax(image, 1) -> Identity -> Permute([0, 1, 3, 2]), map)", "these are probabilities"),
    (
        "cross_entropy((x -> Linear(4) -> Unflatten(1, [2, 2]) -> Softmax(1) -> Flatten(1)), y)",
        "these are probabilities",
    ),
    ("nll(x -> Linear(4), y)", "takes log-probabilities, and these are raw scores"),
    ("nll(softmax(x -> Linear(4), 1), y)", "takes log-probabilities, and these are probabilities"),
    ("binary_cross_entropy(x -> Linear(4), t)", "takes probabilities, and these are raw scores"),
    ("binary_cross_entropy(x -> Linear(4) -> Tanh, t)", "takes probabilities, and these are numbers from -1 to 1"),
    ("binary_cross_entropy_with_logits(x -> Linear(4) -> Sigmoid, t)", "takes raw scores, and these are probabilities"),
    ("kl_div(x -> Linear(4) -> Softmax(1), t)", "takes log-probabilities, and these are probabilities"),
    ("binary_cross_entropy_with_logits((x -> net: Judge)[:, 0:4], t)", "these are probabilities"),
]

RIGHT = [
    "cross_entropy(x -> Linear(4), y)",
    "cross_entropy(x -> Linear(4) -> Tanh, y)",
    "cross_entropy(x, y)",
    "nll(x -> Linear(4) -> LogSoftmax(1), y)",
    "nll(log(softmax(x, 1)), y)",
    "binary_cross_entropy(x -> Linear(4) -> Sigmoid, t)",
    "binary_cross_entropy(t, t)",
    "binary_cross_entropy_with_logits(x -> Linear(4), t)",
    "kl_div(x -> Linear(4) -> LogSoftmax(1), t)",
    "mse(x -> Linear(4) -> Softmax(1), t)",
]


def _network(body: str) -> str:
    return f"block Judge {{ Linear(8) -> Sigmoid }}\nnetwork Net({SIGNATURE}) -> loss {{ {body} }}"


@pytest.mark.parametrize(("body", "message"), WRONG)
def test_wrong(body: str, message: str) -> None:
    (finding,) = loss_findings(graph_of(_network(body)))
    assert message in finding.message
    assert finding.hint
    assert finding.node.span.text == body


@pytest.mark.parametrize("body", RIGHT)
def test_right(body: str) -> None:
    assert list(loss_findings(graph_of(_network(body)))) == []


def test_what_makes_the_input_is_named() -> None:
    (finding,) = loss_findings(graph_of(_network("cross_entropy(x -> Linear(4) -> Softmax(1) -> Identity, y)")))
    assert finding.source.span.text == "Softmax(1)"
