"""The comments that document something."""

from __future__ import annotations

from dlspec.source import Source


def doc_above(source: Source, offset: int) -> str:
    """The comment lines directly above the line of an offset, without their `#`."""
    text = source.text
    found: list[str] = []
    end = text.rfind("\n", 0, offset)
    if text[end + 1 : offset].strip("\ufeff \t\r;"):
        return ""
    while end >= 0:
        start = text.rfind("\n", 0, end) + 1
        line = text[start:end].strip("\ufeff \t\r")
        if not line.startswith("#"):
            break
        found.append(_without_mark(line))
        end = start - 1
    return "\n".join(reversed(found))


def leading_comment(source: Source) -> str:
    """The comment a file begins with."""
    found: list[str] = []
    for line in source.text.lstrip("\ufeff \t\r\n").split("\n"):
        line = line.strip(" \t\r")
        if not line.startswith("#"):
            break
        found.append(_without_mark(line))
    return "\n".join(found)


def _without_mark(line: str) -> str:
    return line.removeprefix("#").removeprefix(" ").rstrip()
