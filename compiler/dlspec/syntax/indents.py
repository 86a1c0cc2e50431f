"""What the indentation says of a brace that is missing or one too many, of which an error shows far behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dlspec.diagnostics import Diagnostic, Note
from dlspec.source import Source, Span
from dlspec.syntax.layout import CLOSERS, CONTINUES, ENDS_OPERAND, NEXT_PART, Layout
from dlspec.syntax.lexer import Token

_CLOSING = frozenset(CLOSERS.values())
_GOES_ON = CONTINUES | set(NEXT_PART.values()) | {"where", "import"}

_MISSING_BEFORE = "a `{` is missing before this"
_MISSING_AFTER = "a `{` is missing after this, by the indentation of the next line"
_OUTSIDE = "nothing is open that this could stand in"
_HINT = "a line that is indented stands in braces: is the line with their `{` missing?"


@dataclass(slots=True)
class _Open:
    """A bracket that is open, or the top level: the ``line`` it stands on, and the indentation of that and of the statement
    ``around`` it; the ``first`` statement in it and how far that is ``inside``."""

    token: Token | None
    line: int
    indent: int
    around: int
    inside: int
    first: Token | None = None


def misplaced(source: Source, layout: Layout, found: Diagnostic) -> Diagnostic:
    """The finding where the layout stands, put at the brace that is missing or too much by the indentation before it.

    Only where such a brace may show: where nothing is open, or a line cannot go on with the one before.
    """
    token = layout.raw[layout.index]
    outside = len(layout.levels) - (token is layout.opened) == 1
    begins = layout.index > 0 and layout.raw[layout.index - 1].kind == "NEWLINE"
    if outside or (token.kind in ("->", "|") and begins):
        doubtful = _doubtful(source, layout)
        if doubtful is not None and doubtful.span.start <= found.span.start:
            shown = () if found.span.start == doubtful.span.start else (Note(found.span, found.message),)
            return replace(doubtful, notes=(*doubtful.notes, *shown))
    return found


def _doubtful(source: Source, layout: Layout) -> Diagnostic | None:
    """What is said up to where the layout stands of the first `}` on a line that is not indented as that of its `{`, or of
    the first line that is indented as if a brace stood before it."""

    def said(message: str, token: Token, *notes: Note, hint: str = "") -> Diagnostic:
        return Diagnostic("DL0104", message, Span(source, token.start, token.end), notes=notes, hint=hint)

    stack = [_Open(None, 0, 0, 0, 0)]
    before: Token | None = None
    line = indent = 0
    begins = layout.first == 0 or layout.raw[layout.first - 1].kind == "NEWLINE"
    start = layout.raw[layout.first - 1].end if layout.first else 0
    for token in layout.raw[layout.first : layout.index + 1]:
        if token.kind in ("NEWLINE", "COMMENT"):
            if token.kind == "NEWLINE":
                begins, start, line = True, token.end, line + 1
            continue
        if begins:
            indent = token.start - start
        around = stack[-1]
        if token.kind in _CLOSING:
            opener = around.token
            if opener is None or CLOSERS[opener.kind] != token.kind:
                return None
            stack.pop()
            if token.kind == "}" and line != around.line and indent not in (around.indent, around.around):
                if around.first is not None and indent < around.inside:
                    return said(_MISSING_BEFORE, around.first)
                closed = Note(Span(source, opener.start, opener.end), "it closes this `{`, by its indentation another")
                return said("this `}` is one too many", token, closed)
        elif begins and (around.token is None or around.token.kind == "{"):
            starts = before is None or before is around.token or before.kind in ENDS_OPERAND
            if starts and token.text not in _GOES_ON:
                if around.first is None and around.token is not None:
                    around.inside, around.first = indent, token
                elif indent > around.inside:
                    if around.token is None or before is None:
                        return said(_OUTSIDE, token, hint=_HINT)
                    return said(_MISSING_AFTER, before)
        if token.kind in CLOSERS:
            stack.append(_Open(token, line, indent, around.inside, indent))
        before, begins = token, False
    return None
