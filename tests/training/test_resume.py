"""A run that was interrupted goes on as if it had not been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from sklearn.datasets import load_digits
from trains import MLP, Call, records

GAN_RUN = ["train", "gan.dlspec", "--data", "digits", "--epochs", "5", "--log-every", "1", "--batch-size", "128"]


def same_weights(one: str, other: str) -> bool:
    first, second = load_file(f"{one}/model.safetensors"), load_file(f"{other}/model.safetensors")
    return first.keys() == second.keys() and all(np.array_equal(first[path], second[path]) for path in first)


@pytest.mark.skipif(os.name == "nt", reason="sends SIGKILL")
def test_killed_in_the_middle_and_resumed(call: Call, tmp_path: Path) -> None:
    given = [*GAN_RUN, "--epochs", "20"]  # a second of steps, in which it is killed
    assert call(*given, "--out", "whole")[0] == 0
    run = [*given, "--out", "run", "--every", "4", "--workers", "2"]  # who prepares batches is no part of a run
    child = subprocess.Popen(
        [sys.executable, "-m", "dlspec", *run], stdout=subprocess.DEVNULL, cwd=tmp_path, env=dict(os.environ)
    )
    metrics, deadline = Path("run/metrics.jsonl"), time.monotonic() + 600
    while child.poll() is None and (not metrics.exists() or metrics.read_bytes().count(b"\n") < 10):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not Path("run/model.safetensors").exists()
    assert len(records("whole")) > len(metrics.read_text().splitlines()) >= 10
    status, out, err = call(*run, "--resume")
    assert (status, err) == (0, "")
    assert "going on after batch" in out
    assert metrics.read_text() == Path("whole/metrics.jsonl").read_text()
    assert same_weights("run", "whole")


def test_a_finished_run_goes_further(call: Call) -> None:
    """Also where an epoch does not end with a step, and with what the call leaves out taken from the run."""
    call(*GAN_RUN, "--out", "whole", "--seed", "3")
    given = ["train", "gan.dlspec", "--data", "digits", "--log-every", "1", "--out", "parts"]
    call(*given, "--batch-size", "128", "--seed", "3", "--steps", "7")
    assert call(*given, "--resume", "--epochs", "5")[0] == 0
    whole = {record["step"]: record["objectives"] for record in records("whole")}
    assert {record["step"]: record["objectives"] for record in records("parts")} == whole
    assert same_weights("parts", "whole")


def test_a_named_checkpoint(call: Call) -> None:
    given = ["train", "mlp.dlspec", "--data", "digits", "--log-every", "1", "--out", "run"]
    call(*given, "--steps", "6", "--every", "3")
    before = records("run")
    assert sorted(path.name for path in Path("run/checkpoints").iterdir()) == ["3.pt", "6.pt"]
    assert call(*given, "--steps", "6", "--resume", "run/checkpoints/3.pt")[0] == 0
    assert records("run") == before
    assert "step 6 is the end already" in call(*given, "--steps", "6", "--resume")[1]
    assert records("run") == before


WRONG = [
    (["--resume", "--seed", "8"], "the run that goes on had --seed 0, and the call says 8"),
    (["--resume", "--batch-size", "8"], "the run that goes on had --batch-size 64"),
    (["--resume", "--val-fraction", "0.5"], "the run that goes on had --val-fraction 0.1"),
    (["--resume", "--precision", "bf16-mixed"], "the run that goes on had --precision 32-true"),
    (["--resume", "none.pt"], "there is no file none.pt"),
    (["--resume", "mlp.dlspec"], "mlp.dlspec is not a checkpoint that can be read"),
    (["--resume", "--out", "elsewhere"], "there is no checkpoint in elsewhere"),
    (["--resume", "--data", "f=x.npy"], "there is no file or folder digits"),
]


@pytest.mark.parametrize(("more", "message"), WRONG, ids=[" ".join(more) for more, _ in WRONG])
def test_what_cannot_go_on(more: list[str], message: str, call: Call) -> None:
    given = ["train", "mlp.dlspec", "--data", "digits", "--steps", "1", "--out", "run"]
    assert call(*given)[0] == 0
    np.save("x.npy", np.zeros((4, 64)))
    status, out, err = call(*given, *more)
    assert (status, out) == (2, "")
    assert message in err


def test_a_run_that_ended_before_its_first_checkpoint(call: Call) -> None:
    given = ["train", "mlp.dlspec", "--data", "digits", "--steps", "1", "--out", "run"]
    Path("run").mkdir()
    status, out, err = call(*given, "--resume")
    assert (status, out) == (2, "")
    assert "remove run, and call it as before" in err


def test_another_spec_or_other_data(call: Call) -> None:
    given = ["train", "mlp.dlspec", "--steps", "1", "--out", "run"]
    np.savez("few.npz", image=np.zeros((20, 64), np.float32), label=np.zeros(20, np.int64))
    assert call(*given, "--data", "digits")[0] == 0
    same = load_digits()
    np.savez(
        "same.npz", image=(same.images / 16).astype(np.float32).reshape(-1, 64), label=same.target.astype(np.int64)
    )
    np.savez(
        "other.npz", image=(same.images / 15).astype(np.float32).reshape(-1, 64), label=same.target.astype(np.int64)
    )
    assert call(*given, "--data", "same.npz", "--resume")[0] == 0  # wherever it lies
    status, out, err = call(*given, "--data", "other.npz", "--resume")
    assert (status, out) == (2, "")
    assert "the run that goes on had other numbers" in err
    assert "had 1797 examples, and --data gives 20" in call(*given, "--data", "few.npz", "--resume")[2]
    assert "is a checkpoint of `Fit`, not of `Gan`" in call(*GAN_RUN, "--out", "run", "--resume")[2]
    Path("mlp.dlspec").write_text("# A remark changes nothing\n" + MLP)
    assert call(*given, "--data", "digits", "--resume")[0] == 0
    for change in (("Linear(16)", "Linear(8)"), ("momentum=0.9", "momentum=0.8")):
        Path("mlp.dlspec").write_text(MLP.replace(*change))
        status, _, err = call(*given, "--data", "digits", "--resume")
        assert status == 2
        assert "made by another form of `Fit`" in err
    Path("mlp.dlspec").write_text(MLP)
    assert "made by another form of `Fit`" in call(*given, "--data", "digits", "--resume", "--set", "lr=0.2")[2]


DAMAGE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no options": (lambda c: c.pop("options"), "is not a checkpoint of this version"),
    "options that are a list": (lambda c: c.update(options=[]), "its `options` is none"),
    "a negative count": (lambda c: c.update(taken=-1), "its `taken` is none"),
    "a count that is a text": (lambda c: c.update(examples="many"), "its `examples` is none"),
    "a batch of nothing": (lambda c: c["options"].update(batch=0), "its `batch` is none"),
    "a size that is none": (lambda c: c["options"].update(resize=[1, -1]), "its `resize` is none"),
    "no trainer": (lambda c: c.update(trainer={}), "does not fit"),
    "a weight too few": (lambda c: c["trainer"]["model"].popitem(), "does not fit"),
    "a weight of another shape": (
        lambda c: c["trainer"]["model"].update({"model.0.weight": torch.ones(1)}),
        "does not fit",
    ),
    "a rate that is a text": (lambda c: group(c).update(lr="fast"), "does not fit"),
    "a moment of another shape": (lambda c: moments(c).update(momentum_buffer=torch.ones(3, 3)), "does not fit"),
    "steps that are none": (lambda c: c["trainer"].update(steps=-5), "does not fit"),
}


def group(content: dict[str, Any]) -> dict[str, Any]:
    (optimizer,) = content["trainer"]["optimizers"].values()
    return optimizer["param_groups"][0]


def moments(content: dict[str, Any]) -> dict[str, Any]:
    (optimizer,) = content["trainer"]["optimizers"].values()
    return optimizer["state"][0]


def test_checkpoints_of_strangers(call: Call) -> None:
    given = ["train", "mlp.dlspec", "--data", "digits", "--out", "run", "--steps"]
    assert call(*given, "1")[0] == 0
    good = torch.load("run/checkpoints/1.pt", weights_only=True)
    for name, (damage, message) in DAMAGE.items():
        content = deepcopy(good)
        damage(content)
        torch.save(content, "x.pt")
        status, out, err = call(*given, "2", "--resume", "x.pt")
        assert (status, out, err.count("error")) == (2, "", 1), name
        assert "x.pt" in err
        assert message in err, name


@pytest.mark.parametrize(
    "line",
    [b"\xff\n", b"{\n", b"[1]\n", b'{"step": "1"}\n', b'{"step": 1, "objectives": {"loss": []}}\n', b"[" * 9999 + b"\n",
     b'{"step": 1, "held_out": {"named": 3}}\n'],
    ids=range(7),
)  # fmt: skip
def test_metrics_that_are_none(line: bytes, call: Call) -> None:
    given = ["train", "mlp.dlspec", "--data", "digits", "--out", "run", "--log-every", "1"]
    assert call(*given, "--steps", "1")[0] == 0
    metrics = Path("run/metrics.jsonl")
    whole = metrics.read_bytes()
    metrics.write_bytes(whole + line)
    status, _, err = call(*given, "--steps", "2", "--resume")
    assert status == 2
    assert "line 2 of run/metrics.jsonl is no record of metrics" in err
    metrics.write_bytes(whole + line.removesuffix(b"\n"))  # cut off while it was written
    assert call(*given, "--steps", "2", "--resume")[0] == 0
