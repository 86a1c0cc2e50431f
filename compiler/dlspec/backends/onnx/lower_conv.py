"""Convolutions."""

from __future__ import annotations

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.graph import Node
from dlspec.ops.conv import Conv, ConvFunction, ConvTranspose, ConvTransposeFunction
from dlspec.ops.window import Window, per_axis

_PAD_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _conv(e: Emitter, inputs: list[str], window: Window, groups: int) -> str:
    return e.op(
        "Conv",
        inputs,
        kernel_shape=window.kernel,
        strides=window.stride,
        pads=window.flat_pads,
        dilations=window.dilation,
        group=groups,
    )


@lowers(Conv)
def conv(e: Emitter, op: Conv, node: Node, xs: list[str], ws: list[str]) -> str:
    axes = node.inputs[0].type.rank - 2
    window = op.window(axes)
    x = xs[0]
    if op.padding_mode != "zeros" and any(window.flat_pads):
        if op.padding_mode == "circular":
            e.require_opset(19, "circular padding")
        before, after = zip(*window.pads, strict=True)
        pads = e.constant([0, 0, *before, 0, 0, *after])
        x = e.op("Pad", [x, pads], mode=_PAD_MODES[op.padding_mode])
        window = window._replace(pads=((0, 0),) * axes)
    return _conv(e, [x, *ws], window, op.groups)


@lowers(ConvFunction)
def conv_function(e: Emitter, op: ConvFunction, node: Node, xs: list[str], ws: list[str]) -> str:
    kernel = tuple(size for size in node.inputs[1].type.spatial if isinstance(size, int))
    return _conv(e, xs, op.window(kernel), op.groups)


def _conv_transpose(e: Emitter, op: ConvTranspose | ConvTransposeFunction, inputs: list[str], window: Window) -> str:
    extra = per_axis(op.output_padding, len(window.kernel), "output_padding")
    if any(more >= step for more, step in zip(extra, window.stride, strict=True)):
        inputs, window, extra = _without_output_padding(e, inputs, window, extra)
    return e.op(
        "ConvTranspose",
        inputs,
        kernel_shape=window.kernel,
        strides=window.stride,
        pads=window.flat_pads,
        dilations=window.dilation,
        output_padding=extra,
        group=op.groups,
    )


def _without_output_padding(
    e: Emitter, inputs: list[str], window: Window, extra: tuple[int, ...]
) -> tuple[list[str], Window, tuple[int, ...]]:
    """The same by zeros after the input and another padding after.

    ONNX wants output_padding below the stride, torch below the stride or the dilation.
    """
    zeros = tuple(
        max(0, -(-(more - after) // step))
        for more, step, (_, after) in zip(extra, window.stride, window.pads, strict=True)
    )
    pads = tuple(
        (before, after - more + added * step)
        for added, more, step, (before, after) in zip(zeros, extra, window.stride, window.pads, strict=True)
    )
    x, *weights = inputs
    if any(zeros):
        x = e.op("Pad", [x, e.constant([0] * (4 + len(zeros)) + list(zeros))])
    return [x, *weights], window._replace(pads=pads), (0,) * len(extra)


@lowers(ConvTranspose)
def conv_transpose(e: Emitter, op: ConvTranspose, node: Node, xs: list[str], ws: list[str]) -> str:
    return _conv_transpose(e, op, [*xs, *ws], op.window(node.inputs[0].type.rank - 2))


@lowers(ConvTransposeFunction)
def conv_transpose_function(e: Emitter, op: ConvTransposeFunction, node: Node, xs: list[str], ws: list[str]) -> str:
    kernel = tuple(size for size in node.inputs[1].type.spatial if isinstance(size, int))
    return _conv_transpose(e, op, xs, op.window(kernel))
