"""Each bomb in a process of its own, with its time and peak memory in the output."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bombs import BOMBS, Bomb

SECONDS, MEGABYTES = 2.0, 300
"""The goal is one second of an idle machine; with other work on its cores it takes up to twice the processor time."""

MAIN = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (4_000_000_000, 4_000_000_000))
from dlspec.cli import main
status = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print("used", used.ru_utime + used.ru_stime, int(peak) / 1000, file=sys.stderr)
sys.exit(status)
"""


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.name)
def test_a_bomb(bomb: Bomb, tmp_path: Path, measured: Callable[[str], None]) -> None:
    for name, text in bomb.files.items():
        (tmp_path / f"{name}.dlspec").write_text(text)
    command = [sys.executable, "-c", MAIN, *bomb.command, "main.dlspec"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr[-2000:]
    found = re.findall(r"^error(?:\[(DL\d{4})\])?: ", done.stderr, re.MULTILINE)
    assert (found[:1], done.returncode) == ([bomb.code] if bomb.code else [], 1 if bomb.code else 0), done.stderr[
        -2000:
    ]
    assert len(found) <= 51
    assert max(map(len, done.stderr.splitlines())) < 2000
    used = re.search(r"^used (\S+) (\S+)$", done.stderr, re.MULTILINE)
    assert used
    seconds, megabytes = float(used[1]), float(used[2])
    measured(f"{bomb.name}: {bomb.code or 'done'} after {seconds:.2f} s and {megabytes:.0f} MB")
    assert seconds < SECONDS
    assert megabytes < MEGABYTES
