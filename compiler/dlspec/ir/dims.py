"""Dimensions: integers, and integer expressions in symbols that stand for positive integers.

A constant is always a plain ``int``, so arithmetic on known sizes never comes here. An `Expr` is a polynomial with
integer coefficients over atoms: a symbol, a floor division that does not come out even, a maximum or minimum that
cannot be decided. What is built by different routes and has the same normal form is equal: ``H // 2 // 2 == H // 4``.

The normal form is not complete (``H - H // 2`` and ``(H + 1) // 2`` are always equal and not recognised as such):
`conditions.Conditions.require_equal` decides what ``==`` leaves open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from math import ceil, gcd, lcm
from typing import Any, ClassVar, Literal, NoReturn, TypeAlias

from dlspec.limits import budget

_CACHE = 1 << 16
_WORK = 200
"""Bytes that count for a character of a size: what is done with it grows with its text."""


class DimError(ValueError):
    """An expression that has no value: ``missing`` names the symbols without a size, if that is why."""

    def __init__(self, message: str, missing: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.missing = missing


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
            object.__setattr__(found, "sort_key", (1, _counted(f"{_grouped(numerator)} // {_grouped(divisor)}")))
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
            object.__setattr__(found, "sort_key", (3, f"int({_grouped(operand)} * {factor!r})"))
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


def _counted(text: str) -> str:
    """The text of an atom, in which atoms stand that may be long themselves. Raises `Exceeded`."""
    budget().make(_WORK * len(text))
    return text


Atom: TypeAlias = Symbol | FloorDiv | Extremum | Scaled
# Atoms with their powers, by `sort_key`; the empty one is the constant's.
Monomial: TypeAlias = tuple[tuple[Atom, int], ...]
_Terms: TypeAlias = dict[Monomial, int]


class Expr:
    """A symbolic size in normal form. Made by `symbol` and arithmetic; never constant, never changed."""

    __slots__ = ("_hash", "_symbols", "_text", "parts")

    def __init__(self, parts: _Terms) -> None:
        # For this module only: `parts` has no zero coefficients and at least one term that is not constant.
        self.parts = parts
        self._hash = hash(frozenset(parts.items()))
        self._symbols: frozenset[str] | None = None
        self._text: str | None = None

    def __reduce__(self) -> tuple[Callable[[_Terms], Dim], tuple[_Terms]]:
        return _make, (self.parts,)

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
            self._text = _render(self.parts)
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
    return tuple((coefficient, monomial) for monomial, coefficient in sorted(_parts(dim).items(), key=_display_order))


@lru_cache(_CACHE)
def greatest_number(dim: Dim) -> int:
    """The greatest of the numbers that a size is written with, without their signs."""
    if isinstance(dim, int):
        return abs(dim)
    inner = [operand for monomial in dim.parts for atom, _ in monomial for operand in _operands(atom)]
    return max(*map(abs, dim.parts.values()), *map(greatest_number, inner), 0)


def _operands(atom: Atom) -> tuple[Dim, ...]:
    if isinstance(atom, Symbol):
        return ()
    return (atom.numerator, atom.divisor) if isinstance(atom, FloorDiv) else atom.operands


def from_terms(parts: Iterable[tuple[int, Monomial]]) -> Dim:
    """The polynomial of these terms, each monomial once: the inverse of `terms`."""
    return _make({monomial: coefficient for coefficient, monomial in parts if coefficient})


def _names(atom: Atom) -> frozenset[str]:
    if isinstance(atom, Symbol):
        return frozenset((atom.name,))
    return frozenset(name for operand in _operands(atom) for name in symbols(operand))


def _is_dim(value: object) -> bool:
    return isinstance(value, (int, Expr))


def _parts(dim: Dim) -> _Terms:
    if isinstance(dim, Expr):
        return dim.parts
    return {(): dim} if dim else {}


def _make(parts: _Terms) -> Dim:
    """Takes terms without zeros (and the ownership of them)."""
    if not parts:
        return 0
    if len(parts) == 1 and () in parts:
        return parts[()]
    return Expr(parts)


def _accumulate(parts: _Terms, more: Mapping[Monomial, int], factor: int = 1) -> None:
    for monomial, coefficient in more.items():
        coefficient = parts.get(monomial, 0) + factor * coefficient
        if coefficient:
            parts[monomial] = coefficient
        else:
            del parts[monomial]


@lru_cache(_CACHE)
def _add(a: Dim, b: Dim) -> Dim:
    parts = dict(_parts(a))
    _accumulate(parts, _parts(b))
    return _make(parts)


@lru_cache(_CACHE)
def _multiply(a: Dim, b: Dim) -> Dim:
    parts: _Terms = {}
    factors = _parts(b)
    for left, coefficient in _parts(a).items():
        _accumulate(parts, {_monomial_product(left, right): c for right, c in factors.items()}, coefficient)
    return _make(parts)


@lru_cache(_CACHE)
def _monomial_product(a: Monomial, b: Monomial) -> Monomial:
    if not a or not b:
        return a or b
    powers = dict(a)
    for atom, power in b:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=lambda item: item[0].sort_key))


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
    parts: _Terms = {}
    for dim in dims:
        if isinstance(dim, int):
            constant += dim
        else:
            _accumulate(parts, dim.parts)
    if not parts:
        return constant
    if constant:
        _accumulate(parts, {(): constant})
    return _make(parts)


# --- division -------------------------------------------------------------------------------------------------------


@lru_cache(_CACHE)
def floordiv(a: Dim, b: Dim) -> Dim:
    """``a / b`` rounded down, as Python's ``//``."""
    if isinstance(b, Expr):
        return _divide_by_expr(_parts(a), b)
    if b == 0:
        raise DimError(f"division by zero: ({a}) // 0")
    if isinstance(a, int):
        return a // b
    return _divide_by_constant(a.parts, b) if b > 0 else _divide_by_constant(_parts(-a), -b)


