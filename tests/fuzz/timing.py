"""What a piece of work takes, told so that other work on the machine does not make a test fail."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


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
