"""Elements that are chosen by tensors of positions, and written there, against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness import Case, Input, Refusal
from tables import every_axis

from dlspec.ops import positions as ops

X = (2, 3, 5, 7)
ALL = ("slice", None, None, 1)
T, REST, NEW = ("tensor",), ("rest",), ("new",)


def index(*shape: int, below: int, dtype: str = "int64", low: int = 0) -> Input:
    return Input(shape, dtype, low, below)


def chosen(items: tuple[Any, ...], torchs: Callable[..., Any], *indices: Input, x: Any = X) -> Case:
    """Indexing by tensors, whose positions are on axes of sizes that stay."""
    fixed = every_axis(x, *indices)
    given = x.shape if isinstance(x, Input) else x
    symbols = fixed | {0: given}
    return Case(ops.IndexTensors(items), (x, *indices), lambda: torchs, symbols, tolerance=(0, 0), macs=False)


def written(
    op: Any, torchs: Callable[..., Any], *inputs: Any, axis: int = 1, tolerance: tuple[float, float] = (1e-5, 1e-6)
) -> Case:
    """Scattered along an axis whose size stays."""
    rank = len(inputs[0].shape if isinstance(inputs[0], Input) else inputs[0])
    names = [
        tuple(
            size if at == axis % rank else f"S{at}_{size}"
            for at, size in enumerate(x.shape if isinstance(x, Input) else x)
        )
        for x in inputs
    ]
    return Case(op, inputs, lambda: torchs, dict(enumerate(names)), tolerance, macs=False)


def filled(value: float, x: tuple[int, ...] | Input, mask: tuple[int, ...]) -> Case:
    inputs = (x, Input(mask, "bool"))
    axes = every_axis(*inputs)
    return Case(ops.MaskedFill(float(value)), inputs, lambda: lambda x, m: x.masked_fill(m, value), axes, macs=False)


I4 = index(2, 4, 5, below=3)
DISTINCT = Input((2, 3, 5), "int64", values=[[[(r + b) % 3 for _ in range(5)] for r in range(3)] for b in range(2)])

CASES: list[Case] = [
    Case(ops.IndexSelect(1), (X, index(4, below=3)), lambda: lambda x, i: x.index_select(1, i),
         symbols={0: (2, 3, "H", "W"), 1: ("K",)}),
    Case(ops.IndexSelect(-1), (X, index(2, below=7, dtype="int32")), lambda: lambda x, i: x.index_select(-1, i),
         symbols={0: ("N", "C", "H", 7), 1: ("K",)}),
    Case(ops.Gather(1), ((2, 3, 5), I4), lambda: lambda x, i: x.gather(1, i)),
    Case(ops.Gather(-1), ((2, 3, 5), index(2, 3, 4, below=5)), lambda: lambda x, i: x.gather(-1, i),
         symbols={0: ("N", 3, 5), 1: ("N", 3, "K")}),
    Case(ops.Gather(0), ((4, 3), index(2, 2, below=4)), lambda: lambda x, i: x.gather(0, i), symbols={0: (4, "C")}),
    Case(ops.TakeAlongDim(1), ((2, 3, 5), index(2, 4, 1, below=3, low=-3)),
         lambda: lambda x, i: x.take_along_dim(i, 1), symbols={0: ("N", 3, "W"), 1: ("N", "K", 1)}),
    Case(ops.TakeAlongDim(-1), (Input((1, 3, 5), "bool"), index(4, 3, 2, below=5)),
         lambda: lambda x, i: x.take_along_dim(i, -1), symbols={0: (1, "C", 5), 1: ("N", "C", "K")}),
    Case(ops.TakeAlongDim(), ((2, 3), Input((3, 2), "int64", values=[[0, 1], [5, 3], [2, 0]])),
         lambda: lambda x, i: x.take_along_dim(i), symbols={0: (2, 3), 1: (3, 2)}),
    chosen((T,), lambda t, i: t[i], index(4, 6, below=9), x=(9, 4)),
    chosen((T,), lambda t, i: t[i], index(3, below=9, low=-9, dtype="int32"), x=Input((9,), "int64")),
    chosen((T,), lambda t, i: t[i], index(below=9), x=(9, 4)),
    chosen((REST, T), lambda x, i: x[..., i], index(4, below=7)),
    chosen((ALL, T), lambda x, i: x[:, i], index(2, 2, below=3)),
    chosen((ALL, T, T), lambda x, i, j: x[:, i, j], index(4, 1, below=3), index(6, below=5, low=-5)),
    chosen((T, ALL, T), lambda x, i, j: x[i, :, j], index(4, below=2), index(1, below=5)),
    chosen((("at", 1), ALL, T), lambda x, i: x[1, :, i], index(4, below=5)),
    chosen((("at", 0), ("slice", 1, None, 1), T, REST, NEW), lambda x, i: x[0, 1:, i, ..., None], index(4, below=5)),
    chosen((T, T, ("slice", None, -1, 2)), lambda x, i, j: x[i, j, :-1:2],
           Input((3,), "int64", values=[1, 0, 1]), Input((3,), "int64", values=[2, 0, -2]), x=Input(X, "float16")),
    chosen((T, ALL, T), lambda x, i, j: x[i, :, j], index(below=2), index(4, 1, below=5)),
    chosen((T, T, ALL, T), lambda x, i, j, k: x[i, j, :, k], index(3, below=2), index(below=3), index(3, below=7)),
    chosen((T, T), lambda x, i, j: x[i, j], index(below=2), index(below=3)),
    chosen((ALL, NEW, T, T), lambda x, i, j: x[:, None, i, j], index(4, below=3), index(below=5)),
    Case(ops.Narrow(2, 3), ((2, 3, 8), Input((1,), "int64", values=[2])), lambda: lambda x, s: x.narrow(2, s[0], 3),
         tolerance=(0, 0), symbols={0: ("N", 3, "W")}, macs=False),
    Case(ops.Narrow(-1, 2), ((2, 3, 8), Input((), "int32", values=5)), lambda: lambda x, s: x.narrow(-1, s, 2),
         tolerance=(0, 0), symbols={0: ("N", 3, "W")}, macs=False),
    Case(ops.Scatter(1), ((2, 3, 5), DISTINCT, (2, 3, 5)), lambda: lambda x, i, s: x.scatter(1, i, s), tolerance=(0, 0),
         symbols={0: (2, "C", 5), 1: (2, 3, 5), 2: (2, 3, 5)}),
    Case(ops.Scatter(-1), ((2, 3, 5), Input((2, 3, 2), "int64", values=[[[0, 3]] * 3] * 2), (2, 3, 4)),
         lambda: lambda x, i, s: x.scatter(-1, i, s), tolerance=(0, 0)),
    written(ops.Scatter(1), lambda x, i, s: x.scatter(1, i, s.expand_as(i)), (2, 3, 5), I4, (), tolerance=(0, 0)),
    Case(ops.Scatter(0), (Input((4, 3), "bool"), index(2, 3, below=4), Input((), "bool", values=True)),
         lambda: lambda x, i, s: x.scatter(0, i, bool(s)), symbols={0: (4, "C"), 1: ("K", "C")}, macs=False),
    written(ops.ScatterAdd(1), lambda x, i, s: x.scatter_add(1, i, s), (2, 3, 5), I4, (2, 4, 5)),
    written(ops.ScatterAdd(0), lambda x, i, s: x.scatter_add(0, i, s), (6, 4), index(8, 3, below=6), (9, 4), axis=0),
    written(ops.ScatterAdd(-1), lambda x, i, s: x.scatter_add(-1, i, s), Input((2, 5), "int64"), index(2, 8, below=5),
            Input((2, 8), "int64")),
    *(
        written(ops.ScatterReduce(1, reduce, own),
                lambda x, i, s, r=reduce, o=own: x.scatter_reduce(1, i, s, r, include_self=o), (2, 3, 5), I4, (2, 4, 5))
        for reduce in ("sum", "prod", "mean", "amax", "amin")
        for own in (True, False)
    ),
    written(ops.ScatterReduce(-1, "amax"), lambda x, i, s: x.scatter_reduce(-1, i, s, "amax"), Input((2, 5), "int64"),
            index(2, 8, below=5), Input((2, 9), "int64")),
    filled(-1.5, (2, 3, 5), (2, 3, 5)),
    filled(3, Input((2, 3, 5), "int64"), (5,)),
    filled(float("-inf"), (2, 1, 5), (2, 3, 5)),
    filled(False, Input((2, 3), "bool"), (3,)),
    filled(True, Input((2, 3), "bool"), (2, 3)),
]  # fmt: skip

REFUSED: list[Refusal] = [
    (lambda: ops.IndexSelect(1), (X, (3,)), "takes a vector of integers as positions, not float[3]"),
    (lambda: ops.Gather(1), ((2, 3), Input((2,), "int64")), "of one rank, not [2, 3] and [2]"),
    (lambda: ops.Gather(1), ((2, 3), Input((4, 3), "int64")), "4 positions on axis 0, which has size 2"),
    (lambda: ops.Gather(1), ((2, 3), Input((2, 3), "int32")), "positions of type int64, not int32"),
    (lambda: ops.TakeAlongDim(1), ((2, 3), Input((4, 3), "int64")), "axis 0 is 2 in one and 4 in the other"),
    (lambda: ops.IndexTensors((T,)), ((2, 3), (4,)), "takes integers as positions, not float[4]"),
    (lambda: ops.IndexTensors((T,)), ((2, 3), Input((2,), "bool")), "a size would depend on values"),
    (lambda: ops.IndexTensors((T, T)), ((2, 3), Input((2,), "int64"), Input((3,), "int64")), "axis 0 is 2 in one and 3"),
    (lambda: ops.IndexTensors((T, T)), ((2,), Input((2,), "int64"), Input((2,), "int64")), "2 indices are too many for [2]"),
    (lambda: ops.Narrow(1, 2), ((2, 3), Input((2,), "int64")), "begins at one integer, not at int[2]"),
    (lambda: ops.Narrow(1, 2), ((2, 3), ()), "begins at one integer, not at float[]"),
    (lambda: ops.Narrow(1, 4), ((2, 3), Input((), "int64")), "takes 4 positions of axis 1, which has size 3"),
    (lambda: ops.Narrow(1, 0), ((2, 3), Input((), "int64")), "takes a length of 0"),
    (lambda: ops.Scatter(1), ((2, 3), Input((2, 3), "int32"), (2, 3)), "positions of type int64, not int32"),
    (lambda: ops.Scatter(1), ((2, 3), Input((2,), "int64"), (2, 3)), "of one rank, not [2, 3] and [2]"),
    (lambda: ops.Scatter(1), ((2, 3), Input((2, 3), "int64"), (3,)), "of the same rank, not [2, 3] and [3]"),
    (lambda: ops.Scatter(1), ((2, 3), Input((2, 3), "int64"), Input((2, 3), "float64")), "not float32 and float64"),
    (lambda: ops.Scatter(1), ((2, 3), Input((2, 3), "int64"), (2, 2)), "3 positions on axis 1, and 2 elements for them"),
    (lambda: ops.ScatterAdd(0), ((2, 3), Input((2, 4), "int64"), (2, 4)), "4 positions on axis 1, which has size 3"),
    (lambda: ops.ScatterAdd(0), (Input((2,), "bool"), Input((2,), "int64"), Input((2,), "bool")), "takes numbers"),
    (lambda: ops.ScatterReduce(0, "mean"), (Input((2,), "int64"),) * 3, "a mean is of floating-point numbers"),
    (lambda: ops.ScatterReduce(0, "amax"), ((2,), Input((2,), "int64"), ()), "not a number"),
    (lambda: ops.ScatterReduce(0, "max"), ((2,), Input((2,), "int64"), (2,)), "`reduce` takes"),
    (lambda: ops.MaskedFill(0.5), (Input((2,), "int64"), Input((2,), "bool")), "cannot fill int64 with 0.5"),
    (lambda: ops.MaskedFill(0.5), ((2,), (2,)), "takes a bool tensor, not float[2]"),
]  # fmt: skip
