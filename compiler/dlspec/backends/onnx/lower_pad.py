"""Padding."""

from __future__ import annotations

from typing import TypeAlias

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.lower_slicing import cut
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.dims import Dim
from dlspec.ir.node import Node
from dlspec.ops import pad as ops

Pairs: TypeAlias = tuple[tuple[Dim, Dim], ...]
_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}


@lowers(ops.Pad)
def pad(e: Emitter, op: ops.Pad, node: Node, xs: list[str], ws: list[str]) -> str:
    type_ = node.inputs[0].type
    pairs = op.pairs(type_)
    if all(before == after == 0 for before, after in pairs):
        return xs[0]
    if op.mode == "circular":
        return _circular(e, xs[0], op.numbers(type_))
    value = [e.scalar(op.value, type_.dtype)] if op.value else []
    return e.op("Pad", [xs[0], _pads(e, pairs), *value], mode=_MODES[op.mode])


def _pads(e: Emitter, pairs: Pairs) -> str:
    return e.shape([0, 0, *(before for before, _ in pairs), 0, 0, *(after for _, after in pairs)])


def _circular(e: Emitter, x: str, pairs: tuple[tuple[int, int], ...]) -> str:
    """By slices: the mode "wrap" of Pad is younger than the opsets that can be asked for."""
    for axis, (before, after) in enumerate(pairs, 2):
        parts = [cut(e, x, [(axis, -before, None, 1)])] if before else []
        parts.append(x)
        if after:
            parts.append(cut(e, x, [(axis, None, after, 1)]))
        x = e.op("Concat", parts, axis=axis) if len(parts) > 1 else x
    return x


@lowers(ops.PadTo)
def pad_to(e: Emitter, op: ops.PadTo, node: Node, xs: list[str], ws: list[str]) -> str:
    type_ = node.inputs[0].type
    pairs = op.pairs(type_)
    if all(before == after == 0 for before, after in pairs):
        return xs[0]
    return e.op("Pad", [xs[0], _pads(e, pairs), *([e.scalar(op.value, type_.dtype)] if op.value else [])])
