"""Between which numbers the elements of a tensor are, where that can be told.

An interval is what comes out of an operator for inputs of any kind: both ends do, or come as near as one likes. Where two
tensors may hang together, so that not all of their sums come out, nothing is said: None.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isinf, nextafter, ulp
from typing import TypeAlias

Interval: TypeAlias = tuple[float, float]
Intervals: TypeAlias = Sequence[Interval | None]

LEAST = ulp(0.0)
REALS: Interval = (-inf, inf)
POSITIVE: Interval = (LEAST, inf)
"""Greater than 0: an end that is not reached is the nearest number that is."""
NOT_NEGATIVE: Interval = (0.0, inf)
NEGATIVE: Interval = (-inf, -LEAST)
UNIT: Interval = (LEAST, nextafter(1.0, 0.0))
SIGNED: Interval = (nextafter(-1.0, 0.0), nextafter(1.0, 0.0))


def hull(intervals: Intervals) -> Interval | None:
    """All that is in one of them."""
    known = [each for each in intervals if each is not None]
    if not known or len(known) < len(intervals):
        return None
    return min(low for low, _ in known), max(high for _, high in known)


def add(a: Interval | None, b: Interval | None) -> Interval | None:
    """The sums. Of one that takes every number they are every number too, unless the other grows without end against it."""
    if a is None or b is None:
        return None
    constant, all_numbers = a[0] == a[1] or b[0] == b[1], REALS in (a, b)
    bounded = a == b or any(not isinf(low) and not isinf(high) for low, high in (a, b))
    apart = constant or (all_numbers and bounded) or min(a[0], b[0]) >= 0
    return (a[0] + b[0], a[1] + b[1]) if apart else None


def negated(a: Interval | None) -> Interval | None:
    return None if a is None else (-a[1], -a[0])


def multiply(a: Interval | None, b: Interval | None) -> Interval | None:
    """The products, where one of the two has a sign: else it may be a square."""
    if a is None or b is None or not (sign(a) or sign(b)):
        return None
    ends = [0.0 if 0 in (x, y) else x * y for x in a for y in b]
    low, high = min(ends), max(ends)
    return (LEAST if low == 0 and min(a[0], b[0]) > 0 else low), high


def inverted(a: Interval | None) -> Interval | None:
    """One over it, where that has a sign."""
    if a is None or a[0] <= 0 <= a[1]:
        return None
    low, high = (1 / end if abs(end) > LEAST else inf if end > 0 else -inf for end in (a[1], a[0]))
    return (LEAST if low == 0 else low), (-LEAST if high == 0 else high)


def squared(a: Interval | None) -> Interval | None:
    """Squares and magnitudes: that a number is 0 to the last digit counts only where many are."""
    return None if a is None else POSITIVE


def summed(a: Interval | None) -> Interval | None:
    """Sums of many numbers."""
    return None if a is None else (-inf if a[0] < 0 else LEAST, inf if a[1] > 0 else -LEAST)


def sign(a: Interval | None) -> int:
    """1 or -1 where all have one sign, else 0."""
    return 0 if a is None else 1 if a[0] >= 0 else -1 if a[1] <= 0 else 0
