"""Training on a GPU. Without one these are skipped, and pytest says so."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from trains import Call, records

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_lenet_learns_digits(precision: str, call: Call) -> None:
    given = ["--data", "digits", "--accelerator", "cuda", "--precision", precision, "--out", "run"]
    assert call("train", "lenet.dlspec", *given)[0] == 0
    assert records("run")[-1]["held_out"]["named"]["accuracy"] > 0.97


def test_takes_the_steps_of_the_cpu(call: Call) -> None:
    given = ["train", "mlp.dlspec", "--data", "digits", "--steps", "20", "--log-every", "1"]
    for place in ("cpu", "cuda"):
        call(*given, "--accelerator", place, "--out", place)
    for ours, theirs in zip(records("cuda"), records("cpu"), strict=True):
        assert ours["objectives"] == pytest.approx(theirs["objectives"], rel=1e-3)


def test_goes_on_exactly(call: Call) -> None:
    given = ["train", "gan.dlspec", "--data", "digits", "--accelerator", "cuda", "--log-every", "1"]
    call(*given, "--steps", "10", "--out", "whole")
    call(*given, "--steps", "5", "--out", "parts")
    call(*given, "--steps", "10", "--out", "parts", "--resume")
    assert [r["objectives"] for r in records("parts")] == [r["objectives"] for r in records("whole")]
    one, other = (load_file(f"{name}/model.safetensors") for name in ("parts", "whole"))
    assert all(np.array_equal(one[path], other[path]) for path in one)
