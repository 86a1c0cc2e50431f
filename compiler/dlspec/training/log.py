"""What a run says of itself: metrics as JSON lines, and a bar with the objectives on a terminal."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlspec.backends.files import write_bytes

FILE = "metrics.jsonl"


class Metrics:
    """The file of metrics, a line for each record. JSON has no NaN: what is not finite is written as null."""

    def __init__(self, out: Path, steps: int) -> None:
        """Goes on after ``steps`` steps: what an interrupted run wrote of later ones is taken out. Raises `OSError`."""
        self.path = out / FILE
        kept = [line for line in read(self.path) if line["step"] <= steps] if steps else []
        write_bytes(self.path, "".join(map(_line, kept)).encode())
        self._file = self.path.open("a", encoding="utf-8")

    def write(self, record: Mapping[str, Any]) -> None:
        self._file.write(_line(record))
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> list[dict[str, Any]]:
    """The records of a file of metrics; a last line that was cut off is left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(_plain(record)) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}  # type: ignore[reportUnknownVariableType]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Bar:
    """How far a run is, with the last objectives; nothing where stderr is no terminal."""

    def __init__(self, name: str, steps: int, done: int, shown: bool) -> None:
        self._progress: Any = None
        if shown and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            text = TextColumn("{task.fields[text]}", markup=False)
            columns = TextColumn(name, markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), text
            self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._progress.add_task("", total=steps, completed=done, text="")
            self._progress.start()

    def show(self, done: int, numbers: Mapping[str, float]) -> None:
        if self._progress is not None:
            self._progress.update(self._task, completed=done, text=spoken(numbers))

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()


def spoken(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {number:.4g}" for name, number in numbers.items())
