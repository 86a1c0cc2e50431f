"""Source texts and positions in them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_IGNORED = re.compile(r"#[ \t]*dlspec:[ \t]*ignore\[([\w, ]*)\]")


class Source:
    """A text with a name, usually a file's path as the user wrote it.

    Offsets count characters of ``text``; lines and columns count from 1. ``shown`` says whether messages may show its
    lines: they do not of a file that is no spec.
    """

    def __init__(self, name: str, text: str, path: Path | None = None, shown: bool = True) -> None:
        self.name = name
        self.text = text
        self.path = path
        self.shown = shown

    def __repr__(self) -> str:
        return f"Source({self.name!r})"

    @cached_property
    def _line_starts(self) -> list[int]:
        starts = [0]
        starts.extend(i + 1 for i, character in enumerate(self.text) if character == "\n")
        return starts

    @cached_property
    def ignored(self) -> Mapping[int, frozenset[str]]:
        """The codes that `# dlspec: ignore[DL0709]` names, by line: its own, and where the comment stands alone the next
        line of code."""
        found: dict[int, frozenset[str]] = defaultdict(frozenset)
        for match in _IGNORED.finditer(self.text):
            line = self.position(match.start())[0]
            while line < len(self._line_starts) and self.line(line).lstrip().startswith("#"):
                line += 1
            found[line] |= frozenset(match[1].replace(",", " ").split())
        return found

    def position(self, offset: int) -> tuple[int, int]:
        """The line and column of an offset, both from 1."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def offset(self, line: int, column: int) -> int | None:
        """The offset of a line and column, both from 1; None where the text has no such place."""
        if not (0 < line <= len(self._line_starts) and 0 < column <= len(self.line(line)) + 1):
            return None
        return self._line_starts[line - 1] + column - 1

    def line(self, number: int) -> str:
        """The text of a line (from 1), without its line end."""
        starts = self._line_starts
        end = starts[number] - 1 if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r")


@dataclass(slots=True, unsafe_hash=True)
class Span:
    """A stretch of a source, from ``start`` up to but not including ``end``.

    Never changed. Not frozen, since every node of a tree has one, and to make it would take three times as long.
    """

    source: Source
    start: int
    end: int

    @property
    def line(self) -> int:
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.start)[1]

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def last(self) -> Span:
        """Its last character, such as the brace that closes a body."""
        return Span(self.source, max(self.start, self.end - 1), self.end)

    def to(self, other: Span) -> Span:
        """From the start of this span to the end of the other."""
        return Span(self.source, self.start, other.end)

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"
