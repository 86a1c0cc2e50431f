"""What an expression of generated source comes to, for one instance of a class: the check of all that is written."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

from dlspec.backends.torch.python import expressions as py
from dlspec.backends.torch.python.symbols import Apart, Count, Flowing, Leaf, Left, Sum, Turned
from dlspec.backends.torch.python.targets import taken_apart
from dlspec.elaborate.constants import FUNCTIONS, ConstantError, arithmetic
from dlspec.ir.dims import Expr

CALLS = {
    "abs": "abs", "bool": "bool", "ceil": "math.ceil", "cos": "math.cos", "enumerate": "enumerate", "exp": "math.exp",
    "float": "float", "floor": "math.floor", "int": "int", "len": "len", "log": "math.log", "log2": "math.log2",
    "max": "max", "min": "min", "prod": "math.prod", "range": "range", "round": "round", "sin": "math.sin",
    "sorted": "sorted", "sqrt": "math.sqrt", "sum": "sum", "tan": "math.tan", "tanh": "math.tanh", "zip": "zip",
}  # fmt: skip
"""Functions of constants in Python."""

_LANGUAGE = {text: name for name, text in CALLS.items()}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b, "in": lambda a, b: a in b, "is": lambda a, b: a is b,
    "is not": lambda a, b: a is not b,
}  # fmt: skip


class Unwritten(Exception):
    """Nothing that the author wrote gives this value in these names."""


def evaluate(node: py.Py) -> Any:
    """The value in this instance; tuples as lists. Raises `Unwritten` for what has none."""
    try:
        return _evaluate(node, {})
    except (ConstantError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError):
        raise Unwritten from None


def _evaluate(node: py.Py, local: dict[str, Any]) -> Any:
    match node:
        case py.Const():
            return _listed(node.value)
        case Leaf():
            if node.key[0] == "comprehended":
                return local[node.key[1]]
            return _listed(node.value)
        case Turned():
            return _listed(node.value)
        case Flowing():
            return _evaluate(node.first, local)
        case Left():
            return _evaluate(node.ended, local)
        case Sum():
            made: Any = node.number
            for factor, atom in node.terms:
                made = made + _evaluate(factor, local) * _evaluate(atom, local)
            return made
        case py.Name(text="math.pi"):
            return math.pi
        case py.Unary():
            value = _evaluate(node.operand, local)
            return not value if node.operator == "not" else -value
        case py.Binary(operator="and" | "or"):
            left = _evaluate(node.left, local)
            return left if bool(left) is (node.operator == "or") else _evaluate(node.right, local)
        case py.Binary():
            left, right = _evaluate(node.left, local), _evaluate(node.right, local)
            if node.operator in _COMPARISONS:
                if isinstance(left, Expr) or isinstance(right, Expr):
                    raise ValueError
                return _COMPARISONS[node.operator](left, right)
            return arithmetic(node.operator, left, right)
        case Count():
            return node.value
        case Apart():
            return _evaluate(node.size, local)
        case py.Label():
            return "".join(part if isinstance(part, str) else _text(_evaluate(part, local)) for part in node.parts)
        case py.IfElse():
            return _evaluate(node.then if _evaluate(node.condition, local) else node.otherwise, local)
        case py.Sequence():
            return [_evaluate(item, local) for item in node.items]
        case py.Subscript(items=(py.Slice() as cut,)):
            parts = [None if p is None else _evaluate(p, local) for p in (cut.start, cut.stop, cut.step)]
            return _evaluate(node.base, local)[slice(*parts)]
        case py.Subscript():
            return _evaluate(node.base, local)[_evaluate(node.items[0], local)]
        case py.Call(function=py.Name(text=called)) if called in _LANGUAGE:
            return FUNCTIONS[_LANGUAGE[called]](*(_evaluate(arg, local) for arg in node.args))
        case py.Call(function=py.Name(text="tuple"), args=(inner,)):
            return _evaluate(inner, local)
        case py.Comprehension(around=(), conditions=()):
            values = _evaluate(node.iterable, local)
            return [_evaluate(node.item, local | taken_apart(node.target, value)) for value in values]
        case _:
            raise TypeError


def _text(value: Any) -> str:
    """A value in a label. Raises `TypeError` for one that Python writes in another way."""
    if type(value) not in (int, str):
        raise TypeError
    return str(value)


def _listed(value: Any) -> Any:
    return list(map(_listed, cast("list[Any]", value))) if isinstance(value, list | tuple) else value


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal numbers, texts or lists of them; true is not 1."""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        left, right = cast("list[Any]", a), cast("list[Any]", b)
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(a, bool) is not isinstance(b, bool) or (a is None) is not (b is None):
        return False
    return a == b


def is_constant(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(is_constant, cast("list[Any]", value)))
    return isinstance(value, int | float | str | None) and not isinstance(value, Expr)
