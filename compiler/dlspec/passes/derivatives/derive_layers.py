"""Layers in other operators."""

from __future__ import annotations

from dlspec.ir.dims import Dim
from dlspec.ops.algebra import Term
from dlspec.ops.conv import Conv
from dlspec.ops.linear import Bilinear
from dlspec.ops.norm import LocalResponseNorm
from dlspec.ops.pad import Pad
from dlspec.ops.pooling import AdaptiveMaxPool, GlobalMaxPool, LPPool
from dlspec.ops.softmax import Softmin
from dlspec.passes.derivatives.registry import expands
from dlspec.passes.derivatives.step import NoDerivative, Step, reshaped


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
    for axis, (before, after) in enumerate(op.pairs(x.type), 2):
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
    window = op.window(s.x.type.rank - 2)
    if op.padding_mode == "zeros" or not any(window.flat_pads):
        return None
    padded = s.x.call("pad", padding=window.pads, mode=op.padding_mode)
    return padded.call("conv", s.weight(0), stride=window.stride, dilation=window.dilation, groups=op.groups)


@expands(LPPool)
def lp_pool(s: Step, op: LPPool) -> Term:
    means = (s.x**op.norm_type).call("avg_pool", kernel_size=op.kernel_size, stride=op.stride, ceil_mode=op.ceil_mode)
    return (means * float(op.window(s.x.type.rank - 2).volume)) ** (1 / op.norm_type)


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
