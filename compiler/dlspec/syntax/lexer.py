"""Text to raw tokens: everything but blanks, comments and line ends included."""

from __future__ import annotations

import re
from functools import cache
from itertools import islice

from dlspec.source import Source
from dlspec.syntax.tables import tables


class Token:
    """A token. `kind` is the literal text of a word or sign, or NAME, INT, FLOAT, STRING, COMMENT, NEWLINE, BODY, END.

    The lexer leaves words as NAME, because which of them are keywords depends on where they stand (see `layout`). What
    it cannot read is UNTERMINATED (a string), NUMBER (a malformed one) or ODD (a character).
    """

    __slots__ = ("end", "kind", "start", "text")

    def __init__(self, kind: str, start: int, end: int, text: str) -> None:
        self.kind = kind
        self.start = start
        self.end = end
        self.text = text

    def __repr__(self) -> str:
        return f"Token({self.kind}, {self.start}, {self.end}, {self.text!r})"


UNREADABLE = frozenset({"UNTERMINATED", "NUMBER", "ODD"})

INVISIBLE = re.compile(
    "[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]|\r(?!\n)"
)
"""Never allowed, not even in strings: control characters, what reorders text on the screen or ends a line for some
programs only, half characters."""


@cache
def words() -> frozenset[str]:
    """Every word that means something somewhere in the grammar."""
    return frozenset(literal for literal in tables().literals if literal.isalpha())


@cache
def _master() -> re.Pattern[str]:
    patterns = tables().patterns
    signs = sorted((sign for sign in tables().literals if not sign.isalpha()), key=len, reverse=True)
    alternatives = {
        "NAME": patterns["NAME"],
        "SIGN": "|".join(re.escape(sign) for sign in [*signs, ";"]),
        "NEWLINE": r"\n",
        "FLOAT": patterns["FLOAT"],
        "INT": patterns["INT"],
        "STRING": patterns["STRING"],
        "COMMENT": patterns["COMMENT"],
        "NUMBER": r"[0-9]\w*",
        "UNTERMINATED": r'"[^\n]*',
        "ODD": r"[^\n]",
    }
    return re.compile(r"[ \t\r]+|" + "|".join(f"(?P<{name}>{pattern})" for name, pattern in alternatives.items()))


def scan(source: Source, start: int = 0, end: int | None = None, most: int | None = None) -> list[Token]:
    """The raw tokens between two offsets, an END at the last. Nothing is read after ``most`` tokens and blanks. Never
    fails."""
    text = source.text
    end = len(text) if end is None else end
    if start == 0 and text.startswith("\ufeff"):
        start = 1
    tokens: list[Token] = []
    append = tokens.append
    matches = _master().finditer(text, start, end)
    for match in matches if most is None else islice(matches, most):
        kind = match.lastgroup
        if kind is None:
            continue
        found = match.group()
        append(Token(found if kind == "SIGN" else kind, *match.span(), found))
    end = end if next(matches, None) is None else tokens[-1].end
    append(Token("END", end, end, ""))
    return tokens
