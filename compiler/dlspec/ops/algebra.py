"""Formulas on tensors that the compiler itself writes: the nodes of schedules and distributions, as arithmetic."""

from __future__ import annotations

from typing import Any, Protocol

from dlspec.ir.dims import Expr
from dlspec.ir.node import Value
from dlspec.ir.op import Op, Types
from dlspec.ir.types import TensorType
from dlspec.ops import FUNCTIONS, by_name
from dlspec.source import Span

Number = int | float

_NEUTRAL = {"Add": 0, "Sub": 0, "Mul": 1, "Div": 1}
"""The number on the right that changes nothing."""


class NodeBuilder(Protocol):
    """What terms make nodes with."""

    def function(self, op: Op, inputs: tuple[Value, ...], span: Span) -> tuple[Value, ...]:
        """The outputs of a new node."""
        ...

    def types(self, op: Op, inputs: tuple[Value, ...], span: Span) -> Types:
        """What the operator would give, without a node."""
        ...


class Algebra:
    """Makes terms whose nodes stand at one place of the text."""

    def __init__(self, builder: NodeBuilder, span: Span) -> None:
        self.builder = builder
        self.span = span

    def term(self, value: Value) -> Term:
        return Term(value, self)

    def call(self, name: str, *terms: Term, **fields: Any) -> Term:
        """A function of the language by its name, as in `exp(x)`, or an operator by its class's."""
        op = FUNCTIONS[name] if name in FUNCTIONS else by_name(name)
        (value,) = self.builder.function(op(**fields), tuple(term.value for term in terms), self.span)
        return Term(value, self)


class Term:
    """A tensor in a formula: `+`, `-`, `*`, `/` and `**` with tensors, numbers and sizes make nodes."""

    __slots__ = ("algebra", "value")

    def __init__(self, value: Value, algebra: Algebra) -> None:
        self.value = value
        self.algebra = algebra

    @property
    def type(self) -> TensorType:
        return self.value.type

    def lifted(self, other: Term | Number | Expr) -> Term:
        """A number or size as a 0-d tensor of this one's element type."""
        if isinstance(other, Term):
            return other
        kind = "Size" if isinstance(other, Expr) else "Const"
        return self.algebra.call(kind, value=other, dtype=self.value.type.dtype.label)

    def call(self, name: str, *others: Term, **fields: Any) -> Term:
        return self.algebra.call(name, self, *others, **fields)

    def _with(self, op: str, other: Term | Number | Expr, swapped: bool = False) -> Term:
        commutes = op in ("Add", "Mul")
        if isinstance(other, int | float) and other == _NEUTRAL.get(op) and (commutes or not swapped):
            return self
        other = self.lifted(other)
        return self.algebra.call(op, other, self) if swapped else self.algebra.call(op, self, other)

    def __add__(self, other: Term | Number | Expr) -> Term:
        return self._with("Add", other)

    def __radd__(self, other: Number) -> Term:
        return self._with("Add", other, swapped=True)

    def __sub__(self, other: Term | Number | Expr) -> Term:
        return self._with("Sub", other)

    def __rsub__(self, other: Number) -> Term:
        return self._with("Sub", other, swapped=True)

    def __mul__(self, other: Term | Number | Expr) -> Term:
        return self._with("Mul", other)

    def __rmul__(self, other: Number) -> Term:
        return self._with("Mul", other, swapped=True)

    def __truediv__(self, other: Term | Number | Expr) -> Term:
        return self._with("Div", other)

    def __rtruediv__(self, other: Number) -> Term:
        return self._with("Div", other, swapped=True)

    def __pow__(self, other: Term | Number | Expr) -> Term:
        return self._with("Pow", other)

    def __rpow__(self, other: Number) -> Term:
        return self._with("Pow", other, swapped=True)

    def __neg__(self) -> Term:
        return self.call("neg")
