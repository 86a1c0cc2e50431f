"""How deep a spec may nest."""

from __future__ import annotations

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


def first_too_deep(declaration: ast.Declaration) -> Span | None:
    """Where the expressions first stand deeper than allowed. Walks without recursion."""
    todo: list[tuple[object, int]] = [(declaration, 0)]
    while todo:
        node, depth = todo.pop()
        kind = node.__class__
        if kind is tuple:
            todo += [(child, depth) for child in reversed(node)]  # type: ignore[arg-type]
        elif isinstance(node, ast.Node):
            if kind in EXPRESSIONS:
                depth += 1
                if depth > NESTING:
                    return node.span
            held = node.__dict__
            todo += [(held[name], depth) for name in reversed(ast.child_fields(kind))]
    return None
