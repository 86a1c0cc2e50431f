"""Dimensions: integers, and integer expressions in symbols that stand for positive integers.

A constant is always a plain ``int``, so arithmetic on known sizes never comes here. An `Expr` is a polynomial with
integer coefficients over atoms: a symbol, a floor division that does not come out even, a maximum or minimum that
cannot be decided. What is built by different routes and has the same normal form is equal: ``H // 2 // 2 == H // 4``.

The normal form is not complete (``H - H // 2`` and ``(H + 1) // 2`` are always equal and not recognised as such):
`conditions.Conditions.require_equal` decides what ``==`` leaves open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from math import gcd, lcm
from typing import NoReturn, TypeAlias

from dlspec.ir.atoms import Atom, Extremum, FloorDiv, Scaled, Symbol, operands_of
from dlspec.ir.dim_text import rendered
from dlspec.ir.polynomials import (
    CACHE,
    Monomial,
    Terms,
    accumulate,
    display_order,
    long_division,
    monomial_product,
    without_common_factor,
)


class DimError(ValueError):
    """An expression that has no value: ``missing`` names the symbols without a size, if that is why."""

    def __init__(self, message: str, missing: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.missing = missing


class Expr:
    """A symbolic size in normal form. Made by `symbol` and arithmetic; never constant, never changed."""

    __slots__ = ("_hash", "_symbols", "_text", "parts")

    def __init__(self, parts: Terms) -> None:
        # For this module only: `parts` has no zero coefficients and at least one term that is not constant.
        self.parts = parts
        self._hash = hash(frozenset(parts.items()))
        self._symbols: frozenset[str] | None = None
        self._text: str | None = None

    def __reduce__(self) -> tuple[Callable[[Terms], Dim], tuple[Terms]]:
        return made_of, (self.parts,)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Expr) and self._hash == other._hash and self.parts == other.parts)

    def __add__(self, other: Dim) -> Dim:
        return _add(self, other) if _is_dim(other) else NotImplemented

    def __radd__(self, other: Dim) -> Dim:
        return _add(self, other) if _is_dim(other) else NotImplemented

    def __sub__(self, other: Dim) -> Dim:
        return _add(self, -other) if _is_dim(other) else NotImplemented

    def __rsub__(self, other: Dim) -> Dim:
        return _add(-self, other) if _is_dim(other) else NotImplemented

    def __mul__(self, other: Dim) -> Dim:
        return _multiply(self, other) if _is_dim(other) else NotImplemented

    def __rmul__(self, other: Dim) -> Dim:
        return _multiply(self, other) if _is_dim(other) else NotImplemented

    def __neg__(self) -> Dim:
        return _multiply(self, -1)

    def __pos__(self) -> Dim:
        return self

    def __pow__(self, exponent: int) -> Dim:
        if not isinstance(exponent, int):  # pyright: ignore[reportUnnecessaryIsInstance]
            return NotImplemented
        if exponent < 0:
            raise DimError(f"a size has no negative power: ({self}) ** {exponent}")
        return product([self] * exponent)

    def __floordiv__(self, other: Dim) -> Dim:
        return floordiv(self, other) if _is_dim(other) else NotImplemented

    def __rfloordiv__(self, other: Dim) -> Dim:
        return floordiv(other, self) if _is_dim(other) else NotImplemented

    def __mod__(self, other: Dim) -> Dim:
        return self - other * floordiv(self, other) if _is_dim(other) else NotImplemented

    def __rmod__(self, other: Dim) -> Dim:
        return other - self * floordiv(other, self) if _is_dim(other) else NotImplemented

    def __lt__(self, other: object) -> NoReturn:
        raise TypeError(f"the order of {self} and {other} depends on the sizes: use lower_bound or upper_bound")

    __le__ = __gt__ = __ge__ = __lt__

    def __bool__(self) -> NoReturn:
        raise TypeError(f"whether {self} is zero depends on the sizes: compare with ==, or use lower_bound")

    def __str__(self) -> str:
        if self._text is None:
            self._text = rendered(self.parts)
        return self._text

    __repr__ = __str__

    @property
    def symbols(self) -> frozenset[str]:
        """The names of the symbols in it."""
        if self._symbols is None:
            self._symbols = frozenset(name for monomial in self.parts for atom, _ in monomial for name in _names(atom))
        return self._symbols


Dim: TypeAlias = int | Expr


def symbol(name: str) -> Expr:
    """The size called ``name``, at least 1."""
    return Expr({((Symbol(name), 1),): 1})


def symbols(dim: Dim) -> frozenset[str]:
    """The names of the symbols in ``dim``."""
    return dim.symbols if isinstance(dim, Expr) else frozenset()


def terms(dim: Dim) -> tuple[tuple[int, Monomial], ...]:
    """The polynomial as ``(coefficient, ((atom, power), ...))`` in the order of display, so the constant is last."""
    return tuple((coefficient, monomial) for monomial, coefficient in sorted(parts_of(dim).items(), key=display_order))


def from_terms(parts: Iterable[tuple[int, Monomial]]) -> Dim:
    """The polynomial of these terms, each monomial once: the inverse of `terms`."""
    return made_of({monomial: coefficient for coefficient, monomial in parts if coefficient})


def _names(atom: Atom) -> frozenset[str]:
    if isinstance(atom, Symbol):
        return frozenset((atom.name,))
    return frozenset(name for operand in operands_of(atom) for name in symbols(operand))


def _is_dim(value: object) -> bool:
    return isinstance(value, (int, Expr))


def parts_of(dim: Dim) -> Terms:
    """The coefficients, which are the size's own: not to be changed."""
    if isinstance(dim, Expr):
        return dim.parts
    return {(): dim} if dim else {}


