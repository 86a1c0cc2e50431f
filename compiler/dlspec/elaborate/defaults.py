"""`default` statements: they hold for what is written behind them, in their own body or file, and some reach nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dlspec.diagnostics import Diagnostic, Note, Severity
from dlspec.elaborate.calls import bind_block, bind_op
from dlspec.elaborate.values import BlockLayer, Env, OpLayer
from dlspec.ops import LAYERS
from dlspec.source import Span
from dlspec.syntax import ast

if TYPE_CHECKING:
    from dlspec.elaborate.expressions import Expressions


def with_defaults(
    elaborator: Expressions, layer: OpLayer | BlockLayer, name: str, span: Span, env: Env
) -> OpLayer | BlockLayer:
    """The layer with what `default` statements in scope give it, the innermost last word first."""
    scope: Env | None = env
    while scope is not None:
        if scope.defaults:
            elaborator.builder.budget.spend(4 * len(scope.defaults))
        for default_name, arguments, at in reversed(scope.defaults):
            before = at.source is not span.source or at.end <= span.start
            if default_name == name and before:
                given = [(a, elaborator.evaluate(a.value, scope)) for a in arguments]
                if isinstance(layer, OpLayer):
                    bound = bind_op(OpLayer(layer.op, layer.pinned, name, {}, span), given, span, scope)
                    layer = OpLayer(layer.op, layer.pinned, name, bound.arguments | layer.arguments, span)
                else:
                    bound = bind_block(layer.replaced({}), given, None, span, scope)
                    layer = layer.replaced(bound.arguments | layer.arguments, span)
        scope = scope.parent  # type: ignore[reportAssignmentType]
    return layer


def unreached_defaults(file: ast.File) -> Iterator[Diagnostic]:
    """Warnings for those behind which their layer is not named."""
    if not any(isinstance(node, ast.Default) for node in ast.walk(file)):
        return
    for node in ast.walk(file):
        match node:
            case ast.File():
                yield from _unreached(node.declarations, file)
            case ast.Body() | ast.Train():
                yield from _unreached(node.statements, file)
            case _:
                pass


def _unreached(statements: Sequence[ast.Node], file: ast.File) -> Iterator[Diagnostic]:
    for place, node in enumerate(statements):
        if isinstance(node, ast.Default) and not _named(statements[place + 1 :], {node.layer.name}):
            yield _warning(node, statements[place + 1 :], file)


def _named(nodes: Sequence[ast.Node], names: set[str]) -> list[ast.Name]:
    """Where layers are named, but for what gives them defaults too. What could not be read may name any."""
    given = {each.layer for node in nodes for each in ast.walk(node) if isinstance(each, ast.Default)}
    found = [each for node in nodes for each in ast.walk(node) if isinstance(each, ast.Name) and each.name in names]
    lost = [
        ast.Name(each.span, word)
        for node in nodes
        for each in ast.walk(node)
        if isinstance(each, ast.Unreadable)
        for word in each.words
        if word in names
    ]
    return [each for each in found if each not in given] + lost


def _warning(node: ast.Default, behind: Sequence[ast.Node], file: ast.File) -> Diagnostic:
    name = node.layer.name
    alike = {other for other, (op, _) in LAYERS.items() if name in LAYERS and op is LAYERS[name][0]} - {name}
    other = next(iter(_named(behind, alike)), None)
    elsewhere = next(iter(_named([d for d in file.declarations if not isinstance(d, ast.Default)], {name})), None)
    hint = "take it out"
    notes: tuple[Note, ...] = ()
    if other is not None:
        hint = f"defaults go by the name that is written: `default {other.name}(...)`"
        notes = (Note(other.span, "named here"),)
    elif elsewhere is not None:
        hint = "it holds for what is written behind it in its own body or file: put it before all, or into the block"
        notes = (Note(elsewhere.span, "not reached"),)
    message = f"no `{name}` stands behind this `default`, so nothing is set by it"
    return Diagnostic("DL0805", message, node.span, notes=notes, hint=hint, severity=Severity.WARNING)
