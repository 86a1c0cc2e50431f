"""The codes of diagnostics and their pages, which are written in grammar/errors.md."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dlspec.resources import resource

_PAGE = re.compile(
    r"^### (?P<code>DL\d{4}) (?P<title>.+)\n\n(?P<text>(?:.+\n|\n(?!```))+)"
    r"\n```\w*\n(?P<wrong>[^`]*)```\n\n(?P<fix>(?:.+\n)+)\n```\w*\n(?P<right>[^`]*)```$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Page:
    """What a code means. ``wrong`` has the error and ``right`` has not; ``fix`` says what was done.

    Both are whole specs, in a file ``example.dlspec``, or a command after a `$`.
    """

    code: str
    title: str
    text: str
    wrong: str
    fix: str
    right: str

    def __str__(self) -> str:
        wrong, right = _indented(self.wrong), _indented(self.right)
        return f"{self.code}: {self.title}\n\n{self.text}\n{wrong}\n{self.fix}\n{right}".rstrip()


def _indented(code: str) -> str:
    return "".join(f"    {line}".rstrip() + "\n" for line in code.splitlines())


def _read(text: str) -> dict[str, Page]:
    return {match["code"]: Page(**match.groupdict()) for match in _PAGE.finditer(text)}


CODES: dict[str, Page] = _read(resource("grammar/errors.md").read_text(encoding="utf-8"))
"""The pages by code."""
