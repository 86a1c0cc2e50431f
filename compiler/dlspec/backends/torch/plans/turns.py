"""Whether the turns of a loop that runs once say what the next turn would do."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from dlspec.ir.node import Value
from dlspec.ir.scope import Scope
from dlspec.syntax import ast


def turns_in(loop: Scope) -> list[Scope]:
    """The turns of a loop."""
    return [scope for scope in loop.children if isinstance(scope, Scope)]


def passed_on(turn: Scope) -> dict[Value, Value | None]:
    """What the next turn finds in place of each tensor that this one has a word for: None where that cannot be said, as
    where one of two words still means it."""
    found: dict[Value, Value | None] = {}
    for before, behind in turn.carried:
        if found.setdefault(before, behind) is not behind:
            found[before] = None
    return found


def may_differ(loop: Scope) -> bool:
    """Whether something in the only turn of a loop decides by the turn, or by a tensor, which layers there are: the next
    turn may decide otherwise."""
    turns = turns_in(loop)
    if len(turns) != 1 or not isinstance(loop.origin.step, ast.Repeat | ast.For):
        return False
    step = loop.origin.step
    varying = {name.name for name in ast.names_of(step.targets)} if isinstance(step, ast.For) else set[str]()
    return _decides(turns[0], step.body, varying)


def gathers_lists(loop: Scope) -> bool:
    """Whether a turn of a loop binds a name to a list."""
    turns, step = turns_in(loop), loop.origin.step
    if not turns or not isinstance(step, ast.Repeat | ast.For):
        return False
    bound = {name.name for bind in _steps(step.body)[0] for name in ast.names_of(bind.targets)}
    around = turns[0].names
    while around is not None:
        if any(isinstance(each.value, list) for name in bound for each in around.history.get(name, ())):
            return True
        around = around.parent
    return False


def _decides(scope: Scope, body: ast.Body, varying: set[str]) -> bool:
    """``varying`` are the names that may stand for something else in the next turn."""

    def varies(node: ast.Node) -> bool:
        sizes, names = _mentioned(node)
        return sizes or not varying.isdisjoint(names)

    binds, choices = _steps(body)
    for step in binds:
        if varies(step.value):
            varying |= {name.name for name in ast.names_of(step.targets)}
    if any(varies(step.condition) for step in choices):
        return True
    for inner in _blocks_in(scope):
        given = {name for name, written in inner.origin.written.items() if varies(written.expression)}
        declared = inner.template.body if inner.template is not None else None
        if declared is not None and _decides(inner, declared, given):
            return True
    return False


@lru_cache(maxsize=1024)
def _mentioned(node: ast.Node) -> tuple[bool, frozenset[str]]:
    """Whether there is a size of a tensor in it, and the names."""
    parts = list(ast.walk(node))
    names = frozenset(part.name for part in parts if isinstance(part, ast.Name))
    return any(isinstance(part, ast.Attribute) for part in parts), names


@lru_cache(maxsize=256)
def _steps(body: ast.Body) -> tuple[list[ast.Bind], list[ast.If]]:
    """What a body binds, and its conditions with layers in them."""
    steps = list(ast.walk(body))
    choices = [step for step in steps if isinstance(step, ast.If) and _has_layers(step)]
    return [step for step in steps if isinstance(step, ast.Bind)], choices


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
