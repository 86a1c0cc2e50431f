"""A run ends where an objective is NaN or infinite, before weights are, and says where that began."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from trains import TINY, Call, records

from dlspec.training.stepper import Stepper


def run(call: Call, body: str, objective: str, data: np.ndarray, steps: int = 5, *more: str) -> str:
    text = TINY.format(data="x: float[N, 3]", body=body).replace("mean((x -> f) ** 2)", objective)
    Path("tiny.dlspec").write_text(text)
    np.save("x.npy", data)
    given = ["--data", "x.npy", "--val-fraction", "0", "--log-every", "1", "--every", "1", "--steps", str(steps)]
    status, _, err = call("train", "tiny.dlspec", *given, *more, "--out", "run")
    assert status == 1
    assert "error[DL0720]" in err
    return err


ONES = np.ones((64, 3), np.float32)


def test_the_first_tensor_that_is_not_finite_is_shown(call: Call) -> None:
    body = "y = x -> f\n    root = log(-(y ** 2) - 1)\n    more = root + 1"
    err = run(call, body, "mean(more)", ONES)
    assert "the objective became NaN in step 1\n --> tiny.dlspec:8:14\n" in err
    assert "root = log(-(y ** 2) - 1)" in err
    assert "`root` was not finite first" in err
    assert "`more` was" not in err


def test_a_maximized_objective_is_shown_as_it_is_written(call: Call) -> None:
    body = "y = x -> f"
    text = TINY.format(data="x: float[N, 3]", body=body).replace(
        "minimize mean((x -> f) ** 2)", "maximize mean(exp(y ** 2 + 1000))"
    )
    Path("tiny.dlspec").write_text(text)
    np.save("x.npy", ONES)
    status, _, err = call("train", "tiny.dlspec", "--data", "x.npy", "--val-fraction", "0")
    assert status == 1
    assert "the objective became infinite in step 1" in err


def test_data_is_shown(call: Call) -> None:
    wrong = ONES.copy()
    wrong[17, 1] = np.nan
    assert "the data `x` is not finite in this batch" in run(call, "y = x -> f", "mean(y ** 2)", wrong)


def test_weights_that_grew_beyond_bounds(call: Call) -> None:
    err = run(call, "y = x -> f", "mean(sqrt(abs(y) * 0 + y - y))", ONES)  # the slope of a root at 0
    assert (
        "its weight `f.0.weight` was not finite before" in err or "its weight `f.weight` was not finite before" in err
    )
    assert "a smaller `lr`" in err


def test_what_was_there_before_remains(call: Call) -> None:
    run(call, "y = x -> f", "mean(exp(y * y * 3))", ONES * 8, steps=50)
    steps = [record["step"] for record in records("run")]
    assert steps == list(range(1, len(steps) + 1))
    assert Path("run/curves.png").exists() or not steps
    assert not Path("run/model.safetensors").exists()


@pytest.mark.parametrize("steps", [1])
def test_the_last_checkpoint_is_finite(steps: int, call: Call) -> None:
    run(call, "y = x -> f", "mean((y * 1e6) ** 4)", ONES, steps=50)
    import torch

    for path in Path("run/checkpoints").glob("*.pt"):
        state = torch.load(path, weights_only=True)["trainer"]["model"]
        assert all(torch.isfinite(tensor).all() for tensor in state.values())


GROWING = ("y = x -> f", "mean((y * 3) ** 4)", np.ones((1024, 3), np.float32), 50, "--batch-size", "16")


@pytest.mark.parametrize("more", [("--log-every", "1000"), ("--log-every", "1000", "--every", "1000")])
def test_the_step_is_named_though_it_was_found_later(more: tuple[str, ...], call: Call) -> None:
    """From the last checkpoint, or from the beginning where there is none yet."""
    found = run(call, *GROWING)
    first = len(records("run")) + 1
    assert 2 < first < 40
    assert f"in step {first}\n" in found
    shutil.rmtree("run")
    assert run(call, *GROWING, *more) == found
    assert records("run") == []


def test_a_run_that_goes_on_finds_the_same(call: Call) -> None:
    found = run(call, *GROWING)
    last = len(records("run"))
    Path(f"run/checkpoints/{last}.pt").unlink()
    given = ["--data", "x.npy", "--steps", "40", "--log-every", "1000", "--every", "1000", "--out", "run"]
    status, out, err = call("train", "tiny.dlspec", *given, "--resume")
    assert (status, err) == (1, found)
    assert f"the steps from {last} on are taken again" in out


def test_an_operator_that_refuses_what_is_not_finite(call: Call) -> None:
    """It fails a step after the objective, with the weights that this left."""
    body = "y = x -> f\n    root = cholesky(matmul(transpose(y, 0, 1), y))"
    drawn = np.random.default_rng(0).standard_normal((1024, 3)).astype(np.float32)
    late = "--log-every", "1000", "--every", "1000"
    found = run(call, body, "mean((y * 3) ** 4) + 0 * mean(root)", drawn, *GROWING[3:], *late)
    assert "its weight" not in found


def test_what_cannot_be_taken_again_says_between_which_steps(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stepper, "_look", lambda self, update, objective: None)
    err = run(call, *GROWING, "--log-every", "8", "--every", "1000")
    assert "the objective became NaN or infinite in one of the steps 1 to 8" in err
    assert "`--log-every 1`" in err
