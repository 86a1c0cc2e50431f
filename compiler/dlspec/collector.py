"""Python's garbage collector, out of the way while a lot is built that stays."""

from __future__ import annotations

import gc
import sys
from collections.abc import Generator
from contextlib import contextmanager

_MANY = 500_000  # objects: about 50,000 nodes

_unseen = 0
_left = sys.getallocatedblocks()


@contextmanager
def paused_collector() -> Generator[None]:
    """Pauses the cyclic collector: it would walk all that was built so far, again and again, and find nothing to free.

    What was built counts as old afterwards, so that it is not walked right then either. Old garbage goes once a lot was
    built like this and is there yet: the collector would not know of it.
    """
    global _unseen
    if not gc.isenabled():
        yield
        return
    if _unseen > _MANY:
        _collect()
        _unseen = 0
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # else somebody has frozen what is theirs
            _unseen += gc.get_count()[0]
            gc.freeze()
            gc.unfreeze()
        gc.enable()


def _collect() -> None:
    """Frees garbage, unless what was built since the last time is gone already."""
    global _left
    if sys.getallocatedblocks() - _left > _MANY:
        gc.collect()
        _left = sys.getallocatedblocks()
    else:
        _left = min(_left, sys.getallocatedblocks())