def made_of(parts: Terms) -> Dim:
    """The size of these terms, without zeros, which are its own from here on."""
    if not parts:
        return 0
    if len(parts) == 1 and () in parts:
        return parts[()]
    return Expr(parts)


@lru_cache(CACHE)
def _add(a: Dim, b: Dim) -> Dim:
    parts = dict(parts_of(a))
    accumulate(parts, parts_of(b))
    return made_of(parts)


@lru_cache(CACHE)
def _multiply(a: Dim, b: Dim) -> Dim:
    parts: Terms = {}
    factors = parts_of(b)
    for left, coefficient in parts_of(a).items():
        accumulate(parts, {monomial_product(left, right): c for right, c in factors.items()}, coefficient)
    return made_of(parts)


def product(dims: Iterable[Dim]) -> Dim:
    """The product; 1 of none."""
    constant = 1
    result: Dim = 1
    for dim in dims:
        if isinstance(dim, int):
            constant *= dim
        else:
            result = dim * result
    return result * constant


def total(dims: Iterable[Dim]) -> Dim:
    """The sum; 0 of none. Takes time in the number of terms only, so it suits sums over a whole network."""
    constant = 0
    parts: Terms = {}
    for dim in dims:
        if isinstance(dim, int):
            constant += dim
        else:
            accumulate(parts, dim.parts)
    if not parts:
        return constant
    if constant:
        accumulate(parts, {(): constant})
    return made_of(parts)


# --- division -------------------------------------------------------------------------------------------------------


@lru_cache(CACHE)
def floordiv(a: Dim, b: Dim) -> Dim:
    """``a / b`` rounded down, as Python's ``//``."""
    if isinstance(b, Expr):
        return _divide_by_expr(parts_of(a), b)
    if b == 0:
        raise DimError(f"division by zero: ({a}) // 0")
    if isinstance(a, int):
        return a // b
    return _divide_by_constant(a.parts, b) if b > 0 else _divide_by_constant(parts_of(-a), -b)


def ceildiv(a: Dim, b: Dim) -> Dim:
    """``a / b`` rounded up, for a positive ``b``."""
    return (a + b - 1) // b


