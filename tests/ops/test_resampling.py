"""A grid of resampling against torch: every mode, number of axes and `align_corners`, factors and sizes, in ONNX with
numbers for the sizes and with open ones, and the size that is inferred.

`RESAMPLING=10000 pytest tests/ops/test_resampling.py` compares so many; `make resampling` does and prints what is wrong.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from harness import infer, onnx_session, run_onnx, shape_of, single_node_graph

from dlspec.backends.runtime import Session
from dlspec.ir.dims import symbol
from dlspec.ir.evaluation import evaluate
from dlspec.ir.op import OpError
from dlspec.ir.types import DType, TensorType
from dlspec.ops.resize import Upsample

COUNT = int(os.environ.get("RESAMPLING", "400"))
SEED = int(os.environ.get("RESAMPLING_SEED", "0"))

MODES = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "trilinear": (3,),
    "bicubic": (2,),
}
FACTORS = [
    0.1,
    0.25,
    0.3,
    1 / 3,
    0.5,
    0.6,
    2 / 3,
    0.7,
    0.75,
    0.9,
    1.0,
    1.01,
    1.1,
    1.15,
    1.2,
    1.25,
    1.3,
    1.5,
    1.6,
    1.75,
    1.9,
]
FACTORS += [2.0, 2.05, 2.1, 7 / 3, 2.3, 2.5, 2.9, 2.9999, 3.0, 3.1415926535, 3.3, 4.0, 4.7]
OPSETS = (13, 18, 22)
LARGEST = {1: 120, 2: 40, 3: 9}


@dataclass(frozen=True)
class Point:
    """A resampling of spatial ``sizes`` by a factor for each, or to target sizes."""

    mode: str
    align: bool
    sizes: tuple[int, ...]
    factors: tuple[float, ...] | None
    target: tuple[int, ...] | None
    opset: int

    @property
    def op(self) -> Upsample:
        if self.factors is None:
            return Upsample(size=self.target, mode=self.mode, align_corners=self.align)
        factors = self.factors[0] if len(set(self.factors)) == 1 else self.factors
        return Upsample(scale_factor=factors, mode=self.mode, align_corners=self.align)

    @property
    def expected(self) -> tuple[int, ...]:
        return self.target or tuple(int(float(n) * f) for n, f in zip(self.sizes, self.factors or (), strict=True))


def grid(seed: int) -> Iterator[Point]:
    """Points without end: each mode, rank and `align_corners` by turns, the others drawn."""
    rng = random.Random(seed)
    while True:
        for mode, ranks in MODES.items():
            for rank in ranks:
                for align in (False,) if mode.startswith("nearest") else (False, True):
                    yield drawn(rng, mode, rank, align)


def drawn(rng: random.Random, mode: str, rank: int, align: bool) -> Point:
    while True:
        sizes = tuple(rng.choice([rng.randint(1, 6), rng.randint(1, LARGEST[rank])]) for _ in range(rank))
        if rank == 2 and rng.random() < 0.2:
            sizes = (sizes[0], rng.randint(40, 140))  # torch has another kernel where the output is above 128
        if rng.random() < 0.15:
            target = tuple(rng.choice([n, 2 * n, rng.randint(1, 2 * LARGEST[rank])]) for n in sizes)
            point = Point(mode, align, sizes, None, target, rng.choice(OPSETS))
        else:
            one = rng.choice(FACTORS)
            factors = (one,) * rank if rng.random() < 0.7 else tuple(rng.choice(FACTORS) for _ in sizes)
            point = Point(mode, align, sizes, factors, None, rng.choice(OPSETS))
        if min(point.expected) > 0:
            return point


def torchs(point: Point, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    options: dict[str, Any] = {} if point.mode.startswith("nearest") else {"align_corners": point.align}
    resized = F.interpolate(
        torch.from_numpy(x), size=point.target, scale_factor=point.factors, mode=point.mode, **options
    )
    return resized.numpy()


def typed(point: Point, opened: bool) -> TensorType:
    sizes = tuple(symbol(f"S{axis}") for axis in range(len(point.sizes))) if opened else point.sizes
    return TensorType(DType.FLOAT32, (1, 2, *sizes))


@lru_cache(512)
def open_session(op: Upsample, type: TensorType, opset: int) -> Session:
    return onnx_session(single_node_graph(op, (type,)), {}, opset)


def wrong(point: Point) -> list[str]:
    """What differs from torch, of the size that is inferred and of the values with numbers and with open sizes."""
    x = np.random.default_rng(sum(point.sizes)).standard_normal((1, 2, *point.sizes)).astype(np.float32)
    theirs, found = torchs(point, x), []
    for opened in (False, True):
        type = typed(point, opened)
        try:
            (out,), _ = infer(point.op, (type,))
        except OpError as error:
            return [f"{'open' if opened else 'fixed'}: {error}"]
        sizes = {f"S{axis}": size for axis, size in enumerate(point.sizes)}
        if tuple(dim if isinstance(dim, int) else evaluate(dim, sizes) for dim in out.shape) != theirs.shape:
            found.append(f"{'open' if opened else 'fixed'}: {out} for {theirs.shape}")
            continue
        make = open_session if opened else open_session.__wrapped__
        (ours,) = run_onnx(make(point.op, type, point.opset), [x])
        if ours.shape != theirs.shape:
            found.append(f"{'open' if opened else 'fixed'}: ONNX gives {ours.shape} for {theirs.shape}")
        elif not np.allclose(ours, theirs, rtol=1e-4, atol=1e-4 if point.mode != "nearest" else 0):
            found.append(f"{'open' if opened else 'fixed'}: off by {np.abs(ours - theirs).max():.2g}")
    return found


def test_resampling_is_torchs(compared: Any) -> None:
    points = grid(SEED)
    faults: dict[str, list[str]] = defaultdict(list)
    tried: dict[str, int] = defaultdict(int)
    for _ in range(COUNT // 2):
        point = next(points)
        name = f"{point.mode}, {len(point.sizes)} axes" + ", aligned corners" * point.align
        tried[name] += 2
        faults[name] += [f"{point}: {fault}" for fault in wrong(point)]
    for name, count in tried.items():
        print(f"{name}: {count:,} comparisons, {len(faults[name])} wrong")
    total = sum(map(len, faults.values()))
    print(f"resampling: {sum(tried.values()):,} comparisons, {total} wrong, seed {SEED}")
    assert not total, "\n".join(line for lines in faults.values() for line in lines)
    compared("resampling with torch", sum(tried.values()))


def test_the_cases_that_torch_treats_apart_are_in_the_grid() -> None:
    points = [point for point, _ in zip(grid(SEED), range(500), strict=False)]
    made = [(p, n, m) for p in points if p.factors for n, m in zip(p.sizes, p.expected, strict=True)]
    assert any(n == m and set(p.factors or ()) != {1.0} for p, n, m in made)
    assert any(m == 2 * n and p.mode == "nearest" and 2.0 not in (p.factors or ()) for p, n, m in made)
    assert any(shape_of(typed(p, False)) for p in points)
