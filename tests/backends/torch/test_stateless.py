"""Blocks of a train without weights: one member for all that are made alike, and each where they are not."""

from __future__ import annotations

import re

import pytest

from dlspec.backends.torch import source
from dlspec.backends.verify import verify
from dlspec.objectives.training import Training
from dlspec.passes.objective import objectives
from dlspec.pipeline import elaborate_training, open_source
from dlspec.source import Source

TEXT = """
block Rows { x -> Flatten -> Dropout(0.0) }
block Power(steps) {
    rows = x -> Rows
    left = sum(rows, 1)
    scan turn in zeros([steps]) along 0 with left = left { left = normalize(matmul(rows, matmul(left, rows)), dim=0) }
    sum(left * sum(rows, 1))
}
block Ends(steps, width) {
    scan turn in zeros([steps]) along 0 with h = x { h = tanh(h + (h -> Linear(width))) }
    sum(h)
}
network Net(x: float[N, 3, 6, 6]) -> y {
    x -> Conv(4, 3) -> ReLU -> repeat 3 { Conv(4, 3, padding=1) -> ReLU } -> Flatten -> Linear(4)
}
train Fit {
    data x: float[N, 3, 6, 6]
    shared f = Net
    y = x -> f
    loss = mean(y ** 2)
BODY
    minimize loss over f using SGD(lr=0.1)
}
"""
BODIES = {
    "alone": ("loss = loss + (f.0.weight -> Power(2)) + (f.2.weight -> Power(2))", {"Power(2)": 1}),
    "other_arguments": (
        "loss = loss + (f.0.weight -> Power(2)) + (f.2.weight -> Power(3)) + (f.4.weight -> Power(2))",
        {"Power(2)": 1, "Power(3)": 1},
    ),
    "in_a_loop": (
        "for conv in layers(f, Conv) { loss = loss + (conv.weight -> Power(2)) }\nloss = loss + (f.2.weight -> Power(2))",
        {"Power(2)": 1},
    ),
    "in_a_comprehension": (
        "loss = loss + sum(stack([conv.weight -> Power(2) for conv in layers(f, Conv)]))", {"Power(2)": 1},
    ),
    "by_the_turn": (
        "for i, conv in enumerate(layers(f, Conv)) { loss = loss + (conv.weight -> Power(i + 1)) }",
        {"Power(1)": 1, "Power(2)": 1, "Power(3)": 1, "Power(4)": 1},
    ),
    "some_by_the_turn": (
        "for i, conv in enumerate(layers(f, Conv)) { loss = loss + (conv.weight -> Power(i // 2 + 2)) }\n"
        "loss = loss + (f.2.weight -> Power(4)) + (f.4.weight -> Power(4))",
        {"Power(2)": 2, "Power(3)": 2, "Power(4)": 1},
    ),
    "with_a_name": (
        "loss = loss + (f.0.weight -> Power(2)) + (f.2.weight -> power: Power(2)) + (f.4.weight -> Power(2))",
        {"Power(2)": 2},
    ),
    "with_weights": ("loss = loss + (y -> Ends(2, 4)) + (2 * y -> Ends(2, 4))", {"Ends(4, 2, 4)": 2}),
}  # fmt: skip


def training(body: str) -> Training:
    return elaborate_training(open_source(Source("net.dlspec", TEXT.replace("BODY", body))), "Fit")


@pytest.mark.parametrize("name", BODIES)
def test_what_is_made_alike_is_one_member(name: str) -> None:
    body, expected = BODIES[name]
    text = source(training(body))
    made = re.findall(r"^ +self\S* = ((?:Power|Ends)\(.*\))$", text, re.MULTILINE)
    assert {each: made.count(each) for each in made} == expected


@pytest.mark.parametrize("name", BODIES)
def test_both_lowerings_agree(name: str) -> None:
    report = verify(objectives(training(BODIES[name][0])))
    assert report.faults == []
    assert report.compared > 0
