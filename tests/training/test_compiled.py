"""Compiled networks and fused optimizers take the steps that others take."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from trains import Call, records

from dlspec.training.devices import Devices

FIT = ("train", "mlp.dlspec", "--data", "digits", "--log-every", "2", "--steps", "6")


def same(one: str, other: str) -> None:
    ours, theirs = (load_file(f"{name}/model.safetensors") for name in (one, other))
    assert ours.keys() == theirs.keys()
    assert all(np.allclose(ours[path], theirs[path], atol=1e-5) for path in ours)
    for record, its in zip(records(one), records(other), strict=True):
        assert record["objectives"] == pytest.approx(its["objectives"], abs=1e-5)
    assert records(one)[-1]["held_out"]["objectives"] == pytest.approx(records(other)[-1]["held_out"]["objectives"])


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ to compile with")
def test_compiled(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its steps are those of what is not compiled, and a look at inference compiles nothing."""
    monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")
    from torch._dynamo.utils import counters

    text = (
        Path("mlp.dlspec").read_text().replace("Linear(16) -> ReLU -> ", "")
    )  # one kernel, which takes g++ four seconds
    Path("mlp.dlspec").write_text(text)
    assert call(*FIT, "--out", "plain")[0] == 0
    counters.clear()
    assert call(*FIT, "--compile", "--out", "compiled")[0] == 0
    assert counters["stats"]["unique_graphs"] == 1
    same("plain", "compiled")


PENALTY = """\
network Net(x: float[N, 3]) -> y { x -> Linear(2) }
train Fit {
    data x: float[N, 3]
    shared f = Net
    minimize mean(grad(sum(x -> f), x) ** 2) over f using SGD(lr=1e-2)
}
"""

WRONG = [
    ("", "/nowhere/g++", (), "--compile needs a C++ compiler, and there is no `/nowhere/g++`"),
    (PENALTY, "", (), "takes derivatives by `grad`, which PyTorch cannot of what it compiled"),
    ("", "", ("--devices", "2", "--accelerator", "cpu", "--strategy", "fsdp"), "fsdp do not go together"),
]


@pytest.mark.parametrize(("text", "compiler", "more", "message"), WRONG, ids=["compiler", "grad", "fsdp"])
def test_what_is_not_compiled(
    text: str, compiler: str, more: tuple[str, ...], message: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text:
        Path("mlp.dlspec").write_text(text)
    if compiler:
        monkeypatch.setenv("CXX", compiler)
    status, out, err = call(*FIT, "--compile", *more, "--out", "run")
    assert (status, out) == (2, "")
    assert message in err
    assert not Path("run").exists()


def test_fused_optimizers(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are those of a GPU, which PyTorch has for the CPU too; a run goes on with and without them."""
    Path("mlp.dlspec").write_text(Path("mlp.dlspec").read_text().replace("SGD(lr=lr, momentum=0.9,", "Adam(lr=1e-3,"))
    fit = (*FIT[:-2], "--every", "2", "--steps")
    assert call(*fit, "6", "--out", "plain")[0] == 0
    monkeypatch.setattr(Devices, "fuses", True)
    assert call(*fit, "2", "--out", "run")[0] == 0
    assert torch.load("run/checkpoints/2.pt")["trainer"]["optimizers"]["f"]["param_groups"][0]["fused"] is True
    monkeypatch.setattr(Devices, "fuses", False)
    assert call(*fit, "4", "--resume", "--out", "run")[0] == 0
    assert torch.load("run/checkpoints/4.pt")["trainer"]["optimizers"]["f"]["param_groups"][0]["fused"] is None
    monkeypatch.setattr(Devices, "fuses", True)
    assert call(*fit, "6", "--resume", "--out", "run")[0] == 0
    same("plain", "run")
