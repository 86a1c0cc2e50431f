"""Graphviz: the `dot` on PATH, or the one that comes with the wheel of pygraphviz. Always in a process of its own.

Asked for many graphs at once, it gives where their nodes are. What it is asked twice it answers from memory.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TypeAlias

from dlspec.diagnostics import Hinted

TIME_LIMIT = 60.0
"""Seconds after which a layout is ended."""

Points: TypeAlias = Mapping[str, tuple[float, float]]
"""The middle of each node in points (1/72 inch), from the lower left."""

# Reads a list of graphs a line, and answers with a list of their layouts.
_WORKER = """
import json, os, sys
from pygraphviz import AGraph
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
def plain(text):
    return AGraph(string=text).draw(format="plain", prog="dot").decode()
for line in sys.stdin:
    answers.write(json.dumps([plain(text) for text in json.loads(line)]) + "\\n")
    answers.flush()
"""


class EngineError(Hinted):
    """No layout: Graphviz is missing, or it failed, or it took too long."""


class Engine:
    """Lays out graphs. A context: leaving it ends the process, if there is one.

    ``limit`` is how many seconds it may take for all it is asked.
    """

    def __init__(self, limit: float = TIME_LIMIT) -> None:
        self._limit = limit
        self._known: dict[str, Points] = {}
        self._process: subprocess.Popen[str] | None = None
        self._timer: threading.Timer | None = None
        self._late = False

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def solve(self, graphs: Sequence[str]) -> list[Points]:
        """Where the nodes of graphs in the DOT language are. Raises `EngineError`."""
        asked = [graph for graph in dict.fromkeys(graphs) if graph not in self._known]
        if asked:
            self._known.update(zip(asked, self._ask(asked), strict=True))
        return [self._known[graph] for graph in graphs]

    def _ask(self, graphs: list[str]) -> list[Points]:
        dot = shutil.which("dot")
        if dot is not None:
            texts = self._run_dot(dot, graphs)
        elif find_spec("pygraphviz") is not None:
            texts = self._run_wheel(graphs)
        else:
            raise EngineError("drawing needs Graphviz", "pip install 'dlspec[draw]', or install Graphviz's `dot`")
        if len(texts) != len(graphs):
            raise EngineError(f"Graphviz gave {len(texts)} layouts for {len(graphs)} graphs")
        return [_points(text) for text in texts]

    def _run_dot(self, dot: str, graphs: list[str]) -> list[str]:
        try:
            done = subprocess.run(
                [dot, "-Kdot", "-Tplain"], input="\n".join(graphs), capture_output=True, text=True, timeout=self._limit
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise self._too_long() from None
        if done.returncode:
            raise EngineError(f"dot failed: {done.stderr.strip()[:500]}")
        return [text + "stop\n" for text in done.stdout.split("stop\n")[:-1]]

    def _run_wheel(self, graphs: list[str]) -> list[str]:
        process = self._process
        if process is None:
            process = self._process = subprocess.Popen(
                [sys.executable, "-c", _WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True, env={**os.environ, "PYTHONWARNINGS": "ignore"},
            )  # fmt: skip
            self._timer = threading.Timer(self._limit, self._end)
            self._timer.daemon = True
            self._timer.start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(graphs) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise self._too_long() if self._late else EngineError("the Graphviz of pygraphviz failed")
        return json.loads(answer)

    def _end(self) -> None:
        self._late = True
        if self._process is not None:
            self._process.kill()

    def _too_long(self) -> EngineError:
        return EngineError(f"the layout takes longer than {self._limit:g} s", "draw less at once, with --depth")


def _points(plain: str) -> Points:
    found: dict[str, tuple[float, float]] = {}
    for line in plain.splitlines():
        words = line.split(" ", 4)
        if words[0] == "node":
            found[words[1]] = (round(float(words[2]) * 72, 1), round(float(words[3]) * 72, 1))
    return found
