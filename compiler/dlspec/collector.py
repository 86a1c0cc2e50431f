"""Python's garbage collector, out of the way while a lot is built that stays."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager

_MANY = 500_000  # objects: about 50,000 nodes

_unseen = 0


@contextmanager
def paused_collector() -> Generator[None]:
    """Pauses the cyclic collector: it would walk all that was built so far, again and again, and find nothing to free.

    What was built counts as old afterwards, so that it is not walked right then either. Old garbage goes once a lot was
    built like this: the collector would not know that it is there.
    """
    global _unseen
    if not gc.isenabled():
        yield
        return
    if _unseen > _MANY:
        gc.collect()
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
