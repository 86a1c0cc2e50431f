"""What a run says of itself: metrics as JSON lines, and a bar with the objectives on a terminal."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from dlspec.backends.files import write_bytes
from dlspec.backends.runtime import RunError

FILE = "metrics.jsonl"
NUMBERS = ("named", "objectives")
"""The parts of a record, and of what it says of held-out data, whose numbers are drawn."""


class Metrics:
    """The file of metrics, a line for each record. JSON has no NaN: what is not finite is written as null."""

    def __init__(self, out: Path, steps: int) -> None:
        """Goes on after ``steps`` steps: what an interrupted run wrote of later ones is taken out. Raises `OSError`, and
        `RunError` where the file is none of metrics."""
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
    """The records of a file of metrics; a last line that was cut off is left out. Raises `RunError` for another file."""
    if not path.exists():
        return []
    records: list[dict[str, Any]] = []
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
        if line.endswith(b"\n"):
            try:
                records.append(_checked(json.loads(line)))
            except (ValueError, RecursionError):
                hint = "move it away, and the run writes another"
                raise RunError(f"line {number} of {path} is no record of metrics", hint) from None
    return records


def _checked(content: Any) -> dict[str, Any]:
    """A record as `Metrics` writes it, with the numbers that are drawn. Raises ValueError."""
    record = _dict(content)
    parts = [_dict(of.get(name, {})) for of in (record, _dict(record.get("held_out", {}))) for name in NUMBERS]
    parts += [_dict(part) for part in _dict(record.get("probe", {})).values()]
    numbers = [number for part in parts for number in part.values() if number is not None]
    if type(record.get("step")) is not int or any(type(number) not in (int, float) for number in numbers):
        raise ValueError
    return record


def _dict(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ValueError
    return cast("dict[str, Any]", content)


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
