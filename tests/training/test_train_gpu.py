"""Training on a GPU. Without one these are skipped, and pytest says so."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from trains import Call, records

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

COMPILED: dict[str, tuple[dict[str, object], dict[str, tuple[int, ...]]]] = {
    "dcgan:TrainDCGAN": ({"features": 16}, {"real": (8, 3, 64, 64)}),
    "unet:Segment": ({"side": 32, "width": 8, "depth": 2}, {"image": (8, 3, 32, 32), "mask": (8, 32, 32)}),
    "ddpm:Denoise": ({"widths": [32, 64]}, {"image": (8, 3, 32, 32)}),
}
"""Trains with settings, and the data that they take."""
TOLERANCES = {"32-true": 1e-2, "bf16-mixed": 0.1}
"""By element type: convolutions in float32 may run in TF32."""


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_lenet_learns_digits(precision: str, call: Call) -> None:
    given = ["--data", "digits", "--accelerator", "cuda", "--precision", precision, "--out", "run"]
    assert call("train", "lenet.dlspec", *given)[0] == 0
    assert records("run")[-1]["held_out"]["named"]["accuracy"] > 0.97


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("train", COMPILED)
def test_compiled_steps_are_those_of_plain_pytorch(train: str, precision: str, call: Call) -> None:
    same_steps(call, train, precision, "cuda")


def same_steps(call: Call, train: str, precision: str, accelerator: str) -> None:
    """Two steps with `--compile` are those without in float32, as near as the element type allows."""
    settings, shapes = COMPILED[train]
    draw = np.random.default_rng(0)
    np.savez("data.npz", **{name: draw.random(shape, np.float32) for name, shape in shapes.items()})
    if "mask" in shapes:
        whole = dict(np.load("data.npz"))
        np.savez("data.npz", **{**whole, "mask": (whole["mask"] * 2).astype(np.int64)})
    given = ["train", f"std.{train}", "--data", "data.npz", "--val-fraction", "0", "--batch-size", "4", "--steps", "2"]
    given += ["--log-every", "1", "--accelerator", accelerator]
    given += [each for name, value in settings.items() for each in ("--set", f"{name}={value}")]
    for out, more in (("plain", ()), ("compiled", ("--compile", "--precision", precision))):
        status, _, told = call(*given, "--out", out, *more)
        assert status == 0, told
    for ours, theirs in zip(records("compiled"), records("plain"), strict=True):
        assert ours["objectives"] == pytest.approx(theirs["objectives"], rel=TOLERANCES[precision])


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
