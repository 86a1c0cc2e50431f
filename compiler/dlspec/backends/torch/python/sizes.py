"""Sizes of tensors as expressions of a forward."""

from __future__ import annotations

import ast

from dlspec.backends.torch.python.expressions import Binary, Const, Py, call
from dlspec.backends.torch.python.sums import divided, times

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
}  # fmt: skip


def from_text(text: str, known: dict[str, Py]) -> Py:
    """The expression of a dimension, whose text is Python. ``known`` has an expression for each symbol."""

    def made(node: ast.expr) -> Py:
        match node:
            case ast.Constant(value=int(value) | float(value)):
                return Const(value)
            case ast.Name(id=name):
                return known[name]
            case ast.BinOp(
                left=ast.BinOp(
                    left=ast.BinOp(left=size, op=ast.Sub(), right=ast.Constant(value=1)),
                    op=ast.FloorDiv(),
                    right=ast.Constant(value=int(by)),
                ),
                op=ast.Add(),
                right=ast.Constant(value=1),
            ):  # rounded up
                return divided(Binary("+", made(size), Const(by - 1)), Const(by))
            case ast.BinOp(op=ast.FloorDiv()):
                return divided(made(node.left), made(node.right))
            case ast.BinOp(op=ast.Mult()):
                return times(made(node.left), made(node.right))
            case ast.BinOp():
                return Binary(_OPERATORS[type(node.op)], made(node.left), made(node.right))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return Binary("-", Const(0), made(operand))
            case ast.Call(func=ast.Name(id="max" | "min" | "int" as name), args=args):
                return call(name, *map(made, args))
            case _:
                raise AssertionError(text)

    return made(ast.parse(text, mode="eval").body)
