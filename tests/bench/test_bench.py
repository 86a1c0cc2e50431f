"""A short pass of the benchmarks: they run, the floor writes the very bytes, and cost is linear in nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import compiling, counting


def test_compiling(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ratios = compiling.run(tmp_path, runs=1)
    assert set(ratios) == {"compile, started process", "compile, whole process", "check, whole process"}
    assert all(ratio > 0 for ratio in ratios.values())
    assert "the floor" in capsys.readouterr().out


def test_counting(tmp_path: Path) -> None:
    figures = counting.run(tmp_path, runs=1, depth=1000)
    # Ten times the nodes may not take thirty times as long; what it takes exactly, `make bench` prints.
    assert figures["growth"] < 3
    assert figures["ResNet50"] < figures["DenseNet201"] * 3
