"""Experts against every row through its own matrix."""

from __future__ import annotations

import torch
from harness import Case, Input, Refusal

from dlspec.ops.experts import RoutedLinear


def routed(x: tuple[int, ...], weight: tuple[int, ...], index: Input) -> Case:
    def torchs(x: torch.Tensor, weight: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        return torch.einsum("...i,...oi->...o", x, weight[index])

    rows = tuple(f"S{size}" for size in index.shape)
    own = tuple(1 if size == 1 else name for size, name in zip(x[:-1], rows, strict=True))
    names: dict[int, tuple[str | int, ...]] = {0: (*own, x[-1]), 1: weight, 2: rows}
    return Case(RoutedLinear(), (x, weight, index), lambda: torchs, names, macs=False)


CASES: list[Case] = [
    routed((2, 5, 1, 4), (3, 6, 4), Input((2, 5, 2), "int64", 0, 3)),
    routed((2, 5, 2, 4), (3, 6, 4), Input((2, 5, 2), "int64", 0, 3)),
    routed((6, 4), (1, 3, 4), Input((6,), "int64", 0, 1)),
    routed((7, 4), (5, 3, 4), Input((7,), "int32", 0, 2)),
]

REFUSED: list[Refusal] = [
    (RoutedLinear, ((2, 4), (3, 6, 4), (2,)), "takes integers as numbers of experts, not float[2]"),
    (RoutedLinear, ((2, 4), (6, 4), Input((2,), "int64")), "a weight [experts, out, in]"),
    (RoutedLinear, ((2, 4), (3, 6, 5), Input((2,), "int64")), "is for 5 features, and x has 4"),
    (RoutedLinear, ((2, 4), (3, 6, 4), Input((3,), "int64")), "axis 0 is 2 in one and 3 in the other"),
    (RoutedLinear, ((2, 4), Input((3, 6, 4), "float64"), Input((2,), "int64")), "not float32 and float64"),
]
