"""Triangular factors and systems against torch.linalg's."""

from __future__ import annotations

import numpy as np
import torch
from harness import Case, Input, Refusal

from dlspec.ops.solve import Cholesky, SolveTriangular

_FACTORS = np.random.default_rng(0).standard_normal((2, 3, 4, 4))
DEFINITE = _FACTORS @ np.swapaxes(_FACTORS, -1, -2) + np.eye(4)
LOWER = np.tril(_FACTORS) + 3 * np.eye(4)
UPPER = np.triu(_FACTORS) + 3 * np.eye(4)


def cholesky(values: np.ndarray, dtype: str = "float32") -> Case:
    return Case(Cholesky(), (Input(values.shape, dtype, values=values),), lambda: torch.linalg.cholesky)


def solve(values: np.ndarray, b: tuple[int, ...], upper: bool = False) -> Case:
    def solved(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.linalg.solve_triangular(a, b, upper=upper)

    return Case(SolveTriangular(upper), (Input(values.shape, values=values), b), lambda: solved, symbols={1: b})


CASES: list[Case] = [
    cholesky(DEFINITE),
    cholesky(DEFINITE[0], "float64"),
    cholesky(DEFINITE[0, 0]),
    cholesky(DEFINITE[0, 0, :1, :1]),
    solve(LOWER, (2, 3, 4, 5)),
    solve(LOWER[0, 0], (4, 1)),
    solve(LOWER[:, :1], (3, 4, 2)),
    solve(LOWER[0], (2, 1, 4, 2)),
    solve(UPPER, (2, 3, 4, 5), upper=True),
    solve(UPPER[0, 0], (3, 4, 2), upper=True),
]

REFUSED: list[Refusal] = [
    (Cholesky, ((4,),), "takes square matrices [..., n, n], not float[4]"),
    (Cholesky, ((3, 4),), "takes square matrices [..., n, n], not float[3, 4]"),
    (Cholesky, (Input((4, 4), "int64"),), "takes floating-point numbers"),
    (SolveTriangular, ((4, 3), (4, 1)), "takes square matrices [..., n, n], not float[4, 3]"),
    (SolveTriangular, ((4, 4), (3, 1)), "columns of the rows of its matrix, float[4, 4], not float[3, 1]"),
    (SolveTriangular, ((4, 4), (4,)), "takes columns [..., n, k], not float[4]"),
    (SolveTriangular, ((4, 4), Input((4, 1), "float64")), "not float32 and float64"),
    (SolveTriangular, ((2, 4, 4), (3, 4, 1)), "axis 0 is 2 in one and 3 in the other"),
]

UNSUPPORTED: list[Refusal] = [
    (Cholesky, ((65, 65),), "ONNX has no `cholesky`, and float[65, 65] is not written out: it has 65 rows"),
    (SolveTriangular, ((65, 65), (65, 1)), "ONNX has no `solve_triangular`"),
]
