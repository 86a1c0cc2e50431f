"""Triangular factors of matrices, and systems of equations with them."""

from __future__ import annotations

from typing import ClassVar

from dlspec.ir.dims import Dim
from dlspec.ir.op import Needs, Op, OpError, Types
from dlspec.ir.types import TensorType
from dlspec.ops.rules import broadcast, require_float, same_dtype


def _square(need: Needs, x: TensorType, title: str) -> Dim:
    """The number of rows of square matrices."""
    require_float(x, title)
    if x.rank < 2:
        raise OpError(f"{title} takes square matrices [..., n, n], not {x}", code="DL0202")
    return need.equal(x.shape[-2], x.shape[-1], f"{title} takes square matrices [..., n, n], not {x}")


class Cholesky(Op):
    """The lower triangular factor L of positive definite matrices `L @ L^T`, as ``torch.linalg.cholesky``.

    Only the lower triangles are read. In ONNX it is written out, for up to 64 rows. FLOPs: a third of the cube of the
    rows.
    """

    layer = False
    function = "cholesky"
    torch_function = "torch.linalg.cholesky"

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        _square(need, inputs[0], "`cholesky`")
        return inputs[0]

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return inputs[0].elements * inputs[0].shape[-1] // 3


class SolveTriangular(Op):
    """The solution X of `a @ X = b` with lower triangular matrices a, or upper ones, as ``torch.linalg.solve_triangular``.

    The axes before the last two broadcast. In ONNX it is written out, for up to 64 rows. FLOPs: the rows for each
    element of the result.
    """

    tensors: ClassVar[tuple[str, ...]] = ("a", "b")
    layer = False
    function = "solve_triangular"

    upper: bool = False

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        title = "`solve_triangular`"
        a, b = inputs
        same_dtype(inputs, title)
        rows = _square(need, a, title)
        if b.rank < 2:
            raise OpError(f"{title} takes columns [..., n, k], not {b}", "a vector is one: `b[:, None]`", "DL0202")
        rows = need.equal(rows, b.shape[-2], f"{title} takes columns of the rows of its matrix, {a}, not {b}")
        leading = (a.with_shape(*a.shape[:-2]), b.with_shape(*b.shape[:-2]))
        return b.with_shape(*broadcast(need, leading, title), rows, b.shape[-1])

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return outputs[0].elements * inputs[0].shape[-1]


OPERATORS: tuple[type[Op], ...] = (Cholesky, SolveTriangular)
