"""Symbolic sizes as int64 arithmetic in the model: read from the shapes of the inputs when it runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from dlspec.backends.onnx.wire import ELEMENT, OnnxNode
from dlspec.diagnostics import DlspecError
from dlspec.ir.atoms import Atom, Extremum, FloorDiv, Scaled, Symbol
from dlspec.ir.dims import Dim, Expr, lower_bound, symbols, terms
from dlspec.ir.node import Value
from dlspec.ir.polynomials import Monomial
from dlspec.ir.types import DType


class Writer(Protocol):
    """What the nodes are written with: the model's names and constants, and its way to refuse."""

    opset: int

    def constant(self, value: int | Sequence[int] | Sequence[float], dtype: str) -> str: ...

    def unique(self, name: str) -> str: ...

    def unsupported(self, message: str, hint: str) -> DlspecError: ...


class Sizes:
    """The nodes that compute sizes, each expression once. All of them depend on the model's inputs only.

    Inside, every size is a 1-D tensor of one element, which is what shapes are put together from.
    """

    def __init__(self, writer: Writer, inputs: Sequence[Value]) -> None:
        self.nodes: list[OnnxNode] = []
        self._writer = writer
        self._axes = [
            (value, axis, dim) for value in inputs for axis, dim in enumerate(value.type.shape) if symbols(dim)
        ]
        self._known: dict[Dim | tuple[Dim, ...], str] = {}
        self._scalars: dict[Dim, str] = {}
        self._shapes: dict[Value, str] = {}
        self._solving: set[str] = set()

    def vector(self, dims: Sequence[Dim]) -> str:
        """A 1-D tensor of these sizes."""
        key = tuple(dims)
        if all(isinstance(dim, int) for dim in key):
            return self._writer.constant([int(dim) for dim in key if isinstance(dim, int)], "int64")
        if len(key) == 1:
            return self._size(key[0])
        name = self._known.get(key)
        if name is None:
            name = self._known[key] = self._node("Concat", [self._part(part) for part in _runs(key)], axis=0)
        return name

    def scalar(self, dim: Dim) -> str:
        """A 0-d tensor of a size."""
        if isinstance(dim, int):
            return self._writer.constant(dim, "int64")
        name = self._scalars.get(dim)
        if name is None:
            name = self._scalars[dim] = self._node("Squeeze", [self._size(dim), self._constant(0)])
        return name

    def _part(self, part: list[int] | Expr) -> str:
        return self._size(part) if isinstance(part, Expr) else self._writer.constant(part, "int64")

    def _constant(self, value: int) -> str:
        return self._writer.constant([value], "int64")

    def _node(self, op_type: str, inputs: Sequence[str], name: str = "", **attributes: int) -> str:
        output = self._writer.unique(f"size/{name or len(self.nodes)}")
        self.nodes.append(OnnxNode(op_type, output, list(inputs), [output], dict(attributes)))
        return output

    def _size(self, dim: Dim) -> str:
        if isinstance(dim, int):
            return self._constant(dim)
        name = self._known.get(dim)
        if name is None:
            name = self._known[dim] = self._sum(terms(dim))
        return name

    def _sum(self, parts: Sequence[tuple[int, Monomial]]) -> str:
        """Positive terms first: sizes have one, and a term with a minus is then subtracted."""
        result = ""
        for coefficient, monomial in sorted(parts, key=lambda part: part[0] < 0):
            term = self._product(abs(coefficient) if result else coefficient, monomial)
            result = self._node("Add" if coefficient > 0 else "Sub", [result, term]) if result else term
        return result

    def _product(self, coefficient: int, monomial: Monomial) -> str:
        factors = [self._atom(atom) for atom, power in monomial for _ in range(power)]
        if coefficient != 1 or not factors:
            factors.append(self._constant(coefficient))
        result = factors[0]
        for factor in factors[1:]:
            result = self._node("Mul", [result, factor])
        return result

    def _atom(self, atom: Atom) -> str:
        key = Expr({((atom, 1),): 1})
        name = self._known.get(key)
        if name is None:
            match atom:
                case Symbol():
                    name = self._symbol(atom.name)
                case FloorDiv():
                    name = self._quotient(atom)
                case Extremum():
                    op_type = "Max" if atom.kind == "max" else "Min"
                    name = self._node(op_type, [self._size(operand) for operand in atom.operands])
                case Scaled():
                    name = self._scaled(atom)
            self._known[key] = name
        return name

    def _scaled(self, atom: Scaled) -> str:
        size = self._node("Cast", [self._size(atom.operands[0])], to=ELEMENT[DType.FLOAT64])
        product = self._node("Mul", [size, self._writer.constant([atom.factor], "float64")])
        return self._node("Cast", [product], to=ELEMENT[DType.INT64])

    def _quotient(self, atom: FloorDiv) -> str:
        """ONNX rounds a quotient of integers towards zero, so a numerator that may be negative gives up its rest first:
        ``Mod`` has the sign of the divisor, as in Python."""
        numerator, divisor = self._size(atom.numerator), self._size(atom.divisor)
        least = lower_bound(atom.numerator)
        if least is None or least < 0:
            numerator = self._node("Sub", [numerator, self._node("Mod", [numerator, divisor])])
        return self._node("Div", [numerator, divisor])

    def _symbol(self, name: str) -> str:
        """A symbol: an axis of an input, or solved for in one that is an expression of it and of symbols that are
        known."""
        this = Expr({((Symbol(name), 1),): 1})
        for value, axis, dim in self._axes:
            if dim == this:
                return self._axis(value, axis, name)
        self._solving.add(name)
        try:
            for value, axis, dim in self._axes:
                coefficient = {monomial: c for c, monomial in terms(dim)}.get(((Symbol(name), 1),), 0)
                rest = dim - coefficient * this
                if coefficient and name not in symbols(rest) and self._solvable(symbols(rest)):
                    total = self._axis(value, axis)
                    if rest != 0:
                        total = self._node("Sub", [total, self._size(rest)])
                    return total if coefficient == 1 else self._node("Div", [total, self._constant(coefficient)], name)
        finally:
            self._solving.discard(name)
        raise self._writer.unsupported(
            f"the size {name} cannot be read from the inputs of the model",
            "give an input an axis that is this size alone" if self._axes else "give the size a number with --size",
        )

    def _solvable(self, names: Iterable[str]) -> bool:
        """Whether symbols can be read without those that are being solved for."""
        for name in names:
            if name in self._solving:
                return False
            if not any(dim == Expr({((Symbol(name), 1),): 1}) for _, _, dim in self._axes):
                return False
        return True

    def _axis(self, value: Value, axis: int, name: str = "") -> str:
        if self._writer.opset >= 15:
            return self._node("Shape", [value.name], name, start=axis, end=axis + 1)
        shape = self._shapes.get(value)
        if shape is None:
            shape = self._shapes[value] = self._node("Shape", [value.name])
        return self._node("Gather", [shape, self._constant(axis)], name)


def _runs(dims: tuple[Dim, ...]) -> list[list[int] | Expr]:
    """Neighbouring numbers together, as one constant each."""
    runs: list[list[int] | Expr] = []
    for dim in dims:
        if isinstance(dim, Expr):
            runs.append(dim)
        elif runs and isinstance(runs[-1], list):
            runs[-1].append(dim)
        else:
            runs.append([dim])
    return runs
