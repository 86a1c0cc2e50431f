"""Which function differentiates which operator, or writes it in operators that can be differentiated."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from dlspec.ir.op import Op
from dlspec.ir.registry import Registry
from dlspec.ops.algebra import Term

if TYPE_CHECKING:
    from dlspec.passes.derivatives.step import Step

OpType = TypeVar("OpType", bound=Op)
Cotangents: TypeAlias = tuple[Term | None, ...]
Rule: TypeAlias = "Callable[[Step, OpType], Cotangents]"
Formula: TypeAlias = "Callable[[Step, OpType], Term | None]"

_PLACE = ("dlspec.passes.derivatives", "derive_")
RULES: Registry[Rule[Any]] = Registry("differentiated", *_PLACE)
FORMULAS: Registry[Formula[Any]] = Registry("written out", *_PLACE)


def derives(*operators: type[OpType]) -> Callable[[Rule[OpType]], Rule[OpType]]:
    """Registers a function as the vector-Jacobian product of operators.

    It gets the step and the operator and returns a cotangent for each input, None where there is none. One that is
    larger than its input is summed by its caller where the input was stretched, one that is smaller is stretched: a
    rule need not undo broadcasting. It is made of operators that have rules, so that it can be differentiated again.
    Raises `ValueError` for an operator that has a rule already.
    """
    return RULES.register(*operators)


def expands(*operators: type[OpType]) -> Callable[[Formula[OpType]], Formula[OpType]]:
    """Registers a function as what operators of one output are in other operators, which are differentiated instead.

    It gets the step, without cotangents, and the operator, and returns the output; None for a form of the operator that
    has a rule. Raises `ValueError` for an operator that has a formula already.
    """
    return FORMULAS.register(*operators)
