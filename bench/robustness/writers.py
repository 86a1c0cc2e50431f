"""What is written appears whole or not at all: when the process is killed, and when the disk is full."""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from shutil import rmtree

import numpy as np

from bench.robustness.tally import Tally
from dlspec.cli import main

NET = """\
network Net(image: float[N, 3, 16, 16]) -> y {
 image -> repeat 6 { Conv(48, 3, padding=1) -> BatchNorm -> ReLU } -> GlobalAvgPool -> Flatten -> Linear(10)
}
"""
OLD = b"# old\nnetwork  Old(x: float[N, 2]) -> y { x }\n"

WRITERS: dict[str, tuple[str, list[str]]] = {
    "ONNX": ("x.onnx", ["compile", "net.dlspec", "-o", "x.onnx"]),
    "PyTorch source": ("x.py", ["compile", "net.dlspec", "-o", "x.py"]),
    "JSON": ("x.json", ["compile", "net.dlspec", "-o", "x.json"]),
    "weights, safetensors": ("x.safetensors", ["weights", "init", "net.dlspec", "-o", "x.safetensors"]),
    "weights, torch.save": ("x.pt", ["weights", "init", "net.dlspec", "-o", "x.pt"]),
    "weights, converted": ("y.safetensors", ["weights", "convert", "w.safetensors", "-o", "y.safetensors", "--dtype", "float16"]),
    "outputs": ("out.npz", ["run", "net.dlspec", "--repeat", "1", "-o", "out.npz"]),
    "fmt": ("f.dlspec", ["fmt", "f.dlspec"]),
    **{f"picture, {ending}": (f"x.{ending}", ["draw", "net.dlspec", "-o", f"x.{ending}"])
       for ending in ("svg", "png", "pdf", "html", "dot", "mmd", "tex")},
}  # fmt: skip


TRAIN = """\
train Fit() {
 data x: float[N, 4]
 data y: int[N]
 shared f = { x -> Linear(16) -> ReLU -> Linear(3) }
 minimize cross_entropy(x -> f, y) over f using Adam()
}
"""
RUN = [
    "train",
    "train.dlspec",
    "--data",
    "data.npz",
    "--steps",
    "12",
    "--every",
    "1",
    "--log-every",
    "1",
    "--out",
    "run",
]


def kills(folder: Path, count: int, seed: int) -> list[Tally]:
    """Processes that are killed while they write over an old file: it stays, or the new one stands there."""
    each = -(-count // (len(WRITERS) + 1))
    return [*(_killed(name, news, each, seed) for name, news in _prepared(folder)), _trained(each, seed)]


def full_disks(folder: Path) -> list[Tally]:
    """Files that may not become as large as they have to be."""
    tallies: list[Tally] = []
    for name, new in _prepared(folder):
        tally = Tally("full disks", name)
        file, arguments = WRITERS[name]
        for room in sorted({0, 1, 100, len(new) // 2, len(new) - 1}):
            _reset(file)
            status, err = _child(arguments, room)
            place = f"{name} with room for {room} of {len(new)} bytes"
            found = Path(file).read_bytes()
            if found != (OLD if file != "f.dlspec" else NET.encode()):
                tally.note(f"{place}: {len(found)} bytes are left")
            elif status != 2 or err.count("error") != 1 or "Traceback" in err:
                tally.note(f"{place}: status {status}: {err!r}")
            elif list(Path().glob(".*-part")):
                tally.note(f"{place}: a part is left")
            else:
                tally.note(None)
        tallies.append(tally)
    return tallies


def _prepared(folder: Path) -> list[tuple[str, bytes]]:
    """The writers, with what each of them writes where nothing happens."""
    for module in (
        "torch",
        "pygraphviz",
        "reportlab",
        "resvg_py",
        "safetensors.numpy",
        "onnx",
        "dlspec.backends.diagram.page",
    ):
        import_module(module)  # so that a process that is forked begins to write at once
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    Path("net.dlspec").write_text(NET)
    assert _child(["weights", "init", "net.dlspec", "-o", "w.safetensors"])[0] == 0
    news: list[tuple[str, bytes]] = []
    for name, (file, arguments) in WRITERS.items():
        _reset(file)
        status, err = _child(arguments)
        assert status == 0, err
        news.append((name, Path(file).read_bytes()))
    return news


def _trained(count: int, seed: int) -> Tally:
    """Trainings that are killed between and while they write checkpoints, metrics and weights, and then go on: they end
    with the weights of one that nobody killed."""
    tally = Tally("kill -9", "train")
    chance = random.Random(f"train/{seed}")
    draws = np.random.default_rng(seed)
    np.savez("data.npz", x=draws.normal(size=(64, 4)).astype(np.float32), y=draws.integers(0, 3, 64))
    Path("train.dlspec").write_text(TRAIN)
    start = time.perf_counter()
    status, err = _child(RUN)
    assert status == 0, err
    whole = time.perf_counter() - start
    weights, metrics = Path("run/model.safetensors").read_bytes(), Path("run/metrics.jsonl").read_bytes()
    for index in range(count):
        rmtree("run")
        child = _forked(RUN, lambda: None)
        time.sleep(chance.uniform(0, 1.1) * whole)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        begun = any(Path("run/checkpoints").glob("*.pt"))
        if not begun:
            rmtree("run", ignore_errors=True)  # as the error of `--resume` says
        status, err = _child([*RUN, "--resume"] if begun else RUN)
        same = not status and (Path("run/model.safetensors").read_bytes(), Path("run/metrics.jsonl").read_bytes()) == (
            weights,
            metrics,
        )
        tally.note(
            None if same else f"train, kill {index} of seed {seed}: status {status}, other weights or metrics: {err}"
        )
    return tally


def _reset(file: str) -> None:
    Path(file).write_bytes(NET.encode() if file == "f.dlspec" else OLD)


def _forked(arguments: list[str], before: Callable[[], None]) -> int:
    """Starts a command in a process of its own, which has all modules already; its stderr goes to `err`."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            error = os.open("err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(error, 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.stderr = os.fdopen(2, "w", closefd=False)
            before()
            status = main(arguments)
            sys.stderr.flush()
        finally:
            os._exit(status)
    return child


def _child(arguments: list[str], room: int | None = None) -> tuple[int, str]:
    """Runs a command in a process of its own that may write files of ``room`` bytes: its status and stderr."""
    reader, writer = os.pipe()

    def prepare() -> None:
        os.dup2(writer, 2)
        if room is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    child = _forked(arguments, prepare)
    os.close(writer)
    with os.fdopen(reader) as stream:
        err = stream.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), err


def _killed(name: str, new: bytes, count: int, seed: int) -> Tally:
    tally = Tally("kill -9", name)
    file, arguments = WRITERS[name]
    old = NET.encode() if file == "f.dlspec" else OLD
    chance = random.Random(f"{name}/{seed}")
    start = time.perf_counter()
    _reset(file)
    _child(arguments)
    whole = time.perf_counter() - start
    for index in range(count):
        _reset(file)
        child = _forked(arguments, lambda: None)
        time.sleep(chance.uniform(0, 1.2) * whole)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = Path(file).read_bytes()
        tally.note(None if found in (old, new) else f"{name}, kill {index} of seed {seed}: {len(found)} bytes are left")
    _reset(file)
    status, err = _child(arguments)
    if status or Path(file).read_bytes() != new or list(Path().glob(f".{file}.*-part")):
        tally.failures.append(f"{name}: what the killed ones left is not swept, or the next one fails: {err}")
    return tally
