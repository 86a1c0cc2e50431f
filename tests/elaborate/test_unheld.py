"""Numbers and sizes that no element type holds and no machine counts: each is one error where it is written."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from dlspec.pipeline import check_source
from dlspec.source import Source


class Row(NamedTuple):
    line: str
    code: str
    message: str


ROWS = [
    Row("10 ** 400 / 3", "DL0305", "too large"),
    Row("10 ** 400 * 1.5", "DL0305", "too large"),
    Row("10 ** 1300", "DL0305", "too large"),
    Row("10 ** 1000 * 10 ** 1000", "DL0305", "too large"),
    Row("1e300 * 1e300", "DL0305", "too large"),
    Row("sum([1e308, 1e308])", "DL0305", "too large"),
    Row("prod([10 ** 900, 10 ** 900])", "DL0305", "too large"),
    Row("inf - inf", "DL0305", "no value"),
    Row('float("nan")', "DL0305", "no value"),
    Row("N * 10 ** 1000 * 10 ** 1000", "DL0305", "too large"),
    Row("x * (10 ** 400)", "DL0305", "100000000000... (401 digits) beside a tensor of float32"),
    Row("x > 10 ** 20", "DL0305", "an int is less than 2 ** 63"),
    Row("x * 1e300", "DL0209", "1e+300 is larger than float32 holds, which is up to 3.4028e+38"),
    Row("x * 1e-320", "DL0209", "becomes 0 in float32"),
    Row('cast(x, "float16") * 1e-10', "DL0209", "1e-10 becomes 0 in float16"),
    Row('cast(x, "float16") + 1e-7', "DL0209", "1e-07 becomes 1.19e-07 in float16"),
    Row(
        'where(x > 0, cast(x, "float16"), -1e9)', "DL0209", "-1e+09 is larger than float16 holds, which is up to 65504"
    ),
    Row('cast(x, "float16") -> LeakyReLU(1e-9)', "DL0209", "`negative_slope` of LeakyReLU: 1e-09 becomes 0 in float16"),
    Row('cast(x, "bfloat16") * 1e39', "DL0209", "larger than bfloat16 holds"),
    Row('cast(x, "int32") + 2 ** 31', "DL0209", "is outside of int32"),
    Row('full([2, 2], 2 ** 31, "int32")', "DL0209", "is outside of int32"),
    Row("full([2, 2], 1e39)", "DL0209", "`value` of `full`: 1e+39 is larger than float32"),
    Row("x -> Softplus(inf)", "DL0208", "`beta` of Softplus must be finite"),
    Row("x -> Hardtanh(1, 1)", "DL0208", "not less than"),
    Row("clamp(x, min=inf)", "DL0208", "everything infinite"),
    Row("x -> Conv(8, 3, weight_init=normal(0, 10 ** 400))", "DL0305", "takes a number"),
    Row("x -> Conv(8, 3, weight_init=normal(0, 1e39))", "DL0209", "of `weight` of Conv: 1e+39 is larger than float32"),
    Row("x -> Conv(8, 3, weight_init=normal(0, -1))", "DL0605", "std of 0 or more"),
    Row("x -> Conv(8, 3, weight_init=[1, 2])", "DL0605", "has the shape [2], and the weight [8, 3, 3, 3]"),
    Row('x -> Conv(8, 3, weight_init=kaiming_normal(mode="in"))', "DL0605", 'not "in"'),
    Row("x -> Pad(10 ** 30)", "DL0305", "`padding` takes an int of less than 2 ** 63"),
    Row("x -> Conv(8, 3, stride=2 ** 31)", "DL0208", "must be less than 2 ** 31"),
    Row("x -> Upsample(scale_factor=1e300)", "DL0208", "makes no size of any size"),
    Row("zeros([2 ** 40, 2 ** 40])", "DL0407", "bytes or more"),
    Row("x -> Pad(2 ** 62)", "DL0407", "sizes are less than 2 ** 63"),
    Row("x[2 ** 70]", "DL0305", "less than 2 ** 63"),
    Row("x[:, 0:2 ** 70]", "DL0305", "less than 2 ** 63"),
]


@pytest.mark.parametrize("row", ROWS, ids=[row.line for row in ROWS])
def test_a_number_is_refused_where_it_is_written(row: Row) -> None:
    (found,) = check_source(net(f"y = {row.line}\n x")).errors
    assert found.code == row.code
    assert row.message in found.message
    assert found.span.text in row.line


HELD = [
    "10 ** 400 // 10 ** 390",
    "x * 3.4e38",
    "x * 1e-44",
    'cast(x, "float16") + 1e-5',
    'cast(x, "float16") * 65504',
    'cast(x, "bfloat16") * 1e-10',
    'cast(x, "float16") -> InstanceNorm(eps=1e-12)',
    'where(x > 0, cast(x, "float16"), -inf)',
    'cast(x, "int32") + (2 ** 31 - 1)',
    "clamp(x, min=0, max=inf)",
    "x -> Conv(8, 3, weight_init=normal(0, 1e38))",
]


@pytest.mark.parametrize("line", HELD)
def test_numbers_just_inside_are_taken(line: str) -> None:
    assert [found.code for found in check_source(net(f"y = {line}\n x")).errors] == []


@pytest.mark.parametrize(
    ("type", "code"),
    [
        ("float[N, 2 ** 63]", "DL0407"),
        ("float[N, 2 ** 61]", "DL0407"),
        ("float[N, H = 2 ** 63]", "DL0305"),
        ("int[N, 10 ** 400]", "DL0407"),
    ],
)
def test_sizes_of_inputs(type: str, code: str) -> None:
    (found,) = check_source(Source("net.dlspec", f"network Net(x: {type}) -> y {{ x -> ReLU }}")).errors
    assert found.code == code


def net(body: str) -> Source:
    return Source("net.dlspec", f"network Net(x: float[N, 3, H = 32, W = 32]) -> out {{\n {body}\n}}\n")
