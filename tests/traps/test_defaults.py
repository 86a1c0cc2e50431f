"""A `default` that reaches nothing is said."""

from __future__ import annotations

import pytest
from tests.elaborate.specs import found_in

NORM = "block Norm { BatchNorm -> ReLU }\n"
NET = "network A(x: float[N, 3, 8, 8]) -> y {{\n {}\n}}\n"
CASES = {
    "into another block": (
        NORM + NET.format("default BatchNorm(eps=1e-3)\n x -> Conv(4, 3) -> Norm"),
        ["put it before all"],
    ),
    "behind its layer": (NET.format("h = x -> BatchNorm\n default BatchNorm(eps=1e-3)\n h"), ["put it before all"]),
    "of another name": (NET.format("default BatchNorm(eps=1e-3)\n x -> BatchNorm2d"), ["`default BatchNorm2d(...)`"]),
    "behind all": (f"{NORM}{NET.format('x -> Norm')}default BatchNorm(eps=1e-3)\n", ["put it before all"]),
    "of what is not there": (NET.format("default BatchNorm(eps=1e-3)\n x -> Conv(4, 3)"), ["take it out"]),
    "of a block": ("block Wide(w) { Conv(w, 1) }\n" + NET.format("default Wide(w=4)\n x -> ReLU"), ["take it out"]),
    "before another": (
        NET.format("default Conv(bias=false)\n default Conv(stride=2)\n x -> ReLU"),
        ["take it out"] * 2,
    ),
    "in braces": (NET.format("x -> {\n default Conv(bias=false)\n ReLU\n } -> Conv(4, 3)"), ["put it before all"]),
    "in its body": (NET.format("default Conv(bias=false)\n x -> repeat 2 { Conv(3, 1) }"), []),
    "in a string": (NET.format('default Conv(bias=false)\n x -> "a": Conv(3, 1)'), []),
    "in its file": (f"default BatchNorm(eps=1e-3)\n{NORM}{NET.format('x -> Norm')}", []),
    "to a default of a parameter": (
        "default Conv(bias=false)\nblock B(f = Conv(4, 3)) { f }\n" + NET.format("x -> B"),
        [],
    ),
    "silenced": (NET.format("default Conv(bias=false)  # dlspec: ignore[DL0805]\n x -> ReLU"), []),
}


@pytest.mark.parametrize(("text", "hints"), CASES.values(), ids=CASES)
def test_a_default_reaches_something(text: str, hints: list[str]) -> None:
    found = found_in(text)
    assert [each.code for each in found] == ["DL0805"] * len(hints)
    assert all(hint in each.hint for hint, each in zip(hints, found, strict=True))
