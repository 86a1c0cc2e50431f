"""The sizes that an operator explains are those that it infers."""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil, floor

import pytest
from harness import Case, infer, tables

from dlspec.ir.dims import symbol
from dlspec.ir.types import TensorType
from dlspec.ops.combine import Concat
from dlspec.ops.conv import Conv, ConvFunction, ConvTranspose, ConvTransposeFunction
from dlspec.ops.pooling import AvgPool, LPPool, MaxPool

EXPLAINED = (Conv, ConvFunction, ConvTranspose, ConvTransposeFunction, MaxPool, AvgPool, LPPool, Concat)
CASES: list[tuple[str, Case]] = tables("CASES")


@pytest.mark.parametrize("row", [row for _, row in CASES], ids=[name for name, _ in CASES])
def test_computation_gives_the_size(row: Case) -> None:
    outputs, _ = infer(row.op, row.types)
    lines = row.op.formula(row.types, outputs)
    assert lines or not isinstance(row.op, EXPLAINED)
    for line in lines:
        axes, text, result = _parts(line)
        for axis in axes:
            assert str(outputs[0].shape[axis]) == result
        # Every number stands alone: as a fraction, so that a division is exact.
        exact = re.sub(r"(?<![\w*.])(\d+)(?![\w.])", r"Fraction(\1)", text)
        assert eval(exact, {"ceil": ceil, "floor": floor, "Fraction": Fraction}) == int(result)


@pytest.mark.parametrize("row", [row for _, row in CASES], ids=[name for name, _ in CASES])
def test_symbols_stand_where_sizes_are_open(row: Case) -> None:
    outputs, _ = infer(row.op, row.symbolic_types)
    for line in row.op.formula(row.symbolic_types, outputs):
        axes, _, result = _parts(line)
        assert {str(outputs[0].shape[axis]) for axis in axes} == {result}


def test_reads_like_torch_nn() -> None:
    x = TensorType(CASES[0][1].types[0].dtype, (1, 3, 224, 224))
    conv = Conv(64, 7, stride=2, padding=3)
    assert conv.formula((x,), infer(conv, (x,))[0]) == ("axes 2, 3: floor((224 + 2*3 - 1*(7-1) - 1)/2) + 1 = 112",)


def test_same_with_a_stride_covers_the_size() -> None:
    x = TensorType(CASES[0][1].types[0].dtype, (1, 3, 225, symbol("W")))
    conv = Conv(64, 7, stride=2, padding="same")
    assert conv.formula((x,), infer(conv, (x,))[0]) == (
        "axis 2: ceil(225/2) = 113",
        "axis 3: ceil(W/2) = (W - 1) // 2 + 1",
    )


def _parts(line: str) -> tuple[list[int], str, str]:
    found = re.fullmatch(r"ax[ie]s ([\d, ]+): (.*) = (.*)", line)
    assert found, line
    return [int(axis) for axis in found[1].split(", ")], found[2], found[3]
