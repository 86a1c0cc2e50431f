"""What a body is by its text alone, and what is refused in it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NoReturn

from dlspec.diagnostics import Note
from dlspec.elaborate.blame import goes_on
from dlspec.elaborate.values import Failure, kind_of
from dlspec.syntax import ast


def gives(expression: ast.Expression) -> bool:
    """Whether something can come out: loops, a `scan` and an `if` may only bind names."""
    todo = [expression]
    while todo:
        match todo.pop():
            case ast.Repeat(body=body) | ast.For(body=body) | ast.Scan(body=body):
                bodies = [body]
            case ast.Labelled(layer=ast.Scan() as inner):
                todo.append(inner)
                continue
            case ast.If(then=then, otherwise=otherwise):
                bodies = [then] if otherwise is None else [then, otherwise]
            case _:
                return True
        for body in bodies:
            end = body.statements[-1] if body.statements else None
            if isinstance(end, ast.Evaluate):
                todo.append(end.value)
            elif end is None or isinstance(end, ast.Unreadable):
                return True
    return False


@lru_cache(maxsize=1024)
def words_in(body: ast.Body) -> tuple[str, ...]:
    """The names that a loop's body reads in order of the alphabet, after `x` where it has what flows."""
    bound = {id(name) for part in ast.walk(body) if isinstance(part, ast.Bind) for name in ast.names_of(part.targets)}
    names = {part.name for part in ast.walk(body) if isinstance(part, ast.Name) and id(part) not in bound}
    return tuple(sorted({*names, "x"} if _flows(body) else names, key=lambda name: (name != "x", name)))


def _flows(body: ast.Body) -> bool:
    """Whether what flows into a body comes out of it, or goes into a step of its own line."""
    for statement in body.statements:
        match statement:
            case ast.Evaluate(value=ast.Repeat(body=inner) | ast.For(body=inner)):
                if _flows(inner):
                    return True
            case ast.Evaluate(value=ast.If(then=then, otherwise=otherwise)):
                if _flows(then) or (otherwise is not None and _flows(otherwise)):
                    return True
            case ast.Evaluate():
                return True
            case _:
                pass
    return False


def as_scan(expression: ast.Expression) -> ast.Scan | None:
    """The `scan` over tensors that it names, which is a value and no layer, with a label or without."""
    inner = expression.layer if isinstance(expression, ast.Labelled) else expression
    return inner if isinstance(inner, ast.Scan) and inner.inputs else None


def only_layer(body: ast.Body) -> ast.Expression | None:
    """The layer that is all of a body: a label of the body is its own."""
    match body.statements:
        case (ast.Evaluate(value=ast.Name() | ast.Call() | ast.If() as layer),):
            return layer
        case _:
            return None


def refuse_taps(expression: ast.Expression) -> None:
    """Nothing flows in a file, so a tap there would give its name to what flows in every block. Raises `Failure`."""
    todo: list[ast.Node] = [expression]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Tap):
            hint = "write it in the body in which it flows, or in braces: `{ x -> ReLU as y -> ... }`"
            raise Failure(
                "DL0308", f"`as {node.name.name}` names what flows, and nothing flows here", node.span, hint=hint
            )
        match node:
            case ast.Chain():
                todo += node.steps
            case ast.Labelled():
                todo.append(node.layer)
            case _:
                pass


def refuse_unused(value: Any, expression: ast.Expression, following: ast.Statement | None, ends: bool) -> NoReturn:
    """Raises `Failure` for a statement that nothing uses, by the one that follows and seems to go on with it, with which
    the body ``ends``."""
    if following is not None and goes_on(following):
        raise Failure(
            "DL0408",
            "nothing flows into this",
            following.span,
            notes=(Note(expression.span, f"and nothing uses {kind_of(value)}"),),
            hint="a line that goes on with the one before begins with `->`, or with `|` where it is another branch",
        )
    if ends and isinstance(following, ast.Expect):
        raise Failure(
            "DL0408", "this stands behind the result", following.span, hint="the last line of a body is its result",
            notes=(Note(expression.span, f"nothing uses {kind_of(value)}, which is not in the last line"),),
        )  # fmt: skip
    raise Failure(
        "DL0408",
        f"nothing uses {kind_of(value)}",
        expression.span,
        hint="only the last line of a body is its result: join it to the chain with `->` or give it a name",
    )
