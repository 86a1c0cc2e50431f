"""The same elements under another shape, or with their axes in another order."""

from __future__ import annotations

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.node import Node
from dlspec.ir.op import Op
from dlspec.ops import shape as ops
from dlspec.ops.rules import many_axes, one_axis


@lowers(ops.Flatten, ops.Reshape, ops.Unflatten)
def reshape(e: Emitter, op: Op, node: Node, xs: list[str], ws: list[str]) -> str:
    """A constant shape where ONNX can do with one: 0 copies a size from the same place, and one -1 is what is left."""
    have, want = node.inputs[0].type.shape, node.outputs[0].type.shape
    if have == want:
        return xs[0]
    constant: list[int] = []
    for axis, size in enumerate(want):
        if isinstance(size, int):
            constant.append(size)
        else:
            constant.append(0 if have[axis : axis + 1] == (size,) else -1)
    shape = e.shape(want) if constant.count(-1) > 1 else e.constant(constant, "int64")
    return e.op("Reshape", [xs[0], shape])


@lowers(ops.Squeeze)
def squeeze(e: Emitter, op: ops.Squeeze, node: Node, xs: list[str], ws: list[str]) -> str:
    axes = many_axes(op.dim, node.inputs[0].type.rank, "Squeeze")
    return e.op("Squeeze", [xs[0], e.constant(sorted(axes))])


@lowers(ops.Unsqueeze)
def unsqueeze(e: Emitter, op: ops.Unsqueeze, node: Node, xs: list[str], ws: list[str]) -> str:
    return e.op("Unsqueeze", [xs[0], e.constant([one_axis(op.dim, node.outputs[0].type.rank, "Unsqueeze")])])


@lowers(ops.Expand)
def expand(e: Emitter, op: ops.Expand, node: Node, xs: list[str], ws: list[str]) -> str:
    have, want = node.inputs[0].type.shape, node.outputs[0].type.shape
    if have == want:
        return xs[0]
    # A size of 1 keeps what the input has.
    added = len(want) - len(have)
    kept = (1 if axis >= added and have[axis - added] == size else size for axis, size in enumerate(want))
    return e.op("Expand", [xs[0], e.shape(tuple(kept))])


@lowers(ops.Permute, ops.Transpose)
def permute(e: Emitter, op: ops.Permute | ops.Transpose, node: Node, xs: list[str], ws: list[str]) -> str:
    order = op.order(node.inputs[0].type.rank)
    return xs[0] if order == tuple(sorted(order)) else e.op("Transpose", xs, perm=list(order))


@lowers(ops.PixelShuffle)
def pixel_shuffle(e: Emitter, op: ops.PixelShuffle, node: Node, xs: list[str], ws: list[str]) -> str:
    if node.inputs[0].type.dtype.is_float:
        return e.op("DepthToSpace", xs, blocksize=op.upscale_factor, mode="CRD")
    n, c, h, w = node.outputs[0].type.shape  # ONNX Runtime has it for floats alone
    by = op.upscale_factor
    parts = e.op("Reshape", [xs[0], e.shape((n, c, by, by, h // by, w // by))])
    return e.op("Reshape", [e.op("Transpose", [parts], perm=[0, 1, 4, 2, 5, 3]), e.shape((n, c, h, w))])


@lowers(ops.PixelUnshuffle)
def pixel_unshuffle(e: Emitter, op: ops.PixelUnshuffle, node: Node, xs: list[str], ws: list[str]) -> str:
    """SpaceToDepth has the places of a block before the channels, torch has them behind."""
    if not node.inputs[0].type.dtype.is_float:
        n, c, h, w = node.inputs[0].type.shape
        by = op.downscale_factor
        parts = e.op("Reshape", [xs[0], e.shape((n, c, h // by, by, w // by, by))])
        moved = e.op("Transpose", [parts], perm=[0, 1, 3, 5, 2, 4])
        return e.op("Reshape", [moved, e.shape(node.outputs[0].type.shape)])
    blocks, channels = op.downscale_factor**2, node.inputs[0].type.shape[1]
    assert isinstance(channels, int)
    order = [place * channels + channel for channel in range(channels) for place in range(blocks)]
    deep = e.op("SpaceToDepth", xs, blocksize=op.downscale_factor)
    return e.op("Gather", [deep, e.constant(order)], axis=1)


@lowers(ops.ChannelShuffle)
def channel_shuffle(e: Emitter, op: ops.ChannelShuffle, node: Node, xs: list[str], ws: list[str]) -> str:
    channels = node.inputs[0].type.shape[1]
    assert isinstance(channels, int)
    each = channels // op.groups
    order = [group * each + place for place in range(each) for group in range(op.groups)]
    return e.op("Gather", [xs[0], e.constant(order)], axis=1)


@lowers(ops.OneHot)
def one_hot(e: Emitter, op: ops.OneHot, node: Node, xs: list[str], ws: list[str]) -> str:
    x = xs[0] if node.inputs[0].type.dtype.label == "int64" else e.cast(xs[0], "int64")
    scalar = not node.inputs[0].type.rank
    if scalar:
        x = e.op("Reshape", [x, e.constant([1])])
    result = e.op("OneHot", [x, e.constant(op.num_classes), e.constant([0, 1])], axis=-1)
    return e.op("Reshape", [result, e.constant([op.num_classes])]) if scalar else result
