"""What `Normalize` is for, and data that is beside what a network makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from trains import Call, training

from dlspec.diagnostics import DlspecError
from dlspec.training.apart import apart
from dlspec.training.opening import open_data
from dlspec.training.table import match

AUTOENCODER = """\
network Net(x: float[N, 4]) -> y {{ x -> Linear(4) -> {last} }}
train Fit {{
    data x: float[N, 4]{change}
    shared f = Net
    minimize mean(((x -> f) - x) ** 2) over f using SGD(lr=1e-2)
}}
"""


@pytest.mark.parametrize(
    ("last", "low", "high", "change", "found"),
    [
        ("Tanh", 0, 1, "", "makes numbers from -1 to 1, and `x` has 0 to 1: the half below 0 is none of them"),
        ("Tanh", 0, 255, "", "makes numbers from -1 to 1, and `x` has 0 to 255: it cannot make that"),
        ("Sigmoid", -1, 1, "", "makes numbers from 0 to 1, and `x` has -1 to 1: it cannot make that"),
        ("Tanh", 0, 1, " -> Normalize(0.5, 0.5)", ""),
        ("Tanh", -1, 1, "", ""),
        ("Sigmoid", 0, 1, "", ""),
        ("Linear(4)", 0, 255, "", ""),
        ("ReLU", 0, 255, "", ""),
    ],
)
def test_data_beside_what_a_network_makes(
    last: str, low: int, high: int, change: str, found: str, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", np.linspace(low, high, 400, dtype=np.float32).reshape(100, 4))
    made = training(AUTOENCODER.format(last=last, change=change), "Fit")
    messages = [one.message for one in apart(match(made, open_data([str(tmp_path / "x.npy")], {"x": 2}, None)))]
    assert len(messages) == bool(found)
    assert all(found in message for message in messages)


def test_a_run_says_it_and_goes_on(call: Call) -> None:
    Path("t.dlspec").write_text(AUTOENCODER.format(last="Tanh", change=""))
    np.save("x.npy", np.linspace(0, 1, 400, dtype=np.float32).reshape(100, 4))
    status, _, err = call("train", "t.dlspec", "--data", "x.npy", "--steps", "1", "--out", "run")
    assert status == 0
    assert "warning[DL0722]: `f` makes numbers from -1 to 1" in err
    assert "`data x: ... -> Normalize(0.5, 0.5)` makes -1 to 1 of 0 to 1" in err
    assert call("train", "t.dlspec", "--data", "x.npy", "--steps", "2", "--out", "run", "--resume")[2] == ""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("float[N, 3, 8, 8] -> Normalize([0.5, 0.5], 1)", "`Normalize` has 2 numbers for the 3 channels"),
        ("float[N, C, 8, 8] -> Normalize([0.5, 0.5], 1)", "`Normalize` has 2 numbers for the C channels"),
        ("float[N, 3, 8, 8] -> Normalize(0.5, 0)", "`std` is positive, and 0 is not"),
        ("float[N, 3, 8, 8] -> Normalize(0.5)", "std"),
        ("int[N, 8] -> Normalize(0.5, 0.5)", "`Normalize` changes numbers, float[N, ...], and this is int[N, 8]"),
        ("float[N] -> Normalize(0.5, 0.5)", "`Normalize` changes numbers, float[N, ...], and this is float[N]"),
        ("float[N, 8] -> Normalize(0.5, 0.5) -> RandomHorizontalFlip", "augmentations change images"),
        ("float[N, 1, 8, 8] -> RandomLighting", "`RandomLighting` has 3 numbers for the 1 channels"),
        ("float[N, 3, 8, 8] -> RandomLighting(eigvec=[[1, 0, 0], [0, 1], [0, 0, 1]])", "`eigvec` has a row for each"),
        ("float[N, 3, 8, 8] -> RandomLighting(eigval=0.2)", "of a number for each of 1 eigenvalues"),
        ("float[N, 3, 8, 8] -> RandomLighting(eigvec=1)", "`eigvec` has a row for each channel"),
    ],
)
def test_refused(data: str, message: str) -> None:
    body = "    param w: float[1] = 1.0\n    minimize mean(w) over w using SGD(lr=1.0)\n"
    text = f"train Fit {{\n    data x: {data}\n{body}}}\n"
    with pytest.raises(DlspecError) as error:
        training(text, "Fit")
    assert any(message in one.message for one in error.value.diagnostics)
