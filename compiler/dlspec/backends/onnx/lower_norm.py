"""Normalisation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.lower_reduce import added_in
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.dims import Dim, product
from dlspec.ir.node import Node
from dlspec.ir.types import DType, TensorType
from dlspec.ops.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, RMSNorm

_MANY = 1 << 16
"""Elements over which the sums of ONNX Runtime's own normalisation, in float32, are no longer good."""


def _mean(e: Emitter, x: str, axes: Sequence[int]) -> str:
    if e.opset < 18:
        return e.op("ReduceMean", [x], axes=list(axes))
    return e.op("ReduceMean", [x, e.constant(list(axes))])


def _many(dims: Iterable[Dim]) -> bool:
    count = product(dims)
    return isinstance(count, int) and count > _MANY


def _standardised(
    e: Emitter, x: str, axes: Sequence[int], eps: float, dtype: DType, wide: DType = DType.FLOAT32
) -> str:
    """Minus the mean and divided by the standard deviation over axes, float32 in a ``wide`` type."""
    wide = wide if dtype is DType.FLOAT32 else dtype
    if wide is not dtype:
        x = e.cast(x, wide)
    centred = e.op("Sub", [x, _mean(e, x, axes)])
    variance = _mean(e, e.op("Mul", [centred, centred]), axes)
    deviation = e.op("Sqrt", [e.op("Add", [variance, e.scalar(eps, wide)])])
    y = e.op("Div", [centred, deviation])
    return y if wide is dtype else e.cast(y, dtype)


def _channel_affine(e: Emitter, y: str, ws: list[str], rank: int) -> str:
    """Scaled and shifted channel by channel, if there are weights."""
    for op_type, weight in zip(("Mul", "Add"), ws, strict=False):
        y = e.op(op_type, [y, e.op("Reshape", [weight, e.constant([-1] + [1] * (rank - 2))])])
    return y


def _scale_and_shift(e: Emitter, ws: list[str], channels: int, dtype: DType) -> list[str]:
    """The weight and the bias there are, and ones and zeros for what there is not."""
    absent = [[1.0] * channels, [0.0] * channels][len(ws) :]
    return [*ws, *(e.constant(values, dtype) for values in absent)]


def _by_running_statistics(e: Emitter, op: BatchNorm | InstanceNorm, x: TensorType, name: str, ws: list[str]) -> str:
    owned = 1 + op.bias if op.affine else 0
    channels = x.shape[1]
    assert isinstance(channels, int)
    affine = _scale_and_shift(e, ws[:owned], channels, x.dtype)
    return e.op("BatchNormalization", [name, *affine, *ws[owned : owned + 2]], epsilon=op.eps)


@lowers(BatchNorm)
def batch_norm(e: Emitter, op: BatchNorm, node: Node, xs: list[str], ws: list[str]) -> str:
    x = node.inputs[0].type
    if op.track_running_stats:
        return _by_running_statistics(e, op, x, xs[0], ws)
    axes = [0, *range(2, x.rank)]
    y = _standardised(e, xs[0], axes, op.eps, x.dtype, added_in(x, axes))
    return _channel_affine(e, y, ws, x.rank)


@lowers(InstanceNorm)
def instance_norm(e: Emitter, op: InstanceNorm, node: Node, xs: list[str], ws: list[str]) -> str:
    x = node.inputs[0].type
    if op.track_running_stats:
        return _by_running_statistics(e, op, x, xs[0], ws)
    channels = x.shape[1]
    many = _many(x.spatial)
    if isinstance(channels, int) and x.dtype is not DType.FLOAT64 and not many:  # ONNX Runtime has no double kernel
        affine = _scale_and_shift(e, ws, channels, x.dtype)
        return e.op("InstanceNormalization", [xs[0], *affine], epsilon=op.eps)
    y = _standardised(e, xs[0], range(2, x.rank), op.eps, x.dtype, DType.FLOAT64 if many else DType.FLOAT32)
    return _channel_affine(e, y, ws, x.rank)


