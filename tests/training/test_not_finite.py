"""A run ends where an objective is NaN or infinite, before weights are, and says where that began."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from trains import TINY, Call, records


def run(call: Call, body: str, objective: str, data: np.ndarray, steps: int = 5) -> str:
    text = TINY.format(data="x: float[N, 3]", body=body).replace("mean((x -> f) ** 2)", objective)
    Path("tiny.dlspec").write_text(text)
    np.save("x.npy", data)
    given = ["--data", "x.npy", "--val-fraction", "0", "--log-every", "1", "--every", "1", "--steps", str(steps)]
    status, _, err = call("train", "tiny.dlspec", *given, "--out", "run")
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
