"""Weights and inputs in closed form: those that the fingerprints in truth/ were made with.

A tensor is filled from its position in the state dict, its shape and its name alone. Positions count every key, also
those that keep their value (`num_batches_tracked`). Values are rounded to float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod, sqrt
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_INPUTS = 1_000_000
"""The position of the first input."""
_U32 = np.uint64(0xFFFF_FFFF)


def weight(position: int, key: str, shape: tuple[int, ...], kind: str) -> Array | None:
    """One tensor of a state dict, ``kind`` being "param" or "buffer". None for one that is not filled."""
    leaf = key.rpartition(".")[2]
    u = _uniform(position, shape)
    if kind == "buffer":
        if leaf == "running_mean":
            return _float32(0.2 * u - 0.1)
        return _float32(u + 0.5) if leaf == "running_var" else None
    if len(shape) > 1 and not leaf.startswith("bias"):
        # Of variance 1 / fan_in, so that what flows keeps its size.
        fan_in = max(1, prod(shape) // shape[0])
        return _float32((2 * u - 1) * sqrt(3 / fan_in))
    if leaf in ("weight", "gamma", "scale"):
        return _float32(0.75 + 0.5 * u)
    return _float32((2 * u - 1) * 0.1)


def network_input(index: int, shape: tuple[int, ...], unit: bool = False) -> Array:
    """The input at an index, in float64 from -1 to 1, or from 0 to 1 with ``unit``."""
    u = _uniform(_INPUTS + index, shape)
    return u if unit else 2 * u - 1


def tokens(shape: tuple[int, ...], vocabulary: int) -> Array:
    """Word i of sequence j of the input of a language model."""
    rows, columns = np.indices(shape)
    return (rows * 7919 + columns * 104729 + 17) % vocabulary


def given(index: int, shape: tuple[int, ...], known: Mapping[str, Any], unit: bool = False) -> Array:
    """The input at an index, as a record says: words of a ``vocabulary``, given ``values``, or else `network_input`."""
    if "vocabulary" in known:
        return tokens(shape, known["vocabulary"])
    return np.reshape(known["values"], shape) if "values" in known else network_input(index, shape, unit)


def _uniform(position: int, shape: tuple[int, ...]) -> Array:
    """float64 from 0 to 1: a 32-bit hash of each element's index, two rounds of multiply and shift."""
    offset = (position + 1) * 40503 * 65537 % 2**32
    x = (np.arange(prod(shape), dtype=np.uint64) * np.uint64(2_654_435_761) + np.uint64(offset)) & _U32
    for _ in range(2):
        x ^= x >> np.uint64(16)
        x = (x * np.uint64(0x45D9_F3B)) & _U32
    x ^= x >> np.uint64(16)
    return (x.astype(np.float64) / 2**32).reshape(shape)


def _float32(values: Array) -> Array:
    return values.astype(np.float32)
