"""Elements in order along an axis, against torch."""

from __future__ import annotations

import torch
from harness import Case, Input, Refusal
from tables import every_axis

from dlspec.ops import ordering as ops

X = (2, 3, 8)
BOUNDS = Input((4,), values=[-1.0, -0.2, 0.3, 0.9])
ROWS = Input((2, 3), values=[[-1.0, 0.0, 1.0], [-0.5, 0.2, 0.2]])
WHOLE = Input((3,), "int64", values=[2, 4, 4])


def ordered(op: ops.Ordered, x: tuple[int, ...] | Input = X) -> Case:
    def torchs(x: torch.Tensor) -> object:
        keywords = {field.name: getattr(op, field.name) for field in op.fields}
        result = getattr(torch, type(op).function or "")(x, **keywords)
        return tuple(result) if isinstance(result, tuple) else result

    return Case(op, (x,), lambda: torchs, tolerance=(0, 0), symbols=every_axis(x))


# No two elements are equal where positions are compared, for of those PyTorch does not say the order.
DISTINCT = Input((2, 5), "int64", values=[[3, -1, 4, 0, 5], [9, 2, 6, -5, 3]])
HALF = Input((2, 5), "float16", values=[[3, -1, 4, 0, 5], [9, 2, 6, -5, 3]])

CASES: list[Case] = [
    ordered(ops.TopK(2)),
    ordered(ops.TopK(3, 1, largest=False)),
    ordered(ops.TopK(2, 0)),
    ordered(ops.TopK(1, -1, sorted=False)),
    ordered(ops.TopK(2), DISTINCT),
    ordered(ops.TopK(3), HALF),
    ordered(ops.Sort()),
    ordered(ops.Sort(1, descending=True)),
    ordered(ops.Sort(-1, stable=True), Input((2, 5), values=[[1, 0, 1, 0, 2], [2, 2, 2, 1, 1]])),
    ordered(ops.Sort(), DISTINCT),
    ordered(ops.Sort(descending=True), HALF),
    ordered(ops.ArgSort()),
    ordered(ops.ArgSort(0, descending=True)),
    ordered(ops.ArgSort(-1, stable=True), Input((2, 5), values=[[1, 0, 1, 0, 2], [2, 2, 2, 1, 1]])),
    Case(ops.SearchSorted(), (BOUNDS, X), lambda: torch.searchsorted, symbols=every_axis(BOUNDS, X)),
    Case(ops.SearchSorted(right=True), (ROWS, Input((2, 4), values=[[0, 1, -3, 0.5], [0.2, 0.2, 9, -0.5]])),
         lambda: lambda s, x: torch.searchsorted(s, x, right=True)),
    Case(ops.Bucketize(), (X, BOUNDS), lambda: torch.bucketize, symbols=every_axis(X, BOUNDS)),
    Case(ops.Bucketize(right=True), (Input((2, 3), "int64", 0, 6), WHOLE),
         lambda: lambda x, b: torch.bucketize(x, b, right=True)),
]  # fmt: skip

REFUSED: list[Refusal] = [
    (lambda: ops.TopK(0), (X,), "takes 1 element or more, not 0"),
    (lambda: ops.TopK(9), (X,), "takes 9 elements of axis 2 of [2, 3, 8]"),
    (lambda: ops.TopK(1, 3), (X,), "has no axis 3"),
    (lambda: ops.Sort(), (Input((2,), "bool"),), "takes numbers, not bool[2]"),
    (lambda: ops.ArgSort(), ((),), "the tensor has no axes"),
    (lambda: ops.SearchSorted(), (ROWS, (3, 4)), "has 2 sequences on axis 0 for 3 rows"),
    (lambda: ops.SearchSorted(), (ROWS, (3,)), "of the same rank, not [2, 3] and [3]"),
    (lambda: ops.SearchSorted(), (WHOLE, (3,)), "not int64 and float32"),
    (lambda: ops.Bucketize(), (X, ROWS), "takes a vector of boundaries"),
]
