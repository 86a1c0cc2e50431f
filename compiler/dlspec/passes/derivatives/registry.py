"""Which function differentiates which operator, or writes it in operators that can be differentiated."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from dlspec.ir.op import Op
from dlspec.ops.algebra import Term

if TYPE_CHECKING:
    from dlspec.passes.derivatives.step import Step

OpType = TypeVar("OpType", bound=Op)
Cotangents: TypeAlias = tuple[Term | None, ...]
Rule: TypeAlias = "Callable[[Step, OpType], Cotangents]"
Formula: TypeAlias = "Callable[[Step, OpType], Term | None]"

_RULES: dict[type[Op], Rule[Any]] = {}
_FORMULAS: dict[type[Op], Formula[Any]] = {}


def derives(*operators: type[OpType]) -> Callable[[Rule[OpType]], Rule[OpType]]:
    """Registers a function as the vector-Jacobian product of operators.

    It gets the step and the operator and returns a cotangent for each input, None where there is none. One that is
    larger than its input is summed by its caller where the input was stretched, one that is smaller is stretched: a
    rule need not undo broadcasting. It is made of operators that have rules, so that it can be differentiated again.
    Raises `ValueError` for an operator that has a rule already.
    """

    def register(rule: Rule[OpType]) -> Rule[OpType]:
        for operator in operators:
            if operator in _RULES:
                raise ValueError(f"{operator.__name__} is differentiated twice")
            _RULES[operator] = rule
        return rule

    return register


def expands(*operators: type[OpType]) -> Callable[[Formula[OpType]], Formula[OpType]]:
    """Registers a function as what operators of one output are in other operators, which are differentiated instead.

    It gets the step, without cotangents, and the operator, and returns the output; None for a form of the operator that
    has a rule. Raises `ValueError` for an operator that has a formula already.
    """

    def register(formula: Formula[OpType]) -> Formula[OpType]:
        for operator in operators:
            if operator in _FORMULAS:
                raise ValueError(f"{operator.__name__} is written out twice")
            _FORMULAS[operator] = formula
        return formula

    return register


@cache
def _load() -> None:
    import dlspec.passes.derivatives as package

    for module in iter_modules(package.__path__):
        if module.name.startswith("derive_"):
            import_module(f"{package.__name__}.{module.name}")


def rule_of(operator: type[Op]) -> Rule[Any] | None:
    """The rule of an operator, or None where there is none."""
    _load()
    return _RULES.get(operator)


def formula_of(operator: type[Op]) -> Formula[Any] | None:
    """The formula of an operator, or None where there is none."""
    _load()
    return _FORMULAS.get(operator)
