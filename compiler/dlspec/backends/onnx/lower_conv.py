"""Convolutions."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.backends.onnx.windows import padded, pads_itself, slid
from dlspec.ir.node import Node
from dlspec.ir.types import TensorType
from dlspec.ops.conv import Conv, ConvFunction, ConvTranspose, ConvTransposeFunction
from dlspec.ops.local import LocallyConnected
from dlspec.ops.window import Window, per_axis

if TYPE_CHECKING:
    from dlspec.backends.onnx.emitter import Array

_PAD_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _conv(e: Emitter, node: Node, inputs: list[str], window: Window, groups: int, mode: str = "zeros") -> str:
    x, *weights = inputs
    if mode == "circular" and window.pads_anything:
        e.require_opset(19, "circular padding")
    if not pads_itself(window) or (mode != "zeros" and window.pads_anything):
        x = padded(e, x, window, 0, node.inputs[0].type.dtype, _PAD_MODES[mode])
        window = window.bare
    return slid(e, "Conv", [x, *weights], window, dilations=window.dilation, group=groups)


@lowers(Conv)
def conv(e: Emitter, op: Conv, node: Node, xs: list[str], ws: list[str]) -> str:
    return _conv(e, node, [*xs, *ws], op.window(node.inputs[0].type), op.groups, op.padding_mode)


@lowers(ConvFunction)
def conv_function(e: Emitter, op: ConvFunction, node: Node, xs: list[str], ws: list[str]) -> str:
    x, weight, *_ = (value.type for value in node.inputs)
    return _conv(e, node, xs, op.window(x, weight), op.groups)


def _conv_transpose(e: Emitter, op: ConvTranspose | ConvTransposeFunction, inputs: list[str], window: Window) -> str:
    extra = per_axis(op.output_padding, len(window.kernel), "output_padding")
    if any(more >= step for more, step in zip(extra, window.stride, strict=True)):
        inputs, window, extra = _without_output_padding(e, inputs, window, extra)
    return slid(e, "ConvTranspose", inputs, window, dilations=window.dilation, output_padding=extra, group=op.groups)


def _without_output_padding(
    e: Emitter, inputs: list[str], window: Window, extra: tuple[int, ...]
) -> tuple[list[str], Window, tuple[int, ...]]:
    """The same by zeros after the input and another padding after.

    ONNX wants output_padding below the stride, torch below the stride or the dilation.
    """
    sides = window.known_pads or ()
    zeros = tuple(
        max(0, -(-(more - after) // step)) for more, step, (_, after) in zip(extra, window.stride, sides, strict=True)
    )
    pads = tuple(
        (before, after - more + added * step)
        for added, more, step, (before, after) in zip(zeros, extra, window.stride, sides, strict=True)
    )
    x, *weights = inputs
    if any(zeros):
        x = e.op("Pad", [x, e.constant([0] * (4 + len(zeros)) + list(zeros))])
    return [x, *weights], window._replace(pads=pads), (0,) * len(extra)


@lowers(ConvTranspose)
def conv_transpose(e: Emitter, op: ConvTranspose, node: Node, xs: list[str], ws: list[str]) -> str:
    return _conv_transpose(e, op, [*xs, *ws], op.window(node.inputs[0].type))


@lowers(ConvTransposeFunction)
def conv_transpose_function(e: Emitter, op: ConvTransposeFunction, node: Node, xs: list[str], ws: list[str]) -> str:
    x, weight, *_ = (value.type for value in node.inputs)
    return _conv_transpose(e, op, xs, op.window(x, weight))


@lowers(LocallyConnected)
def locally_connected(e: Emitter, op: LocallyConnected, node: Node, xs: list[str], ws: list[str]) -> str:
    """What each window has under it, gathered from the padded input, times the weights of its place."""
    x, y = node.inputs[0].type, node.outputs[0].type
    window = op.window(x)
    flow = padded(e, xs[0], window, 0, x.dtype) if window.pads_anything else xs[0]
    flow = e.op("Reshape", [flow, e.constant([0, 0, -1])])
    patches = e.op("Gather", [flow, e.constant(_under(window, x))], axis=2)
    weight = e.op("Reshape", [ws[0], e.shape([*y.shape[1:2], x.shape[1], *y.spatial, window.volume])])
    places = "xyz"[: len(window.kernel)]
    made = e.op("Einsum", [patches, weight], equation=f"nc{places}k,oc{places}k->no{places}")
    return e.op("Add", [made, ws[1]]) if op.bias else made


def _under(window: Window, x: TensorType) -> Array:
    """For each place of the window the positions of what is under it in the padded and flattened input, [*places, kernel
    elements]."""
    import numpy as np

    sizes = [size for size in window.padded(x) if isinstance(size, int)]
    views = np.lib.stride_tricks.sliding_window_view(np.arange(prod(sizes)).reshape(sizes), window.spans)
    steps = (*window.stride, *window.dilation)
    taken = views[tuple(slice(None, None, step) for step in steps)]
    return taken.reshape(*taken.shape[: len(sizes)], -1)
