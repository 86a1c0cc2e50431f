"""Calls copied from torch.nn, with the sizes of the input in front: refused, and said how to write them."""

from __future__ import annotations

import pytest
from tests.elaborate.specs import codes_in, found_in, net

from dlspec.ir.op import Op
from dlspec.ops import LAYERS

OF_TORCH = {name: op for name, (op, _) in LAYERS.items() if op.left_out}
X = "x: float[N, 16, 8, 8]"
CALLS = [
    ("BatchNorm2d(16)", "`BatchNorm2d`;"),
    ("BatchNorm2d(16, 1e-3)", "`BatchNorm2d(eps=1e-3)`;"),
    ("InstanceNorm2d(16)", "`InstanceNorm2d`;"),
    ("GroupNorm(4, 16)", "`GroupNorm(4)`; with names `GroupNorm(4, eps=16)`"),
    ("ConvTranspose2d(16, 8, 2)", "`ConvTranspose2d(8, 2)`;"),
    ("ConvTranspose2d(16, 8, kernel_size=2)", "`ConvTranspose2d(8, kernel_size=2)`"),
    ("Conv2d(16, 64, 7, bias=false)", "`Conv2d(64, 7, bias=false)`;"),
    ("Conv(16, 3, 2, 1)", "with names `Conv(16, 3, stride=2, padding=1)`"),
    ("Linear(16, 8)", "`Linear(8)`"),
    ("Linear(16, 8, true)", "`Linear(8, bias=true)`"),
    ("Linear(in_features=16, out_features=8)", "leave it out: Linear(out_features, "),
    ("Conv(in_channels=16, out_channels=8, kernel_size=1)", "leave it out: Conv(out_channels, "),
]


@pytest.mark.parametrize(("call", "hint"), CALLS, ids=[call for call, _ in CALLS])
def test_the_size_of_the_input_is_left_out(call: str, hint: str) -> None:
    (found,) = found_in(net(f"x -> {call}", X))
    assert found.code in ("DL0303", "DL0306")
    assert hint in found.hint


@pytest.mark.parametrize(("name", "op"), OF_TORCH.items(), ids=OF_TORCH)
def test_a_call_of_torch_is_refused_for_every_operator(name: str, op: type[Op]) -> None:
    arguments = ["4"] * sum(field.required for field in op.fields)
    assert codes_in(net(f"x -> {name}({', '.join([*arguments, '4'])})", X)) == ["DL0306"]
    for position in dict(op.left_out).values():
        arguments.insert(position, "16")
    (found,) = found_in(net(f"x -> {name}({', '.join(arguments)})", X))
    assert (found.code, "the size of the input is left out" in found.hint) == ("DL0306", True)
    for name_left_out in dict(op.left_out):
        assert codes_in(net(f"x -> {name}({name_left_out}=16)", X))[0] == "DL0303"


def test_what_the_operator_needs_is_given_by_position() -> None:
    assert (
        codes_in(net("x -> Conv(8, 3) -> BatchNorm(eps=1e-3) -> GroupNorm(4) -> LayerNorm(6, 1e-6) -> Linear(2)", X))
        == []
    )
