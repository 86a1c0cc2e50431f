"""Of two places that do not go together, the one that is wrong, and the blocks around it."""

from __future__ import annotations

from dataclasses import replace

from dlspec.diagnostics import Diagnostic, Note
from dlspec.elaborate.values import show
from dlspec.ir.node import Value
from dlspec.ir.program import Turn, Written
from dlspec.ir.scope import Scope
from dlspec.source import Span
from dlspec.syntax import ast

_STEPS = 50
"""Names behind each other that a value is followed through."""


def root(written: Written, called: str = "") -> Written:
    """Of a value that is wrong, and that names only pass on, where it was written as what it should not be.

    That is where it is given last by another name than it has: ``called`` at first. A default is right under its own name,
    unless it is not positive.
    """
    likely = written
    for _ in range(_STEPS):
        name = written.expression
        found = written.names.seen(name.name, written.time) if isinstance(name, ast.Name) else None
        if found is None:
            return written
        names, binding = found
        assert isinstance(name, ast.Name)
        if name.name != called:
            likely = written
        scope = names.scope
        before: Written | None
        if binding.written is not None:
            before = _part(binding.written, binding.place)
        elif names.turn is not None:
            before = _of_turn(names.turn, name.name)
        else:
            before = scope.origin.written.get(name.name) if scope is not None else None
            if before is not None and scope is not None and name.name not in scope.given:
                return before if (called == name.name and likely is written) or _not_positive(before) else likely
        if before is None:
            return likely
        written, called = before, name.name
    return likely


def _not_positive(written: Written) -> bool:
    node = written.expression
    return isinstance(node, ast.Unary) or (isinstance(node, ast.Constant) and node.value in (0, 0.0))


def item(written: Written, index: int) -> Written | None:
    """An item of a list, where the list is written out."""
    name = written.expression
    listed = root(written, name.name if isinstance(name, ast.Name) else "")
    items = listed.expression.items if isinstance(listed.expression, ast.List) else ()
    return listed.part(items[index]) if index < len(items) else None


def _of_turn(turn: Turn, name: str) -> Written | None:
    """What a variable of a loop is in one of its turns."""
    targets = () if isinstance(turn.step, ast.Repeat) else turn.step.targets
    places = next((places for target, places in ast.paths_of(targets) if target.name == name), None)
    if places is None:
        return None
    over = turn.written.expression
    called = over.function.name if isinstance(over, ast.Call) and isinstance(over.function, ast.Name) else ""
    if isinstance(over, ast.Call) and called in ("zip", "enumerate") and places:
        lists = [None, *over.arguments] if called == "enumerate" else [*over.arguments]
        among = lists[places[0]] if places[0] < len(lists) else None
        return None if among is None else _part(item(turn.written.part(among.value), turn.index), places[1:])
    return _part(item(turn.written, turn.index), places)


def _part(written: Written | None, places: tuple[int, ...]) -> Written | None:
    """What is at a place of each list in the one before."""
    for place in places:
        written = None if written is None else item(written, place)
    return written


def placed(found: Diagnostic, of: tuple[str, Written] | None, scope: Scope) -> Diagnostic:
    """The error at its likely cause, with a note where it shows: where the wrong value is written that only names have
    passed on; and what shows in the library, at what is used of it."""
    at = found.span
    if of is not None:
        at = root(of[1], of[0]).span
    if _library(at):
        around = (inner.span for inner in scope.ancestors() if inner.declaration and not _library(inner.span))
        at = next(around, at)
    if at.source is found.span.source and found.span.start <= at.start and at.end <= found.span.end:
        return found
    return replace(found, span=at, label="", notes=(Note(found.span, found.label or "it shows here"), *found.notes))


def _library(span: Span) -> bool:
    return span.source.name.startswith("std/")


def declared(value: Value) -> Value | None:
    """The input of the network that a tensor still has the shape of; None where a step on the way made its own."""
    while value.producer is not None:
        if len(value.producer.inputs) != 1 or value.producer.inputs[0].type.shape != value.type.shape:
            return None
        value = value.producer.inputs[0]
    return value


def goes_on(following: ast.Statement | None) -> bool:
    """Whether a statement is something that a tensor flows into, so that it may go on with the one before."""
    if not isinstance(following, ast.Evaluate):
        return False
    first = following.value
    while isinstance(first, ast.Chain | ast.Labelled | ast.Tap):
        first = first.steps[0] if isinstance(first, ast.Chain) else (
            first.layer if isinstance(first, ast.Labelled) else first.step
        )  # fmt: skip
    called = first.function if isinstance(first, ast.Call) else first
    return isinstance(first, ast.Braces) or (isinstance(called, ast.Name) and called.name[:1].isupper())


def instances_around(scope: Scope) -> list[Note]:
    """The block instances around a place, outermost first."""
    notes = [
        Note(inner.span, f"in {inner.declaration}({', '.join(f'{k}={show(v)}' for k, v in inner.arguments.items())})")
        for inner in scope.ancestors()
        if inner.declaration and (inner.parent is not None or _is_variant(inner))
    ][::-1]
    if len(notes) > 8:
        return [*notes[:4], Note(notes[4].span, f"... {len(notes) - 7} more ..."), *notes[-3:]]
    return notes


def _is_variant(root: Scope) -> bool:
    """Whether the body of a network stands elsewhere than its declaration."""
    declared = root.template.declaration if root.template is not None else None
    return isinstance(declared, ast.Network) and declared.body.span.last != declared.span.last
