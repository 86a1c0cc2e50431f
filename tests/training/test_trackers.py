"""What `--log` writes for TensorBoard and for Weights & Biases is what `metrics.jsonl` and `samples` have."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from trains import Call, records

GAN = ("train", "gan.dlspec", "--data", "digits", "--log-every", "3", "--every", "6")
FIT = ("train", "mlp.dlspec", "--data", "digits", "--steps", "7", "--log-every", "3", "--out", "run")


def events(folder: Path) -> Any:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    made = accumulator.EventAccumulator(str(folder))
    made.Reload()
    return made


def test_events(call: Call) -> None:
    pytest.importorskip("tensorboard")
    assert call(*FIT, "--log", "tensorboard", "--probe")[0] == 0
    made = events(Path("run/tensorboard"))
    lines = records("run")
    probed = {f"{kind}/{layer}" for kind, layers in lines[0]["probe"].items() for layer in layers}
    assert set(made.Tags()["scalars"]) == {"training/loss", "held out/loss", "rate/f"} | probed
    assert "gradients/f.0" in probed
    seen = [(event.step, event.value) for event in made.Scalars("training/loss")]
    assert seen == [(line["step"], pytest.approx(line["objectives"]["f"])) for line in lines]
    assert made.Scalars("rate/f")[0].value == pytest.approx(0.1)
    assert made.Scalars("held out/loss")[-1].value == pytest.approx(lines[-1]["held_out"]["objectives"]["f"])


def test_a_run_that_goes_on_and_its_images(call: Call) -> None:
    """Nothing is shown twice of the steps after the checkpoint that it goes on from."""
    pytest.importorskip("tensorboard")
    for more in (("--steps", "9"), ("--steps", "12", "--resume", "run/checkpoints/6.pt")):
        assert call(*GAN, "--log", "tensorboard", *more, "--out", "run")[0] == 0
    made = events(Path("run/tensorboard"))
    assert [event.step for event in made.Scalars("training/judge")] == [3, 6, 9, 12]
    assert set(made.Tags()["images"]) == {"samples/fake", "samples/shown"}


def test_weights_and_biases(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its library is asked for what its documentation says, without an account."""
    asked: list[Any] = []
    run = SimpleNamespace(log=lambda numbers, step: asked.append((step, numbers)), finish=lambda: asked.append("end"))

    def init(**given: Any) -> Any:
        asked.append(given)
        return run

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init, Image=lambda pixels: pixels.shape))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    assert call(*FIT, "--log", "wandb")[0] == 0
    assert asked[0] == {"project": "Fit", "name": "run", "dir": "run", "mode": "offline"}
    assert [step for step, _ in asked[1:-1]] == [3, 6, 7]
    assert asked[1][1]["training/loss"] == records("run")[0]["objectives"]["f"]
    assert asked[-1] == "end"


def test_weights_and_biases_itself(call: Call, tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    assert call(*FIT, "--log", "wandb")[0] == 0
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*"))


@pytest.mark.parametrize(
    ("name", "hint"), [("tensorboard", "pip install 'dlspec[log]'"), ("wandb", "pip install wandb")]
)
def test_not_installed(name: str, hint: str, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    status, out, err = call(*FIT, "--log", name)
    assert (status, out) == (2, "")
    assert f"--log {name} needs {name}" in err
    assert hint in err
    assert not Path("run").exists()
