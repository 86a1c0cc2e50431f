"""`parse`: text to AST.

Lark's LALR tables, driven here: nodes are made as rules are reduced, without a tree in between and without
recursion, so that neither a long file nor a deep one is trouble.
"""

from __future__ import annotations

from typing import Any

from dlspec.collector import paused_collector
from dlspec.diagnostics import DlspecError
from dlspec.source import Source
from dlspec.syntax import ast
from dlspec.syntax.build import AstBuilder
from dlspec.syntax.expected import unexpected
from dlspec.syntax.hints import misspelt
from dlspec.syntax.layout import Layout, SyntaxFault
from dlspec.syntax.lexer import INVISIBLE, scan
from dlspec.syntax.limits import first_too_deep, too_deep
from dlspec.syntax.tables import END, tables
from dlspec.syntax.unreadable import invisible

MOST_ERRORS = 20


class _Helper(list[Any]):
    """The value of a list that the grammar's `*` and `+` stand for, until the rule around it takes its elements."""


def parse(source: Source) -> ast.File:
    """The syntax tree of a text. Raises `DlspecError` with what is wrong in it, one finding per declaration at most."""
    with paused_collector():
        found = [invisible(source, match.start()) for match in INVISIBLE.finditer(source.text)][:MOST_ERRORS]
        if found:
            raise DlspecError(found)
        raw = scan(source)
        found = misspelt(source, raw)
        start: int | None = 0
        while start is not None and len(found) < MOST_ERRORS:
            layout = Layout(source, raw, start)
            try:
                file: ast.File = _run(source, layout, "file")
                deep = first_too_deep(file)
                if deep is not None:
                    raise SyntaxFault(too_deep(deep))
                if not found:
                    return file
                break
            except SyntaxFault as fault:
                found.append(fault.diagnostic)
                start = layout.resynchronise()
        raise DlspecError(sorted(found, key=lambda diagnostic: diagnostic.span.start))


def _run(source: Source, layout: Layout, start: str) -> Any:
    """Parses the tokens from a start symbol and gives what the builder made of it."""

    def parse_interpolation(first: int, last: int) -> ast.Expression:
        return _run(source, Layout(source, scan(source, first, last)), "interpolation")

    table = tables()
    states, rules = table.states, table.rules
    builder = AstBuilder(source, parse_interpolation)
    reductions = [
        (rule.origin, rule.length, rule.inlines, _helper if rule.helper else _action(builder, rule.action))
        for rule in rules
    ]
    first, last = table.starts[start]
    stack: list[int] = [first]
    values: list[Any] = []
    for token in layout:
        kind = token.kind
        while True:
            to = states[stack[-1]].get(kind)
            if to is None:
                raise SyntaxFault(unexpected(source, layout, token, stack, start))
            if to >= 0:
                stack.append(to)
                values.append(token)
                break
            origin, length, inlines, action = reductions[~to]
            if action is not None:
                if length:
                    children = values[-length:]
                    del values[-length:], stack[-length:]
                    if inlines:
                        children = _spread(children)
                else:
                    children = []
                values.append(action(children))
            else:
                stack.pop()
            stack.append(states[stack[-1]][origin])
            if kind == END and stack[-1] == last:
                return values[-1]
    raise AssertionError("the layout ends with END")


def _action(builder: AstBuilder, name: str | None) -> Any:
    if name is None:
        return None
    return getattr(builder, name, None) or getattr(builder, f"{name}_")


def _helper(children: list[Any]) -> _Helper:
    return children if isinstance(children, _Helper) else _Helper(children)


def _spread(children: list[Any]) -> list[Any]:
    """The children with helpers dissolved; the first, which grows with a list of any length, is not copied."""
    head = children[0]
    if head.__class__ is not _Helper:
        head = _Helper([head])
    for child in children[1:]:
        if child.__class__ is _Helper:
            head.extend(child)
        else:
            head.append(child)
    return head
