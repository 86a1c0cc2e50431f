"""How the values of a tensor are spread: a histogram, and what is said of it in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

BINS = 40


class Spread(NamedTuple):
    """``least``, ``most``, ``mean`` and ``std`` (over all elements, as NumPy's) of the finite values, None where there are
    none; how many ``zeros`` there are and how many are not finite (``odd``); and how many lie in each of `BINS` equal steps
    from the least to the most."""

    least: float | None
    most: float | None
    mean: float | None
    std: float | None
    zeros: int
    odd: int
    bins: list[int]


def spread(values: Array) -> Spread:
    """The spread of a tensor of numbers or truth values."""
    import numpy as np

    # In float64, and by the largest of them, so that no sum of finite values passes what floats can hold.
    wide = values.reshape(-1).astype(np.float64)
    finite = wide[np.isfinite(wide)]
    zeros, odd = int(wide.size - np.count_nonzero(wide)), int(wide.size - finite.size)
    if not finite.size:
        return Spread(None, None, None, None, zeros, odd, [])
    least, most = float(finite.min()), float(finite.max())
    scale = max(abs(least), abs(most)) or 1.0
    finite /= scale
    bins, _ = np.histogram(finite, BINS, (least / scale, most / scale))
    mean, std = float(finite.mean()) * scale, float(finite.std()) * scale
    return Spread(least, most, mean, std, zeros, odd, [int(count) for count in bins])


def spreads(tensors: Mapping[str, Array]) -> dict[str, Spread]:
    """Those of the tensors that have numbers, by path."""
    return {path: spread(values) for path, values in tensors.items() if values.size}
