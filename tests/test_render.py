from __future__ import annotations

import io
import json
from dataclasses import replace
from unicodedata import east_asian_width

import pytest

from dlspec.diagnostics import Diagnostic, Note, Severity
from dlspec.render import WIDTH, printable, render, render_one, summary_line, to_json, wants_colour
from dlspec.source import Source, Span

TEXT = "block A {\n    Conv(8, 3)\n    -> Add\n}\n"
SOURCE = Source("a.dlspec", TEXT)


def span(word: str, source: Source = SOURCE) -> Span:
    start = source.text.index(word)
    return Span(source, start, start + len(word))


def test_a_finding_with_everything() -> None:
    other = Source("b.dlspec", "\n" * 99 + "network N\n")
    diagnostic = Diagnostic(
        "DL0201", "sizes do not fit", span("Add"), "8 here",
        (Note(span("Conv(8, 3)"), "float[N, 8] comes from here"), Note(span("network", other), "declared here")),
        "use padding", (Note(span("Conv(8, 3)"), "in A"),),
    )  # fmt: skip
    assert render_one(diagnostic) == (
        "error[DL0201]: sizes do not fit\n"
        "   --> a.dlspec:3:8\n"
        "    |\n"
        "  3 |     -> Add\n"
        "    |        ^^^ 8 here\n"
        "   ...\n"
        "  2 |     Conv(8, 3)\n"
        "    |     ---------- float[N, 8] comes from here\n"
        "   --> b.dlspec:100:1\n"
        "    |\n"
        "100 | network N\n"
        "    | ------- declared here\n"
        "    = in A, called at a.dlspec:2:5\n"
        "    = hint: use padding"
    )


def test_several_findings_stand_apart() -> None:
    diagnostic = Diagnostic("DL0702", "odd", span("Add"), severity=Severity.WARNING)
    assert render([diagnostic, diagnostic]).count("warning[DL0702]: odd\n") == 2
    assert "^^^\n\nwarning" in render([diagnostic, diagnostic])


def underlined(line: str, start: int, length: int) -> tuple[str, str]:
    """The shown line, and what of it lies above the marks, cell by cell as a terminal places them."""
    source = Source("a.dlspec", line)
    shown, marks = render_one(Diagnostic("DL0101", "m", Span(source, start, start + length))).splitlines()[3:5]
    shown, marks = shown[4:], marks[4:]
    cells = "".join(c * (2 if east_asian_width(c) in "WF" else 1) for c in shown)
    return shown, "".join(c for c, mark in zip(cells, marks, strict=False) if mark == "^")


@pytest.mark.parametrize(
    ("line", "word", "above"),
    [
        ("abc def", "def", "def"),
        ("\tabc\tdef", "def", "def"),
        ("层层 -> def", "def", "def"),
        ("abc 层层 def", "层层", "层层层层"),
        ("abc \x1b[31m def", "def", "def"),
        ("x" * 400 + " def " + "y" * 400, "def", "def"),
        ("层" * 400 + " def " + "层" * 400, "def", "def"),
        ("def " + "y" * 400, "def", "def"),
        ("y" * 400 + " def", "def", "def"),
    ],
)
def test_marks_stand_under_the_span(line: str, word: str, above: str) -> None:
    shown, marked = underlined(line, line.index(word), len(word))
    assert marked == above
    assert "\x1b" not in shown
    assert sum(2 if east_asian_width(c) in "WF" else 1 for c in shown) <= WIDTH + 6


def test_a_long_span_is_marked_to_the_end_of_what_is_shown() -> None:
    shown, marked = underlined("y" * 1000, 10, 900)
    assert shown.endswith("...")
    assert len(shown) <= WIDTH
    assert marked.strip("y") == "" != marked


def test_a_span_of_several_lines_is_marked_on_the_first() -> None:
    lines = render_one(Diagnostic("DL0101", "m", Span(SOURCE, 0, len(TEXT)))).splitlines()
    assert lines[3:] == ["1 | block A {", "  | ^^^^^^^^^"]


@pytest.mark.parametrize("text", ["", "a", "a\n", "\n"])
def test_the_end_of_the_file_can_be_marked(text: str) -> None:
    rendered = render_one(Diagnostic("DL0103", "m", Span(Source("a.dlspec", text), len(text), len(text))))
    assert rendered.startswith("error[DL0103]: m\n --> a.dlspec:")
    assert not text or rendered.endswith("^")


def test_control_characters_never_reach_the_terminal() -> None:
    evil = Source("a\x1b[2J.dlspec", "x \x1b]0;title\x07 \u202e y")
    at = Span(evil, 2, 3)
    rendered = render_one(
        Diagnostic("DL0101", "m\x1b[31m", at, "l\x1b", (Note(at, "n\x07"),), "h\r", (Note(at, "t\x1b"),))
    )
    assert printable(rendered.replace("\n", "")) == rendered.replace("\n", "")


def test_a_long_trace_is_cut_in_the_middle() -> None:
    trace = tuple(Note(span("Add"), f"in Level({depth})") for depth in range(200))
    lines = [
        line for line in render_one(Diagnostic("DL0402", "m", span("Add"), trace=trace)).splitlines() if "= " in line
    ]
    assert len(lines) == 9
    assert "in Level(0)" in lines[0]
    assert "192 more" in lines[4]
    assert "in Level(199)" in lines[-1]


def test_json_has_all_of_it() -> None:
    diagnostic = Diagnostic(
        "DL0201",
        "m",
        Span(SOURCE, 0, 15),
        "l",
        (Note(span("Add"), "n"),),
        "h",
        (Note(span("Conv"), "t"),),
        Severity.WARNING,
    )
    assert json.loads(json.dumps(to_json(diagnostic))) == {
        "code": "DL0201", "severity": "warning", "message": "m", "file": "a.dlspec",
        "line": 1, "column": 1, "end_line": 2, "end_column": 6, "label": "l", "hint": "h",
        "notes": [{"message": "n", "file": "a.dlspec", "line": 3, "column": 8, "end_line": 3, "end_column": 11}],
        "trace": [{"message": "t", "file": "a.dlspec", "line": 2, "column": 5, "end_line": 2, "end_column": 9}],
    }  # fmt: skip


def test_colour_only_adds_escapes() -> None:
    diagnostic = Diagnostic("DL0201", "m", span("Add"), "l", (Note(span("Conv"), "n"),), "h")
    coloured = render_one(diagnostic, colour=True)
    plain = coloured
    for code in ("1;31", "1;36", "1;32", "1;34", "1", "0"):
        plain = plain.replace(f"\x1b[{code}m", "")
    assert plain == render_one(diagnostic) != coloured


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "stream", "colour"),
    [
        ({}, Terminal(), True),
        ({}, io.StringIO(), False),
        ({"NO_COLOR": "1"}, Terminal(), False),
        ({"NO_COLOR": ""}, Terminal(), True),
        ({"TERM": "dumb"}, Terminal(), False),
    ],
)
def test_when_there_is_colour(
    environment: dict[str, str], stream: io.StringIO, colour: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wants_colour(stream) is colour


def test_counts_of_findings() -> None:
    error = Diagnostic("DL0201", "m", span("Add"))
    warning = replace(error, severity=Severity.WARNING)
    assert summary_line([error, warning, error]) == "2 errors, 1 warning"
    assert summary_line([warning]) == "1 warning"
    assert summary_line([]) == ""
