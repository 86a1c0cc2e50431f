"""A short pass of the benchmarks: they run, the floor writes the very bytes, and cost is linear in nodes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from bench import compiling, counting, data, drawing, editing, modern, running, steps


def test_compiling(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ratios = compiling.run(tmp_path, runs=1, depth=1)
    assert set(ratios) == {
        "compile, started process", "compile, whole process", "compile, external data", "size, external data",
        "check, whole process",
    }  # fmt: skip
    assert 1 < ratios["size, external data"] < 1.01
    assert all(ratio > 0 for ratio in ratios.values())
    assert "the floor" in capsys.readouterr().out


def test_counting(tmp_path: Path) -> None:
    figures = counting.run(tmp_path, runs=1, depth=1000)
    # Ten times the nodes may not take thirty times as long; what it takes exactly, `make bench` prints.
    assert figures["growth"] < 3
    assert figures["ResNet50"] < figures["DenseNet201"] * 3


def test_editing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    times = editing.run(tmp_path, runs=2)
    assert "resnet.dlspec" in capsys.readouterr().out
    # What it takes exactly, `make bench` prints; but an edit of one network must not cost what all seven do.
    one, _, _, fresh, _ = times.values()
    assert one < fresh


def test_running() -> None:
    ratios = running.eager(1, running.NETWORKS[3:])
    assert list(ratios) == [
        f"MobileNetV2, {task}" for task in ("forward, batch 1", "forward, batch 16", "training step, batch 8")
    ]
    assert all(ratio > 0 for ratio in ratios.values())


def test_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if find_spec("torchvision") is None:
        pytest.skip("needs torchvision")
    figures = data.run(tmp_path, runs=1, images=256)
    assert figures["speed of DataLoader's"] > 0.2  # of so few images most is the start; `make bench` prints what counts
    assert "256 images, jpg, 64x64, 2 workers" in capsys.readouterr().out
    first, second = (next(make(tmp_path / "zoo")) for make in (data.ours, data.theirs))
    assert first["image"].shape == second[0].shape


def test_drawing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_torchview", lambda out: 1.0)
    figures = drawing.run(tmp_path, runs=1, turns=20)
    assert {"ResNet152", "DenseNet201", "Generator", "NVAE", "Row", "Branches"} <= set(figures)
    assert figures["NVAE, processor"] > 0
    assert (tmp_path / "Row.svg").stat().st_size > 10_000


def test_modern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The generated Llama and LSTM compute what those written by hand do, and attention is one node from opset 23."""
    monkeypatch.setattr(modern, "CASES", [case for case in modern.CASES if case.title.startswith(("tiny", "LSTM"))])
    ratios = modern.run(tmp_path, runs=1)
    assert all(ratio > 0 or "nodes" in name for name, ratio in ratios.items())
    assert ratios["tiny Llama, T = 128, nodes per attention at opset 24"] == 1
    assert 1 < ratios["tiny Llama, T = 128, nodes per attention at opset 22"] <= 9


def test_steps(tmp_path: Path) -> None:
    """Logged steps of a run between those of the plain loop; what they take, `make bench` prints."""
    ratios = steps.run(tmp_path, runs=1, cases=steps.CASES[:1])
    assert list(ratios) == ["MLP", "MLP, processor"]
    assert all(ratio > 0 for ratio in ratios.values())
    lines = (tmp_path / "MLP" / "run" / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == 12
