"""Where things stand in a module: blocks and loops around a place, and the names in an expression."""

from __future__ import annotations

from dlspec.backends.torch.python.symbols import LoopId
from dlspec.ir.program import Turn, Written
from dlspec.ir.scope import Scope
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


def evenly(label: Written) -> bool:
    """Whether a label in a loop is numbered by the turns, each one more than the one before or so many more."""
    plain = plainly_in(label.expression)
    for name in names_in(label.expression):
        seen = label.names.seen(name, label.time)
        if seen is None:
            continue
        where, _ = seen
        if where.turn is None and len(where.history.get(name, ())) > 1:
            return False
        if where.turn is not None and (name not in plain or not counts(where.turn, name, most=2)):
            return False
    return True


def plainly_in(label: ast.Expression) -> set[str]:
    """The names that a label has as numbers, or that and a constant: `"l{i}"`, `"l{i + 1}"`, `"l{2 * i}"`."""
    plain: set[str] = set()
    for part in label.parts if isinstance(label, ast.String) else ():
        sides = (
            (part.left, part.right) if isinstance(part, ast.Binary) and part.operator in ("+", "-", "*") else (part,)
        )
        if all(isinstance(side, ast.Name | ast.Constant) for side in sides):
            plain |= {side.name for side in sides if isinstance(side, ast.Name)}
    return plain


def counts(turn: Turn | None, name: str, most: int) -> bool:
    """Whether a variable of a loop counts its turns: `i` of `enumerate(widths)`, or of a `range` that is given so many
    arguments at most."""
    step = turn.step if turn is not None else None
    if (
        not isinstance(step, ast.For | ast.Clause)
        or not isinstance(step.targets[0], ast.Name)
        or step.targets[0].name != name
    ):
        return False
    match step.iterable:
        case ast.Call(function=ast.Name(name="range"), arguments=arguments):
            return len(arguments) <= most
        case ast.Call(function=ast.Name(name="enumerate"), arguments=arguments):
            return len(arguments) == 1
        case _:
            return False
