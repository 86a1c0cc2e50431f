"""Each bomb in a process of its own, with its time and peak memory in the output."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bombs import BOMBS, Bomb
from tests.fuzz.timing import slowness

SECONDS, MEGABYTES = 2.0, 300
"""The goal is one second of an idle machine; with other work on its cores it takes up to twice the processor time.
A machine that is slow at what has nothing to do with it has so much more."""

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


def set_off(command: list[str], folder: Path) -> tuple[subprocess.CompletedProcess[str], float, float]:
    """The process that ended, the seconds of the processor and the peak of megabytes that it took."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    used = re.search(r"^used (\S+) (\S+)$", done.stderr, re.MULTILINE)
    assert used, done.stderr[-2000:]
    return done, float(used[1]), float(used[2])


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.name)
def test_a_bomb(bomb: Bomb, tmp_path: Path, measured: Callable[[str], None]) -> None:
    for name, text in bomb.files.items():
        (tmp_path / f"{name}.dlspec").write_text(text)
    command = [sys.executable, "-c", MAIN, *bomb.command, "main.dlspec"]
    done, seconds, megabytes = set_off(command, tmp_path)
    slow = [slowness() if seconds >= SECONDS else 1.0]
    while seconds >= SECONDS * max(slow) and len(slow) < 3:  # other work comes and goes
        done, seconds, megabytes = set_off(command, tmp_path)
        slow.append(slowness())
    assert "Traceback" not in done.stderr, done.stderr[-2000:]
    found = re.findall(r"^error(?:\[(DL\d{4})\])?: ", done.stderr, re.MULTILINE)
    assert (found[:1], done.returncode) == ([bomb.code] if bomb.code else [], 1 if bomb.code else 0), done.stderr[
        -2000:
    ]
    assert len(found) <= 51
    assert max(map(len, done.stderr.splitlines())) < 2000
    measured(f"{bomb.name}: {bomb.code or 'done'} after {seconds:.2f} s and {megabytes:.0f} MB")
    assert seconds < SECONDS * max(slow)
    assert megabytes < MEGABYTES
