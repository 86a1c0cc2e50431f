"""Pieces of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.dims import Dim
from dlspec.ir.fields import Items
from dlspec.ir.node import Node
from dlspec.ir.types import TensorType
from dlspec.ops import slicing as ops
from dlspec.ops.rules import many_axes, one_axis

_FIRST, _LAST = -(1 << 63), (1 << 63) - 1


def cut(e: Emitter, x: str, pieces: Sequence[tuple[int, Dim | None, Dim | None, int]]) -> str:
    """``x`` cut to ``start:stop:step`` on axes; `(axis, start, stop, step)` each. Bounds are as in Python, clipped."""
    axes, starts, stops, steps = zip(*pieces, strict=True)
    bounds = (
        e.shape([0 if start is None else start for start in starts]),
        e.shape([_LAST if stop is None else stop for stop in stops]),
        e.constant(list(axes)),
    )
    return e.op("Slice", [x, *bounds] if set(steps) == {1} else [x, *bounds, e.constant(list(steps))])


@lowers(ops.Slice)
def slice_(e: Emitter, op: ops.Slice, node: Node, xs: list[str], ws: list[str]) -> str:
    axis = one_axis(op.dim, node.inputs[0].type.rank, "Slice")
    return cut(e, xs[0], [(axis, op.start, op.end, op.step)])


@lowers(ops.Index)
def index(e: Emitter, op: ops.Index, node: Node, xs: list[str], ws: list[str]) -> str:
    return indexed(e, xs[0], op.places(node.inputs[0].type.rank))


def indexed(e: Emitter, x: str, items: Items) -> str:
    """One Slice for all ranges, then a Gather for each position, the last axis first, then the new axes."""
    taken = [item for item in items if item[0] != "new"]
    pieces: list[tuple[int, Dim | None, Dim | None, int]] = []
    for axis, item in enumerate(taken):
        if item[0] == "slice":
            _, start, stop, step = cast("tuple[str, Dim | None, Dim | None, int]", item)
            if (start, stop, step) != (None, None, 1):
                pieces.append((axis, start, stop, step))
    if pieces:
        x = cut(e, x, pieces)
    for axis in reversed(range(len(taken))):
        if taken[axis][0] == "at":
            _, position = cast("tuple[str, Dim]", taken[axis])
            x = e.op("Gather", [x, e.dim(position)], axis=axis)
    remaining = [item[0] for item in items if item[0] != "at"]
    added = [axis for axis, kind in enumerate(remaining) if kind == "new"]
    return e.op("Unsqueeze", [x, e.constant(added)]) if added else x


@lowers(ops.Crop)
def crop(e: Emitter, op: ops.Crop, node: Node, xs: list[str], ws: list[str]) -> str:
    type_ = node.inputs[0].type
    pieces = [
        (axis, begin, begin + size, 1)
        for axis, (have, (begin, size)) in enumerate(zip(type_.spatial, op.window(type_), strict=True), 2)
        if have != size
    ]
    return cut(e, xs[0], pieces) if pieces else xs[0]


@lowers(ops.Split, ops.Chunk)
def split(e: Emitter, op: ops.Split | ops.Chunk, node: Node, xs: list[str], ws: list[str]) -> str | tuple[str, ...]:
    type_ = node.inputs[0].type
    axis, sizes = one_axis(op.dim, type_.rank, "Split"), op.sizes(type_)
    if len(sizes) == 1:
        return xs[0]
    if e.opset >= 18 and not all(isinstance(size, int) for size in sizes):
        return e.op("Split", xs, outputs=len(sizes), axis=axis, num_outputs=len(sizes))
    return e.op("Split", [xs[0], e.shape(sizes)], outputs=len(sizes), axis=axis)


@lowers(ops.Flip)
def flip(e: Emitter, op: ops.Flip, node: Node, xs: list[str], ws: list[str]) -> str:
    axes = many_axes(op.dims, node.inputs[0].type.rank, "Flip")
    return cut(e, xs[0], [(axis, -1, _FIRST, -1) for axis in axes])


@lowers(ops.Roll)
def roll(e: Emitter, op: ops.Roll, node: Node, xs: list[str], ws: list[str]) -> str:
    x = xs[0]
    for axis, shift in op.moves(node.inputs[0].type):
        x = e.op("Concat", [cut(e, x, [(axis, -shift, None, 1)]), cut(e, x, [(axis, None, -shift, 1)])], axis=axis)
    return x


@lowers(ops.Tile)
def tile(e: Emitter, op: ops.Tile, node: Node, xs: list[str], ws: list[str]) -> str:
    type_: TensorType = node.inputs[0].type
    repeats, x = op.repeats(type_), xs[0]
    added = len(repeats) - type_.rank
    if added:
        x = e.op("Unsqueeze", [x, e.constant(list(range(added)))])
    return e.op("Tile", [x, e.shape(repeats)])
