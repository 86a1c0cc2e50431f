"""Layers in other operators."""

from __future__ import annotations

from math import inf

from dlspec.ir.dims import Dim
from dlspec.ops.algebra import Term
from dlspec.ops.conv import Conv, ConvFunction
from dlspec.ops.linear import Bilinear
from dlspec.ops.local import LocallyConnected
from dlspec.ops.norm import LocalResponseNorm
from dlspec.ops.pad import Pad
from dlspec.ops.pooling import AdaptiveMaxPool, AvgPool, GlobalMaxPool, LPPool, MaxPool
from dlspec.ops.softmax import Softmin
from dlspec.ops.window import Window
from dlspec.passes.derivatives.derive_conv import slid_over
from dlspec.passes.derivatives.registry import expands
from dlspec.passes.derivatives.step import NoDerivative, Step, filled, reshaped


@expands(Softmin)
def softmin(s: Step, op: Softmin) -> Term:
    return (-s.x).call("softmax", dim=op.axis(s.x.type.rank))


@expands(Bilinear)
def bilinear(s: Step, op: Bilinear) -> Term:
    return s.x.call("einsum", s.weight(0), s.xs[1], equation="...i,kij,...j->...k")


@expands(Pad)
def pad(s: Step, op: Pad) -> Term | None:
    if op.mode == "constant":
        return None
    x = s.x
    for axis, (before, after) in enumerate(op.numbers(x.type), 2):
        size = x.type.shape[axis]
        parts = [x]
        if before:
            start = {"reflect": 1, "circular": size - before}.get(op.mode, 0)
            parts.insert(0, _end(x, op.mode, axis, start, before))
        if after:
            start = {"reflect": size - 1 - after, "circular": 0}.get(op.mode, size - 1)
            parts.append(_end(x, op.mode, axis, start, after))
        x = parts[0].call("concat", *parts[1:], dim=axis)
    return x


def _end(x: Term, mode: str, axis: int, start: Dim, length: int) -> Term:
    """What is added to one end of an axis."""
    if mode == "replicate":
        edge = x.call("slice", dim=axis, start=start, end=start + 1)
        return edge.call("tile", reps=(length, *(1 for _ in range(x.type.rank - axis - 1))))
    part = x.call("slice", dim=axis, start=start, end=start + length)
    return part.call("flip", dims=axis) if mode == "reflect" else part


@expands(Conv)
def conv(s: Step, op: Conv) -> Term | None:
    window = op.window(s.x.type)
    if not window.open and (op.padding_mode == "zeros" or not window.pads_anything):
        return None
    if window.open and op.padding_mode != "zeros":
        raise NoDerivative(s.node, f'Conv with padding_mode="{op.padding_mode}" that follows from open sizes')
    return _convolved(s, op, window, s.weight(0), op.padding_mode)


@expands(ConvFunction)
def conv_function(s: Step, op: ConvFunction) -> Term | None:
    x, weight, *bias = s.xs
    window = op.window(x.type, weight.type)
    return _convolved(s, op, window, weight, "zeros", *bias) if window.open else None


def _convolved(s: Step, op: Conv | ConvFunction, window: Window, weight: Term, mode: str, *bias: Term) -> Term:
    padded = _filled_up(s.x, window) if window.open else s.x.call("pad", padding=window.pads, mode=mode)
    return padded.call("conv", weight, *bias, stride=window.stride, dilation=window.dilation, groups=op.groups)


@expands(LocallyConnected)
def locally_connected(s: Step, op: LocallyConnected) -> Term:
    window, places = op.window(s.x.type), s.y.type.spatial
    first, *others = slid_over(s.x, window, places)
    weight = reshaped(s.weight(0), (*s.node.weights[0].shape[:2], *places, window.volume))
    made = first.call("stack", *others, dim=2).call("einsum", weight, equation="nck...,oc...k->no...")
    return made + s.weight(1) if op.bias else made


@expands(MaxPool)
def max_pool(s: Step, op: MaxPool) -> Term | None:
    window = op.window(s.x.type)
    if not window.open:
        return None
    padded = _filled_up(s.x, window, -inf)
    return padded.call("max_pool", kernel_size=window.kernel, stride=window.stride, dilation=window.dilation)


@expands(AvgPool)
def avg_pool(s: Step, op: AvgPool) -> Term | None:
    window = op.window(s.x.type)
    if not window.open:
        return None
    fields = {"kernel_size": window.kernel, "stride": window.stride, "divisor_override": op.divisor_override}
    means = _filled_up(s.x, window).call("avg_pool", **fields)
    if op.divisor_override is not None:
        return means
    ones = filled(s.algebra, s.x.type.with_shape(1, 1, *s.x.type.spatial), 1.0)
    return means / _filled_up(ones, window).call("avg_pool", **fields)


def _filled_up(x: Term, window: Window, value: float = 0.0) -> Term:
    """With the padding of a window that follows from open sizes, as much on both sides, what is odd after."""
    return x.call("pad_to", size=window.padded(x.type), value=value)


@expands(LPPool)
def lp_pool(s: Step, op: LPPool) -> Term:
    means = (s.x**op.norm_type).call("avg_pool", kernel_size=op.kernel_size, stride=op.stride, ceil_mode=op.ceil_mode)
    return (means * float(op.window(s.x.type).volume)) ** (1 / op.norm_type)


@expands(GlobalMaxPool)
def global_max_pool(s: Step, op: GlobalMaxPool) -> Term:
    return _largest(s)


def _largest(s: Step) -> Term:
    return s.x.call("max", dim=tuple(range(2, s.x.type.rank)), keepdim=True)


@expands(AdaptiveMaxPool)
def adaptive_max_pool(s: Step, op: AdaptiveMaxPool) -> Term:
    if all(size == 1 for size in s.y.type.spatial):
        return _largest(s)
    kernel: list[int] = []
    for have, want in zip(s.x.type.spatial, s.y.type.spatial, strict=True):
        if not isinstance(have, int) or not isinstance(want, int) or have % want:
            raise NoDerivative(s.node, "AdaptiveMaxPool with windows that differ in size")
        kernel.append(have // want)
    return s.x.call("max_pool", kernel_size=tuple(kernel))


@expands(LocalResponseNorm)
def local_response_norm(s: Step, op: LocalResponseNorm) -> Term:
    batch, channels, *_ = s.x.type.shape
    squares = reshaped(s.x * s.x, (batch, 1, channels, -1))
    padded = squares.call("pad", padding=((op.size // 2, (op.size - 1) // 2), (0, 0)))
    means = padded.call("avg_pool", kernel_size=(op.size, 1), stride=1)
    return s.x / (reshaped(means, s.x.type.shape) * op.alpha + op.k) ** op.beta
