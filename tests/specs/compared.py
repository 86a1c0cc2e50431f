"""How many values were compared, for the end of the test run: a comparison of nothing looks like a success."""

from __future__ import annotations

from collections import Counter

COMPARED: Counter[str] = Counter()


def count(what: str, values: int) -> None:
    assert values > 0
    COMPARED[what] += values
