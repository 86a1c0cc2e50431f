"""Sizes of tensors as expressions of a forward."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TypeAlias

from dlspec.backends.torch.python import Binary, Const, Py, call
from dlspec.ir.dims import Dim

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
}  # fmt: skip


def from_text(text: str, known: dict[str, Py]) -> Py:
    """The expression of a dimension, whose text is Python. ``known`` has an expression for each symbol."""

    def made(node: ast.expr) -> Py:
        match node:
            case ast.Constant(value=int(value)):
                return Const(value)
            case ast.Name(id=name):
                return known[name]
            case ast.BinOp():
                return Binary(_OPERATORS[type(node.op)], made(node.left), made(node.right))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return Binary("-", Const(0), made(operand))
            case ast.Call(func=ast.Name(id="max" | "min" as name), args=args):
                return call(name, *map(made, args))
            case _:
                raise AssertionError(text)

    return made(ast.parse(text, mode="eval").body)


Relation: TypeAlias = Callable[[Py], Py]


def relation(have: list[Dim], want: list[Dim]) -> Relation | None:
    """How the wanted sizes follow from others, in every place: equal, a multiple, a part, or a constant more."""
    if all(h == w for h, w in zip(have, want, strict=True)):
        return lambda base: base
    if any(isinstance(h, int) for h in have):
        return None

    def by(operator: str, number: int) -> Relation:
        if operator == "*":
            return lambda base: Binary("*", Const(number), base)
        return lambda base: Binary(operator, base, Const(number))

    for factor in (2, 3, 4, 8, 16):
        if all(factor * h == w for h, w in zip(have, want, strict=True)):
            return by("*", factor)
        if all(h // factor == w for h, w in zip(have, want, strict=True)):
            return by("//", factor)
    difference = want[0] - have[0]
    if isinstance(difference, int) and all(w - h == difference for h, w in zip(have, want, strict=True)):
        return by("+" if difference > 0 else "-", abs(difference))
    return None
