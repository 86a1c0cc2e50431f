"""What sizes are made of: symbols, and what is not decided before their sizes are known."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, ClassVar, Literal, NoReturn, TypeAlias

from dlspec.limits import budget

if TYPE_CHECKING:
    from dlspec.ir.dims import Dim


_WORK = 200
"""Bytes that count for a character of a size: what is done with it grows with its text."""


class _Atom:
    """Atoms are interned: equal ones are one object, so that comparing and hashing them costs nothing."""

    __slots__ = ("sort_key",)
    sort_key: tuple[int, str]

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable")


class Symbol(_Atom):
    """A named size, at least 1."""

    __slots__ = ("name",)
    name: str
    _known: ClassVar[dict[str, Symbol]] = {}

    def __new__(cls, name: str) -> Symbol:
        found = cls._known.get(name)
        if found is None:
            found = super().__new__(cls)
            object.__setattr__(found, "name", name)
            object.__setattr__(found, "sort_key", (0, name))
            found = cls._known.setdefault(name, found)
        return found

    def __reduce__(self) -> tuple[type[Symbol], tuple[str]]:
        return Symbol, (self.name,)

    def __repr__(self) -> str:
        return self.name


class FloorDiv(_Atom):
    """``numerator // divisor``, rounded down."""

    __slots__ = ("divisor", "numerator")
    numerator: Dim
    divisor: Dim
    _known: ClassVar[dict[tuple[Dim, Dim], FloorDiv]] = {}

    def __new__(cls, numerator: Dim, divisor: Dim) -> FloorDiv:
        found = cls._known.get((numerator, divisor))
        if found is None:
            found = super().__new__(cls)
            object.__setattr__(found, "numerator", numerator)
            object.__setattr__(found, "divisor", divisor)
            object.__setattr__(found, "sort_key", (1, _counted(f"{grouped(numerator)} // {grouped(divisor)}")))
            found = cls._known.setdefault((numerator, divisor), found)
        return found

    def __reduce__(self) -> tuple[type[FloorDiv], tuple[Dim, Dim]]:
        return FloorDiv, (self.numerator, self.divisor)

    def __repr__(self) -> str:
        return self.sort_key[1]


class Extremum(_Atom):
    """The ``max`` or ``min`` of operands of which none is always the one."""

    __slots__ = ("kind", "operands")
    kind: Literal["max", "min"]
    operands: tuple[Dim, ...]
    _known: ClassVar[dict[tuple[str, tuple[Dim, ...]], Extremum]] = {}

    def __new__(cls, kind: Literal["max", "min"], operands: tuple[Dim, ...]) -> Extremum:
        found = cls._known.get((kind, operands))
        if found is None:
            found = super().__new__(cls)
            object.__setattr__(found, "kind", kind)
            object.__setattr__(found, "operands", operands)
            object.__setattr__(found, "sort_key", (2, _counted(f"{kind}({', '.join(map(str, operands))})")))
            found = cls._known.setdefault((kind, operands), found)
        return found

    def __reduce__(self) -> tuple[type[Extremum], tuple[Literal["max", "min"], tuple[Dim, ...]]]:
        return Extremum, (self.kind, self.operands)

    def __repr__(self) -> str:
        return self.sort_key[1]


class Scaled(_Atom):
    """``int(operand * factor)``: a size times a number, computed in float64 and rounded down, as torch resamples."""

    __slots__ = ("factor", "operands")
    factor: float
    operands: tuple[Dim]
    _known: ClassVar[dict[tuple[Dim, float], Scaled]] = {}

    def __new__(cls, operand: Dim, factor: float) -> Scaled:
        found = cls._known.get((operand, factor))
        if found is None:
            found = super().__new__(cls)
            object.__setattr__(found, "factor", factor)
            object.__setattr__(found, "operands", (operand,))
            object.__setattr__(found, "sort_key", (3, f"int({grouped(operand)} * {factor!r})"))
            found = cls._known.setdefault((operand, factor), found)
        return found

    def least(self, product: int) -> int:
        """The least operand that gives so much, which is positive."""
        size = ceil(product / Fraction(self.factor))
        while int((size - 1) * self.factor) >= product:
            size -= 1
        while int(size * self.factor) < product:
            size += 1
        return size

    def __reduce__(self) -> tuple[type[Scaled], tuple[Dim, float]]:
        return Scaled, (*self.operands, self.factor)

    def __repr__(self) -> str:
        return self.sort_key[1]


Atom: TypeAlias = Symbol | FloorDiv | Extremum | Scaled


def operands_of(atom: Atom) -> tuple[Dim, ...]:
    """The sizes that it is computed of."""
    if isinstance(atom, Symbol):
        return ()
    return (atom.numerator, atom.divisor) if isinstance(atom, FloorDiv) else atom.operands


def _counted(text: str) -> str:
    """The text of an atom, in which atoms stand that may be long themselves. Raises `Exceeded`."""
    budget().make(_WORK * len(text))
    return text


def grouped(dim: Dim) -> str:
    """The text of a size, in parentheses where it is not one factor."""
    text = str(dim)
    if isinstance(dim, int):
        return text if dim >= 0 else f"({text})"
    ((monomial, coefficient),) = list(dim.parts.items())[:1]
    lone = len(dim.parts) == 1 and coefficient == 1 and len(monomial) == 1 and not isinstance(monomial[0][0], FloorDiv)
    return text if lone else f"({text})"
