"""Comparisons of constants, sizes and layers among them: decided where they can be."""

from __future__ import annotations

import operator as operators
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from dlspec.elaborate.calls import field_value
from dlspec.elaborate.values import (
    BlockLayer,
    BranchLayer,
    Deferred,
    Failure,
    FrozenLayer,
    Layer,
    OpLayer,
    SharedLayer,
    kind_of,
)
from dlspec.ir.condition import Condition
from dlspec.ir.conditions import Conditions
from dlspec.ir.constants import is_dim
from dlspec.ir.dims import Dim, Expr, lower_bound, symbols, upper_bound
from dlspec.ir.fields import MISSING, Field
from dlspec.source import Span
from dlspec.syntax import ast

_PYTHON: dict[str, Callable[[Any, Any], bool]] = {
    "<": operators.lt,
    "<=": operators.le,
    ">": operators.gt,
    ">=": operators.ge,
}


def compare(operator: str, a: object, b: object, conditions: Conditions, span: Span) -> bool:
    """``a operator b``. Raises `Failure` where it depends on a size that is open, and where it cannot be told of layers."""
    sizes = _sizes(a, b)
    if sizes is not None:
        return _decided(operator, *sizes, conditions, span)
    if operator in ("==", "!="):
        return Comparison(conditions, span).same(a, b) == (operator == "==")
    ordered = (isinstance(a, int | float) and isinstance(b, int | float)) or (isinstance(a, str) and isinstance(b, str))
    if not ordered:
        raise Failure("DL0305", f"`{operator}` does not go with {kind_of(a)} and {kind_of(b)}", span)
    return _PYTHON[operator](a, b)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A question at a ``span`` whether values are the same, with what is known of sizes. Raises `Failure` as `compare`."""

    conditions: Conditions
    span: Span

    def same(self, a: object, b: object) -> bool:
        """Whether two values are: sizes where they are so for all sizes that are allowed, lists where all in them are."""
        sizes = _sizes(a, b)
        if sizes is not None:
            return _decided("==", *sizes, self.conditions, self.span)
        if isinstance(a, list | tuple) and isinstance(b, list | tuple):
            one, other = cast("list[object]", a), cast("list[object]", b)
            return len(one) == len(other) and all(map(self.same, one, other))
        if isinstance(a, Layer) and isinstance(b, Layer):
            return self._layers(a, b)
        return a == b

    def _layers(self, a: Layer, b: Layer) -> bool:
        """Whether layers are the same operator or block with the same arguments; their names and weights do not count."""
        a, b = _plain(a), _plain(b)
        if a is b:
            return True
        match a, b:
            case OpLayer(), OpLayer():
                return a.op is b.op and self._operators(a, b)
            case BlockLayer(), BlockLayer():
                return a.declaration is b.declaration and self._blocks(a, b)
            case (Deferred(), Deferred()) if a.expression is b.expression and a.env is b.env:
                return True
            case (BranchLayer(), BranchLayer()) if a.body is b.body and a.env is b.env:
                return True
            case (Deferred() | BranchLayer(), _) | (_, Deferred() | BranchLayer()):
                raise self._untold("what it is cannot be told of a chain, a loop, braces or a label")
            case _:
                return False

    def _operators(self, a: OpLayer, b: OpLayer) -> bool:
        if a.pinned is not None and b.pinned is not None and a.pinned != b.pinned:
            return False
        if a.branches is not b.branches or a.env is not b.env:
            if a.branches is not None and b.branches is not None:
                raise self._untold(f"{a.title} has branches in both")
            return False
        fields = {field.name: field for field in a.op.fields}
        given = {**a.arguments, **b.arguments}
        return all(self.same(*(_argument(layer, name, fields.get(name)) for layer in (a, b))) for name in given)

    def _blocks(self, a: BlockLayer, b: BlockLayer) -> bool:
        defaults = {parameter.name.name: parameter.default for parameter in a.declaration.parameters}
        for name in {**a.arguments, **b.arguments}:
            sides: list[Any] = []
            for layer in (a, b):
                default = defaults[name]
                if name in layer.arguments:
                    sides.append(layer.arguments[name][0])
                elif default is None:
                    return False
                elif isinstance(default, ast.Constant):
                    sides.append(default.value)
                else:
                    raise self._untold(f"one {a.title} is given `{name}`, the other has its default")
            if not self.same(*sides):
                return False
        return True

    def _untold(self, what: str) -> Failure:
        hint = "layers are compared by their operator or block and its arguments: `act == ReLU`"
        return Failure("DL0305", f"these layers cannot be compared: {what}", self.span, hint=hint)


def _plain(layer: Layer) -> Layer:
    """The layer without what is said of its weights."""
    while isinstance(layer, SharedLayer | FrozenLayer):
        layer = layer.layer
    return layer


def _argument(layer: OpLayer, name: str, field: Field | None) -> Any:
    """What an operator is given for a field, or a tensor of it, where nothing is said its default."""
    if name not in layer.arguments:
        return MISSING if field is None else field.converted_default
    value, written = layer.arguments[name]
    return value if field is None else field_value(field, value, written.span, layer.title)


def _sizes(a: object, b: object) -> tuple[Dim, Dim] | None:
    """Two whole numbers of which one is open."""
    if not isinstance(a, Expr) and not isinstance(b, Expr):
        return None
    one, other = (int(n) if isinstance(n, float) and n.is_integer() else n for n in (a, b))
    return (one, other) if is_dim(one) and is_dim(other) else None


def _decided(operator: str, a: Dim, b: Dim, conditions: Conditions, span: Span) -> bool:
    decided = _decide(operator, a, b, conditions)
    if decided is None:
        names = ", ".join(f"{name}=..." for name in sorted(symbols(a) | symbols(b)))
        raise Failure(
            "DL0406",
            f"`{a} {operator} {b}` depends on a size that is open",
            span,
            hint=f"pin it with --size {names}, write a number in the signature, or state it with `where`",
        )
    return decided


def _decide(operator: str, a: Dim, b: Dim, conditions: Conditions) -> bool | None:
    """Whether the comparison holds for every size that is allowed (True), for none (False), or for some (None)."""
    difference = a - b
    minima = {name: conditions.least(name) for name in symbols(difference)}
    low = difference if isinstance(difference, int) else lower_bound(difference, minima)
    high = difference if isinstance(difference, int) else upper_bound(difference, minima)
    match operator:
        case "==" | "!=":
            if conditions.implies(Condition.equal(a, b)):
                return operator == "=="
            if (low is not None and low > 0) or (high is not None and high < 0):
                return operator == "!="
            return None
        case "<" | ">=":
            if low is not None and low >= 0:
                return operator == ">="
            if high is not None and high < 0:
                return operator == "<"
            return None
        case _:
            if low is not None and low > 0:
                return operator == ">"
            if high is not None and high <= 0:
                return operator == "<="
            return None
