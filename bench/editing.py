"""From a text to its diagnostics after an edit, in a started process, as an editor asks for them at every key."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

from bench.timing import ROOT, interleaved, milliseconds, table

SPEC = "specs/resnet.dlspec"
AIM = 0.040
EDITS = {
    "one of its 7 networks": ("[3, 4, 23, 3]", "[3, 4, {}, 3]"),
    "a block in 5 of them": ("planes * base_width // 64 * groups", "planes * base_width // 64 * groups + 0 * {}"),
    "what is in all of them": ("stride=2, padding=1)\n}", "stride=2, padding=1 + 0 * {})\n}}"),
}


def _edits(old: str, new: str) -> Callable[[], object]:
    """A task that edits the text anew and analyses it, with what is known from before."""
    from dlspec.editing.analysis import analyse

    text, numbers = (ROOT / SPEC).read_text(encoding="utf-8"), count(1)
    if text.count(old) < 1:
        raise ValueError(f"{SPEC} has no `{old}`")
    last = analyse(SPEC, text=text)

    def edit() -> None:
        nonlocal last
        last = analyse(SPEC, text=text.replace(old, new.format(next(numbers)), 1), before=last)

    return edit


def run(folder: Path, runs: int) -> dict[str, float]:
    """Prints the times and returns them by what is edited, in seconds."""
    from dlspec.editing.analysis import analyse

    text = (ROOT / SPEC).read_text(encoding="utf-8")
    tasks: dict[str, Callable[[], object]] = {name: _edits(*edit) for name, edit in EDITS.items()}
    tasks["nothing, but it is not known before"] = lambda: analyse(SPEC, text=text)
    tasks["nothing, and what stands at a place is asked"] = lambda: analyse(SPEC, text=text).at(30, 19)
    times = interleaved(tasks, runs * 2, warmup=2)
    rows = [(name, milliseconds(time)) for name, time in times.items()]
    table(f"{SPEC}, from text to diagnostics after an edit of", ("", f"dlspec (aim {milliseconds(AIM)})"), rows)
    return times
