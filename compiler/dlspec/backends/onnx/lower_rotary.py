"""Rotary position embeddings: the operator that ONNX has from opset 23, and its arithmetic below."""

from __future__ import annotations

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.node import Node
from dlspec.ir.types import DType, TensorType
from dlspec.ops.rotary import Rotary, RotaryTable

_LAST = (1 << 63) - 1


@lowers(RotaryTable)
def rotary_table(e: Emitter, op: RotaryTable, node: Node, xs: list[str], ws: list[str]) -> tuple[str, ...]:
    wide = DType.FLOAT64 if op.dtype is DType.FLOAT64 else DType.FLOAT32
    positions = xs[0] if node.inputs[0].type.dtype is wide else e.cast(xs[0], wide)
    column = e.op("Unsqueeze", [positions, e.constant([-1])])
    angles = e.op("Mul", [column, e.constant(list(op.each), wide)])
    made = (e.op("Cos", [angles]), e.op("Sin", [angles]))
    return made if wide is op.dtype else tuple([e.cast(x, op.dtype) for x in made])


@lowers(Rotary)
def rotary(e: Emitter, op: Rotary, node: Node, xs: list[str], ws: list[str]) -> str:
    x, cos = node.inputs[0].type, node.inputs[1].type
    if e.opset >= 23 and x.dtype is not DType.FLOAT64 and _fits(x, cos):
        pairs, features = cos.shape[-1], x.shape[-1]
        tables = [_by_batch(e, table, x, cos) for table in xs[1:]]
        part = None if 2 * pairs == features else int(str(2 * pairs))
        return e.op(
            "RotaryEmbedding", [xs[0], *tables], interleaved=int(op.interleaved), rotary_embedding_dim=part,
            num_heads=1 if x.rank == 3 else None,
        )  # fmt: skip
    return _written_out(e, op, x, cos, xs)


def _fits(x: TensorType, cos: TensorType) -> bool:
    """Whether it is [N, T, features] or [N, heads, T, features], with one table for all heads."""
    if x.rank not in (3, 4) or cos.rank < 2 or cos.shape[-2] != x.shape[-2]:
        return False
    heads = x.rank == 4 and cos.rank > 2 and cos.shape[-3] != 1
    return not heads and isinstance(x.shape[-1], int)


def _by_batch(e: Emitter, table: str, x: TensorType, cos: TensorType) -> str:
    """A table [N, T, pairs]: the operator does not broadcast. Made once for all layers."""

    def make() -> str:
        name, shape = table, cos.shape
        if x.rank == 4 and cos.rank > 2:  # the axis of heads
            name, shape = e.op("Squeeze", [name, e.constant([cos.rank - 3])]), (*shape[:-3], *shape[-2:])
        wanted = (x.shape[0], *cos.shape[-2:])
        return name if shape == wanted else e.op("Expand", [name, e.shape(wanted)])

    return e.once(("by batch", table, x.shape[0], x.rank), make)


def _written_out(e: Emitter, op: Rotary, x: TensorType, cos: TensorType, xs: list[str]) -> str:
    pairs, features = int(str(cos.shape[-1])), x.shape[-1]
    turned, rest = xs[0], ""
    if features != 2 * pairs:
        turned, rest = (_cut(e, xs[0], *ends) for ends in ((0, 2 * pairs), (2 * pairs, _LAST)))
    if op.interleaved:
        first, second = (_cut(e, turned, start, _LAST, 2) for start in (0, 1))
    else:
        first, second = e.op("Split", [turned, e.constant([pairs, pairs])], 2, axis=-1)
    c, s = xs[1:]
    ahead = e.op("Sub", [e.op("Mul", [first, c]), e.op("Mul", [second, s])])
    behind = e.op("Add", [e.op("Mul", [second, c]), e.op("Mul", [first, s])])
    if op.interleaved:
        both = [e.op("Unsqueeze", [part, e.constant([-1])]) for part in (ahead, behind)]
        shape = e.shape((*x.shape[:-1], 2 * pairs))
        y = e.op("Reshape", [e.op("Concat", both, axis=-1), shape])
        return e.op("Concat", [y, rest], axis=-1) if rest else y
    return e.op("Concat", [ahead, behind, *([rest] if rest else [])], axis=-1)


def _cut(e: Emitter, x: str, start: int, stop: int, step: int = 1) -> str:
    return e.op("Slice", [x, *(e.constant([number]) for number in (start, stop, -1)), e.constant([step])])
