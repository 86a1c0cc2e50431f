"""Where things stand in a module: blocks and loops around a place, and the names in an expression."""

from __future__ import annotations

from dlspec.backends.torch.symbols import LoopId
from dlspec.ir.graph import Scope
from dlspec.syntax import ast


def homes_of(scope: Scope) -> list[Scope]:
    """The instances of blocks and networks around a place, innermost first."""
    return [around for around in scope.ancestors() if around.kind in ("block", "network")]


def loop_id(loop: Scope) -> LoopId:
    return loop.span.source.name, loop.span.start, loop.span.end


def turn_of(loop: LoopId, use: Scope) -> Scope | None:
    """The turn of a loop that is around a place."""
    return next((s for s in use.ancestors() if s.kind == "iteration" and s.parent and loop_id(s.parent) == loop), None)


def names_in(node: object) -> set[str]:
    """The names in an expression."""
    found: set[str] = set()
    stack = [node]
    while stack:
        inner = stack.pop()
        if isinstance(inner, ast.Name):
            found.add(inner.name)
        elif isinstance(inner, ast.Node):
            stack += [getattr(inner, name) for name in inner.fields if name != "span"]
        elif isinstance(inner, tuple):
            stack += inner  # pyright: ignore[reportUnknownArgumentType]
    return found
