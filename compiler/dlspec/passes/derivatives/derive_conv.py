"""Convolutions: each is the transpose of the other kind.

Dumoulin and Visin, 2016, "A guide to convolution arithmetic for deep learning", chapter 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from dlspec.ir.dims import Dim
from dlspec.ir.types import TensorType
from dlspec.ops.algebra import Term
from dlspec.ops.conv import Conv, ConvFunction, ConvTranspose, ConvTransposeFunction
from dlspec.ops.window import Window
from dlspec.passes.derivatives.registry import Cotangents, derives
from dlspec.passes.derivatives.step import Step, reshaped


@derives(Conv)
def conv(s: Step, op: Conv) -> Cotangents:
    window = op.window(s.x.type)
    return (spread(s.g, s.weight(0), window, op.groups, s.x.type),)


@derives(ConvFunction)
def conv_function(s: Step, op: ConvFunction) -> Cotangents:
    x, weight, *bias = s.xs
    window = op.window(x.type, weight.type)
    of_x = spread(s.g, weight, window, op.groups, x.type) if s.wanted[0] else None
    of_weight = _of_weight(x, s.g, weight, window, op.groups) if s.wanted[1] else None
    return of_x, of_weight, *(_of_bias(s.g) for _ in bias)


@derives(ConvTranspose)
def conv_transpose(s: Step, op: ConvTranspose) -> Cotangents:
    return (_gathered(s.g, s.weight(0), op.window(s.x.type), op.groups, s.x.type),)


@derives(ConvTransposeFunction)
def conv_transpose_function(s: Step, op: ConvTransposeFunction) -> Cotangents:
    x, weight, *bias = s.xs
    window = op.window(x.type, weight.type)
    of_x = _gathered(s.g, weight, window, op.groups, x.type) if s.wanted[0] else None
    of_weight = _of_weight(s.g, x, weight, window, op.groups) if s.wanted[1] else None
    return of_x, of_weight, *(_of_bias(s.g) for _ in bias)


def spread(g: Term, weight: Term, window: Window, groups: int, to: TensorType) -> Term:
    """The transpose of a convolution, of the type that flowed into that.

    A stride may have left elements at the end without a window, how many depends on the size. ``output_padding`` makes
    room for as many as there can be, and what is too much, with the padding of the convolution, is cut off.
    """
    sides = window.known_pads
    assert sides is not None
    even = all(before == after for before, after in sides)
    padding = tuple(before if even else 0 for before, _ in sides)
    pads = [2 * side for side in padding]
    least = [
        (size - 1) * step + span - both
        for size, step, span, both in zip(g.type.spatial, window.stride, window.spans, pads, strict=True)
    ]
    rest = [size - known if even else None for size, known in zip(to.spatial, least, strict=True)]
    room = tuple(
        left if isinstance(left, int) and left < step else step - 1
        for left, step in zip(rest, window.stride, strict=True)
    )
    made = g.call(
        "conv_transpose", weight, stride=window.stride, padding=padding, output_padding=room,
        dilation=window.dilation, groups=groups,
    )  # fmt: skip
    return _cut(made, tuple(0 if even else before for before, _ in sides), to)


def _gathered(g: Term, weight: Term, window: Window, groups: int, to: TensorType) -> Term:
    """The transpose of a transposed convolution. An output padding that is not below the stride has room for further
    windows, which are cut off."""
    padding = window.pads
    made = g.call("conv", weight, stride=window.stride, padding=padding, dilation=window.dilation, groups=groups)
    return _cut(made, (0,) * len(padding), to)


def _cut(x: Term, offset: tuple[int, ...], to: TensorType) -> Term:
    return x if x.type.spatial == to.spatial else x.call("crop", size=to.spatial, offset=offset)


def _of_bias(g: Term) -> Term:
    return g.call("sum", dim=(0, *range(2, g.type.rank)))


def _of_weight(x: Term, g: Term, weight: Term, window: Window, groups: int) -> Term:
    """That of a convolution's weight: for each of its elements the products of what it met with what came of it."""
    came = _grouped(g, groups)
    parts = [
        came.call("einsum", _grouped(met, groups), equation="ngop,ngip->goi")
        for met in slid_over(x, window, g.type.spatial)
    ]
    return reshaped(parts[0].call("stack", *parts[1:], dim=3), weight.type.shape)


def slid_over(x: Term, window: Window, sizes: Sequence[Dim]) -> Iterator[Term]:
    """What each element of a window meets as that slides over an input: [N, C, *sizes] each."""
    rows = tuple(zip(sizes, window.stride, window.dilation, strict=True))
    padded = x.call("pad", padding=window.pads) if window.pads_anything else x
    for position in product(*map(range, window.kernel)):
        met = padded
        for axis, (at, (size, step, gap)) in enumerate(zip(position, rows, strict=True), 2):
            met = met.call("slice", dim=axis, start=at * gap, end=at * gap + (size - 1) * step + 1, step=step)
        yield met


def _grouped(x: Term, groups: int) -> Term:
    """[N, groups, channels of a group, all of space]."""
    return x.call("flatten", start_dim=2).call("unflatten", dim=1, unflattened_size=(groups, -1))
