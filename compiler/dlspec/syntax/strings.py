"""What stands in a string: escapes and interpolated expressions."""

from __future__ import annotations

import re
from collections.abc import Callable

from dlspec.diagnostics import Diagnostic
from dlspec.source import Source, Span
from dlspec.syntax import ast
from dlspec.syntax.layout import SyntaxFault
from dlspec.syntax.lexer import Token

ESCAPES = {'\\"': '"', "\\\\": "\\", "\\n": "\n", "\\t": "\t", "{{": "{", "}}": "}"}
_PIECE = re.compile(r"[^\\{}]+|\\.|\{\{|\}\}|[{}]")


def string_parts(
    source: Source, token: Token, parse_interpolation: Callable[[int, int], ast.Expression]
) -> tuple[str | ast.Expression, ...]:
    """The parts of a STRING token: texts, no two in a row and none empty, and the expressions between them."""
    if "{" not in token.text and "}" not in token.text and "\\" not in token.text:
        return (token.text[1:-1],) if len(token.text) > 2 else ()
    parts: list[str | ast.Expression] = []
    text: list[str] = []
    offset, end = token.start + 1, token.end - 1
    while offset < end:
        match = _PIECE.match(source.text, offset, end)
        assert match is not None
        piece, here = match.group(), Span(source, offset, match.end())
        offset = match.end()
        if piece == "{":
            if text:
                parts.append("".join(text))
                text.clear()
            close = _closing_brace(source.text, offset, end)
            if close < 0:
                raise _fault("this `{` is never closed in the string", here, "a brace itself is written `{{`")
            parts.append(parse_interpolation(offset, close))
            offset = close + 1
        elif piece == "}":
            raise _fault("this `}` closes nothing in the string", here, "a brace itself is written `}}`")
        elif piece in ESCAPES:
            text.append(ESCAPES[piece])
        elif piece.startswith("\\"):
            raise _fault(f"`{piece}` is no escape", here, 'known are `\\"`, `\\\\`, `\\n` and `\\t`')
        else:
            text.append(piece)
    if text:
        parts.append("".join(text))
    return tuple(parts)


def _fault(message: str, span: Span, hint: str) -> SyntaxFault:
    return SyntaxFault(Diagnostic("DL0102", message, span, hint=hint))


def _closing_brace(text: str, start: int, end: int) -> int:
    depth = 1
    for offset in range(start, end):
        depth += {"{": 1, "}": -1}.get(text[offset], 0)
        if depth == 0:
            return offset
    return -1
