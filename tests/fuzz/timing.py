"""What a piece of work takes, told so that other work on the machine does not make a test fail."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LOOP = 0.03
"""Seconds of the processor that a million additions take on the machine that the limits of tests are meant for."""


def slowness() -> float:
    """How many times as long as that this machine takes now, which other work slows down: 1 where it is no slower."""

    def added() -> float:
        start, total = time.process_time(), 0
        for number in range(1_000_000):
            total += number
        return time.process_time() - start

    return max(1.0, min(added() for _ in range(3)) / LOOP)


def timed(work: Callable[[], T], limit: float, again: int = 2) -> tuple[T, float]:
    """What ``work`` gives, and the seconds of the processor that its quickest run took; it runs ``again`` while none was in
    ``limit``.

    A process that has run thousands of tests collects what they left at some time or other, which takes a second or two
    and says nothing of what was measured.
    """
    start = time.process_time()
    result = work()
    seconds = time.process_time() - start
    if seconds < limit or not again:
        return result, seconds
    result, other = timed(work, limit, again - 1)
    return result, min(seconds, other)
