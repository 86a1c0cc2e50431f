"""What to say about characters that make no token."""

from __future__ import annotations

from dlspec.diagnostics import Diagnostic
from dlspec.source import Source, Span
from dlspec.syntax.lexer import Token

CHARACTERS = {
    "&": "write `and`",
    "!": "write `not`",
    "^": "a power is written `**`",
    "'": 'strings stand in double quotes: "..."',
    "`": 'strings stand in double quotes: "..."',
    "\\": "nothing is needed here: a line goes on by itself inside ( ) and [ ], and where the next begins with `->`",
    "@": "write `matmul(a, b)`",
    "→": "write `->`",
    "⇒": "write `->`",
    "\u00d7": "write `*`",
    "·": "write `*`",
    "÷": "write `/` or `//`",
    "\u2212": "write `-`",
    "\u2013": "write `-`",
    "—": "write `-`",
    "≤": "write `<=`",
    "≥": "write `>=`",
    "≠": "write `!=`",
    "“": 'write straight quotes: "..."',
    "”": 'write straight quotes: "..."',
    "„": 'write straight quotes: "..."',
    "…": "write every item out",
}


def unreadable(source: Source, token: Token) -> Diagnostic:
    span = Span(source, token.start, token.end)
    if token.kind == "UNTERMINATED":
        hint = 'it ends on the line where it begins; within it a quote is written \\"'
        return Diagnostic("DL0102", "this string is never closed", span, hint=hint)
    if token.kind == "NUMBER":
        hint = "digits may be grouped with single underscores, and a name begins with a letter"
        return Diagnostic("DL0106", f"`{token.text}` is no number", span, hint=hint)
    hint = CHARACTERS.get(token.text, "")
    if not hint and token.text.isalpha():
        hint = "names are made of the letters a to z and A to Z, digits and `_`"
    return Diagnostic("DL0101", f"{describe(token.text)} has no meaning here", span, hint=hint)


def describe(character: str) -> str:
    """The character itself where it can be seen, and else its number."""
    code = ord(character)
    if 0x21 <= code <= 0x7E:
        return f"`{character}`"
    visible = character.isprintable() and not character.isspace()
    return f"`{character}` (U+{code:04X})" if visible else f"the invisible character U+{code:04X}"


def invisible(source: Source, offset: int) -> Diagnostic:
    span = Span(source, offset, offset + 1)
    return Diagnostic("DL0101", f"{describe(source.text[offset])} must not stand in a spec", span)
