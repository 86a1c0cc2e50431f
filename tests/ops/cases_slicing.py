"""Pieces of tensors against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness import Case, Input, Refusal
from tables import centre, every_axis

from dlspec.ir.op import Op
from dlspec.ops import slicing as ops

X = (2, 3, 5, 7)
ALL = ("slice", None, None, 1)


def cut(op: Op, torchs: Callable[..., Any], x: tuple[int, ...] | Input = X) -> Case:
    return Case(op, (x,), lambda: torchs, tolerance=(0, 0), symbols=every_axis(x))


CASES: list[Case] = [
    cut(ops.Slice(2), lambda x: x[:, :]),
    cut(ops.Slice(2, 1), lambda x: x[:, :, 1:]),
    cut(ops.Slice(2, 1, 4), lambda x: x[:, :, 1:4]),
    cut(ops.Slice(-1, -3), lambda x: x[..., -3:]),
    cut(ops.Slice(3, 1, -1, 2), lambda x: x[..., 1:-1:2]),
    cut(ops.Slice(1, 0, -1), lambda x: x[:, :-1]),
    Case(ops.Slice(3, -20, 20, 3), (X,), lambda: lambda x: x[..., ::3], symbols={0: ("N", 3, 5, 7)}),
    cut(ops.Slice(0, 1, 2), lambda x: x[1:2], Input(X, "int64")),
    cut(ops.Index((ALL, ("at", 0))), lambda x: x[:, 0]),
    cut(ops.Index((("at", -1),)), lambda x: x[-1]),
    cut(ops.Index((("at", 1), ALL, ("at", -2), ("slice", 1, None, 2))), lambda x: x[1, :, -2, 1::2]),
    cut(ops.Index((ALL, ("new",), ("slice", None, 2, 1), ("at", 0), ("new",))), lambda x: x[:, None, :2, 0, None]),
    cut(ops.Index((ALL,)), lambda x: x[:]),
    cut(ops.Index((ALL, ("slice", -2, -1, 1))), lambda x: x[:, -2:-1], Input(X, "bool")),
    cut(ops.Crop(4), lambda x: centre(x, 4, 4)),
    cut(ops.Crop((2, 7)), lambda x: centre(x, 2, 7)),
    cut(ops.Crop((5, 2)), lambda x: centre(x, 5, 2)),
    cut(ops.Crop((3, 4), (1, 2)), lambda x: x[:, :, 1:4, 2:6]),
    cut(ops.Crop(3, 0), lambda x: x[:, :, :3, :3]),
    cut(ops.Crop(4), lambda x: x[:, :, (x.shape[2] - 4) // 2 :][:, :, :4], (2, 3, 6)),
    cut(ops.Split(3), lambda x: x.chunk(3, 1), (2, 6, 5)),
    cut(ops.Split(1), lambda x: (x,), (2, 6, 5)),
    Case(ops.Split((1, 3, 2)), ((2, 6, 5),), lambda: lambda x: x.split((1, 3, 2), 1), tolerance=(0, 0)),
    cut(ops.Split(2, -1), lambda x: x.chunk(2, -1), (2, 3, 6)),
    Case(ops.Chunk(3), ((7, 3),), lambda: lambda x: x.chunk(3), symbols={0: (7, "C")}),
    Case(ops.Chunk(4, 1), ((2, 6, 5),), lambda: lambda x: x.chunk(4, 1)),
    cut(ops.Chunk(2, -1), lambda x: x.chunk(2, -1), (2, 3, 6)),
    cut(ops.Chunk(1), lambda x: x.chunk(1), (2, 3)),
    cut(ops.Flip(2), lambda x: x.flip(2)),
    cut(ops.Flip((0, -1)), lambda x: x.flip((0, -1)), Input(X, "int64")),
    cut(ops.Roll(2, 2), lambda x: x.roll(2, 2)),
    cut(ops.Roll((-1, 3), (2, -1)), lambda x: x.roll((-1, 3), (2, -1))),
    cut(ops.Roll(2, 0), lambda x: x.roll(2, 0)),
    Case(ops.Roll(-12, 2), (X,), lambda: lambda x: x.roll(-12, 2), symbols={0: ("N", 3, 5, 7)}),
    cut(ops.Tile((2,)), lambda x: x.tile(2), (2, 3)),
    cut(ops.Tile((2, 1, 3)), lambda x: x.tile(2, 1, 3), (2, 3)),
    cut(ops.Tile((2, 3)), lambda x: x.tile(2, 3), Input((2, 3, 5), "int64")),
    cut(ops.Index((("rest",), ("at", 0))), lambda x: x[..., 0]),
    cut(ops.Index((("at", 1), ("rest",), ("new",), ("slice", 1, None, 1))), lambda x: x[1, ..., None, 1:]),
    cut(ops.Index((("rest",),)), lambda x: x[...]),
]  # fmt: skip

REFUSED: list[Refusal] = [
    (lambda: ops.Slice(4), (X,), "Slice has no axis 4"),
    (lambda: ops.Slice(2, 3, 3), (X,), "Slice 3:3 takes nothing from an axis of size 5"),
    (lambda: ops.Slice(2, 9), (X,), "Slice 9: takes nothing from an axis of size 5"),
    (lambda: ops.Slice(2, step=-1), (X,), "has a step of -1"),
    (lambda: ops.Index((("at", 2),)), (X,), "the index 2 is outside an axis of size 2"),
    (lambda: ops.Index((("at", -3),)), (X,), "the index -3 is outside an axis of size 2"),
    (lambda: ops.Index((ALL,) * 5), (X,), "5 indices are too many for [2, 3, 5, 7]"),
    (lambda: ops.Index((("slice", 2, 1, 1),)), (X,), "the index 2:1 takes nothing"),
    (lambda: ops.Index((("some", 2),)), (X,), "`items` takes positions and ranges"),
    (lambda: ops.Crop(6), (X,), "Crop cannot cut 6 from 5"),
    (lambda: ops.Crop((4, 4, 4)), (X,), "is given 3 sizes for the 2 spatial axes"),
    (lambda: ops.Crop(4, 2), (X,), "Crop cannot cut 4 from 5 at offset 2"),
    (lambda: ops.Crop(2, -1), (X,), "negative offset: -1"),
    (lambda: ops.Crop(0), (X,), "a size of 0"),
    (lambda: ops.Crop(1), ((2, 3),), "[2, 3] has none"),
    (lambda: ops.Split(2), (X,), "Split cannot part axis 1 of [2, 3, 5, 7] into 2 equal parts"),
    (lambda: ops.Split((1, 1)), (X,), "sum to axis 1 of [2, 3, 5, 7], not [1, 1]"),
    (lambda: ops.Split(0), (X,), "of at least 1"),
    (lambda: ops.Split(()), (X,), "of at least 1"),
    (lambda: ops.Chunk(0), (X,), "`chunks` must be at least 1, not 0"),
    (lambda: ops.Flip((1, 1)), (X,), "same axis twice"),
    (lambda: ops.Roll((1, 2), 1), (X,), "Roll has 2 shifts for 1 axes"),
    (lambda: ops.Roll(1, 4), (X,), "Roll has no axis 4"),
    (lambda: ops.Tile((0,)), (X,), "at least once, not 0 times"),
]
