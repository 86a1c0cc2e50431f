"""Windows as columns, and images sampled by grids."""

from __future__ import annotations

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.dims import Dim
from dlspec.ir.node import Node
from dlspec.ir.op import Needs
from dlspec.ops import grid, patches


@lowers(patches.Unfold)
def unfold(e: Emitter, op: patches.Unfold, node: Node, xs: list[str], ws: list[str]) -> str:
    """Rows and then columns of all windows are gathered: [N, C, kernel, places, kernel, places]."""
    type_, x = node.inputs[0].type, xs[0]
    if any(padding for _, _, padding, _ in op.rows):
        sides = [padding for _, _, padding, _ in op.rows]
        x = e.op("Pad", [x, e.constant([0, 0, *sides, 0, 0, *sides]), e.scalar(0, type_.dtype)])
    places = op.places(Needs(), type_.spatial, "Unfold")
    for axis, count, (kernel, dilation, _, stride) in zip((2, 4), places, op.rows, strict=True):
        x = e.op("Gather", [x, _window(e, count, kernel, dilation, stride)], axis=axis)
    x = e.op("Transpose", [x], perm=[0, 1, 2, 4, 3, 5])
    return e.op("Reshape", [x, e.shape(node.outputs[0].type.shape)])


def _window(e: Emitter, count: Dim, kernel: int, dilation: int, stride: int) -> str:
    """[kernel, count]: for each element of a window its position under each place."""
    begins = e.op("Mul", [e.op("Range", [e.constant(0), e.dim(count), e.constant(1)]), e.constant(stride)])
    return e.op("Add", [e.constant([[offset * dilation] for offset in range(kernel)]), begins])


@lowers(patches.Fold)
def fold(e: Emitter, op: patches.Fold, node: Node, xs: list[str], ws: list[str]) -> str:
    e.require_opset(18, "Fold")
    _, dilations, pads, strides = (list(column) for column in zip(*op.rows, strict=True))
    return e.op(
        "Col2Im",
        [xs[0], e.shape(op.size), e.constant(list(op.kernel))],
        1,
        dilations=dilations,
        pads=pads * 2,
        strides=strides,
    )


_MODES = {"bilinear": "linear", "nearest": "nearest", "bicubic": "cubic"}


@lowers(grid.GridSample)
def grid_sample(e: Emitter, op: grid.GridSample, node: Node, xs: list[str], ws: list[str]) -> str:
    deep = node.inputs[0].type.rank == 5
    e.require_opset(20 if deep else 16, "`grid_sample`")
    mode = _MODES[op.mode] if e.opset >= 20 else op.mode
    return e.op("GridSample", xs, 1, mode=mode, padding_mode=op.padding_mode, align_corners=int(op.align_corners))


@lowers(grid.AffineGrid)
def affine_grid(e: Emitter, op: grid.AffineGrid, node: Node, xs: list[str], ws: list[str]) -> str:
    """The middles of all elements, and a 1, times the maps: ONNX Runtime's AffineGrid has another middle of one element."""
    sizes, kind = op.size[2:], node.inputs[0].type.dtype
    one, columns = e.scalar(1, kind), list[str]()
    for axis, size in enumerate(sizes):
        count = e.cast(e.op("Range", [e.constant(0), e.dim(size), e.constant(1)]), kind)
        if op.align_corners:
            steps = e.op("Max", [e.cast(e.dim(size - 1), kind), one])
            first = e.op("Neg", [e.op("Min", [e.cast(e.dim(size - 1), kind), one])])
            middles = e.op("Add", [e.op("Div", [e.op("Add", [count, count]), steps]), first])
        else:
            twice = e.op("Add", [e.op("Add", [count, count]), one])
            middles = e.op("Sub", [e.op("Div", [twice, e.cast(e.dim(size), kind)]), one])
        column = e.op("Reshape", [middles, e.constant([-1] + [1] * (len(sizes) - axis))])
        columns.append(e.op("Expand", [column, e.shape([*sizes, 1])]))
    ones = e.op("Expand", [one, e.shape([*sizes, 1])])
    places = e.op("Concat", [*reversed(columns), ones], axis=-1)
    flat = e.op("Reshape", [places, e.constant([-1, len(sizes) + 1])])
    mapped = e.op("MatMul", [flat, e.op("Transpose", [xs[0]], perm=[0, 2, 1])])
    return e.op("Reshape", [mapped, e.shape(node.outputs[0].type.shape)])
