"""What slides a window, and its padding: attributes of the node where ONNX has one for it, else a node before."""

from __future__ import annotations

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.wire import Attribute
from dlspec.ir.types import DType
from dlspec.ops.window import Window


def slid(e: Emitter, op_type: str, inputs: list[str], window: Window, **attributes: Attribute | None) -> str:
    """A node that slides a window, whose padding `pads_itself`."""
    pads = window.known_pads
    return e.op(
        op_type,
        inputs,
        1,
        kernel_shape=window.kernel,
        strides=window.stride,
        pads=None if pads is None else [side for sides in zip(*pads, strict=True) for side in sides],
        auto_pad="SAME_UPPER" if pads is None else None,
        **attributes,
    )


def pads_itself(window: Window) -> bool:
    """Whether attributes say the padding: numbers, or what follows from an open size.

    ONNX Runtime refuses the latter with dilation, and cuts where there are gaps between the windows.
    """
    closed = all(span >= step for span, step in zip(window.spans, window.stride, strict=True))
    return not window.open or (closed and set(window.dilation) == {1})


def padded(e: Emitter, x: str, window: Window, value: float, dtype: DType, mode: str = "constant") -> str:
    """The input with a window's padding, computed by the model where a size is open."""
    before, after = zip(*window.pads, strict=True)
    filling = [e.scalar(value, dtype)] if mode == "constant" and value else []
    return e.op("Pad", [x, e.shape([0, 0, *before, 0, 0, *after]), *filling], mode=mode)
