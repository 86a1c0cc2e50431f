"""Polynomials over atoms, as coefficients by monomial: sums, products and quotients of their terms."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import gcd
from typing import Any, TypeAlias

from dlspec.ir.atoms import Atom

CACHE = 1 << 16
"""As many results of a function of sizes are kept."""


Monomial: TypeAlias = tuple[tuple[Atom, int], ...]
"""Atoms with their powers, by `sort_key`; the empty one is the constant's."""


Terms: TypeAlias = dict[Monomial, int]
"""The coefficients, none of them zero."""


def accumulate(parts: Terms, more: Mapping[Monomial, int], factor: int = 1) -> None:
    """Adds a polynomial, ``factor`` times, to ``parts`` in place."""
    for monomial, coefficient in more.items():
        coefficient = parts.get(monomial, 0) + factor * coefficient
        if coefficient:
            parts[monomial] = coefficient
        else:
            del parts[monomial]


@lru_cache(CACHE)
def monomial_product(a: Monomial, b: Monomial) -> Monomial:
    """All atoms of both."""
    if not a or not b:
        return a or b
    powers = dict(a)
    for atom, power in b:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=lambda item: item[0].sort_key))


def monomial_quotient(a: Monomial, b: Monomial) -> Monomial | None:
    """The atoms of ``a`` without those of ``b``; None where it lacks some."""
    powers = dict(a)
    for atom, power in b:
        powers[atom] = powers.get(atom, 0) - power
        if powers[atom] < 0:
            return None
    return tuple((atom, power) for atom, power in powers.items() if power)


def long_division(parts: Terms, divisor: Terms) -> tuple[Terms, Terms]:
    """Quotient and rest with ``parts == quotient * divisor + rest``; the rest is empty where it divides exactly."""
    atoms = sorted({atom for m in (*parts, *divisor) for atom, _ in m}, key=lambda atom: atom.sort_key)

    def lexicographic(monomial: Monomial) -> tuple[int, ...]:
        powers = dict(monomial)
        return tuple(powers.get(atom, 0) for atom in atoms)

    leading = max(divisor, key=lexicographic)
    remaining = dict(parts)
    quotient: Terms = {}
    rest: Terms = {}
    while remaining:
        monomial = max(remaining, key=lexicographic)
        factor = monomial_quotient(monomial, leading)
        times = remaining[monomial] // divisor[leading]
        if factor is None or times == 0:
            rest[monomial] = remaining.pop(monomial)
            continue
        accumulate(quotient, {factor: times})
        accumulate(remaining, {monomial_product(factor, m): c for m, c in divisor.items()}, -times)
        if monomial in remaining:
            rest[monomial] = remaining.pop(monomial)
    return quotient, rest


def without_common_factor(a: Terms, b: Terms) -> tuple[Terms, Terms]:
    """Both divided by the number and the atoms that all their terms have."""
    number = gcd(*a.values(), *b.values())
    monomials = [*a, *b]
    shared = tuple(
        (atom, power)
        for atom, _ in monomials[0]
        if (power := min(dict(monomial).get(atom, 0) for monomial in monomials))
    )

    def reduced(parts: Terms) -> Terms:
        return {monomial_quotient(monomial, shared) or (): c // number for monomial, c in parts.items()}

    return reduced(a), reduced(b)


def display_order(term: tuple[Monomial, int]) -> tuple[Any, ...]:
    """Higher degrees first, and so the constant last."""
    monomial = term[0]
    return -sum(power for _, power in monomial), tuple((atom.sort_key, -power) for atom, power in monomial)
