"""What form a size has that is demanded something of: linear, a remainder, a polynomial on each residue class."""

from __future__ import annotations

from math import lcm

from dlspec.ir.atoms import Atom, Extremum, FloorDiv, Scaled, Symbol
from dlspec.ir.dims import Dim, symbol, symbols, terms


def primitive(dim: Dim) -> Dim:
    """Without the symbols that every term has: they are not zero, so ``N * H == N * W`` says ``H == W``."""
    for name in symbols(dim):
        while all(any(atom is Symbol(name) for atom, _ in monomial) for _, monomial in terms(dim)):
            dim = dim // symbol(name)
    return dim


def is_linear(dim: Dim) -> bool:
    """Whether it is a sum of symbols, times numbers, and a number."""
    return all(
        not monomial or (len(monomial) == 1 and isinstance(monomial[0][0], Symbol) and monomial[0][1] == 1)
        for _, monomial in terms(dim)
    )


def as_remainder(difference: Dim) -> tuple[Dim, int, frozenset[int]] | None:
    """``(x, m, {r})`` where the difference is zero exactly if ``x % m == r``: that of ``m * (x // m)`` and ``x``.

    Trying residues leads to the same; this needs none, so ``m`` may be large and ``x`` of many symbols.
    """
    for coefficient, monomial in terms(difference):
        floor = monomial[0][0] if len(monomial) == 1 and monomial[0][1] == 1 else None
        if isinstance(floor, FloorDiv) and floor.divisor == abs(coefficient):
            sign = 1 if coefficient > 0 else -1
            remainder = sign * (difference + sign * (floor.numerator % floor.divisor))
            if isinstance(remainder, int) and 0 <= remainder < abs(coefficient):
                return floor.numerator, abs(coefficient), frozenset((remainder,))
    return None


def periods_of(dim: Dim) -> dict[str, int] | None:
    """For every symbol a step such that ``dim`` at ``r + step * k`` is an integer polynomial in ``k``.

    None where there may be none: a divisor that is not constant, a maximum, a product with a number.
    """
    result = dict.fromkeys(sorted(symbols(dim)), 1)
    for _, monomial in terms(dim):
        for atom, _ in monomial:
            if isinstance(atom, Extremum | Scaled):
                return None
            if isinstance(atom, FloorDiv):
                inner = periods_of(atom.numerator)
                if inner is None or not isinstance(atom.divisor, int):
                    return None
                for name, period in inner.items():
                    result[name] = lcm(result[name], period * atom.divisor)
    return result


def bound_inside(dim: Dim, bound: int) -> tuple[Dim, int] | None:
    """What ``dim >= bound`` says of the size that ``dim`` divides or multiplies by a number; None where it is none such."""
    parts = [(coefficient, monomial) for coefficient, monomial in terms(dim) if monomial]
    if len(parts) != 1 or parts[0][0] < 1 or len(parts[0][1]) != 1 or parts[0][1][0][1] != 1:
        return None
    coefficient, ((atom, _),) = parts[0]
    constant = next((number for number, monomial in terms(dim) if not monomial), 0)
    needed = -((constant - bound) // coefficient)
    if isinstance(atom, FloorDiv) and isinstance(atom.divisor, int) and atom.divisor > 0:
        return atom.numerator, atom.divisor * needed
    return (atom.operands[0], atom.least(needed)) if isinstance(atom, Scaled) else None


def degree(dim: Dim, name: str) -> int:
    """The degree in one symbol, floors not counted as such."""
    degrees = (sum(power * _atom_degree(atom, name) for atom, power in monomial) for _, monomial in terms(dim))
    return max(degrees, default=0)


def _atom_degree(atom: Atom, name: str) -> int:
    if isinstance(atom, Symbol):
        return int(atom.name == name)
    return degree(atom.numerator, name) if isinstance(atom, FloorDiv) else 0
