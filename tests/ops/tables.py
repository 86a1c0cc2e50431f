"""What several tables need."""

from __future__ import annotations

from harness import Input


def every_axis(*inputs: tuple[int, ...] | Input) -> dict[int, tuple[str | int, ...]]:
    """`symbols` of a case: every axis is one, channels too, but 1 and sizes that an input with given values has."""
    given = [item if isinstance(item, Input) else Input(item) for item in inputs]
    fixed = {1, *(size for item in given if item.values is not None for size in item.shape)}
    return {
        index: tuple(size if size in fixed else f"S{size}" for size in item.shape) for index, item in enumerate(given)
    }
