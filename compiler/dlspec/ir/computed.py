"""Sizes that are computed of sizes: what a window leaves, the largest of some, the product with a number."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from dlspec.ir.atoms import Extremum, Scaled
from dlspec.ir.dims import Dim, at_least, floordiv, of_atom, parts_of
from dlspec.ir.polynomials import CACHE


@lru_cache(CACHE)
def conv_size(size: Dim, kernel: int, stride: int = 1, padding_total: int = 0, dilation: int = 1) -> Dim:
    """The size that a convolution or pooling leaves; ``padding_total`` counts both sides."""
    return (size + padding_total - dilation * (kernel - 1) - 1) // stride + 1


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
    return of_atom(Scaled(size, factor))


def smax(*dims: Dim) -> Dim:
    """The largest, decided where it is always the same one."""
    return extremum("max", dims)


def smin(*dims: Dim) -> Dim:
    """The smallest, decided where it is always the same one."""
    return extremum("min", dims)


def smax_undecided(dims: Iterable[Dim]) -> Dim:
    """The largest of many, where deciding between each two would take too long: only equal ones are seen as such."""
    distinct = sorted(set(dims), key=str)
    return distinct[0] if len(distinct) == 1 else of_atom(Extremum("max", tuple(distinct)))


def extremum(kind: Literal["max", "min"], dims: tuple[Dim, ...]) -> Dim:
    if all(isinstance(dim, int) for dim in dims):
        return (max if kind == "max" else min)(dim for dim in dims if isinstance(dim, int))
    kept: list[Dim] = []
    for dim in sorted(set(_flattened(kind, dims)), key=lambda dim: (isinstance(dim, int), str(dim))):
        if any(_beats(kind, other, dim) for other in kept):
            continue
        kept = [*(other for other in kept if not _beats(kind, dim, other)), dim]
    return kept[0] if len(kept) == 1 else of_atom(Extremum(kind, tuple(kept)))


def _flattened(kind: Literal["max", "min"], dims: tuple[Dim, ...]) -> Iterable[Dim]:
    for dim in dims:
        parts = parts_of(dim)
        monomial = next(iter(parts), ())
        atom = monomial[0][0] if len(monomial) == 1 else None
        if isinstance(atom, Extremum) and atom.kind == kind and parts == {((atom, 1),): 1}:
            yield from atom.operands
        else:
            yield dim


def _beats(kind: Literal["max", "min"], a: Dim, b: Dim) -> bool:
    return at_least(a - b if kind == "max" else b - a, 0)