@lowers(GroupNorm)
def group_norm(e: Emitter, op: GroupNorm, node: Node, xs: list[str], ws: list[str]) -> str:
    x = node.inputs[0].type
    groups = e.op("Reshape", [xs[0], e.constant([0, op.num_groups, -1])])
    many = _many(x.shape[1:])
    if x.dtype is DType.FLOAT64 or many:
        y = _standardised(e, groups, [2], op.eps, x.dtype, DType.FLOAT64 if many else DType.FLOAT32)
    else:
        unit = _scale_and_shift(e, [], op.num_groups, x.dtype)
        y = e.op("InstanceNormalization", [groups, *unit], epsilon=op.eps)
    return _channel_affine(e, e.op("Reshape", [y, e.shape(x.shape)]), ws, x.rank)


@lowers(LayerNorm)
def layer_norm(e: Emitter, op: LayerNorm, node: Node, xs: list[str], ws: list[str]) -> str:
    x = node.inputs[0].type
    axes = len(op.normalized_shape) if isinstance(op.normalized_shape, tuple) else 1
    trailing = [size for size in node.outputs[0].type.shape[-axes:] if isinstance(size, int)]
    many = _many(trailing) and len(trailing) == axes
    if e.opset >= 17 and len(trailing) == axes and not many:
        import numpy as np

        scale = ws or [e.constant(np.ones(trailing), x.dtype)]
        return e.op("LayerNormalization", [xs[0], *scale], axis=-axes, epsilon=op.eps)
    wide = DType.FLOAT64 if many else DType.FLOAT32
    y = _standardised(e, xs[0], range(x.rank - axes, x.rank), op.eps, x.dtype, wide)
    for op_type, weight in zip(("Mul", "Add"), ws, strict=False):
        y = e.op(op_type, [y, weight])
    return y


@lowers(RMSNorm)
def rms_norm(e: Emitter, op: RMSNorm, node: Node, xs: list[str], ws: list[str]) -> str:
    x = node.inputs[0].type
    axes = len(op.normalized_shape) if isinstance(op.normalized_shape, tuple) else 1
    trailing = [size for size in node.outputs[0].type.shape[-axes:] if isinstance(size, int)]
    many = _many(trailing) and len(trailing) == axes
    epsilon = 2.0**-52 if x.dtype is DType.FLOAT64 else 2.0**-23
    if e.opset >= 23 and len(trailing) == axes and not many:
        import numpy as np

        scale = ws or [e.constant(np.ones(trailing), x.dtype)]
        return e.op("RMSNormalization", [xs[0], *scale], axis=-axes, epsilon=epsilon if op.eps is None else op.eps)
    wide = DType.FLOAT64 if many else x.dtype
    y = xs[0] if wide is x.dtype else e.cast(xs[0], wide)
    square = _mean(e, e.op("Mul", [y, y]), range(x.rank - axes, x.rank))
    root = e.op("Sqrt", [e.op("Add", [square, e.scalar(epsilon if op.eps is None else op.eps, wide)])])
    y = e.op("Div", [y, root])
    if wide is not x.dtype:
        y = e.cast(y, x.dtype)
    return e.op("Mul", [y, ws[0]]) if ws else y


@lowers(LocalResponseNorm)
def local_response_norm(e: Emitter, op: LocalResponseNorm, node: Node, xs: list[str], ws: list[str]) -> str:
    x = node.inputs[0].type
    # LRN puts the larger half of an even size after, torch before; and ONNX Runtime has it for two spatial axes and for
    # positive numbers only.
    if op.size % 2 and x.rank == 4 and op.alpha > 0 and op.beta > 0:
        return e.op("LRN", xs, size=op.size, alpha=op.alpha, beta=op.beta, bias=op.k)
    squares = e.op("Reshape", [e.op("Mul", [xs[0], xs[0]]), e.shape((0, 1, x.shape[1], -1))])
    mean = e.op(
        "AveragePool",
        [squares],
        kernel_shape=[op.size, 1],
        pads=[op.size // 2, 0, (op.size - 1) // 2, 0],
        count_include_pad=1,
    )
    mean = e.op("Reshape", [mean, e.shape(x.shape)])
    energy = e.op("Add", [e.op("Mul", [mean, e.scalar(op.alpha, x.dtype)]), e.scalar(op.k, x.dtype)])
    return e.op("Div", [xs[0], e.op("Pow", [energy, e.scalar(op.beta, x.dtype)])])
