"""What to say about a token the parser cannot use: what was found, and what could stand there."""

from __future__ import annotations

from itertools import pairwise

from dlspec.diagnostics import Diagnostic, Note
from dlspec.source import Source, Span
from dlspec.syntax.hints import COMPARISONS, FOREIGN, RESULTS, hint, hint_at_top_level, starts_statement, token_span
from dlspec.syntax.layout import BEFORE_EXPRESSION, BEFORE_NAME, CLOSERS, CONTINUES, DECLARATIONS, RESERVED, Layout
from dlspec.syntax.lexer import Token
from dlspec.syntax.tables import END, is_origin, tables

DECLARATION = "a declaration (`block`, `network`, `train`, `from`, `expect`, `default` or `name = value`)"
OPENS_EXPRESSION = frozenset(
    {
        "NAME",
        "INT",
        "FLOAT",
        "STRING",
        "true",
        "false",
        "none",
        "(",
        "[",
        "{",
        "-",
        "not",
        "repeat",
        "for",
        "if",
        "scan",
    }
)
OPENS_STATEMENT = OPENS_EXPRESSION | {"PATTERN"} | (BEFORE_NAME | BEFORE_EXPRESSION) - DECLARATIONS
GOES_ON = COMPARISONS | {"+", "-", "*", "/", "//", "%", "**", "and", "or", "as", "(", "[", "{", "."}
"""What an expression can nearly always go on with, and so tells nobody anything."""

LINES_END = frozenset({"NEWLINE", "BODY", "{", "|"})
GOES_ON_BELOW = CONTINUES - {"}"} | {",", ":", "=", "{", ";"}

IN_WORDS = {
    "NAME": "a name",
    "INT": "a number",
    "FLOAT": "a number",
    "STRING": "a string",
    "BODY": "`{`",
    "NEWLINE": "a new line",
    END: "the end of the file",
}
ORDER = ["NAME", "INT", "FLOAT", "STRING", "->", ",", "=", ":", "where", "BODY", "NEWLINE", ")", "]", "}", END]
MOST_WORDS = 5


def unexpected(source: Source, layout: Layout, token: Token, stack: list[int], start: str) -> Diagnostic:
    """The diagnostic for a token that the state on the top of the stack has no use for."""
    span = token_span(source, token)
    openers = [level.opener for level in layout.levels]
    if token is layout.opened:
        openers.pop()  # the token itself, which is no bracket around it
    opener = openers[-1]
    if (
        opener is not None
        and opener.kind in "(["
        and token.kind != CLOSERS[opener.kind]
        and not _is_closed(layout, opener)
    ):
        return _never_closed(source, opener, token)
    for around, brace in pairwise(opener for opener in openers if opener is not None):
        # What looks like the branches of a call is a body, whose header lacks a bracket.
        if around.kind in "([" and brace.kind == "{" and not _is_closed(layout, around, 1):
            return _never_closed(source, around, brace)
    before = layout.previous
    if before is not None and before.text in FOREIGN and starts_statement(layout, before):
        message = f"`{before.text}` is no word of this language"
        return Diagnostic("DL0103", message, token_span(source, before), hint=FOREIGN[before.text])
    kinds = accepted(stack)
    if before is not None and opener is None and kinds <= {"=", ","} and starts_statement(layout, before):
        if before.text in DECLARATIONS | {"default"}:
            reserved = f"`{token.text}` is a reserved word" if token.text in RESERVED else ""
            return Diagnostic("DL0103", f"expected a name, but found `{token.text}`", span, hint=reserved)
        message = f"expected {DECLARATION}, but found `{before.text}`"
        return Diagnostic("DL0103", message, token_span(source, before), hint=hint_at_top_level(before, token))
    bracket = opener.kind if opener is not None else ""
    words = in_words(kinds, bracket)
    found = f"`{token.text}`"
    if token.kind == "NEWLINE":
        found = "the end of the line"
    elif token.kind == END and not token.text:
        found = "the end of the file"
    if start == "interpolation":
        words = words.replace(IN_WORDS[END], "`}`")
        if token.kind == END:
            found, span = "`}`", Span(source, token.start, token.start + 1)
    message = f"expected {words}, but found {found}"
    if before is not None and start == "file" and bracket not in ("(", "[") and _ends_too_early(source, before, token):
        notes = (Note(span, f"{found} stands here"),) if token.text else ()
        found_names = kinds == {"=", ","} and (opener is not None or token.kind == "}")
        return Diagnostic("DL0103", message, token_span(source, before), "after this", notes, RESULTS * found_names)
    return Diagnostic("DL0103", message, span, hint=hint(layout, token, kinds, bracket))


