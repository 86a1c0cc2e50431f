"""Which layer of a part has its label."""

from __future__ import annotations

from typing import Any, Protocol

from dlspec.elaborate.values import Env, Failure, Layer, OpLayer, SharedLayer
from dlspec.ir.op import Op
from dlspec.ops import LAYERS
from dlspec.syntax import ast


class Conditions(Protocol):
    def condition(self, node: ast.Expression, env: Env) -> Any:
        """Whether a condition on constants holds."""
        ...


def weighs(layer: Layer) -> bool:
    """Whether a layer may have weights that are named by where it stands."""
    match layer:
        case OpLayer():
            return layer.op.weights is not Op.weights or layer.branches is not None
        case SharedLayer():
            return False
        case _:
            return True


def lone(body: ast.Body, env: Env, conditions: Conditions) -> bool:
    """Whether a body is a chain in which one layer may have weights, and no layer has a label."""
    try:
        return _found(body, env, conditions) == 1
    except Failure:  # of a condition, which is reported where it is decided
        return False


def _found(body: ast.Body, env: Env, conditions: Conditions) -> int:
    """How many layers may have weights, at least 2 where that is not so simple."""
    *before, last = body.statements or (None,)
    if not isinstance(last, ast.Evaluate) or any(_makes(statement, env) for statement in before):
        return 2
    steps = last.value.steps if isinstance(last.value, ast.Chain) else (last.value,)
    return sum(_of_step(step, env, conditions) for step in steps)


def _of_step(step: ast.Expression, env: Env, conditions: Conditions) -> int:
    match step:
        case ast.Tap():
            return _of_step(step.step, env, conditions)
        case ast.Labelled():
            return 2
        case ast.If():
            body = step.then if conditions.condition(step.condition, env) else step.otherwise
            return 0 if body is None else _found(body, env, conditions)
        case ast.Name() | ast.Call(function=ast.Name(), branches=None):
            name = step if isinstance(step, ast.Name) else step.function
            assert isinstance(name, ast.Name)
            return int(_weighs(name.name, env))
        case _:
            return 2 * _makes(step, env)


def _makes(node: ast.Node | None, env: Env) -> bool:
    """Whether there is a weight, or a layer that may have one, in what stands somewhere in a body."""
    return node is not None and any(
        isinstance(part, ast.Param | ast.Shared) or (isinstance(part, ast.Name) and _weighs(part.name, env))
        for part in ast.walk(node)
    )


def _weighs(name: str, env: Env) -> bool:
    value = env.find(name)
    if isinstance(value, Layer):
        return weighs(value)
    return name in LAYERS and LAYERS[name][0].weights is not Op.weights
