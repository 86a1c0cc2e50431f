"""The same bytes in other environments: hash seeds, locales, time zones, working folders, optimized Python."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.robustness.tally import Tally
from bench.timing import ROOT

PROGRAM = """\
import sys
from dlspec.cli import main
for arguments in %r:
    assert_status = main(arguments)
    if assert_status:
        sys.exit(f"{arguments}: {assert_status}")
"""

SPEC = """\
# Zwei Blöcke — ünïcode, 日本語.
block Unit(width, kind = "relu") { Conv(width, 3, padding=1, bias=false) -> BatchNorm -> ReLU }
network Net(x: float[N, 3, H = 16, W = 16], classes = 4) -> y where H % 2 == 0 {
    x -> body: { Unit(8) -> Add { Identity | Unit(8) } -> MaxPool(2) } -> GlobalAvgPool -> Flatten -> fc: Linear(classes)
}
train Fit {
    data x: float[N, 3, 16, 16]
    data label: int[N]
    shared model = Net
    minimize cross_entropy(x -> model, label) over model using Adam(lr=1e-3)
}
"""

OUTPUTS = ("x.onnx", "x.py", "x.json", "x.svg", "x.png", "x.pdf", "x.html", "x.dot", "x.mmd", "x.tex", "x.safetensors")
COMMANDS = [
    *(["compile", "net.dlspec:Net", "-o", name] for name in OUTPUTS[:3]),
    *(["draw", "net.dlspec:Net", "-o", name] for name in OUTPUTS[3:10]),
    ["weights", "init", "net.dlspec:Net", "-o", "x.safetensors"],
    ["check", "net.dlspec"], ["summary", "net.dlspec:Net"], ["summary", "net.dlspec:Fit"], ["summary", "net.dlspec:Net", "--tree"],
    ["summary", "net.dlspec:Net", "--format", "markdown"], ["ops", "Conv"], ["ops", "--format", "json"], ["explain", "DL0201"],
]  # fmt: skip

ENVIRONMENTS: dict[str, tuple[dict[str, str], list[str]]] = {
    **{f"hash seed {seed}": ({"PYTHONHASHSEED": str(seed)}, []) for seed in (0, 1, 2, 12345, 4294967295)},
    "locale C": ({"LC_ALL": "C"}, []),
    "locale C, without UTF-8": (
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": "utf-8"},
        [],
    ),
    "locale POSIX": ({"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONIOENCODING": "utf-8"}, []),
    "locale Turkish": ({"LC_ALL": "tr_TR.UTF-8"}, []),
    "locale German": ({"LC_ALL": "de_DE.UTF-8", "LC_NUMERIC": "de_DE.UTF-8"}, []),
    "time zone of Kiritimati": ({"TZ": "Pacific/Kiritimati"}, []),
    "time zone of Marquesas": ({"TZ": "Pacific/Marquesas"}, []),
    "a working folder of another name": ({}, []),
    "python -O": ({"PYTHONOPTIMIZE": "1"}, []),
    "python -OO": ({"PYTHONOPTIMIZE": "2"}, []),
    "UTF-8 mode": ({"PYTHONUTF8": "1"}, []),
    "development mode": ({"PYTHONWARNINGS": "ignore"}, ["-X", "dev"]),
    "no home": ({"HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent"}, []),
    "one thread": ({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}, []),
    "a narrow terminal": ({"COLUMNS": "20", "LINES": "5", "TERM": "dumb", "NO_COLOR": "1"}, []),
    "no bytecode": ({"PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1"}, []),
}


def run(folder: Path) -> list[Tally]:
    """Everything that is written and printed in each environment, compared with the first."""
    tally = Tally("environments", f"{len(OUTPUTS)} files and what is printed")
    first: dict[str, str] = {}
    for index, (name, (variables, flags)) in enumerate(ENVIRONMENTS.items()):
        made = outputs(folder / ("ein ä Ordner" if "folder" in name else str(index)), variables, flags)
        first = first or made
        differing = [file for file in first if made.get(file) != first[file]]
        tally.note(f"{name}: {', '.join(differing)} {made.get('error', '')}" if differing or "error" in made else None)
    return [tally]


def outputs(folder: Path, variables: dict[str, str], flags: list[str]) -> dict[str, str]:
    """The digests of what is written in an environment, and of what is printed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "net.dlspec").write_text(SPEC, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "compiler"), **variables}
    command = [sys.executable, *flags, "-c", PROGRAM % (COMMANDS,)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True)
    made = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in OUTPUTS if (folder / name).exists()
    }
    made["what is printed"] = hashlib.sha256(done.stdout).hexdigest()
    if done.returncode or done.stderr:
        made["error"] = done.stderr.decode(errors="replace")[-500:]
    return made
