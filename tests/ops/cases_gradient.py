"""What is said of gradients, forward. Gradients themselves are in tests/backends/test_derivatives.py and
tests/backends/torch/test_torch_gradients.py."""

from __future__ import annotations

from harness import Case, Input, Refusal

from dlspec.ops import gradient as ops

CASES: list[Case] = [Case(ops.Detach(), ((2, 3, 5),), lambda: lambda x: x.detach())]

REFUSED: list[Refusal] = [
    (ops.Grad, ((2, 3), Input((2, 3), "int64")), "not float[2, 3] by int[2, 3]"),
    (ops.Grad, (Input((2, 3), "bool"), (2, 3)), "not bool[2, 3] by float[2, 3]"),
]
