"""What a run keeps, where it stops and in which parts it takes its batches."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from trains import Call, everything, records

FIT = ("train", "mlp.dlspec", "--data", "digits", "--batch-size", "300")  # 5 steps an epoch


def test_the_last_checkpoints_remain_and_the_best(call: Call) -> None:
    status, out, err = call(*FIT, "--epochs", "4", "--keep", "3", "--best", "loss", "--out", "run")
    assert (status, err) == (0, "")
    assert {path.name for path in Path("run/checkpoints").iterdir()} == {"10.pt", "15.pt", "20.pt", "best.pt"}
    losses = {r["step"]: r["held_out"]["named"]["loss"] for r in records("run") if "held_out" in r}
    best = torch.load("run/checkpoints/best.pt", weights_only=True)
    assert best["trainer"]["steps"] == min(losses, key=lambda step: losses[step])
    assert f"best: loss {min(losses.values()):.4g}, in run/checkpoints/best.pt" in out


def test_a_run_without_progress_ends_and_a_broken_one_at_the_same_step(call: Call) -> None:
    worse = (*FIT, "--epochs", "9", "--best", "max:loss", "--patience", "2")
    assert "2 epochs without a better one end it" in call(*worse, "--out", "a")[1]
    assert records("a")[-1]["step"] == 15
    call(*worse[:-6], "--epochs", "2", "--out", "b")
    call(*worse, "--out", "b", "--resume")
    assert records("b")[-1] == records("a")[-1]
    assert "is the end already" in call(*worse, "--out", "b", "--resume")[1]


@pytest.mark.parametrize("parts", ["3", "5"])
def test_parts_of_a_batch_make_the_steps_of_the_whole(parts: str, call: Call) -> None:
    """Not bitwise: the examples are summed in another order."""
    for name, more in (("whole", ()), ("parts", ("--accumulate", parts))):
        assert call(*FIT, "--steps", "6", "--log-every", "1", *more, "--out", name)[0] == 0
    whole, made = (load_file(f"{name}/model.safetensors") for name in ("whole", "parts"))
    for path in whole:
        np.testing.assert_allclose(made[path], whole[path], rtol=0, atol=1e-6)
    for one, other in zip(records("whole"), records("parts"), strict=True):
        assert one["objectives"]["f"] == pytest.approx(other["objectives"]["f"], abs=1e-6)
        assert one["named"]["loss"] == pytest.approx(other["named"]["loss"], abs=1e-6)


def test_parts_go_on_and_are_those_of_the_run(call: Call) -> None:
    gan = ("train", "gan.dlspec", "--data", "digits", "--every", "2")
    assert call(*gan, "--steps", "4", "--accumulate", "2", "--out", "a")[0] == 0
    call(*gan, "--steps", "2", "--accumulate", "2", "--out", "b")
    assert call(*gan, "--steps", "4", "--resume", "--out", "b")[0] == 0
    first, second = (load_file(f"{name}/model.safetensors") for name in "ab")
    assert all(np.array_equal(first[path], second[path]) for path in first)
    assert "had --accumulate 2" in call(*gan, "--steps", "5", "--resume", "--accumulate", "4", "--out", "b")[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--best", "los"), "has no number `los`"),
        (("--best", "up:loss"), "`up` says no side"),
        (("--patience", "2"), "--patience is for --best"),
        (("--accumulate", "7"), "cannot be taken in 7 parts"),
    ],
)
def test_refused(arguments: tuple[str, ...], message: str, call: Call) -> None:
    status, out, err = call(*FIT, *arguments, "--out", "run")
    assert (status, out) == (2, "")
    assert message in err
    assert not Path("run").exists()


def test_a_checkpoint_is_looked_at_on_other_data(call: Call) -> None:
    assert call(*FIT, "--steps", "5", "--best", "loss", "--out", "run")[0] == 0
    before = everything(Path("run"))
    held_out = records("run")[-1]["held_out"]["objectives"]["f"]
    status, out, err = call(*FIT[:4], "--eval", "--out", "run")
    assert (status, err) == (0, "")
    found = re.fullmatch(r"step 5, over 1,797 of 1,797 examples: f ([\d.]+).*\nlabel: .*\n", out)
    assert found
    assert float(found[1]) == pytest.approx(held_out, rel=0.2)
    np.savez("few.npz", image=np.zeros((7, 64), np.float32), label=np.arange(7))
    few = call("train", "mlp.dlspec", "--data", "few.npz", "--eval", "run/checkpoints/best.pt")[1]
    assert few.startswith("step 5, over 7 of 7 examples: f ")
    assert everything(Path("run")) == before
    assert "no checkpoint" in call(*FIT[:4], "--eval", "--out", "none")[2]
    assert "one of them" in call(*FIT[:4], "--eval", "--resume", "--out", "run")[2]


def test_a_number_that_is_no_objective_needs_a_side(call: Call) -> None:
    call_of = ("train", "lenet.dlspec", "--data", "digits", "--steps", "1", "--out", "run")
    assert "max:accuracy" in call(*call_of, "--best", "accuracy")[2]
    assert call(*call_of, "--best", "max:accuracy")[0] == 0
