"""Several processes, on this machine or on several, take the steps of one with the same batches.

They listen on loopback only. Few launches show much: each costs what importing PyTorch twice costs.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from trains import TINY, Call, records

from dlspec.training.devices import first_process

TWO = ["--devices", "2", "--accelerator", "cpu", "--strategy"]
MACHINES = ["--num-nodes", "2", "--accelerator", "cpu", "--strategy"]
LISTENING, LOOPBACK = "0A", {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}
CHOSEN = ("LOCAL_RANK", "WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")


def run(*arguments: str, cwd: Path, machines: int = 1) -> tuple[list[str], set[str]]:
    """What a command in a process of its own prints, and the addresses that it and its children listen on.

    For several ``machines`` one each, which is told what a person or a launcher tells it.
    """
    command = [sys.executable, "-m", "dlspec", *arguments]
    environment = {name: value for name, value in os.environ.items() if name not in CHOSEN}
    environment |= {"HOME": str(cwd / "home"), "OMP_NUM_THREADS": "1"}
    started: list[subprocess.Popen[bytes]] = []
    port = str(free_port())
    for machine in range(machines):
        told = {"NODE_RANK": str(machine), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port} if machines > 1 else {}
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        started.append(subprocess.Popen(command, cwd=cwd, env=environment | told, **streams))  # type: ignore[call-overload]
    seen: set[str] = set()
    deadline = time.monotonic() + 600
    try:
        while any(child.poll() is None for child in started):
            assert time.monotonic() < deadline
            for child in started:
                seen |= listening(child.pid)
            time.sleep(0.1)
    finally:
        for child in started:
            child.kill()
    texts = [child.communicate()[0].decode() for child in started]
    assert not (cwd / "home").exists()  # nothing is written but below --out
    assert len({child.returncode for child in started}) == 1, texts
    return [*texts, str(started[0].returncode)], seen


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


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


needs_proc = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads who listens from /proc")


def given(text: str) -> list[str]:
    Path("adversaries.dlspec").write_text(text)
    drawn = np.random.default_rng(0)
    np.savez("points.npz", z=drawn.standard_normal((200, 4)), real=drawn.standard_normal((200, 2)) + 3)
    return ["train", "adversaries.dlspec", "--data", "points.npz", "--log-every", "1"]


@needs_proc
def test_two_machines_take_the_steps_of_one(call: Call, tmp_path: Path) -> None:
    """Networks take turns, and each update averages the gradients of what it updates, before they are clipped."""
    text = ADVERSARIES.replace("clip_weights=0.3)", "clip_weights=0.3, schedule=StepLR(5, gamma=0.5))")
    text = text.replace("fake = z -> generate", "fake = z -> generate\n    size = mean(abs(fake))")
    arguments = [*given(text), "--steps", "12"]
    assert call(*arguments, "--out", "one")[0] == 0
    (first, second, status), addresses = run(*arguments, *MACHINES, "ddp", "--out", "two", cwd=tmp_path, machines=2)
    assert (second, status) == ("", "0"), first
    assert first.count("2 processes, cpu") == 1
    assert addresses
    assert addresses <= LOOPBACK
    one, two = records("one"), records("two")
    assert [record["step"] for record in one] == [record["step"] for record in two] == list(range(1, 13))
    for ours, theirs in zip(one, two, strict=True):
        assert theirs["lr"] == ours["lr"]
        for key in ("objectives", "named"):
            assert theirs[key] == pytest.approx(ours[key], abs=1e-5)
    assert abs(one[0]["objectives"]["judge"] - one[-1]["objectives"]["judge"]) > 1e-2
    assert two[-1]["held_out"]["objectives"] == pytest.approx(one[-1]["held_out"]["objectives"], abs=1e-5)
    alike("one", "two")


def test_weights_that_are_divided_among_machines(call: Call, tmp_path: Path) -> None:
    """Each process holds a part of every network, and a run goes on with another number of processes."""
    arguments = given(ADVERSARIES.replace("fake =", "shared slow = moving_average(generate, decay=0.9)\n    fake ="))
    assert call(*arguments, "--steps", "9", "--every", "3", "--out", "one")[0] == 0
    three = ["--resume", "one/checkpoints/6.pt", "--every", "2", "--steps", "8", "--out", "two"]
    (first, _, status), _ = run(*arguments, *MACHINES, "fsdp", *three, cwd=tmp_path, machines=2)
    assert status == "0", first
    assert call(*arguments, "--steps", "9", "--resume", "--out", "two")[0] == 0
    one = {record["step"]: record for record in records("one")}
    assert [record["step"] for record in records("two")] == [7, 8, 9]
    for record in records("two"):
        assert record["objectives"] == pytest.approx(one[record["step"]]["objectives"], abs=1e-5)
    held_out = records("two")[-1]["held_out"]["objectives"]
    assert held_out == pytest.approx(one[9]["held_out"]["objectives"], abs=1e-5)
    alike("one", "two")


def alike(one: str, two: str) -> None:
    ours, theirs = load_file(f"{one}/model.safetensors"), load_file(f"{two}/model.safetensors")
    assert ours.keys() == theirs.keys()
    assert all(np.allclose(ours[path], theirs[path], atol=1e-5) for path in ours)


@needs_proc
def test_two_processes_take_the_steps_of_one_until_an_objective_is_not_finite(call: Call, tmp_path: Path) -> None:
    """They end together, with one error, which is that of one process."""
    text = TINY.format(data="x: float[N, 3]", body="y = x -> f").replace("mean((x -> f) ** 2)", "mean((y * 3) ** 4)")
    Path("tiny.dlspec").write_text(text)
    np.save("x.npy", np.ones((1024, 3), np.float32))
    arguments = ["train", "tiny.dlspec", "--data", "x.npy", "--batch-size", "16", "--log-every", "1", "--every", "2"]
    status, _, error = call(*arguments, "--out", "one")
    assert status == 1
    (text, ended), addresses = run(*arguments, *TWO, "ddp", "--out", "two", cwd=tmp_path)
    assert ended == "1"
    assert text.count("DL0720") == 1
    assert error in text
    assert addresses
    assert addresses <= LOOPBACK
    one, two = records("one"), records("two")
    assert len(one) == len(two) > 2
    for ours, theirs in zip(one[:3], two[:3], strict=True):
        assert theirs["objectives"] == pytest.approx(ours["objectives"], rel=1e-4)


WRONG = [
    (
        ["--devices", "2", "--accelerator", "cpu", "--batch-size", "7"],
        "a batch of 7 cannot be divided among 2 processes",
    ),
    (["--strategy", "ddp"], "--strategy ddp is for several processes"),
    (["--strategy", "fsdp"], "--strategy fsdp is for several processes"),
    (["--num-nodes", "2", "--accelerator", "cpu"], "--num-nodes 2 needs MASTER_ADDR, MASTER_PORT, NODE_RANK"),
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


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"NODE_RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"NODE_RANK": "1"}, False),
        ({"GROUP_RANK": "1", "LOCAL_RANK": "0"}, False),  # by torchrun
    ],
    ids=str,
)
def test_who_speaks(environment: dict[str, str], first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOCAL_RANK", "NODE_RANK", "GROUP_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert first_process() is first
