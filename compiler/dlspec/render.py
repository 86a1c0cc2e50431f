"""Diagnostics as text for people, in the manner of rustc and Elm, and as JSON for programs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from shutil import get_terminal_size
from typing import Any, TextIO

from dlspec.diagnostics import Diagnostic, Note, Severity
from dlspec.source import Span

WIDTH = 120
"""Columns of a source line that are shown; of a longer one, those around the span."""

MOST = 1000
"""Characters of a message that are shown."""

_TAB = 4
_TRACE = 8
"""Block instances of a trace that are shown: the first and the last ones."""


class Paint:
    """Colours of a terminal, or none."""

    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, text: str, style: str) -> str:
        """The text without control characters of its own, in a style."""
        text = printable(text)
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._colour and text else text


_STYLES = {"error": "1;31", "warning": "1;33", "note": "1;36", "hint": "1;32", "gutter": "1;34", "bold": "1"}


def wants_colour(stream: TextIO) -> bool:
    """Whether a stream is a terminal that shows colours, and https://no-color.org is not invoked."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def render(diagnostics: Iterable[Diagnostic], colour: bool = False) -> str:
    """All findings, an empty line between them."""
    return "\n\n".join(render_one(diagnostic, colour) for diagnostic in diagnostics)


def render_one(diagnostic: Diagnostic, colour: bool = False) -> str:
    """One finding: message, the place with its label, the other places, how it was reached, and the hint."""
    paint = Paint(colour)
    severity = diagnostic.severity.value
    places = [diagnostic.span, *(note.span for note in diagnostic.notes)]
    gutter = max(len(str(span.line)) for span in places)
    head = paint(f"{severity}[{diagnostic.code}]", severity) + paint(f": {_short(diagnostic.message)}", "bold")
    lines = [head, *_excerpt(diagnostic.span, diagnostic.label, "^", severity, gutter, paint)]
    previous = diagnostic.span
    for note in diagnostic.notes:
        lines += _excerpt(note.span, note.text, "-", "note", gutter, paint, previous)
        previous = note.span
    margin = " " * gutter
    tail = [_tail(margin, "", text, paint) for text in _trace(diagnostic.trace)]
    if diagnostic.hint:
        tail.append(_tail(margin, paint("hint", "hint") + ": ", _short(diagnostic.hint), paint))
    return "\n".join([*lines, *tail])


def summary_line(diagnostics: Sequence[Diagnostic]) -> str:
    """``2 errors, 1 warning``; nothing where there are none."""
    counts = [(sum(d.severity is severity for d in diagnostics), severity.value) for severity in Severity]
    return ", ".join(f"{count} {name}{'s' if count > 1 else ''}" for count, name in counts if count)


def to_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """A finding for programs. Lines and columns count from 1; the end is behind the last character."""
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        **_place(diagnostic.span),
        "label": diagnostic.label,
        "hint": diagnostic.hint,
        "notes": [{"message": note.text, **_place(note.span)} for note in diagnostic.notes],
        "trace": [{"message": note.text, **_place(note.span)} for note in diagnostic.trace],
    }


def printable(text: str) -> str:
    """The text without characters that would move a terminal's cursor or turn its direction of writing."""
    return "".join(c if c.isprintable() or c == " " else "\N{REPLACEMENT CHARACTER}" for c in text)


def columns(text: str) -> int:
    """How many columns a terminal takes for a text: two for an ideograph, none for an accent that stands over a letter."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def room(stream: TextIO) -> int | None:
    """The columns that lines on a stream may take: those of its terminal, or what COLUMNS says of that. None, as many as
    they need, where the stream is a file or a pipe."""
    return get_terminal_size().columns if stream.isatty() else None


def plain(text: str) -> str:
    """Lines, each as `printable` makes it."""
    return "\n".join(map(printable, text.split("\n")))


def _short(text: str) -> str:
    """A text of a finding, as much of it as anyone reads."""
    return printable(text if len(text) <= MOST else f"{text[:MOST]}...")


def _place(span: Span) -> dict[str, Any]:
    end_line, end_column = span.source.position(span.end)
    return {
        "file": span.source.name,
        "line": span.line,
        "column": span.column,
        "end_line": end_line,
        "end_column": end_column,
    }


def _excerpt(
    span: Span, label: str, mark: str, style: str, gutter: int, paint: Paint, previous: Span | None = None
) -> list[str]:
    """The line a span begins in, underlined. The place is written above it unless ``previous`` is in the same file."""
    margin = " " * gutter
    bar = paint("|", "gutter")
    if previous is None or previous.source is not span.source:
        lines = [f"{margin}{paint('-->', 'gutter')} {printable(str(span))}", f"{margin} {bar}"]
    else:
        lines = [f"{margin}{paint('...', 'gutter')}"]
    if not span.source.text or not span.source.shown:  # a file of weights, or one that is no spec
        return lines[:1]
    text, start, width = _shown_line(span)
    number = paint(f"{span.line:>{gutter}} |", "gutter")
    underline = paint(" ".join(filter(None, (mark * width, _short(label)))), style)
    return [*lines, f"{number} {text}".rstrip(), f"{margin} {bar} {' ' * start}{underline}"]


def _shown_line(span: Span) -> tuple[str, int, int]:
    """The line a span begins in as a terminal shows it, and the columns in it where the span begins and that it takes.

    A span of several lines is shown to the end of its first one.
    """
    line = span.source.line(span.line)
    first = span.column - 1
    last = max(first + 1, min(first + span.end - span.start, len(line.rstrip())))
    cut, end = max(0, first - WIDTH), first + 2 * WIDTH
    first, last, more, line = first - cut, min(last, end) - cut, end < len(line), line[cut:end]
    cells = [_cell(character) for character in line]
    offsets = [0]
    for _, width in cells:
        offsets.append(offsets[-1] + width)
    low, high = 0, len(cells)
    if offsets[-1] > WIDTH or cut or more:
        low, high = _window(offsets, first, min(last, len(cells)))
        last = min(last, high)
    before, after = ("..." if low + cut > 0 else ""), ("..." if high < len(cells) or more else "")
    text = before + "".join([shown for shown, _ in cells[low:high]]) + after
    begin = offsets[min(first, len(cells))]
    width = offsets[min(last, len(cells))] - begin
    return text, begin - offsets[low] + len(before), max(width, 1)


def _window(offsets: list[int], first: int, last: int) -> tuple[int, int]:
    """Which characters of a long line to show: a third of the width before the span, then as many as fit."""
    low = first
    while low > 0 and offsets[first] - offsets[low - 1] <= WIDTH // 3:
        low -= 1
    high = low
    while high < len(offsets) - 1 and offsets[high + 1] - offsets[low] <= WIDTH - 6:
        high += 1
    return low, max(high, min(last, first + 1))


def _cell(character: str) -> tuple[str, int]:
    """A character as it is shown, and its width in columns."""
    if character == "\t":
        return " " * _TAB, _TAB
    shown = printable(character)
    return shown, columns(shown)


def _trace(trace: Sequence[Note]) -> list[str]:
    shown = [f"{_short(note.text)}, called at {printable(str(note.span))}" for note in trace]
    if len(shown) <= _TRACE:
        return shown
    half = _TRACE // 2
    return [*shown[:half], f"... {len(shown) - 2 * half} more ...", *shown[-half:]]


def _tail(margin: str, kind: str, text: str, paint: Paint) -> str:
    return f"{margin} {paint('=', 'gutter')} {kind}{text}"
