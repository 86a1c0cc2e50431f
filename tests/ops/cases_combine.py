"""Arithmetic, comparison, logic and joining against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from harness import Case, Input, Refusal
from tables import every_axis

from dlspec.ir.op import Op
from dlspec.ops import combine as ops

INTS = Input((2, 3, 5), "int64", -7, 8)
DIVISORS = Input((3, 1), values=[[3], [-4], [2]], dtype="int64")
FLOATS = Input((2, 3, 5), low=-7, high=8)
FLOAT_DIVISORS = Input((3, 1), values=[[1.5], [-0.7], [2.0]])
BOOLS = Input((2, 3, 5), "bool")
# Where the rounded quotient is a whole number and the true one is not.
EDGES = (Input((4,), values=[1.0, -1.0, 7.5, -3.0]), Input((4,), values=[0.1, 0.1, -2.5, 2.0]))
BY_ZERO = (Input((2,), values=[5.0, -3.0]), Input((2,), values=[0.0, 0.0]))


def joined(
    op: Op,
    inputs: tuple[tuple[int, ...] | Input, ...],
    torchs: Callable[..., Any],
    tolerance: tuple[float, float] = (1e-5, 1e-6),
) -> Case:
    return Case(op, inputs, lambda: torchs, symbols=every_axis(*inputs), tolerance=tolerance)


def tensor(value: object, dtype: torch.dtype) -> Case:
    names = {torch.float32: "float", torch.int64: "int", torch.bool: "bool", torch.float64: "float64"}
    return Case(ops.Const(value, names[dtype]), (), lambda: lambda: torch.tensor(value, dtype=dtype))


CASES: list[Case] = [
    tensor(0.5, torch.float32),
    tensor(3, torch.int64),
    tensor(True, torch.bool),
    tensor([[1, 2.5], [-3, 4]], torch.float64),
    tensor([1, 2, 3], torch.float32),
    joined(ops.Add(), ((2, 3, 5), (2, 3, 5)), torch.add),
    joined(ops.Add(), ((2, 3, 5), (3, 1), (1, 1, 5)), lambda a, b, c: a + b + c),
    joined(ops.Add(), (INTS, Input((), "int64")), torch.add),
    joined(ops.Add(), (Input((2, 3), "float16"), Input((2, 1), "float16")), torch.add, tolerance=(1e-3, 1e-3)),
    joined(ops.Mul(), ((2, 3, 5), (2, 3, 1), (5,)), lambda a, b, c: a * b * c),
    joined(ops.Mul(), (Input((2, 3), "float64"), Input((2, 3), "float64")), torch.mul),
    joined(ops.Max(), ((2, 3, 5), (3, 1)), torch.maximum),
    joined(ops.Max(), ((4, 5), (4, 5), (5,)), lambda a, b, c: torch.maximum(torch.maximum(a, b), c)),
    joined(ops.Max(), (INTS, DIVISORS), torch.maximum),
    joined(ops.Min(), ((2, 3, 5), (3, 1)), torch.minimum),
    joined(ops.Min(), (INTS, DIVISORS), torch.minimum),
    joined(ops.Sub(), ((2, 3, 5), (3, 1)), torch.sub),
    joined(ops.Sub(), (INTS, DIVISORS), torch.sub),
    joined(ops.Div(), ((2, 3, 5), Input((3, 1), low=0.5, high=2)), torch.div),
    joined(ops.FloorDiv(), (INTS, DIVISORS), torch.floor_divide),
    joined(ops.FloorDiv(), (FLOATS, FLOAT_DIVISORS), torch.floor_divide),
    joined(ops.FloorDiv(), EDGES, torch.floor_divide),
    joined(ops.FloorDiv(), BY_ZERO, torch.floor_divide),
    joined(ops.Mod(), (INTS, DIVISORS), torch.remainder),
    joined(ops.Mod(), (FLOATS, FLOAT_DIVISORS), torch.remainder),
    joined(ops.Mod(), EDGES, torch.remainder, tolerance=(1e-5, 1e-6)),
    joined(ops.Pow(), (Input((2, 3), low=0.1, high=3), (3,)), torch.pow),
    joined(ops.Pow(), ((2, 3), Input((), values=2.0)), torch.pow),
    joined(ops.Pow(), (INTS, Input((), "int64", values=3)), torch.pow),
    *(
        joined(op(), inputs, torchs)
        for op, torchs in (
            (ops.Equal, torch.eq),
            (ops.NotEqual, torch.ne),
            (ops.Less, torch.lt),
            (ops.LessEqual, torch.le),
            (ops.Greater, torch.gt),
            (ops.GreaterEqual, torch.ge),
        )
        for inputs in ((INTS, Input((5,), "int64", -2, 3)), (Input((4,), values=[1, 2, 3, 4]), Input((), values=2)))
    ),
    joined(ops.Equal(), (BOOLS, Input((5,), "bool")), torch.eq),
    *(
        joined(op(), (BOOLS, Input((5,), "bool")), torchs)
        for op, torchs in ((ops.And, torch.logical_and), (ops.Or, torch.logical_or), (ops.Xor, torch.logical_xor))
    ),
    joined(ops.Where(), (BOOLS, (2, 3, 5), (5,)), torch.where),
    joined(ops.Where(), (Input((3, 1), "bool"), (2, 3, 5), Input((), values=0.0)), torch.where),
    joined(ops.Where(), (BOOLS, INTS, INTS), torch.where),
    joined(ops.Where(), (BOOLS, Input((5,), "bool"), Input((2, 3, 5), "bool")), torch.where),
    joined(ops.Where(), (BOOLS, Input((5,), "float64"), Input((), "float64")), torch.where),
    joined(ops.Lerp(), ((2, 3, 5), (2, 3, 5), Input((), values=0.3)), torch.lerp),
    joined(ops.Lerp(), ((2, 3, 5), (2, 3, 5), (2, 3, 5)), torch.lerp),
    joined(ops.Concat(), ((2, 3, 5), (2, 4, 5), (2, 1, 5)), lambda *xs: torch.cat(xs, 1)),
    joined(ops.Concat(-1), ((2, 3, 5), (2, 3, 7)), lambda *xs: torch.cat(xs, -1)),
    joined(ops.Concat(0), (Input((2, 3), "int64"), Input((4, 3), "int64")), lambda *xs: torch.cat(xs, 0)),
    joined(ops.Concat(), (BOOLS, BOOLS), lambda *xs: torch.cat(xs, 1)),
    joined(ops.Stack(), ((2, 3, 5), (2, 3, 5)), lambda *xs: torch.stack(xs)),
    joined(ops.Stack(-1), ((2, 3, 5), (2, 3, 5)), lambda *xs: torch.stack(xs, -1)),
    joined(ops.MeshGrid(), ((3,), (5,)), lambda *xs: torch.meshgrid(*xs, indexing="ij")),
    joined(ops.MeshGrid("xy"), ((3,), (5,), (2,)), lambda *xs: torch.meshgrid(*xs, indexing="xy")),
    joined(ops.MeshGrid("xy"), ((3,),), lambda *xs: torch.meshgrid(*xs, indexing="xy")),
    joined(ops.Stack(2), ((2, 3), (2, 3), (2, 3)), lambda *xs: torch.stack(xs, 2)),
]

REFUSED: list[Refusal] = [
    (lambda: ops.Const([[1, 2], [3]]), (), "lists of different lengths"),
    (lambda: ops.Const([]), (), "an empty list"),
    (lambda: ops.Const(0.5, "int"), (), "0.5 is not int64"),
    (lambda: ops.Const(True), (), "true is not float32"),
    (lambda: ops.Const(1, "bool"), (), "1 is not bool"),
    (ops.Add, ((2, 3),), "Add joins 2 tensors or more, not 1"),
    (ops.Add, ((2, 64, 56, 56), (2, 128, 56, 56)),
     "Add cannot join [2, 64, 56, 56] with [2, 128, 56, 56]: axis 1 is 64 in one and 128 in the other"),
    (ops.Mul, ((2, 3), (1, 3), (4, 3)), "axis 0 is 2 in one and 4 in the other"),
    (ops.Add, ((2, 3), INTS), "not float32 and int64"),
    (ops.Mul, (BOOLS, BOOLS), "Mul takes numbers, not bool[2, 3, 5]"),
    (ops.Div, (INTS, INTS), "Div takes floating-point numbers, not int[2, 3, 5]"),
    (ops.Less, (BOOLS, BOOLS), "`lt` takes numbers, not bool"),
    (ops.And, (INTS, INTS), "takes a bool tensor, not int"),
    (ops.Where, ((2, 3), (2, 3), (2, 3)), "takes a bool tensor, not float[2, 3]"),
    (ops.Where, (BOOLS, (5,), INTS), "not float32 and int64"),
    (ops.Lerp, (INTS, INTS, INTS), "takes floating-point numbers, not int"),
    (ops.Concat, ((2, 3, 5), (2, 3, 4)), "Concat cannot join [2, 3, 5] and [2, 3, 4]: axis 2 is 5 in one and 4"),
    (ops.Concat, ((2, 3, 5), (2, 3)), "tensors of one rank, not [2, 3, 5] and [2, 3]"),
    (lambda: ops.Concat(3), ((2, 3, 5), (2, 3, 5)), "Concat has no axis 3"),
    (ops.Concat, ((2, 3, 5), INTS), "not float32 and int64"),
    (ops.Stack, ((2, 3), (2, 4)), "Stack cannot join [2, 3] and [2, 4]: axis 1 is 3 in one and 4"),
    (ops.MeshGrid, ((2, 3),), "takes vectors, not float[2, 3]"),
    (ops.MeshGrid, ((2,), Input((3,), "int64")), "one element type, not float32 and int64"),
    (lambda: ops.Stack(-4), ((2, 3), (2, 3)), "Stack has no axis -4"),
]  # fmt: skip
