"""Where reading can go on after an error, and what was lost by it.

All of it is decided on raw tokens: brackets as far as they fit, line ends, and what stands at the start of a line.
"""

from __future__ import annotations

from dlspec.syntax.layout import BEFORE_NAME, CLOSERS, CONTINUES, DECLARATIONS, IN_SCAN, RESERVED, is_name
from dlspec.syntax.lexer import UNREADABLE, Token

_BLANKS = frozenset({"NEWLINE", "COMMENT"})
_CLOSING = frozenset(CLOSERS.values())
_STARTS_AFTER = frozenset({"NEWLINE", ";", "{", "|", "}"})
_BETWEEN = frozenset({",", ")", "]"})
_BEGINS_NAMES = frozenset({"NAME", "(", "["})
"""With one of these begins what takes a list apart."""
_BEFORE_BOUND = BEFORE_NAME - {"from"} | {"as"}
_ENDS_DECLARATION = UNREADABLE | {"NAME", "INT", "FLOAT", "STRING", ")", "]", "}"}
_OUT_OF_PLACE = frozenset({"(", ")", "[", "]", "{", "|", ",", ":", "=", "->", "ODD", "NUMBER"})
_WORDS = DECLARATIONS | {"expect", "default"}
_GOES_ON = RESERVED - {"true", "false", "none"} | IN_SCAN | {"import", "where", "expect"}
"""Words behind which a line may end in the middle of a declaration."""


def chunk_end(raw: list[Token], first: int) -> int:
    """Where the declaration that starts at a raw token ends: at the next one, or at the end of the file.

    `block`, `network`, `train` and `from` with a name at the start of a line always begin a declaration. Unless braces are
    open, so do `expect` and `default`, and behind what can end one a word for a declaration alone and a name that is bound.
    """
    depth = 0
    before = raw[first]
    for index in range(first, len(raw) - 1):
        token = raw[index]
        kind = token.kind
        if kind == "{":
            depth += 1
        elif kind == "}":
            depth -= 1
        elif index > first and _may_begin(raw, index):
            named = is_name(raw[index + 1])
            if named and token.text in DECLARATIONS:
                return index
            ended = before.kind in _ENDS_DECLARATION and before.text not in _GOES_ON
            # A tensor may be called `default`, and `backwards` come behind it in the header of a scan.
            opens = named and token.text in _WORDS and (token.text != "default" or raw[index + 2].kind == "(")
            if depth <= 0 and (opens or (ended and _begins(raw, index))):
                return index
        if kind not in _BLANKS:
            before = token
    return len(raw) - 1


def next_declaration(raw: list[Token], index: int, last: int) -> int:
    """The first line behind a raw token that looks like the start of a declaration, whatever is open, or ``last``."""
    return next((i for i in range(index + 1, last) if _may_begin(raw, i) and _begins(raw, i)), last)


def begins_line(raw: list[Token], index: int) -> bool:
    """Whether a raw token stands at the very start of a line."""
    return index == 0 or (raw[index - 1].kind == "NEWLINE" and raw[index - 1].end == raw[index].start)


def line_start(raw: list[Token], index: int) -> int:
    """The first raw token of the line in which one stands, where that begins at the very start; else the first of all."""
    while index > 0 and raw[index - 1].kind != "NEWLINE":
        index -= 1
    return index if begins_line(raw, index) else 0


def _at_line_start(raw: list[Token], index: int) -> bool:
    """The same, but for signs before it that are out of place there."""
    while index > 0 and raw[index - 1].kind in _OUT_OF_PLACE:
        index -= 1
    return begins_line(raw, index)


def _may_begin(raw: list[Token], index: int) -> bool:
    """Whether a declaration or names may begin at a raw token: only in front of a word signs are out of place."""
    if raw[index].kind == "NAME":
        return _at_line_start(raw, index)
    return raw[index].kind in _BEGINS_NAMES and begins_line(raw, index)


def _begins(raw: list[Token], index: int) -> bool:
    token, following = raw[index], raw[index + 1]
    if not is_name(token):
        return token.kind in _BEGINS_NAMES and bool(_targets(raw, index, len(raw)))
    bound = following.kind == "=" or (following.kind == "," and bool(_targets(raw, index, len(raw))))
    return token.text in _WORDS or bound


def braces_match(raw: list[Token], first: int, last: int) -> bool:
    """Whether between two raw tokens every brace has its counterpart."""
    depth = 0
    for token in raw[first:last]:
        depth += {"{": 1, "}": -1}.get(token.kind, 0)
        if depth < 0:
            return False
    return depth == 0


