"""When parts of a network are of one kind: by what they are instances of and what they are given, never by what they are
called."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, cast

from dlspec.backends.diagram.scene import Box
from dlspec.elaborate.values import BlockLayer, BranchLayer, Deferred, Distribution, OpLayer
from dlspec.ir.node import Value
from dlspec.ir.scope import Scope


def template(scope: Scope) -> Hashable:
    """What a region is an instance of: its template, or the step with dots in its label that enters a level."""
    return scope.template or scope.origin.step


def call(scope: Scope) -> Hashable:
    """What a region is: an instance of what, and what this is given. Other arguments stand at their defaults."""
    if not scope.opens:
        return scope.kind
    given = {(name, argument(value)) for name, value in scope.arguments.items() if name in scope.given}
    return template(scope), frozenset(given)


def argument(value: object) -> Hashable:
    """What is given, to be compared. Tensors are equal: where one comes from is said by how boxes are joined."""
    match value:
        case Value() | Distribution():
            return type(value)
        case list():
            return tuple([argument(item) for item in cast("list[Any]", value)])
        case OpLayer():
            return value.op, value.pinned, value.branches, _arguments(value)
        case BlockLayer():
            return value.declaration, _arguments(value)
        case Deferred():
            return value.expression
        case BranchLayer():
            return value.body
        case _:
            return type(value), value


def _arguments(layer: OpLayer | BlockLayer) -> Hashable:
    return frozenset((name, argument(value)) for name, (value, _) in layer.arguments.items())


def step(box: Box) -> Hashable:
    """The step of a body that a box is, and what ran there."""
    if box.nodes:
        return box.nodes[0].origin.step, type(box.nodes[0].op)
    if box.scope is not None:
        return box.scope.origin.step, template(box.scope)
    return step(box.children[-1]) if box.kind == "arithmetic" else box