def _divide_by_constant(parts: Terms, divisor: int) -> Dim:
    if divisor == 1:
        return made_of(dict(parts))
    if all(coefficient < 0 for monomial, coefficient in parts.items() if monomial):
        # floor(-x / d) == -floor((x + d - 1) / d): without this, -(-H // 4) would not be ceildiv(H, 4).
        flipped = {(): divisor - 1}
        accumulate(flipped, parts, -1)
        return -_divide_by_constant(flipped, divisor)
    whole = {monomial: c // divisor for monomial, c in parts.items() if c // divisor}
    rest = {monomial: c % divisor for monomial, c in parts.items() if c % divisor}
    offset = rest.pop((), 0)
    if not rest:
        return made_of(whole)
    # The constant needs no common factor: it only moves on by whole steps of it.
    common = gcd(divisor, *rest.values())
    divisor //= common
    rest = {monomial: c // common for monomial, c in rest.items()}
    if offset // common:
        rest[()] = offset // common
    if divisor == 1:
        accumulate(whole, rest)
        return made_of(whole)
    return made_of(whole) + _opaque_division(rest, divisor)


def _opaque_division(parts: Terms, divisor: Dim) -> Dim:
    """An atom, or ``(x // e + y) // d`` as ``(x + e * y) // (e * d)``. The divisor is positive."""
    inner = [monomial for monomial in parts if any(isinstance(atom, FloorDiv) for atom, _ in monomial)]
    if len(inner) == 1 and parts[inner[0]] == 1 and len(inner[0]) == 1:
        floor, power = inner[0][0]
        if isinstance(floor, FloorDiv) and power == 1:
            others = made_of({monomial: c for monomial, c in parts.items() if monomial != inner[0]})
            return (floor.numerator + floor.divisor * others) // (floor.divisor * divisor)
    return of_atom(FloorDiv(made_of(dict(parts)), divisor))


def _divide_by_expr(parts: Terms, divisor: Expr) -> Dim:
    if all(coefficient < 0 for coefficient in divisor.parts.values()):
        return made_of({monomial: -c for monomial, c in parts.items()}) // -divisor
    whole, rest = long_division(parts, divisor.parts)
    if rest and len(divisor.parts) > 1:
        whole, rest = {}, parts  # (H * W) // (H + 1) reads better than W + -W // (H + 1)
    if not rest:
        return made_of(whole)
    numerator, reduced = without_common_factor(rest, divisor.parts)
    return made_of(whole) + _divide_reduced(made_of(numerator), made_of(reduced))


def _divide_reduced(numerator: Dim, divisor: Dim) -> Dim:
    if isinstance(divisor, int):
        return numerator // divisor
    if at_least(divisor, 1):
        if at_least(numerator, 0) and at_least(divisor - numerator, 1):
            return 0
        if at_least(-numerator, 1) and at_least(divisor + numerator, 0):
            return -1
        return _opaque_division(parts_of(numerator), divisor)
    return of_atom(FloorDiv(numerator, divisor))


def of_atom(atom: Atom) -> Expr:
    """The size that is this atom alone."""
    return Expr({((atom, 1),): 1})


# --- bounds ---------------------------------------------------------------------------------------------------------

_Minima: TypeAlias = tuple[tuple[str, int], ...]
_NO_MINIMA: Mapping[str, int] = {}


def lower_bound(dim: Dim, minima: Mapping[str, int] = _NO_MINIMA) -> int | None:
    """What ``dim`` is never below while every symbol is at least its minimum (1 unless told). None: not known."""
    if isinstance(dim, int):
        return dim
    return _lower(dim, tuple((name, minima[name]) for name in sorted(dim.symbols) if name in minima))


def upper_bound(dim: Dim, minima: Mapping[str, int] = _NO_MINIMA) -> int | None:
    """What ``dim`` is never above while every symbol is at least its minimum (1 unless told). None: not known."""
    lower = lower_bound(-dim, minima)
    return None if lower is None else -lower


def at_least(dim: Dim, bound: int) -> bool:
    """Whether ``dim`` is known to be never below ``bound``, whatever the symbols are."""
    lower = dim if isinstance(dim, int) else _lower(dim, ())
    return lower is not None and lower >= bound


@lru_cache(CACHE)
def _lower(dim: Expr, minima: _Minima) -> int | None:
    known = dict(minima)
    bounds = [_shifted_lower(dim, known)]
    # H - H // 2 is bounded only where the two are seen together: x / d - (d - 1) / d <= x // d <= x / d.
    for both_signs in (False, True):
        relaxed, scale = _relaxed(dim, known, both_signs)
        if scale and relaxed != dim:
            lower = lower_bound(relaxed, known)
            bounds.append(None if lower is None else -(-lower // scale))
    return max((bound for bound in bounds if bound is not None), default=None)


def _shifted_lower(dim: Expr, minima: Mapping[str, int]) -> int | None:
    """The constant, once every atom is written as its minimum plus something not negative and no term is negative."""
    result: Dim = 0
    lowest: dict[Atom, int | None] = {}
    for monomial, coefficient in dim.parts.items():
        if coefficient < 0 and len(monomial) == 1 and monomial[0][1] == 1:
            upper = _atom_upper(monomial[0][0], minima)
            if upper is not None:
                result += coefficient * upper
                continue
        term: Dim = coefficient
        for atom, power in monomial:
            if atom not in lowest:
                lowest[atom] = _atom_lower(atom, minima)
            lower = lowest[atom]
            if lower is None:
                return None
            term = term * (of_atom(atom) + lower) ** power
        result = result + term
    parts = parts_of(result)
    if any(coefficient < 0 for monomial, coefficient in parts.items() if monomial):
        return None
    return parts.get((), 0)


def _relaxed(dim: Expr, minima: Mapping[str, int], both_signs: bool) -> tuple[Dim, int]:
    """A dim with fewer floors, and a scale, such that ``dim * scale`` is never below it; scale 0: no floor to drop."""
    relaxed: list[tuple[FloorDiv, int, Dim, int]] = []
    kept: Terms = {}
    for monomial, coefficient in dim.parts.items():
        floors = [a for a, p in monomial if isinstance(a, FloorDiv) and isinstance(a.divisor, int) and p == 1]
        others = tuple((atom, power) for atom, power in monomial if not floors or atom is not floors[0])
        signed = all((lower := _atom_lower(atom, minima)) is not None and lower >= 0 for atom, _ in others)
        if floors and signed and (coefficient < 0 or both_signs):
            divisor = floors[0].divisor
            assert isinstance(divisor, int)
            relaxed.append((floors[0], divisor, made_of({others: coefficient}), coefficient))
        else:
            kept[monomial] = coefficient
    if not relaxed:
        return dim, 0
    scale = lcm(*(divisor for _, divisor, _, _ in relaxed))
    result = scale * made_of(kept)
    for floor, divisor, factor, coefficient in relaxed:
        numerator = floor.numerator if coefficient < 0 else floor.numerator - (divisor - 1)
        result = result + scale // divisor * factor * numerator
    return result, scale


def _atom_lower(atom: Atom, minima: Mapping[str, int]) -> int | None:
    if isinstance(atom, Symbol):
        return minima.get(atom.name, 1)
    if isinstance(atom, Extremum):
        bounds = [lower_bound(operand, minima) for operand in atom.operands]
        known = [bound for bound in bounds if bound is not None]
        if atom.kind == "max":
            return max(known, default=None)
        return min(known) if len(known) == len(bounds) else None
    if isinstance(atom, Scaled):
        bound = lower_bound(atom.operands[0], minima)
        return None if bound is None else int(bound * atom.factor)
    least, divisor = lower_bound(atom.numerator, minima), lower_bound(atom.divisor, minima)
    if least is None or divisor is None or divisor < 1:
        return None
    # A quotient is least at the least divisor if the numerator is negative, and at the greatest if it is not.
    most = divisor if least < 0 else upper_bound(atom.divisor, minima)
    return 0 if most is None else least // most


def _atom_upper(atom: Atom, minima: Mapping[str, int]) -> int | None:
    if isinstance(atom, Symbol):
        return None
    if isinstance(atom, Extremum):
        bounds = [upper_bound(operand, minima) for operand in atom.operands]
        known = [bound for bound in bounds if bound is not None]
        if atom.kind == "min":
            return min(known, default=None)
        return max(known) if len(known) == len(bounds) else None
    if isinstance(atom, Scaled):
        bound = upper_bound(atom.operands[0], minima)
        return None if bound is None else int(bound * atom.factor)
    greatest, divisor = upper_bound(atom.numerator, minima), lower_bound(atom.divisor, minima)
    if greatest is None or divisor is None or divisor < 1:
        return None
    least = divisor if greatest >= 0 else upper_bound(atom.divisor, minima)
    return -1 if least is None else greatest // least
