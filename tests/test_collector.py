"""The collector is paused while a lot is built, and garbage goes all the same."""

from __future__ import annotations

import gc
import weakref

from dlspec import collector
from dlspec.collector import paused_collector


class Thing:
    """Refers to itself, so that only the collector frees it."""

    def __init__(self) -> None:
        self.own = self
        self.many = [[] for _ in range(20_000)]


def test_nothing_is_walked_while_it_is_paused_nor_right_after() -> None:
    runs: list[str] = []

    def note(phase: str, info: dict[str, int]) -> None:
        runs.append(f"{phase} {info['generation']}")

    gc.collect()
    gc.callbacks.append(note)
    try:
        with paused_collector():
            kept = [Thing() for _ in range(3)]
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() == 0
        young = len(gc.get_objects(0)) + len(gc.get_objects(1))
    finally:
        gc.callbacks.remove(note)
    assert len(kept) == 3
    assert "start 2" not in runs
    assert young < 20_000


def test_garbage_of_graphs_goes() -> None:
    made: list[weakref.ref[Thing]] = []
    for _ in range(4 * collector._MANY // 20_000):  # type: ignore[reportPrivateUsage]
        with paused_collector():
            made.append(weakref.ref(Thing()))
    assert sum(ref() is not None for ref in made) < len(made) / 2


def test_what_somebody_has_frozen_stays_frozen() -> None:
    gc.freeze()
    try:
        with paused_collector():
            Thing()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
