"""When resampling is plain repetition."""

from __future__ import annotations

from fractions import Fraction

from dlspec.ir.dims import Dim, floordiv


def growth(have: Dim, want: Dim) -> Fraction | None:
    """How many times larger it becomes, where that is the same for all sizes."""
    if isinstance(have, int) and isinstance(want, int):
        return Fraction(want, have)
    quotient = floordiv(want, have)
    return Fraction(quotient) if isinstance(quotient, int) and quotient * have == want else None


def repeats(factor: Fraction | None) -> bool:
    """Whether "nearest" takes each element so many times: it is a whole number, and its inverse in float32, which torch
    multiplies with, is not too small."""
    import numpy as np

    return factor is not None and factor.denominator == 1 and Fraction(float(np.float32(1 / factor))) * factor >= 1
