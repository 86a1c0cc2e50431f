"""Pooling.

ceil_mode is never left to ONNX: its rule differed from torch's before opset 22, and runtimes differ from it. The
operators' windows express it as padding after, which every version and runtime agrees on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.backends.onnx.windows import padded, pads_itself, slid
from dlspec.ir.dims import Dim, ceildiv
from dlspec.ir.node import Node
from dlspec.ir.types import DType, TensorType
from dlspec.ops.pooling import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    LPPool,
    MaxPool,
)
from dlspec.ops.window import Pads, Window

if TYPE_CHECKING:
    import numpy as np

    Ints = np.ndarray[Any, np.dtype[np.int64]]


_MOST = 1 << 24
"""Numbers of a table that is written into the model; a larger one the model computes."""


def _rank(node: Node) -> int:
    return node.inputs[0].type.rank


@lowers(MaxPool)
def max_pool(e: Emitter, op: MaxPool, node: Node, xs: list[str], ws: list[str]) -> str:
    type_ = node.inputs[0].type
    window, x = op.window(type_), xs[0]
    if not pads_itself(window) or _too_wide(window):
        x, window = padded(e, x, window, float("-inf"), type_.dtype), window.bare
    return slid(e, "MaxPool", [x], window, dilations=window.dilation)


def _too_wide(window: Window) -> bool:
    """Whether ONNX Runtime refuses the padding: it must be less than the kernel, however far dilation makes that reach."""
    return any(max(side) >= kernel for side, kernel in zip(window.known_pads or (), window.kernel, strict=False))


def _average(e: Emitter, x: str, window: Window, count_padding: bool = False) -> str:
    return slid(e, "AveragePool", [x], window, count_include_pad=int(count_padding))


@lowers(AvgPool)
def avg_pool(e: Emitter, op: AvgPool, node: Node, xs: list[str], ws: list[str]) -> str:
    type_ = node.inputs[0].type
    window = op.window(type_)
    if op.divisor_override is not None:
        if window.open:
            xs, window = [padded(e, xs[0], window, 0, type_.dtype)], window.bare
        mean = _average(e, xs[0], window, count_padding=True)
        return e.op("Mul", [mean, e.scalar(window.volume / op.divisor_override, type_.dtype)])
    if not pads_itself(window):
        return _mean_without_padding(e, xs[0], window, type_)
    given: Pads = tuple((before, before) for before, _ in window.pads)
    if not op.counts_padding or not any(before != 0 for before, _ in given):
        return _average(e, xs[0], window)
    if window.pads == given:
        return _average(e, xs[0], window, count_padding=True)
    # The padding that was asked for counts in the mean, what ceil_mode adds does not.
    x = padded(e, xs[0], window._replace(pads=given), 0, type_.dtype)
    return _average(e, x, window._replace(pads=tuple((0, after - before) for before, after in window.pads)))


def _mean_without_padding(e: Emitter, x: str, window: Window, type_: TensorType) -> str:
    """By how much of a window is not padding: the mean of ones that are padded alike."""
    ones = e.op("Expand", [e.scalar(1.0, type_.dtype), e.shape((1, 1, *type_.spatial))])
    means = [_average(e, padded(e, part, window, 0, type_.dtype), window.bare) for part in (x, ones)]
    return e.op("Div", means)


@lowers(LPPool)
def lp_pool(e: Emitter, op: LPPool, node: Node, xs: list[str], ws: list[str]) -> str:
    # ONNX's LpPool takes absolute values and whole powers; torch does neither.
    window, dtype = op.window(node.inputs[0].type), node.inputs[0].type.dtype
    powers = e.op("Pow", [xs[0], e.scalar(op.norm_type, dtype)])
    total = e.op("Mul", [_average(e, powers, window), e.scalar(float(window.volume), dtype)])
    return e.op("Pow", [total, e.scalar(1 / op.norm_type, dtype)])


def _even_window(node: Node) -> Window | None:
    """The window of the plain pool that an adaptive one is, where all its windows have one size and do not overlap."""
    kernel: list[int] = []
    for size, out in _spatial(node):
        if not isinstance(size, int) or not isinstance(out, int) or size % out:
            return None
        kernel.append(size // out)
    return Window(tuple(kernel), tuple(kernel), (1,) * len(kernel), ((0, 0),) * len(kernel))


def _spatial(node: Node) -> list[tuple[Dim, Dim]]:
    return list(zip(node.inputs[0].type.spatial, node.outputs[0].type.spatial, strict=True))


def _bounds(e: Emitter, size: Dim, out: Dim) -> tuple[str, str]:
    """Where the windows of an adaptive pool begin and end along an axis: two tensors [out], computed by the model."""
    index = e.op("Range", [e.dim(0), e.dim(out), e.dim(1)])
    start = e.op("Div", [e.op("Mul", [index, e.dim(size)]), e.dim(out)])
    # (i + 1) * size / out, rounded up
    above = e.op("Add", [e.op("Mul", [index, e.dim(size)]), e.dim(size + out - 1)])
    return start, e.op("Div", [above, e.dim(out)])


def _known_bounds(size: int, out: int) -> tuple[Ints, Ints]:
    import numpy as np

    index = np.arange(out)
    return index * size // out, -(-(index + 1) * size // out)


def _averaging_matrix(e: Emitter, size: Dim, out: Dim, dtype: DType) -> str:
    """[size, out]: what each input counts in each output."""
    if isinstance(size, int) and isinstance(out, int) and size * out <= _MOST:
        import numpy as np

        first, last = _known_bounds(size, out)
        rows = np.arange(size)[:, None]
        return e.constant(((rows >= first) & (rows < last)) / (last - first), dtype)
    start, end = _bounds(e, size, out)
    row = e.op("Unsqueeze", [e.op("Range", [e.dim(0), e.dim(size), e.dim(1)]), e.constant([1])])
    inside = e.op("Xor", [e.op("Less", [row, start]), e.op("Less", [row, end])])
    return e.op("Div", [e.cast(inside, dtype), e.cast(e.op("Sub", [end, start]), dtype)])


@lowers(AdaptiveAvgPool)
def adaptive_avg_pool(e: Emitter, op: AdaptiveAvgPool, node: Node, xs: list[str], ws: list[str]) -> str:
    return averaged(e, node, xs[0])


def averaged(e: Emitter, node: Node, x: str) -> str:
    """A mean over a product of ranges is linear and separable: one matrix product for each axis."""
    rank = _rank(node)
    if all(out == 1 for out in node.outputs[0].type.spatial):
        return e.op("GlobalAveragePool", [x])
    if window := _even_window(node):
        return _average(e, x, window)
    for axis, (size, out) in enumerate(_spatial(node), 2):
        if size == out:
            continue
        x = mixed(e, x, axis, rank, _averaging_matrix(e, size, out, node.inputs[0].type.dtype))
    return x


def mixed(e: Emitter, x: str, axis: int, rank: int, matrix: str) -> str:
    """The elements along an axis weighted with each column of a matrix."""
    if axis == rank - 1:
        return e.op("MatMul", [x, matrix])
    swap = list(range(rank))
    swap[axis], swap[-1] = swap[-1], swap[axis]
    return e.op("Transpose", [e.op("MatMul", [e.op("Transpose", [x], perm=swap), matrix])], perm=swap)


def _window_indices(e: Emitter, size: Dim, out: Dim) -> str:
    """[out, longest window]: the inputs under each window, the last one repeated where a window is shorter."""
    if isinstance(size, int) and isinstance(out, int) and size + out <= _MOST:
        import numpy as np

        first, last = _known_bounds(size, out)
        offsets = np.arange(np.max(last - first))
        return e.constant(np.minimum(first[:, None] + offsets, last[:, None] - 1))
    start, end = _bounds(e, size, out)
    longest = ceildiv(size, out) + 1
    offset = e.op("Range", [e.dim(0), e.dim(longest), e.dim(1)])
    column = e.constant([1])
    index = e.op("Add", [e.op("Unsqueeze", [start, column]), offset])
    return e.op("Min", [index, e.op("Sub", [e.op("Unsqueeze", [end, column]), e.dim(1)])])


@lowers(AdaptiveMaxPool)
def adaptive_max_pool(e: Emitter, op: AdaptiveMaxPool, node: Node, xs: list[str], ws: list[str]) -> str:
    x = xs[0]
    if all(out == 1 for out in node.outputs[0].type.spatial):
        return e.op("GlobalMaxPool", [x])
    if window := _even_window(node):
        return slid(e, "MaxPool", [x], window)
    for axis, (size, out) in enumerate(_spatial(node), 2):
        if size == out:
            continue
        windows = e.op("Gather", [x, _window_indices(e, size, out)], axis=axis)
        if e.opset < 18:
            x = e.op("ReduceMax", [windows], axes=[axis + 1], keepdims=0)
        else:
            x = e.op("ReduceMax", [windows, e.constant([axis + 1])], keepdims=0)
    return x
