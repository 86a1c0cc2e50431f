"""What the operators on tensors count as FLOPs, by the conventions of their docstrings."""

from __future__ import annotations

import pytest
from harness import as_type, infer

from dlspec.ir.dims import Dim, symbol
from dlspec.ir.op import Op, Types
from dlspec.ir.types import DType, TensorType
from dlspec.ops import combine, elementwise, matrix, pad, random, reduce, resize, shape, slicing

X: Types = (as_type((2, 3, 4, 5)),)  # 120 elements
XX: Types = (*X, as_type((3, 1, 1)))
SQUARES: Types = (as_type((2, 3, 4)), as_type((2, 4, 5)))
SYMBOLIC: Types = (TensorType(DType.FLOAT32, (symbol("N"), 4)),)

FLOPS: list[tuple[Op, Types, Dim]] = [
    (elementwise.Exp(), X, 120),
    (elementwise.Cast("int"), X, 0),
    (elementwise.Atan2(), XX, 480),
    (combine.Const(1), (), 0),
    (combine.Add(), XX, 120),
    (combine.Add(), (*XX, *X), 240),
    (combine.FloorDiv(), XX, 360),
    (combine.Lerp(), (*XX, *X), 360),
    (combine.Concat(), (*X, *X), 0),
    (reduce.Mean((2, 3)), X, 120),
    (reduce.Var(), X, 360),
    (reduce.Norm(), X, 240),
    (reduce.Norm(float("inf")), X, 120),
    (reduce.LogSumExp(1), X, 360),
    (reduce.ArgMax(1), X, 120),
    (shape.Flatten(), X, 0),
    (slicing.Crop(2), X, 0),
    (pad.Pad(1), X, 0),
    (resize.Upsample(scale_factor=2), X, 0),
    (resize.Upsample(scale_factor=2, mode="bilinear"), X, 480 * 8),
    (resize.Resize(2, "bicubic"), X, 24 * 32),
    (matrix.MatMul(), SQUARES, 2 * 120),
    (matrix.Einsum("bij,bjk->bik"), SQUARES, 2 * 120),
    (matrix.Einsum("bij,bjk->bk"), SQUARES, 2 * 40 + 24),  # i is summed first, in 24 additions
    (matrix.Einsum("bij,bij->bij"), (*SQUARES[:1], *SQUARES[:1]), 24),
    (matrix.Einsum("bij->b"), SQUARES[:1], 24),
    (random.Normal((2, 3)), (), 6),
    (random.Zeros((2, 3)), (), 0),
    (random.Bernoulli(), X, 120),
    (elementwise.Exp(), SYMBOLIC, 4 * symbol("N")),
    (reduce.Sum(), SYMBOLIC, 4 * symbol("N")),
]


@pytest.mark.parametrize(("op", "inputs", "flops"), FLOPS, ids=[repr(op) for op, _, _ in FLOPS])
def test_flops(op: Op, inputs: Types, flops: Dim) -> None:
    outputs, _ = infer(op, inputs)
    assert op.flops(inputs, outputs) == flops


def test_views_take_no_memory_and_copies_do() -> None:
    """Only what keeps every element in its place is a view."""
    families = (shape, slicing, pad, resize, combine, elementwise)
    views = {operator for family in families for operator in family.OPERATORS if operator.view}
    assert views == {shape.Flatten, shape.Reshape, shape.Unflatten, shape.Squeeze, shape.Unsqueeze}
