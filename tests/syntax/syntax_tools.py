"""What the tests of the front end share."""

from __future__ import annotations

from dlspec.diagnostics import DlspecError
from dlspec.source import Source
from dlspec.syntax import ast
from dlspec.syntax.parser import parse


def show(value: object) -> str:
    """A node as text, without spans: two trees are equal where their texts are."""
    if isinstance(value, ast.Node):
        parts = [show(getattr(value, name)) for name in value.fields if name not in ("span", "source")]
        return f"{type(value).__name__}({', '.join(parts)})"
    if isinstance(value, tuple):
        return f"[{', '.join(show(item) for item in value)}]"  # pyright: ignore[reportUnknownVariableType]
    return repr(value)


def equal(left: ast.Node, right: ast.Node) -> bool:
    return show(left) == show(right)


def parse_text(text: str) -> ast.File:
    return parse(Source("test", text)).check()


def findings(text: str) -> list[str]:
    """What the parser finds: `code line:column+length message`, the hint after ` | ` and the notes in brackets."""
    try:
        parse_text(text)
    except DlspecError as error:
        return [
            f"{d.code} {d.span.line}:{d.span.column}+{d.span.end - d.span.start} {d.message}"
            + (f" | {d.hint}" if d.hint else "")
            + "".join(f" [{n.span.line}:{n.span.column} {n.text}]" for n in d.notes)
            for d in error.diagnostics
        ]
    return []
