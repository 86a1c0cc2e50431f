"""Weights that a run begins with: of all networks or of one, whole or in part, and what is told where they do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.datasets import load_digits
from trains import Call

DISTIL = """\
network Net(x: float[N, 64], width) -> y { x -> Linear(width) -> ReLU -> Linear(10) }
train Distil(width = 8) {
    data image: float[N, 64]
    shared teacher = freeze(Net(12))
    shared student = Net(width)
    shared slow = moving_average(student, decay=0.5)
    seen = mean((image -> student) - (image -> slow))
    minimize mse(image -> student, image -> teacher) over student using SGD(lr=0.0)
}
"""
RUN = ("train", "distil.dlspec", "--data", "digits", "--steps", "1")


@pytest.fixture
def files(call: Call) -> None:
    Path("distil.dlspec").write_text(DISTIL)
    for name, width, seed in (("wide", 12, "5"), ("thin", 8, "6")):
        network = "distil.dlspec:Net", "--set", f"width={width}"
        assert call("weights", "init", *network, "--seed", seed, "-o", f"{name}.safetensors")[0] == 0


def same(one: str, other: str) -> bool:
    first, second = load_file(one), load_file(other)
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.usefixtures("files")
def test_networks_begin_with_their_files(call: Call) -> None:
    status, out, err = call(
        *RUN, "--weights", "teacher=wide.safetensors", "--weights", "student=thin.safetensors", "--out", "a"
    )
    assert (status, err) == (0, "")
    assert "weights of `teacher`: 4 of 4 from wide.safetensors\n" in out
    for name, file in (("teacher", "wide"), ("student", "thin"), ("slow", "thin")):  # the rate is 0
        assert same(f"a/networks/{name}.safetensors", f"{file}.safetensors")
    assert call(*RUN, "--weights", "a/model.safetensors", "--out", "b")[0] == 0
    assert same("b/model.safetensors", "a/model.safetensors")
    assert call(*RUN, "--weights", "teacher=a/model.safetensors", "--out", "c")[0] == 0  # its part of a whole train
    assert same("c/networks/teacher.safetensors", "wide.safetensors")
    assert not same("c/networks/student.safetensors", "thin.safetensors")


@pytest.mark.usefixtures("files")
def test_a_part_of_the_names_is_taken_and_the_rest_is_told(call: Call) -> None:
    wide = load_file("wide.safetensors")
    save_file({"0.bias": wide["0.bias"], "2.bias": wide["2.bias"], "more": wide["0.bias"]}, "part.safetensors")
    status, out, _ = call(*RUN, "--weights", "student=part.safetensors", "--partial", "--out", "a")
    assert status == 0
    assert (
        "weights of `student`: 1 of 4 from part.safetensors; of another shape: student.0.bias [12], not [8]; "
        "not in the file: student.0.weight, student.2.weight; not used: student.more\n"
    ) in out
    made = load_file("a/networks/student.safetensors")
    assert np.array_equal(made["2.bias"], wide["2.bias"])
    drawn = call(*RUN, "--out", "b")
    assert "warning[DL0721]: `teacher` is frozen" in drawn[2]
    assert np.array_equal(made["0.weight"], load_file("b/networks/student.safetensors")["0.weight"])


WRONG = [
    (["student=wide.safetensors"], "has not the weights of `student`: of another shape: student.0.weight [12, 64]"),
    (["wide.safetensors"], "is of one network, and `Distil` has teacher, student"),
    (["techer=wide.safetensors"], "has no network `techer`"),
    (["slow=thin.safetensors"], "`slow` is a moving average, and begins as `student`"),
    (["teacher=none.safetensors"], "none.safetensors"),
    (["teacher=distil.dlspec"], "distil.dlspec"),
    (["teacher=wide.safetensors", "--resume"], "--weights begins a run, and --resume goes on"),
    (["teacher=wide.safetensors", "--strip-prefix", "2."], "has not the weights of `teacher`: not in the file"),
]


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(("given", "message"), WRONG, ids=[" ".join(given) for given, _ in WRONG])
def test_weights_that_do_not_fit(given: list[str], message: str, call: Call) -> None:
    status, out, err = call(*RUN, "--weights", *given)
    assert (bool(status), out, "Traceback" in err) == (True, "", False)
    assert message in err
    assert not Path("runs").exists()


@pytest.mark.usefixtures("files")
def test_a_part_needs_weights(call: Call) -> None:
    assert "--partial is for the files of --weights" in call(*RUN, "--partial")[2]


TUNED = """\
network Digits(image: float[N, 1, 8, 8], classes = 10) -> logits {
    image -> backbone: {
        Conv(16, 3, padding=1) -> BatchNorm -> ReLU -> Conv(32, 3, padding=1) -> BatchNorm -> ReLU
        -> MaxPool(2) -> Flatten -> Linear(64) -> BatchNorm -> ReLU
    } -> head: Linear(classes)
}
train Classify(classes = 10, rate = 2e-3) {
    data image: float[N, 1, 8, 8]
    data label: int[N]
    shared f = Digits(classes)
    logits = image -> f
    accuracy = mean(cast(argmax(logits, dim=1) == label, "float"))
    minimize cross_entropy(logits, label) over f using Adam(lr=rate)
}
train FineTune(rate = 2e-3) {
    data image: float[N, 1, 8, 8]
    data label: int[N]
    shared f = Digits
    freeze(f.backbone.0, f.backbone.1)
    logits = image -> f
    accuracy = mean(cast(argmax(logits, dim=1) == label, "float"))
    minimize cross_entropy(logits, label) over f, f.head(lr=10 * rate) using Adam(lr=rate)
}
"""


def test_fine_tuning_reaches_in_one_epoch_what_training_from_scratch_does_in_ten(call: Call) -> None:
    """Two labelled images of each digit, and weights of many zeros to sevens: 4 steps against 40."""
    Path("digits.dlspec").write_text(TUNED, encoding="utf-8")
    digits: Any = load_digits()
    image, label = (digits.images[:, None] / 16).astype(np.float32), digits.target
    order = np.random.default_rng(0).permutation(len(label))
    test, pool, others = order[:500], order[500:800], order[800:]
    few = np.concatenate([pool[label[pool] == digit][:2] for digit in range(10)])
    for name, rows in {"many": others[label[others] < 8], "few": few, "test": test}.items():
        np.savez(f"{name}.npz", image=image[rows], label=label[rows])

    def accuracy(train: str, rate: str, epochs: int, *more: str) -> float:
        out = f"{train}{epochs}"
        run = "train", f"digits.dlspec:{train}", "--set", f"rate={rate}"
        few = "--data", "few.npz", "--batch-size", "5", "--val-fraction", "0", "--epochs", str(epochs)
        assert call(*run, *few, "--out", out, *more)[0] == 0
        status, said, err = call(*run, "--data", "test.npz", "--eval", f"{out}/checkpoints/{4 * epochs}.pt")
        assert status == 0, err
        return float(said.rpartition("accuracy ")[2].split()[0].rstrip(","))

    many = "--data", "many.npz", "--set", "classes=8", "--batch-size", "32", "--epochs", "4", "--val-fraction", "0"
    assert call("train", "digits.dlspec:Classify", *many, "--out", "first")[0] == 0
    tuned = accuracy("FineTune", "2e-3", 1, "--weights", "f=first/networks/f.safetensors", "--partial")
    scratch = accuracy("Classify", "8e-3", 10)  # the best of several rates
    assert tuned >= scratch
    assert tuned > 0.75
