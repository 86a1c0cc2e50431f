"""What a spec demands of sizes: assumed where they are open."""

from __future__ import annotations

from typing import Any

from dlspec.elaborate.compare import compare
from dlspec.elaborate.expressions import Expressions
from dlspec.elaborate.values import POISON, Env, Failure, has_poison, show
from dlspec.ir.conditions import Conditions
from dlspec.ir.constants import Ratio, is_dim
from dlspec.ir.dims import Dim, Expr
from dlspec.syntax import ast


def expect_condition(node: ast.Expression, env: Env, elaborator: Expressions) -> Any:
    """Like evaluating a condition, but what it says of open sizes becomes a precondition of the network."""
    if isinstance(node, ast.Binary) and node.operator == "and":
        left = expect_condition(node.left, env, elaborator)
        right = expect_condition(node.right, env, elaborator)
        return POISON if left is POISON or right is POISON else left and right
    if isinstance(node, ast.Binary) and node.operator in ("==", "<", "<=", ">", ">="):
        a, b = elaborator.evaluate(node.left, env), elaborator.evaluate(node.right, env)
        if has_poison(a) or has_poison(b):
            return POISON
        if is_dim(a) and is_dim(b) and (isinstance(a, Expr) or isinstance(b, Expr)):
            return _assume(node.operator, a, b, elaborator.builder.conditions)
        if isinstance(a, Ratio) or isinstance(b, Ratio):
            raise Failure("DL0305", "sizes are whole: compare with `//`, `ceil` or `floor`", node.span)
        return compare(node.operator, a, b, elaborator.builder.conditions, node.span)
    return elaborator.condition(node, env)


def sides(condition: ast.Expression, env: Env, elaborator: Expressions) -> str:
    """What stands on both sides of a condition that does not hold."""
    if isinstance(condition, ast.Binary) and condition.operator in ("==", "!=", "<", "<=", ">", ">="):
        left, right = elaborator.evaluate(condition.left, env), elaborator.evaluate(condition.right, env)
        return f"{show(left)} {condition.operator} {show(right)} is false"
    return "this is false"


def _assume(operator: str, a: Dim, b: Dim, conditions: Conditions) -> bool:
    match operator:
        case "==":
            return not conditions.require_equal(a, b).impossible
        case ">=" | ">":
            return not conditions.require_at_least(a - b, int(operator == ">")).impossible
        case _:
            return not conditions.require_at_least(b - a, int(operator == "<")).impossible