def open_brackets(raw: list[Token], first: int, index: int) -> list[Token]:
    """The brackets that are open at a raw token, the outermost first. Those that do not fit each other count as closed."""
    stack: list[Token] = []
    for token in raw[first:index]:
        if token.kind in CLOSERS:
            stack.append(token)
        elif token.kind in _CLOSING:
            while stack and CLOSERS[stack[-1].kind] != token.kind and stack[-1].kind != "{":
                stack.pop()
            if stack and CLOSERS[stack[-1].kind] == token.kind:
                stack.pop()
    return stack


def never_closed(raw: list[Token], index: int, last: int, brackets: list[Token]) -> list[Token]:
    """Those of the brackets open at a raw token that nothing up to ``last`` closes."""
    stack, lost = list(brackets), list[Token]()
    for token in raw[index:last]:
        if token.kind in CLOSERS:
            stack.append(token)
        elif token.kind in _CLOSING:
            while stack and CLOSERS[stack[-1].kind] != token.kind and stack[-1].kind != "{":
                lost.append(stack.pop())
            if stack and CLOSERS[stack[-1].kind] == token.kind:
                stack.pop()
    return [bracket for bracket in brackets if bracket in lost or bracket in stack]


def statement_end(
    raw: list[Token], begin: int, index: int, last: int, brackets: list[Token], branches: bool, header: bool
) -> int:
    """Where the statement ends that starts at ``begin`` and cannot be read at ``index``: the line end, `;`, `}` or, with
    ``branches``, `|` behind it, or ``last``. ``brackets`` are those that are open in it, and with ``header`` a body is
    still to come."""
    index = _closed(raw, index, last, [bracket.kind for bracket in brackets])
    while index > begin + 1 and raw[index - 1].kind in _BLANKS:
        index -= 1
    stack: list[str] = []
    for i in range(index, last):
        kind = raw[i].kind
        if not stack and (
            kind in (";", "}")
            or (kind == "|" and branches and not header)
            or (kind == "NEWLINE" and not _continues(raw, i, begin))
        ):
            return i
        if kind in CLOSERS:
            stack.append(kind)
            header = header and kind != "{"
        elif kind in _CLOSING:
            while stack and CLOSERS[stack[-1]] != kind:
                stack.pop()
            if stack:
                stack.pop()
            elif kind == "}":
                return i
    return last


def _closed(raw: list[Token], index: int, last: int, stack: list[str]) -> int:
    """Behind the brackets that are open at a raw token and are closed at all; where none is, that token."""
    left, end = len(stack), index
    for i in range(index, last):
        if not left:
            break
        kind = raw[i].kind
        if kind in CLOSERS:
            stack.append(kind)
        elif kind in _CLOSING:
            while stack and stack[-1] != "{" and CLOSERS[stack[-1]] != kind:
                stack.pop()
            if not stack or CLOSERS[stack[-1]] != kind:
                break
            stack.pop()
            if len(stack) < left:
                end = i + 1
        left = min(left, len(stack))
    return end


def _continues(raw: list[Token], index: int, begin: int) -> bool:
    """Whether behind a line end the statement goes on that starts at ``begin``: with a word or sign that begins no
    statement, or indented deeper."""
    while raw[index].kind in _BLANKS:
        index += 1
    token = raw[index]
    kind = token.text if token.text in RESERVED else token.kind
    indent = _indent(raw, begin)
    return kind in CONTINUES or (indent is not None and token.start - raw[index - 1].end > indent)


def _indent(raw: list[Token], index: int) -> int | None:
    """How far the line is indented that a raw token begins; None where it begins none."""
    if index == 0:
        return raw[index].start
    return raw[index].start - raw[index - 1].end if raw[index - 1].kind == "NEWLINE" else None


def names_in(raw: list[Token], first: int, last: int, statement: bool) -> list[Token]:
    """The names that seem to be bound in a statement or declared at the top level between two raw tokens."""
    found: list[Token] = []
    for index in range(first, last):
        if not is_name(raw[index]) and not (statement and raw[index].kind in ("(", "[")):
            continue
        before = raw[index - 1]
        if index == first or (before.kind in _STARTS_AFTER if statement else _at_line_start(raw, index)):
            found += _targets(raw, index, last)
        elif is_name(raw[index]) and before.text in _BEFORE_BOUND and (statement or _at_line_start(raw, index - 1)):
            found.append(raw[index])
    return found


def _targets(raw: list[Token], index: int, last: int) -> list[Token]:
    """The names of `a, b =` or `[a, b], c =` that start there, or none. Brackets that close nothing may be between; one that
    is not closed before `=` is of arguments."""
    names: list[Token] = []
    depth = 0
    while True:
        while index < last and raw[index].kind in ("(", "["):
            index += 1
            depth += 1
        if index >= last or not is_name(raw[index]):
            return []
        names.append(raw[index])
        index += 1
        begin = index
        while index < last and raw[index].kind in _BETWEEN:
            depth -= raw[index].kind in (")", "]")
            index += 1
        if raw[index].kind == "=":
            return names if depth <= 0 else []
        if index == begin:
            return []
