"""Weights are weighed before they are drawn: what is free is just enough, a byte less is one error, with nothing written."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import dlspec
from dlspec import DlspecError, Limits, Model
from dlspec.backends import room
from dlspec.backends.torch.live import to_training
from dlspec.cli import main
from dlspec.limits import limited
from dlspec.pipeline import elaborate_training, open_program

SPEC = "network A(x: float[N, 64]) -> out { x -> Linear(64) -> ReLU -> Linear(10, weight_init=orthogonal()) }\n"
TRAIN = "train T { data x: float[N, 64]\n shared a = A\n minimize mean((x -> a) ** 2) over a using Adam(lr=1e-3) }\n"
WEIGHTS = 4 * (64 * 64 + 64 + 64 * 10 + 10)


class Case(NamedTuple):
    name: str
    command: str
    needed: int
    where: str = "memory"


CASES = [
    Case("run", "run A.dlspec --repeat 1", 2 * WEIGHTS),
    Case("run, folded", "run A.dlspec --repeat 1 --optimize", 2 * WEIGHTS),
    Case("run in PyTorch", "run A.dlspec --repeat 1 --backend torch", WEIGHTS),
    Case("run in PyTorch in half precision", "run A.dlspec --repeat 1 --backend torch --dtype float16", WEIGHTS),
    Case("run writes a file", "run A.dlspec --repeat 1", WEIGHTS, "disk"),
    Case("init", "weights init A.dlspec -o out.safetensors", 3 * WEIGHTS),
    Case("init writes", "weights init A.dlspec -o out.pt", WEIGHTS, "disk"),
    Case("init writes into a folder", "weights init A.dlspec -o folder/out.pt", WEIGHTS, "disk"),
    Case("compile writes", "compile A.dlspec -o out.onnx", WEIGHTS, "disk"),
    Case("compile draws what is not drawn in pieces", "compile A.dlspec -o out.onnx", 8 * 4 * 640),
    Case("compile, folded", "compile A.dlspec --optimize -o out.onnx", WEIGHTS),
    Case("compile in half precision", "compile A.dlspec --dtype float16 -o out.onnx", 8 * 4 * 640),
    Case("verify", "verify A.dlspec", 7 * WEIGHTS),
    Case("verify, folded", "verify A.dlspec --optimize", 7 * WEIGHTS),
    Case("verify with drawn weights", "verify A.dlspec --seed 1", 6 * WEIGHTS),
]


@pytest.fixture(autouse=True)
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    path = tmp_path / "A.dlspec"
    path.write_text(SPEC)
    return path


def has(monkeypatch: pytest.MonkeyPatch, where: str, free: int | None) -> None:
    function: Callable[..., int | None] = (lambda: free) if where == "memory" else (lambda _: free)
    monkeypatch.setattr(room, f"free_{where}", function)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_just_enough_and_a_byte_less(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    has(monkeypatch, case.where, case.needed - 1)
    command, before = case.command.split(), sorted(tmp_path.rglob("*"))
    assert main(command) == 1
    error = capsys.readouterr().err
    assert re.findall(r"^error\[(\w+)\]", error, re.MULTILINE) == ["DL0407"]
    assert f"take {case.needed:,} bytes, and {case.needed - 1:,} are free" in error
    assert sorted(tmp_path.rglob("*")) == before
    assert main([*command, "--max-weights", str(10**9)]) == 0
    has(monkeypatch, case.where, case.needed)
    assert main(command) == 0
    assert main([*command, "--max-weights", "1"]) == 1
    has(monkeypatch, case.where, None)
    assert main(command) == 0


@pytest.mark.parametrize(("make", "needed", "where"), [
    (lambda model: model.to_torch(), WEIGHTS, "memory"),
    (lambda model: model.to_torch(optimize=True), WEIGHTS, "memory"),
    (lambda model: model.to_torch(dtype="float16"), WEIGHTS, "memory"),
    (lambda model: model.to_onnx(), WEIGHTS, "memory"),
    (lambda model: model.save_onnx("out.onnx"), WEIGHTS, "disk"),
])  # fmt: skip
def test_in_python(
    make: Callable[[Model], Any], needed: int, where: str, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    has(monkeypatch, where, needed - 1)
    with pytest.raises(DlspecError, match=f"take {needed:,} bytes, and {needed - 1:,} are free"):
        make(dlspec.load(spec))
    make(dlspec.load(spec, limits=Limits(weights=10**9)))
    has(monkeypatch, where, needed)
    make(dlspec.load(spec))
    with pytest.raises(DlspecError, match="--max-weights allows 1 "):
        make(dlspec.load(spec, limits=Limits(weights=1)))


def test_a_train(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec.write_text(SPEC + TRAIN)
    training = elaborate_training(open_program(spec), "T")
    has(monkeypatch, "memory", 2 * WEIGHTS - 1)
    with pytest.raises(DlspecError, match="are free in memory"):
        to_training(training)
    has(monkeypatch, "memory", 2 * WEIGHTS)
    to_training(training)
    with limited(Limits(weights=2 * WEIGHTS - 1)), pytest.raises(DlspecError, match="--max-weights"):
        to_training(training)


def test_what_is_no_file_needs_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, "disk", 0)
    assert main(["compile", "A.dlspec", "-o", "out.onnx"]) == 1
    Path("out.onnx").symlink_to("/dev/null")
    assert main(["compile", "A.dlspec", "-o", "out.onnx"]) == 0


def test_inputs_that_no_memory_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "A.dlspec", "--size", f"N={10**14}"]) == 2
    assert "error: there is not enough memory: " in capsys.readouterr().err


def test_what_is_free(tmp_path: Path) -> None:
    memory = room.free_memory()
    assert memory is not None
    assert 1 << 20 < memory < 1 << 50
    disk = room.free_disk(tmp_path / "none" / "none" / "out")
    assert disk is not None
    assert abs(disk - shutil.disk_usage(tmp_path).free) < 1 << 32


@pytest.mark.parametrize(("most", "left"), [("1000", 500), ("300", 0), ("max", None), (None, None)])
def test_a_container(most: str | None, left: int | None, tmp_path: Path) -> None:
    if most is not None:
        (tmp_path / "memory.max").write_text(f"{most}\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 200\n")
    assert room.left_in_group(tmp_path) == left
