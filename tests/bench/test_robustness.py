"""A short pass of what `make strangers` tries at length."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pygraphviz", reason="drawing needs Graphviz")

PARTS = {
    "kills": (["--kills", "42"], 42),
    "disks": ([], 50),
    "injections": ([], 1000),
    "environments": ([], 20),
    "damage": (["--runs", "8"], 8 * 18),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("part", PARTS)
def test_nothing_fails(part: str) -> None:
    options, least = PARTS[part]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'compiler'}{os.pathsep}{root}"}
    done = subprocess.run(
        [sys.executable, "-m", "bench.robustness", part, *options],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"([\d,]+) tried, 0 failures\n$", done.stdout)
    assert found
    assert int(found[1].replace(",", "")) >= least
