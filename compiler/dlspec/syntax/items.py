"""The text as the formatter sees it: tokens with the brackets, line breaks and comments around them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from dlspec.source import Source
from dlspec.syntax.layout import BEFORE_EXPRESSION, BEFORE_NAME, CLOSERS, DECLARATIONS, ENDS_OPERAND, Layout
from dlspec.syntax.lexer import Token, scan

BRACES = frozenset({"{", "BODY"})
PREFIXES = (BEFORE_NAME | BEFORE_EXPRESSION) - {"from"}

JOINS_BEFORE = frozenset({",", ".", "=", ":", "BODY", "else"})
JOINS_AFTER = frozenset({".", "=", ":", "as", "not"})
"""Before and after these no line ends."""


@dataclass(slots=True)
class Comment:
    text: str
    trailing: bool
    """It stands behind a token on its line."""
    blank: bool
    """A blank line stands above it."""


@dataclass(slots=True)
class Item:
    """A token, and what stands between it and the token before."""

    token: Token
    kind: str
    separated: bool = False
    """It begins a statement after another."""
    broken: bool = False
    """It begins a line."""
    blank: bool = False
    """A blank line stands directly above it."""
    comments: list[Comment] = field(default_factory=list[Comment])
    opener: int = -1
    """The innermost open bracket around it; brackets themselves are outside."""
    closer: int = -1
    """For an opening bracket the one that closes it."""
    gap: str = ""
    """What separates it from the token before where both stand on one line."""
    prefixed: bool = False
    """For the first token of a statement: a chain in it does not start where it starts."""
    inside_broken: bool = False
    """For an opening bracket: a line break or comment stands before its end."""

    @property
    def text(self) -> str:
        return self.token.text


def items_of(source: Source) -> list[Item]:
    """All tokens, the END at the last. The text must be one that parses."""
    raw = scan(source)
    items: list[Item] = []
    position, separated = 0, False
    for token in Layout(source, raw):
        if token.kind == "NEWLINE":
            separated = True
            continue
        item = Item(token, token.text if token.kind == "PATTERN" else token.kind, separated)
        separated = False
        newlines = 0
        while raw[position].start < token.start:
            passed = raw[position]
            if passed.kind == "NEWLINE":
                newlines += 1
            elif passed.kind == "COMMENT":
                trailing = not newlines and not item.comments and bool(items)
                item.comments.append(Comment(passed.text.rstrip(), trailing, newlines > 1))
                newlines = 0
            position += 1
        position += 1
        item.broken = newlines > 0 or bool(item.comments)
        item.blank = newlines > 1
        items.append(item)
    _break_before_arrows(items)
    _nest(items)
    return items


def _break_before_arrows(items: list[Item]) -> None:
    """A line break after `->` or `|` goes before it, and comments with it."""
    for item, after in pairwise(items):
        if item.kind in ("->", "|") and after.broken:
            if item.broken and after.comments:
                after.comments[0].trailing = False
            item.comments += after.comments
            item.broken, after.broken, after.blank, after.comments = True, False, False, []


def _nest(items: list[Item]) -> None:
    """Finds out what belongs to which bracket and statement, and the gaps that follow from it."""
    stack: list[int] = [-1]
    statements: list[Item] = [items[0]]
    breaks = 0
    breaks_at: list[int] = []
    for number, item in enumerate(items):
        before = items[number - 1] if number else None
        closes = item.kind in (")", "]", "}")
        opening = items[stack.pop()] if closes else item
        item.opener = stack[-1]
        opener = items[item.opener] if item.opener >= 0 else None
        in_braces = opener is None or opener.kind in BRACES
        if closes:
            statements.pop()
        elif in_braces and (item.separated or before is None or before.kind in BRACES or before.kind == "|"):
            statements[-1] = item
            item.prefixed = item.kind in PREFIXES
        elif in_braces and item.kind == "=":
            statements[-1].prefixed = True
        if before is not None:
            item.gap = _gap(items, number, before, item)
            item.broken = bool(item.comments) or (item.broken and not _joins(items, number, before, item))
        breaks += item.broken
        if closes:
            opening.closer = number
            opening.inside_broken = breaks > breaks_at.pop()
        elif item.kind in CLOSERS or item.kind == "BODY":
            stack.append(number)
            breaks_at.append(breaks)
            statements.append(item)


def _joins(items: list[Item], number: int, before: Item, item: Item) -> bool:
    """Whether a line break between two tokens is taken out."""
    if item.separated:
        return False
    postfix = item.kind in ("(", "[", "{") and before.kind in ENDS_OPERAND
    unary = before.kind == "-" and not _follows_operand(items, number - 1)
    return item.kind in JOINS_BEFORE or before.kind in JOINS_AFTER or postfix or unary


def _gap(items: list[Item], number: int, before: Item, item: Item) -> str:
    """What stands between two tokens of a line: nothing, a blank, or `; `."""
    kind, last = item.kind, before.kind
    if item.separated:
        return "; "
    if last in ("(", "[") or kind in (")", "]", ","):
        return ""
    if last in (".", "...") or (kind == "." and last != "from"):
        return ""
    if kind in ("(", "[") and last in ENDS_OPERAND:
        return ""
    opener = items[item.opener] if item.opener >= 0 else None
    in_index = opener is not None and opener.kind == "[" and _follows_operand(items, item.opener)
    if in_index and ":" in (kind, last):
        return " " if last == "," else ""
    if kind == ":":
        return ""
    if "=" in (kind, last) and opener is not None and opener.kind == "(" and not _holds_parameters(items, item.opener):
        return ""
    if last == "-" and not _follows_operand(items, number - 1):
        return ""
    return " "


def _follows_operand(items: list[Item], number: int) -> bool:
    return number > 0 and items[number - 1].kind in ENDS_OPERAND and not items[number].separated


def _holds_parameters(items: list[Item], opener: int) -> bool:
    """Whether a `(` opens the parameters of a declaration, and not the arguments of a call."""
    return opener > 1 and items[opener - 2].kind in DECLARATIONS
