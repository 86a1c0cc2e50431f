"""`format_source`: the canonical text of a spec.

Opinionated about blanks and indentation, gentle about lines: a line that its author began with `->` stays one, braces
that were closed on their line stay so where they fit, and nothing moves but the white space. Where a line would be too
long, braces are opened and a chain goes on in the next line.
"""

from __future__ import annotations

from dlspec.source import Source
from dlspec.syntax.items import BRACES, Item, items_of
from dlspec.syntax.layout import HEADERS
from dlspec.syntax.parser import parse
from dlspec.syntax.tables import END

WIDTH = 120
INDENT = 4
BRANCH = 2
"""How far a `|` stands to the left of its branch."""


def format_source(source: Source) -> str:
    """The text in its canonical form. Raises `DlspecError` where it cannot be parsed."""
    parse(source).check()
    return _Formatter(items_of(source)).text()


class _Group:
    """Brackets that are open, or the file."""

    __slots__ = ("base", "braces", "content", "flat", "header_base", "prefixed")

    def __init__(self, base: int, content: int, braces: bool, flat: bool) -> None:
        self.base = base
        """Where the line is indented in which it begins, and so that in which it ends."""
        self.content = content
        self.braces = braces
        self.flat = flat
        """It stands on one line."""
        self.header_base = base
        self.prefixed = False


class _Formatter:
    def __init__(self, items: list[Item]) -> None:
        self.items = items
        self.lines: list[str] = []
        self.line = ""
        self.base = 0
        """The indentation that what the line opens goes by."""
        self.groups = [_Group(0, 0, True, False)]

    def text(self) -> str:
        for number, item in enumerate(self.items):
            closed = self.groups.pop() if item.kind in (")", "]", "}") else None
            self._place(number, item, closed)
            group = self.groups[-1]
            if item.kind in HEADERS or item.kind == "scan":
                group.header_base = self.base
            if item.closer >= 0:
                self._open(number, item, group)
        self._end_line()
        return "\n".join(self.lines) + "\n" if self.lines else ""

    def _open(self, number: int, item: Item, parent: _Group) -> None:
        braces = item.kind in BRACES
        base = parent.header_base if item.kind == "BODY" else self.base
        flat = braces and not item.inside_broken and len(self.line) + self._width(number + 1, item.closer + 1) <= WIDTH
        self.groups.append(_Group(base, base + INDENT, braces, flat))

    def _place(self, number: int, item: Item, closed: _Group | None) -> None:
        """Writes a token, on a line of its own where it begins one."""
        group = closed or self.groups[-1]
        before = self.items[number - 1] if number else None
        opens = before is not None and before.closer >= 0 and closed is None
        closes_empty = before is not None and closed is not None and before.closer == number
        if group.braces and group.flat:
            begins = False
        elif group.braces and closed is not None:
            begins = not closes_empty or bool(item.comments)
        elif group.braces:
            begins = (
                before is None
                or opens
                or item.separated
                or item.kind in ("|", END)
                or self._breaks(number, item, group)
            )
        else:
            begins = self._breaks(number, item, group)
        if group.braces and (item.separated or opens or item.kind == "|" or before is None):
            group.prefixed = item.prefixed
        if not begins:
            self.line += ("" if before is None else item.gap) + item.text
            if item.kind == "|":
                group.prefixed = self.items[number + 1].prefixed
            return

        indent = self._indent(item, group, closed, opens)
        self._comments(item, group.content if closed is not None or item.kind == "|" else indent, before)
        self._end_line()
        if (
            item.blank
            and self.lines
            and item.kind != END
            and (item.separated or (item.comments and (opens or before is None)))
        ):
            self.lines.append("")
        if item.kind == "|":
            group.prefixed = self.items[number + 1].prefixed
            self.line = " " * (indent - BRANCH)
        else:
            self.line = " " * indent
        self.base = indent
        self.line += item.text

    def _indent(self, item: Item, group: _Group, closed: _Group | None, opens: bool) -> int:
        if closed is not None:
            return group.base
        if not group.braces or opens or item.separated or item.kind in ("|", END, "else", "BODY") or not self.line:
            return group.content
        if item.kind == "->" and not group.prefixed:
            return group.content
        return group.content + INDENT

    def _breaks(self, number: int, item: Item, group: _Group) -> bool:
        """Whether a token begins a line that need not: its author has it so, or the line would become too long."""
        if item.broken:
            return True
        if item.kind == "->" and group.braces:
            return len(self.line) + self._width(number, self._step_end(number, group)) > WIDTH
        return False

    def _step_end(self, arrow: int, group: _Group) -> int:
        """Where the step after an arrow ends, or its first line: braces too wide for any line will be opened."""
        room = WIDTH - group.content - (INDENT if group.prefixed else 0)
        number = arrow + 1
        while True:
            item = self.items[number]
            if item.kind in ("->", "|", END, ")", "]", "}") or item.separated or item.broken:
                return number
            if item.closer >= 0:
                if item.inside_broken or (item.kind in BRACES and self._width(arrow, item.closer + 1) > room):
                    return number + 1
                number = item.closer
            number += 1

    def _width(self, start: int, end: int) -> int:
        return sum(len(item.gap) + len(item.text) for item in self.items[start:end])

    def _comments(self, item: Item, indent: int, before: Item | None) -> None:
        """Writes the comments above a token that begins a line."""
        fresh = before is None or before.closer >= 0
        for comment in item.comments:
            if comment.trailing:
                self.line += "  " + comment.text
                continue
            self._end_line()
            if comment.blank and not fresh:
                self.lines.append("")
            fresh = False
            self.lines.append(" " * indent + comment.text)

    def _end_line(self) -> None:
        if self.line.strip():
            self.lines.append(self.line.rstrip())
        self.line = ""
