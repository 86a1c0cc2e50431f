"""Triangular factors and systems, written out: ONNX has neither."""

from __future__ import annotations

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.lower_slicing import cut
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.node import Node
from dlspec.ops.solve import Cholesky, SolveTriangular

_LIMIT = 64


def _rows(e: Emitter, node: Node) -> tuple[int, int]:
    """The number of rows, and the axis they are on."""
    type_ = node.inputs[0].type
    rows = type_.shape[-1]
    if not isinstance(rows, int) or rows > _LIMIT:
        name = type(node.op).function
        raise e.unsupported(
            f"ONNX has no `{name}`, and {type_} is not written out: it has {rows} rows", "64 are the most"
        )
    return rows, type_.rank - 2


def _product(e: Emitter, a: str, b: str) -> str:
    return e.op("MatMul", [a, b])


@lowers(Cholesky)
def cholesky(e: Emitter, op: Cholesky, node: Node, xs: list[str], ws: list[str]) -> str:
    """Column by column (Crout)."""
    (x,), (rows, axis) = xs, _rows(e, node)
    order = [*range(axis), axis + 1, axis]
    done = ""
    for j in range(rows):
        column = cut(e, x, [(axis, j, None, 1), (axis + 1, j, j + 1, 1)])
        if done:
            below = cut(e, done, [(axis, j, None, 1)])
            row = e.op("Transpose", [cut(e, done, [(axis, j, j + 1, 1)])], perm=order)
            column = e.op("Sub", [column, _product(e, below, row)])
        column = e.op("Div", [column, e.op("Sqrt", [cut(e, column, [(axis, 0, 1, 1)])])])
        if j:
            above = cut(e, done, [(axis, 0, j, 1), (axis + 1, 0, 1, 1)])
            column = e.op("Concat", [e.op("Sub", [above, above]), column], axis=axis)
        done = e.op("Concat", [done, column], axis=axis + 1) if done else column
    return done


@lowers(SolveTriangular)
def solve_triangular(e: Emitter, op: SolveTriangular, node: Node, xs: list[str], ws: list[str]) -> str:
    """Row by row, each from those that are known."""
    (a, b), (rows, axis) = xs, _rows(e, node)
    b_axis = node.inputs[1].type.rank - 2
    out_axis = node.outputs[0].type.rank - 2
    known = ""
    for i in reversed(range(rows)) if op.upper else range(rows):
        row = cut(e, b, [(b_axis, i, i + 1, 1)])
        if known:
            start, stop = (i + 1, None) if op.upper else (0, i)
            factors = cut(e, a, [(axis, i, i + 1, 1), (axis + 1, start, stop, 1)])
            row = e.op("Sub", [row, _product(e, factors, known)])
        row = e.op("Div", [row, cut(e, a, [(axis, i, i + 1, 1), (axis + 1, i, i + 1, 1)])])
        both = [row, known] if op.upper else [known, row]
        known = e.op("Concat", both, axis=out_axis) if known else row
    return known
