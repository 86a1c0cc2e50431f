"""How deep a spec may nest."""

from __future__ import annotations

from functools import cache

from dlspec.diagnostics import Diagnostic
from dlspec.source import Span
from dlspec.syntax import ast

NESTING = 100
"""So many brackets may be open at once, and so many expressions stand within each other (in `a + b + c` they do).

What comes after the parser walks the tree recursively; with this bound it never meets Python's own.
"""

EXPRESSIONS = frozenset(ast.Expression.__args__)


def too_deep(span: Span) -> Diagnostic:
    return Diagnostic(
        "DL0105",
        f"this is nested more than {NESTING} deep",
        span,
        hint="name a part of it, or make it a block, and use the name",
    )


@cache
def child_fields(kind: type[ast.Node]) -> tuple[str, ...]:
    """The fields of a node in which others may stand."""
    plain = {"span", "name", "doc", "kind", "operator", "targets", "value" if kind is ast.Constant else ""}
    return tuple(name for name in kind.fields if name not in plain)


def first_too_deep(file: ast.File) -> Span | None:
    """Where the expressions first stand deeper than allowed. Walks without recursion."""
    todo: list[tuple[object, int]] = [(declaration, 0) for declaration in reversed(file.declarations)]
    while todo:
        node, depth = todo.pop()
        kind = node.__class__
        if kind is tuple:
            todo.extend((child, depth) for child in reversed(node))  # type: ignore[arg-type]
        elif isinstance(node, ast.Node):
            if kind in EXPRESSIONS:
                depth += 1
                if depth > NESTING:
                    return node.span
            todo.extend((getattr(node, name), depth) for name in reversed(child_fields(kind)))
    return None
