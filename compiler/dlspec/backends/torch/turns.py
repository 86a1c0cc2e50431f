"""Whether the turns of a loop that runs once say what the next turn would do."""

from __future__ import annotations

from collections.abc import Iterator

from dlspec.ir.graph import Scope
from dlspec.syntax import ast


def turns_in(loop: Scope) -> list[Scope]:
    """The turns of a loop."""
    return [scope for scope in loop.children if isinstance(scope, Scope)]


def may_differ(loop: Scope) -> bool:
    """Whether something in the only turn of a loop decides by the turn, or by a tensor, which layers there are: the next
    turn may decide otherwise."""
    turns = turns_in(loop)
    if len(turns) != 1 or not isinstance(loop.origin.step, ast.Repeat | ast.For):
        return False
    step = loop.origin.step
    varying = {name.name for name in ast.names_of(step.targets)} if isinstance(step, ast.For) else set[str]()
    return _decides(turns[0], step.body, varying)


def _decides(scope: Scope, body: ast.Body, varying: set[str]) -> bool:
    """``varying`` are the names that may stand for something else in the next turn."""

    def varies(node: ast.Node) -> bool:
        return any(
            isinstance(part, ast.Attribute) or (isinstance(part, ast.Name) and part.name in varying)
            for part in ast.walk(node)
        )

    steps = list(ast.walk(body))
    for step in steps:
        if isinstance(step, ast.Bind) and varies(step.value):
            varying |= {name.name for name in ast.names_of(step.targets)}
    if any(isinstance(step, ast.If) and varies(step.condition) and _has_layers(step) for step in steps):
        return True
    for inner in _blocks_in(scope):
        given = {name for name, written in inner.origin.written.items() if varies(written.expression)}
        declared = inner.template.body if inner.template is not None else None
        if declared is not None and _decides(inner, declared, given):
            return True
    return False


def _has_layers(step: ast.If) -> bool:
    """Whether layers stand in a condition, and not constants alone."""
    sides = [side for side in (step.then, step.otherwise) if side is not None]
    return any(
        isinstance(part, ast.Labelled | ast.Chain | ast.Braces | ast.Repeat | ast.For | ast.Tap)
        or (isinstance(part, ast.Name) and (part.name[:1].isupper() or "." in part.span.text))
        for side in sides
        for part in ast.walk(side)
    )


def _blocks_in(scope: Scope) -> Iterator[Scope]:
    """The blocks right in a scope."""
    for child in scope.children:
        if isinstance(child, Scope):
            if child.kind in ("block", "network"):
                yield child
            else:
                yield from _blocks_in(child)
