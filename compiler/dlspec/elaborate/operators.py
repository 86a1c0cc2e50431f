"""Signs between values: of constants they are computed, of tensors they are nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from dlspec.elaborate import constants
from dlspec.elaborate.compare import Comparison, compare
from dlspec.elaborate.values import POISON, Env, Failure, kind_of
from dlspec.ir.constants import Ratio
from dlspec.ir.dims import Expr
from dlspec.ir.node import Value
from dlspec.ir.program import Written
from dlspec.ops import FUNCTIONS, by_name
from dlspec.syntax import ast

if TYPE_CHECKING:
    from dlspec.elaborate.expressions import Expressions

_TENSOR_BINARY = {
    "+": "Add", "-": "Sub", "*": "Mul", "/": "Div", "//": "FloorDiv", "%": "Mod", "**": "Pow",
    "==": "Equal", "!=": "NotEqual", "<": "Less", "<=": "LessEqual", ">": "Greater", ">=": "GreaterEqual",
    "and": "And", "or": "Or",
}  # fmt: skip
_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})


def unary(elaborator: Expressions, node: ast.Unary, env: Env) -> Any:
    if node.operator == "not":
        value = elaborator.evaluate(node.operand, env)
        if isinstance(value, Value):
            return elaborator.function(by_name("Not")(), (value,), node)
        return POISON if value is POISON else not elaborator.truth(value, node.operand.span)
    value = elaborator.evaluate(node.operand, env)
    if value is POISON:
        return POISON
    if isinstance(value, Value):
        return elaborator.function(FUNCTIONS["neg"](), (value,), node)
    if type(value) in (int, float) or isinstance(value, Expr):
        return -value
    if isinstance(value, Ratio):
        return Ratio(-value.numerator, value.denominator)
    raise Failure("DL0305", f"`-` takes a number or a tensor, not {kind_of(value)}", node.span)


def binary(elaborator: Expressions, node: ast.Binary, env: Env) -> Any:
    operator = node.operator
    left = elaborator.evaluate(node.left, env)
    if operator in ("and", "or") and not isinstance(left, Value) and left is not POISON:
        decided = elaborator.truth(left, node.left.span)
        if decided == (operator == "or"):
            return decided
        right = elaborator.evaluate(node.right, env)
        return right if right is POISON else elaborator.truth(right, node.right.span)
    right = elaborator.evaluate(node.right, env)
    if left is POISON or right is POISON:
        return POISON
    if left.__class__ is list or right.__class__ is list:
        elaborator.builder.budget.walk([left, right])
    if operator == "in":
        if type(right) is not list:
            raise Failure("DL0305", f"`in` takes a list, not {kind_of(right)}", node.right.span)
        comparison = Comparison(elaborator.builder.conditions, node.span)
        return any(comparison.same(left, item) for item in cast("list[Any]", right))
    if operator in ("==", "!=") and (left is None or right is None):
        # A tensor is never none, which an argument that may be left out is asked for.
        return (left is right) == (operator == "==")
    if isinstance(left, Value) or isinstance(right, Value):
        return _tensors(elaborator, node, left, right, env)
    if operator in _COMPARISONS:
        return compare(operator, left, right, elaborator.builder.conditions, node.span)
    try:
        made = constants.arithmetic(operator, left, right)
        return elaborator.made_list(made) if isinstance(made, list) else made
    except constants.ConstantError as error:
        message = error.message or f"`{operator}` does not go with {kind_of(left)} and {kind_of(right)}"
        raise Failure("DL0305", message, node.span, hint=error.hint) from None


def _tensors(elaborator: Expressions, node: ast.Binary, left: Any, right: Any, env: Env) -> Any:
    op = by_name(_TENSOR_BINARY[node.operator])()
    dtype = (left if isinstance(left, Value) else right).type.dtype
    sides = ((left, node.left), (right, node.right))
    values = tuple([elaborator.as_tensor(value, dtype, node, Written(side, env)) for value, side in sides])
    return elaborator.function(op, values, node)
