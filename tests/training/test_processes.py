"""Several processes on this machine take the steps of one with the same batches, and listen on loopback only."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from trains import Call, records

TWO = ["--devices", "2", "--accelerator", "cpu", "--strategy", "ddp"]
LISTENING, LOOPBACK = "0A", {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


def run(*arguments: str, cwd: Path) -> tuple[str, set[str]]:
    """What a command in a process of its own prints, and the addresses that it and its children listen on."""
    command = [sys.executable, "-m", "dlspec", *arguments]
    environment = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "WORLD_SIZE")}
    environment["HOME"] = str(cwd / "home")
    seen: set[str] = set()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=cwd, env=environment) as child:
        deadline = time.monotonic() + 600
        while child.poll() is None:
            assert time.monotonic() < deadline
            seen |= listening(child.pid)
            time.sleep(0.1)
        assert child.stdout
        text = child.stdout.read().decode()
    assert child.returncode == 0, text
    assert not (cwd / "home").exists()  # nothing is written but below --out
    return text, seen


def listening(process: int) -> set[str]:
    """The local addresses, in hexadecimal, on which a process and its children listen."""
    sockets: set[str] = set()
    for one in [process, *children(process)]:
        try:
            links = [os.readlink(link) for link in Path(f"/proc/{one}/fd").iterdir()]
        except OSError:  # it has just ended, or closed one
            continue
        sockets |= {link[8:-1] for link in links if link.startswith("socket:[")}
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_ = fields = line.split()
            if state == LISTENING and fields[9] in sockets:
                found.add(local.split(":")[0])
    return found


def children(process: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found += map(int, path.read_text().split())
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads who listens from /proc")
def test_two_processes_take_the_steps_of_one(call: Call, tmp_path: Path) -> None:
    given = ["train", "mlp.dlspec", "--data", "digits", "--epochs", "2", "--log-every", "1"]
    assert call(*given, "--out", "one")[0] == 0
    text, addresses = run(*given, *TWO, "--out", "two", cwd=tmp_path)
    assert text.count("2 processes, cpu") == 1
    assert addresses
    assert addresses <= LOOPBACK
    one, two = records("one"), records("two")
    assert [record["step"] for record in one] == [record["step"] for record in two] == list(range(1, 51))
    for ours, theirs in zip(one, two, strict=True):
        assert ours["lr"] == theirs["lr"]
        for key in ("objectives", "named"):
            assert theirs[key] == pytest.approx(ours[key], rel=1e-4)
    assert two[-1]["held_out"]["objectives"] == pytest.approx(one[-1]["held_out"]["objectives"], rel=1e-4)
    ours, theirs = load_file("one/model.safetensors"), load_file("two/model.safetensors")
    assert all(np.allclose(ours[path], theirs[path], atol=1e-5) for path in ours)


ADVERSARIES = """\
network Generator(z: float[N, 4]) -> point { z -> Linear(8) -> Tanh -> Linear(2) }
network Critic(point: float[N, 2]) -> score { point -> Linear(8) -> Tanh -> Linear(1) }
train Gan {
    data z: float[N, 4]
    data real: float[N, 2]
    shared generate = Generator
    shared judge = Critic
    fake = z -> generate
    maximize mean(real -> judge) - mean(fake -> judge)
        over judge using RMSprop(lr=1e-3, clip_weights=0.3) times 2
    freeze(generate.0.bias)
    maximize mean(fake -> judge) over generate, generate.2(lr=3e-3)
        using AdamW(lr=1e-3, weight_decay=0.1, decay="weights", clip_grad_norm=0.01)
}
"""


def test_networks_that_take_turns(call: Call, tmp_path: Path) -> None:
    """Each update averages the gradients of what it updates, before they are clipped."""
    Path("adversaries.dlspec").write_text(ADVERSARIES)
    drawn = np.random.default_rng(0)
    np.savez("points.npz", z=drawn.standard_normal((200, 4)), real=drawn.standard_normal((200, 2)) + 3)
    given = ["train", "adversaries.dlspec", "--data", "points.npz", "--steps", "12", "--log-every", "1"]
    assert call(*given, "--out", "one")[0] == 0
    run(*given, *TWO, "--out", "two", cwd=tmp_path)
    for ours, theirs in zip(records("one"), records("two"), strict=True):
        assert theirs["objectives"] == pytest.approx(ours["objectives"], abs=1e-5)
    assert abs(records("one")[0]["objectives"]["judge"] - records("one")[-1]["objectives"]["judge"]) > 1e-2


def test_weights_that_are_divided(call: Call, tmp_path: Path) -> None:
    """Each process holds a part of every network, and a run goes on with another number of processes."""
    text = ADVERSARIES.replace("fake =", "shared slow = moving_average(generate, decay=0.9)\n    fake =")
    Path("adversaries.dlspec").write_text(text)
    drawn = np.random.default_rng(0)
    np.savez("points.npz", z=drawn.standard_normal((200, 4)), real=drawn.standard_normal((200, 2)) + 3)
    given = ["train", "adversaries.dlspec", "--data", "points.npz", "--log-every", "1"]
    assert call(*given, "--steps", "9", "--every", "3", "--out", "one")[0] == 0
    three = ["--resume", "one/checkpoints/6.pt", "--every", "2"]
    divided = [*TWO[:-1], "fsdp"]
    run(*given, *divided, *three, "--steps", "8", "--out", "two", cwd=tmp_path)
    assert call(*given, "--steps", "9", "--resume", "--out", "two")[0] == 0
    one = {record["step"]: record for record in records("one")}
    assert [record["step"] for record in records("two")] == [7, 8, 9]
    for record in records("two"):
        assert record["objectives"] == pytest.approx(one[record["step"]]["objectives"], abs=1e-5)
    held_out = records("two")[-1]["held_out"]["objectives"]
    assert held_out == pytest.approx(one[9]["held_out"]["objectives"], abs=1e-5)
    ours, theirs = load_file("one/model.safetensors"), load_file("two/model.safetensors")
    assert ours.keys() == theirs.keys()
    assert all(np.allclose(ours[path], theirs[path], atol=1e-5) for path in ours)


def test_an_objective_that_is_not_finite_ends_all(call: Call, tmp_path: Path) -> None:
    given = ["train", "mlp.dlspec", "--data", "digits", *TWO, "--set", "lr=1e30"]
    command = [sys.executable, "-m", "dlspec", *given]
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, timeout=600, check=False)
    assert done.returncode == 1
    assert done.stderr.count(b"DL0720") == 1


WRONG = [
    (
        ["--devices", "2", "--accelerator", "cpu", "--batch-size", "7"],
        "a batch of 7 cannot be divided among 2 processes",
    ),
    (["--strategy", "ddp"], "--strategy ddp is for several processes"),
    (["--strategy", "fsdp"], "--strategy fsdp is for several processes"),
    (["--accelerator", "mps"], "PyTorch finds no MPS device"),
]


@pytest.mark.parametrize(("more", "message"), WRONG, ids=[" ".join(more) for more, _ in WRONG])
def test_what_cannot_run_so(more: list[str], message: str, call: Call) -> None:
    status, out, err = call("train", "mlp.dlspec", "--data", "digits", *more)
    assert (status, out) == (2, "")
    assert message in err
    assert not Path("runs").exists()


def test_no_cuda(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    status, _, err = call("train", "mlp.dlspec", "--data", "digits", "--accelerator", "cuda")
    assert status == 2
    assert "PyTorch finds no CUDA device" in err