def ceildiv(a: Dim, b: Dim) -> Dim:
    """``a / b`` rounded up, for a positive ``b``."""
    return (a + b - 1) // b


@lru_cache(_CACHE)
def conv_size(size: Dim, kernel: int, stride: int = 1, padding_total: int = 0, dilation: int = 1) -> Dim:
    """The size that a convolution or pooling leaves; ``padding_total`` counts both sides."""
    return (size + padding_total - dilation * (kernel - 1) - 1) // stride + 1


def _divide_by_constant(parts: _Terms, divisor: int) -> Dim:
    if divisor == 1:
        return _make(dict(parts))
    if all(coefficient < 0 for monomial, coefficient in parts.items() if monomial):
        # floor(-x / d) == -floor((x + d - 1) / d): without this, -(-H // 4) would not be ceildiv(H, 4).
        flipped = {(): divisor - 1}
        _accumulate(flipped, parts, -1)
        return -_divide_by_constant(flipped, divisor)
    whole = {monomial: c // divisor for monomial, c in parts.items() if c // divisor}
    rest = {monomial: c % divisor for monomial, c in parts.items() if c % divisor}
    offset = rest.pop((), 0)
    if not rest:
        return _make(whole)
    # The constant needs no common factor: it only moves on by whole steps of it.
    common = gcd(divisor, *rest.values())
    divisor //= common
    rest = {monomial: c // common for monomial, c in rest.items()}
    if offset // common:
        rest[()] = offset // common
    if divisor == 1:
        _accumulate(whole, rest)
        return _make(whole)
    return _make(whole) + _opaque_division(rest, divisor)


def _opaque_division(parts: _Terms, divisor: Dim) -> Dim:
    """An atom, or ``(x // e + y) // d`` as ``(x + e * y) // (e * d)``. The divisor is positive."""
    inner = [monomial for monomial in parts if any(isinstance(atom, FloorDiv) for atom, _ in monomial)]
    if len(inner) == 1 and parts[inner[0]] == 1 and len(inner[0]) == 1:
        floor, power = inner[0][0]
        if isinstance(floor, FloorDiv) and power == 1:
            others = _make({monomial: c for monomial, c in parts.items() if monomial != inner[0]})
            return (floor.numerator + floor.divisor * others) // (floor.divisor * divisor)
    return _atom(FloorDiv(_make(dict(parts)), divisor))


def _divide_by_expr(parts: _Terms, divisor: Expr) -> Dim:
    if all(coefficient < 0 for coefficient in divisor.parts.values()):
        return _make({monomial: -c for monomial, c in parts.items()}) // -divisor
    whole, rest = _long_division(parts, divisor.parts)
    if rest and len(divisor.parts) > 1:
        whole, rest = {}, parts  # (H * W) // (H + 1) reads better than W + -W // (H + 1)
    if not rest:
        return _make(whole)
    numerator, reduced = _without_common_factor(rest, divisor.parts)
    return _make(whole) + _divide_reduced(numerator, reduced)


def _divide_reduced(numerator: Dim, divisor: Dim) -> Dim:
    if isinstance(divisor, int):
        return numerator // divisor
    if at_least(divisor, 1):
        if at_least(numerator, 0) and at_least(divisor - numerator, 1):
            return 0
        if at_least(-numerator, 1) and at_least(divisor + numerator, 0):
            return -1
        return _opaque_division(_parts(numerator), divisor)
    return _atom(FloorDiv(numerator, divisor))


def _long_division(parts: _Terms, divisor: _Terms) -> tuple[_Terms, _Terms]:
    """Quotient and rest with ``parts == quotient * divisor + rest``; the rest is empty where it divides exactly."""
    atoms = sorted({atom for m in (*parts, *divisor) for atom, _ in m}, key=lambda atom: atom.sort_key)

    def lexicographic(monomial: Monomial) -> tuple[int, ...]:
        powers = dict(monomial)
        return tuple(powers.get(atom, 0) for atom in atoms)

    leading = max(divisor, key=lexicographic)
    remaining = dict(parts)
    quotient: _Terms = {}
    rest: _Terms = {}
    while remaining:
        monomial = max(remaining, key=lexicographic)
        factor = _monomial_quotient(monomial, leading)
        times = remaining[monomial] // divisor[leading]
        if factor is None or times == 0:
            rest[monomial] = remaining.pop(monomial)
            continue
        _accumulate(quotient, {factor: times})
        _accumulate(remaining, {_monomial_product(factor, m): c for m, c in divisor.items()}, -times)
        if monomial in remaining:
            rest[monomial] = remaining.pop(monomial)
    return quotient, rest


def _monomial_quotient(a: Monomial, b: Monomial) -> Monomial | None:
    powers = dict(a)
    for atom, power in b:
        powers[atom] = powers.get(atom, 0) - power
        if powers[atom] < 0:
            return None
    return tuple((atom, power) for atom, power in powers.items() if power)


def _without_common_factor(a: _Terms, b: _Terms) -> tuple[Dim, Dim]:
    number = gcd(*a.values(), *b.values())
    monomials = [*a, *b]
    shared = tuple(
        (atom, power)
        for atom, _ in monomials[0]
        if (power := min(dict(monomial).get(atom, 0) for monomial in monomials))
    )

    def reduced(parts: _Terms) -> Dim:
        return _make({_monomial_quotient(monomial, shared) or (): c // number for monomial, c in parts.items()})

    return reduced(a), reduced(b)


def _atom(atom: Atom) -> Expr:
    return Expr({((atom, 1),): 1})


# --- products with numbers ------------------------------------------------------------------------------------------

_LARGEST = 1 << 31


def scaled(size: Dim, factor: float) -> Dim:
    """``int(size * factor)``, the product a float64 rounded to the nearest.

    That is a floor division for all sizes below 2 ** 31 where the factor is a fraction, or its float64 above it, or
    nearer below it than any product is to the next float64. Of 1.15, which is less than 23 / 20, it is not:
    ``100 * 1.15`` is 114.99999999999999.
    """
    if isinstance(size, int):
        return int(size * factor)
    exact, near = Fraction(factor), Fraction(factor).limit_denominator(1 << 20)
    apart = _LARGEST * (abs(exact - near) + exact / 2**53) < Fraction(1, near.denominator)
    whole = near <= exact or (near - exact) / near <= Fraction(1, 2**54)
    if apart and whole:
        return floordiv(size * near.numerator, near.denominator)
    return _atom(Scaled(size, factor))


# --- maximum and minimum --------------------------------------------------------------------------------------------


def smax(*dims: Dim) -> Dim:
    """The largest, decided where it is always the same one."""
    return _extremum("max", dims)


def smin(*dims: Dim) -> Dim:
    """The smallest, decided where it is always the same one."""
    return _extremum("min", dims)


def smax_undecided(dims: Iterable[Dim]) -> Dim:
    """The largest of many, where deciding between each two would take too long: only equal ones are seen as such."""
    distinct = sorted(set(dims), key=str)
    return distinct[0] if len(distinct) == 1 else _atom(Extremum("max", tuple(distinct)))


def _extremum(kind: Literal["max", "min"], dims: tuple[Dim, ...]) -> Dim:
    if all(isinstance(dim, int) for dim in dims):
        return (max if kind == "max" else min)(dim for dim in dims if isinstance(dim, int))
    kept: list[Dim] = []
    for dim in sorted(set(_flattened(kind, dims)), key=lambda dim: (isinstance(dim, int), str(dim))):
        if any(_beats(kind, other, dim) for other in kept):
            continue
        kept = [*(other for other in kept if not _beats(kind, dim, other)), dim]
    return kept[0] if len(kept) == 1 else _atom(Extremum(kind, tuple(kept)))


def _flattened(kind: Literal["max", "min"], dims: tuple[Dim, ...]) -> Iterable[Dim]:
    for dim in dims:
        parts = _parts(dim)
        monomial = next(iter(parts), ())
        atom = monomial[0][0] if len(monomial) == 1 else None
        if isinstance(atom, Extremum) and atom.kind == kind and parts == {((atom, 1),): 1}:
            yield from atom.operands
        else:
            yield dim


def _beats(kind: Literal["max", "min"], a: Dim, b: Dim) -> bool:
    return at_least(a - b if kind == "max" else b - a, 0)


# --- values ---------------------------------------------------------------------------------------------------------


def evaluate(dim: Dim, env: Mapping[str, int]) -> int:
    """The value for the sizes in ``env``. Raises `DimError` where one is missing or a divisor is zero."""
    if isinstance(dim, int):
        return dim
    missing = tuple(sorted(name for name in dim.symbols if name not in env))
    if missing:
        raise DimError(f"no size is given for {', '.join(missing)}", missing)
    return _value(dim, env, {})


def _value(dim: Dim, env: Mapping[str, int], known: dict[Atom, int]) -> int:
    if isinstance(dim, int):
        return dim
    result = 0
    for monomial, coefficient in dim.parts.items():
        for atom, power in monomial:
            value = known.get(atom)
            if value is None:
                value = known[atom] = _atom_value(atom, env, known)
            coefficient *= value if power == 1 else value**power
        result += coefficient
    return result


def _atom_value(atom: Atom, env: Mapping[str, int], known: dict[Atom, int]) -> int:
    if isinstance(atom, Symbol):
        return env[atom.name]
    if isinstance(atom, Extremum):
        return (max if atom.kind == "max" else min)(_value(operand, env, known) for operand in atom.operands)
    if isinstance(atom, Scaled):
        return int(_value(atom.operands[0], env, known) * atom.factor)
    divisor = _value(atom.divisor, env, known)
    if divisor == 0:
        raise DimError(f"division by zero: {atom.divisor} is 0 in {atom!r}")
    return _value(atom.numerator, env, known) // divisor


def substitute(dim: Dim, env: Mapping[str, Dim]) -> Dim:
    """``dim`` with the symbols in ``env`` replaced, all at once; others stay."""
    if isinstance(dim, int):
        return dim
    relevant = tuple((name, env[name]) for name in sorted(dim.symbols) if name in env)
    return _substitute(dim, relevant) if relevant else dim


@lru_cache(_CACHE)
def _substitute(dim: Expr, replacements: tuple[tuple[str, Dim], ...]) -> Dim:
    env = dict(replacements)

    def replaced(atom: Atom) -> Dim:
        if isinstance(atom, Symbol):
            return env[atom.name] if atom.name in env else _atom(atom)
        if isinstance(atom, FloorDiv):
            return substitute(atom.numerator, env) // substitute(atom.divisor, env)
        if isinstance(atom, Scaled):
            return scaled(substitute(atom.operands[0], env), atom.factor)
        return _extremum(atom.kind, tuple(substitute(operand, env) for operand in atom.operands))

    return total(
        coefficient * product(replaced(atom) ** power for atom, power in monomial)
        for monomial, coefficient in dim.parts.items()
    )


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


@lru_cache(_CACHE)
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
            term = term * (_atom(atom) + lower) ** power
        result = result + term
    parts = _parts(result)
    if any(coefficient < 0 for monomial, coefficient in parts.items() if monomial):
        return None
    return parts.get((), 0)


def _relaxed(dim: Expr, minima: Mapping[str, int], both_signs: bool) -> tuple[Dim, int]:
    """A dim with fewer floors, and a scale, such that ``dim * scale`` is never below it; scale 0: no floor to drop."""
    relaxed: list[tuple[FloorDiv, int, Dim, int]] = []
    kept: _Terms = {}
    for monomial, coefficient in dim.parts.items():
        floors = [a for a, p in monomial if isinstance(a, FloorDiv) and isinstance(a.divisor, int) and p == 1]
        others = tuple((atom, power) for atom, power in monomial if not floors or atom is not floors[0])
        signed = all((lower := _atom_lower(atom, minima)) is not None and lower >= 0 for atom, _ in others)
        if floors and signed and (coefficient < 0 or both_signs):
            divisor = floors[0].divisor
            assert isinstance(divisor, int)
            relaxed.append((floors[0], divisor, _make({others: coefficient}), coefficient))
        else:
            kept[monomial] = coefficient
    if not relaxed:
        return dim, 0
    scale = lcm(*(divisor for _, divisor, _, _ in relaxed))
    result = scale * _make(kept)
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


# --- text -----------------------------------------------------------------------------------------------------------


def _display_order(term: tuple[Monomial, int]) -> tuple[Any, ...]:
    """Higher degrees first, and so the constant last."""
    monomial = term[0]
    return -sum(power for _, power in monomial), tuple((atom.sort_key, -power) for atom, power in monomial)


def _render(parts: _Terms) -> str:
    constant = parts.get((), 0)
    pieces: list[tuple[int, str]] = []
    for monomial, coefficient in sorted(parts.items(), key=_display_order):
        if not monomial:
            continue
        floor = monomial[0][0] if len(monomial) == 1 and monomial[0][1] == 1 else None
        if isinstance(floor, FloorDiv) and _reads_better_shifted(floor, coefficient, constant):
            text = _floor_text(floor, shifted=True)
            constant += coefficient
            pieces.append((coefficient, text if abs(coefficient) == 1 else f"{abs(coefficient)} * ({text})"))
        else:
            pieces.append((coefficient, _monomial_text(monomial, abs(coefficient))))
    if constant:
        pieces.append((constant, str(abs(constant))))
    # W - H rather than -H + W.
    first = next((index for index, (sign, _) in enumerate(pieces) if sign > 0), 0)
    pieces.insert(0, pieces.pop(first))
    leading, start = pieces[0]
    if leading < 0:
        # Minus binds tighter than //, and a coefficient of -1 may stand before a bare division.
        start = f"-({start})" if leading == -1 and "//" in start else f"-{start}"
    return start + "".join(f" {'-' if sign < 0 else '+'} {text}" for sign, text in pieces[1:])


def _reads_better_shifted(floor: FloorDiv, coefficient: int, constant: int) -> bool:
    """Whether to write ``(x - 1) // d + 1`` for ``(x + d - 1) // d``: always, except for ``2 * ((x - 1) // d + 1)``."""
    if not isinstance(floor.divisor, int) or not isinstance(floor.numerator, Expr):
        return False
    offset = floor.numerator.parts.get((), 0)
    if offset == floor.divisor - 1:
        return abs(coefficient) == 1 or constant != 0
    return offset > 0 and constant == -coefficient


def _monomial_text(monomial: Monomial, coefficient: int) -> str:
    """The product; a lone floor division stands without parentheses."""
    if coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1:
        atom = monomial[0][0]
        return _floor_text(atom, shifted=False) if isinstance(atom, FloorDiv) else repr(atom)
    factors = [] if coefficient == 1 else [str(coefficient)]
    for atom, power in monomial:
        text = repr(atom)
        if isinstance(atom, FloorDiv):
            shifted = _reads_better_shifted(atom, 1, 0)
            text = f"({_floor_text(atom, shifted)}{' + 1' if shifted else ''})"
        factors.append(text if power == 1 else f"{text} ** {power}")
    return " * ".join(factors)


def _floor_text(floor: FloorDiv, shifted: bool) -> str:
    numerator = floor.numerator - floor.divisor if shifted else floor.numerator
    return f"{_grouped(numerator)} // {_grouped(floor.divisor)}"


def _grouped(dim: Dim) -> str:
    text = str(dim)
    if isinstance(dim, int):
        return text if dim >= 0 else f"({text})"
    ((monomial, coefficient),) = list(dim.parts.items())[:1]
    lone = len(dim.parts) == 1 and coefficient == 1 and len(monomial) == 1 and not isinstance(monomial[0][0], FloorDiv)
    return text if lone else f"({text})"


__all__ = [
    "Atom",
    "Dim",
    "DimError",
    "Expr",
    "Extremum",
    "FloorDiv",
    "Monomial",
    "Scaled",
    "Symbol",
    "ceildiv",
    "conv_size",
    "evaluate",
    "floordiv",
    "from_terms",
    "lower_bound",
    "product",
    "scaled",
    "smax",
    "smin",
    "substitute",
    "symbol",
    "symbols",
    "terms",
    "total",
    "upper_bound",
]