def _ends_too_early(source: Source, before: Token, token: Token) -> bool:
    """Whether what is missing stands at the end of a line: a token begins a later one, and is none that goes on with it."""
    between = source.text[before.end : token.start]
    return "\n" in between and before.kind not in LINES_END and token.text not in GOES_ON_BELOW


def accepted(stack: list[int]) -> set[str]:
    """The kinds of token that could stand next."""
    symbols = tables().states[stack[-1]]
    return {symbol for symbol in symbols if not is_origin(symbol) and _accepts(stack, symbol)}


def _accepts(stack: list[int], kind: str) -> bool:
    """Whether the parser shifts the kind in the end, after what it reduces. An LALR state alone promises more."""
    table = tables()
    stack = list(stack)
    while True:
        to = table.states[stack[-1]].get(kind)
        if to is None:
            return False
        if to >= 0:
            return True
        rule = table.rules[~to]
        if rule.length:
            del stack[-rule.length :]
        stack.append(table.states[stack[-1]][rule.origin])
        if kind == END and any(stack[-1] == last for _, last in table.starts.values()):
            return True


def in_words(kinds: set[str], bracket: str) -> str:
    """The kinds as a person would name them, the likeliest first."""
    left = set(kinds)
    words: list[str] = []
    if "block" in left:
        words.append(DECLARATION)
        left -= DECLARATIONS | {"expect", "default", "NAME", "PATTERN", END}
    elif "shared" in left:
        words.append("a statement")
        left -= OPENS_STATEMENT
    elif {"INT", "(", "["} <= left:
        words.append("an expression")
        left -= OPENS_EXPRESSION
    if "over" in left:
        left = {"over"}
    if "NEWLINE" in left:
        left -= {END, "|", ",", "=", ":"}
    if bracket in ("(", "[") and left & {",", ")", "]"}:
        left -= {"->", "for"}
    if left & {".", "+", "or", "as"}:
        left = left - GOES_ON or left
    for kind in sorted(left, key=lambda kind: (ORDER.index(kind) if kind in ORDER else len(ORDER), kind)):
        word = IN_WORDS.get(kind, f"`{kind}`")
        if word not in words:
            words.append(word)
    words = words[:MOST_WORDS]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _never_closed(source: Source, opener: Token, missing_before: Token) -> Diagnostic:
    if opener.kind == "{":
        note = Note(token_span(source, opener), "this `{` is never closed")
        return Diagnostic("DL0104", "a `}` is missing before this", token_span(source, missing_before), notes=(note,))
    note = Note(token_span(source, missing_before), f"`{CLOSERS[opener.kind]}` is missing before this")
    return Diagnostic("DL0104", f"this `{opener.kind}` is never closed", token_span(source, opener), notes=(note,))


def _is_closed(layout: Layout, opener: Token, depth: int = 0) -> bool:
    """Whether the closing bracket that is met first, of those still to come, fits. With ``depth``, the one after those
    of so many brackets that are open within."""
    for token in layout.raw[layout.index : layout.last]:
        if token.kind in CLOSERS:
            depth += 1
        elif token.kind in (")", "]", "}"):
            if depth == 0:
                return token.kind == CLOSERS[opener.kind]
            depth -= 1
    return False
