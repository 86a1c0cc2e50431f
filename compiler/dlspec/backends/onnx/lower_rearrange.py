"""Axes by their names."""

from __future__ import annotations

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.node import Node
from dlspec.ir.op import Needs
from dlspec.ops.rearrange import Rearrange


@lowers(Rearrange)
def rearrange(e: Emitter, op: Rearrange, node: Node, xs: list[str], ws: list[str]) -> str:
    types = tuple(value.type for value in node.inputs)
    plan = op.plan(Needs(), types)
    x, shape = xs[0], types[0].shape
    if plan.stacked:
        shape = (len(xs), *shape)
        x = e.op("Concat", [e.op("Unsqueeze", [part, e.constant([0])]) for part in xs], axis=0)
    if plan.sizes != shape:
        x = e.op("Reshape", [x, e.shape(plan.sizes)])
    if plan.order != tuple(range(len(plan.order))):
        x = e.op("Transpose", [x], perm=plan.order)
    if plan.joined != tuple(plan.sizes[axis] for axis in plan.order):
        x = e.op("Reshape", [x, e.shape(plan.joined)])
    return x
