"""The floor of compiling a network: draw the same weights, serialise and write the same bytes, and nothing else.

Run as a script it takes a plan and an output file, and imports numpy alone. `plan_of` makes the plan: the bytes of the model
between the weights, and for each weight how it is drawn.
"""

from __future__ import annotations

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

# Bytes as they are, or (SFC64 seed, elements, low, high) of a uniform draw, or (seed, elements, mean, std, "normal") of a
# normal one, or (value, elements) of a constant.
Piece = bytes | tuple[int, int, float, float] | tuple[int, int, float, float, str] | tuple[float, int]


def draw(piece: Piece) -> Any:
    if isinstance(piece, bytes):
        return piece
    if len(piece) == 2:
        return memoryview(np.full(piece[1], piece[0], np.float32)).cast("B")
    if len(piece) == 5:
        seed, size, mean, std, _ = piece
        values = np.random.Generator(np.random.SFC64(seed)).standard_normal(size, np.float32)
        values *= np.float32(std)
        values += np.float32(mean)
        return memoryview(values).cast("B")
    seed, size, low, high = piece
    values = np.random.Generator(np.random.SFC64(seed)).random(size, np.float32)
    values *= np.float32(high - low)
    values += np.float32(low)
    return memoryview(values).cast("B")


def write(plan: list[Piece], path: str | Path) -> None:
    with open(path, "wb") as file, ThreadPoolExecutor(2) as pool:
        for buffer in pool.map(draw, plan):
            file.write(buffer)


if __name__ == "__main__":
    # The plan is this benchmark's own file, written a moment ago.
    write(pickle.loads(Path(sys.argv[1]).read_bytes()), sys.argv[2])
