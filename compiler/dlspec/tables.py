"""Tables and texts for a terminal, in columns as it shows them: an ideograph takes two, an accent none."""

from __future__ import annotations

from collections.abc import Sequence

from dlspec.render import columns

GAP = 2
"""Columns between two cells."""

NARROWEST = 12
"""Columns that a cut cell keeps at least."""

_DOTS = "..."


def padded(cell: str, width: int, right: bool = False) -> str:
    """A cell with spaces behind it, or before it, up to a width."""
    space = " " * (width - columns(cell))
    return space + cell if right else cell + space


def shortened(cell: str, width: int, keep_end: bool = False) -> str:
    """A cell that is cut to a width where it is wider: of a path the end says the most."""
    if columns(cell) <= width:
        return cell
    room = width - len(_DOTS)
    if keep_end:
        return _DOTS + _beginning(cell[::-1], room)[::-1]
    return _beginning(cell, room) + _DOTS


def natural(rows: Sequence[Sequence[str]]) -> list[int]:
    """How wide each column has to be for all its cells."""
    return [max(map(columns, column)) for column in zip(*rows, strict=True)]


def cut(widths: Sequence[int], order: Sequence[int], room: int) -> list[int]:
    """Widths for a table that shall be no wider than ``room``: columns are cut in that order, each as far as it must."""
    widths = list(widths)
    for index in order:
        excess = total(widths) - room
        widths[index] = max(widths[index] - max(excess, 0), min(widths[index], NARROWEST))
    return widths


def total(widths: Sequence[int]) -> int:
    """How wide a table of such columns is."""
    return sum(widths) + GAP * (len(widths) - 1)


def wrapped(text: str, room: int | None) -> list[str]:
    """A text in lines of at most ``room`` columns, broken at spaces, and within a word that has no room."""
    if room is None or columns(text) <= room:
        return [text]
    words = text.lstrip(" ")
    lines, line = list[str](), " " * (len(text) - len(words))
    for word in words.split(" "):
        joined = f"{line} {word}" if line.strip(" ") else line + word
        if columns(joined) <= room:
            line = joined
            continue
        lines += [line] * bool(line)
        line = word
        while columns(line) > room:
            part = _beginning(line, room) or line[0]
            lines.append(part)
            line = line[len(part) :]
    return [*lines, line]


def _beginning(text: str, room: int) -> str:
    """As much of a text as has room."""
    if text.isascii():
        return text[:room]
    taken = 0
    for index, character in enumerate(text):
        taken += columns(character)
        if taken > room:
            return text[:index]
    return text
