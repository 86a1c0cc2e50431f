"""Reductions against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from harness import Case, Input, Refusal
from torch.nn import functional

from dlspec.ops import reduce as ops

X = (2, 3, 5)
INTS = Input(X, "int64", -4, 5)
BOOLS = Input(X, "bool")
INF = float("inf")


def norm(p: float, dim: Any = None, keepdim: bool = False, x: Any = X) -> Case:
    return Case(
        ops.Norm(p, dim, keepdim), (x,), lambda: lambda x: torch.linalg.vector_norm(x, p, dim=dim, keepdim=keepdim)
    )


def spread(op: type[ops.Spread], torchs: Any, *cases: tuple[Any, int, bool]) -> list[Case]:
    def reference(dim: Any, correction: int, keepdim: bool) -> Callable[..., Any]:
        return lambda x: torchs(x, dim, correction=correction, keepdim=keepdim)

    return [
        Case(op(*case), (given,), lambda case=case: reference(*case))
        for case in cases
        for given in (X, Input((4, 6, 3), "float64"))
    ]


CASES: list[Case] = [
    *(
        Case(op(dim, keepdim), (X,), lambda t=torchs, d=dim, k=keepdim: lambda x: t(x, d, keepdim=k))
        for op, torchs in (
            (ops.Mean, torch.mean),
            (ops.Sum, torch.sum),
            (ops.AMax, torch.amax),
            (ops.AMin, torch.amin),
            (ops.LogSumExp, torch.logsumexp),
        )
        for dim, keepdim in ((2, False), ((0, -1), True), ((0, 1, 2), False))
    ),
    Case(ops.Mean(), (X,), lambda: lambda x: x.mean()),
    Case(ops.Mean(), ((),), lambda: lambda x: x.mean()),
    Case(ops.Mean(keepdim=True), (Input(X, "float64"),), lambda: lambda x: x.mean((0, 1, 2), keepdim=True)),
    Case(ops.Mean(1), (Input(X, "float16"),), lambda: lambda x: x.mean(1), tolerance=(2e-3, 1e-3)),
    Case(ops.Sum(), (X,), lambda: lambda x: x.sum()),
    Case(ops.Sum(1), (INTS,), lambda: lambda x: x.sum(1)),
    Case(ops.Sum(1), (Input(X, "int32", -4, 5),), lambda: lambda x: x.sum(1)),
    Case(ops.Sum(2, True), (BOOLS,), lambda: lambda x: x.sum(2, keepdim=True)),
    Case(ops.AMax(), (X,), lambda: torch.amax),
    Case(ops.AMax(1), (INTS,), lambda: lambda x: x.amax(1)),
    Case(ops.AMin(), (INTS,), lambda: torch.amin),
    Case(ops.Prod(), (X,), lambda: lambda x: x.prod()),
    Case(ops.Prod(1, True), (INTS,), lambda: lambda x: x.prod(1, keepdim=True)),
    Case(ops.Prod((1, 2)), (X,), lambda: lambda x: x.prod(2).prod(1)),
    Case(ops.LogSumExp(1), (Input(X, low=80, high=100),), lambda: lambda x: x.logsumexp(1)),
    Case(ops.All(), (BOOLS,), lambda: lambda x: x.all()),
    Case(ops.All((0, 1), True), (BOOLS,), lambda: lambda x: x.all(1, keepdim=True).all(0, keepdim=True)),
    Case(ops.Any(), (BOOLS,), lambda: lambda x: x.any()),
    Case(ops.Any(2, True), (BOOLS,), lambda: lambda x: x.any(2, keepdim=True)),
    *spread(ops.Var, torch.var, (None, 1, False), ((0, 2), 0, True), (1, 2, False), (-1, 1, True)),
    *spread(ops.Std, torch.std, (None, 1, False), ((0, 2), 0, True), (-1, 1, False)),
    Case(ops.Var((1, 2)), (Input((2, 40, 50), "float16", -90, 90),), lambda: lambda x: x.float().var((1, 2)).half(),
         tolerance=(2e-3, 1)),
    norm(2.0),
    norm(2.0, 1, True),
    norm(1.0, (1, 2)),
    norm(INF, 2),
    norm(-INF, (0, 2), True),
    norm(0.0, 1, x=Input((2, 4), values=[[0, 1, -2, 0], [3, 0, 0, 0]])),
    norm(3.0, 1),
    norm(0.5, (0, 1, 2)),
    norm(2.0, 1, x=Input(X, "float64")),
    Case(ops.ArgMax(), (X,), lambda: torch.argmax),
    Case(ops.ArgMax(-1, True), (X,), lambda: lambda x: x.argmax(-1, keepdim=True)),
    Case(ops.ArgMax(1), (Input((2, 4), "int64", values=[[1, 3, 3, 2], [5, 5, 0, 5]]),), lambda: lambda x: x.argmax(1)),
    Case(ops.ArgMax(keepdim=True), (X,), lambda: lambda x: x.argmax().reshape(1, 1, 1)),
    Case(ops.ArgMin(), (X,), lambda: torch.argmin),
    Case(ops.ArgMin(0, True), (X,), lambda: lambda x: x.argmin(0, keepdim=True)),
    Case(ops.CumSum(1), (X,), lambda: lambda x: x.cumsum(1)),
    Case(ops.CumSum(-1), (Input(X, "int32", 0, 9),), lambda: lambda x: x.cumsum(-1)),
    Case(ops.CumSum(0), (Input(X, "float64"),), lambda: lambda x: x.cumsum(0)),
    Case(ops.CumProd(1), (X,), lambda: lambda x: x.cumprod(1)),
    Case(ops.CumProd(-1), (Input(X, "int32", -2, 3),), lambda: lambda x: x.cumprod(-1)),
    Case(ops.CumProd(0), (Input((4, 3), "float64"),), lambda: lambda x: x.cumprod(0)),
    Case(ops.CumProd(1), (Input((2, 5), values=[[2, 0, 3, 0, 1], [1, -2, 0.5, 3, 0]]),), lambda: lambda x: x.cumprod(1)),
    *(Case(ops.Normalize(p, dim), (X,), lambda p=p, dim=dim: lambda x: functional.normalize(x, p, dim))
      for p, dim in ((2.0, 1), (1.0, -1), (3.0, 0), (INF, 2))),
    Case(ops.Normalize(eps=2.0), (Input((2, 3), low=-1, high=1),), lambda: lambda x: functional.normalize(x, eps=2.0)),
    Case(ops.Normalize(), (Input((2, 3), values=[[0, 0, 0], [3, 0, 4]]),), lambda: functional.normalize),
]  # fmt: skip

REFUSED: list[Refusal] = [
    (ops.Mean, (INTS,), "Mean takes floating-point numbers, not int[2, 3, 5]"),
    (lambda: ops.Mean(3), (X,), "Mean has no axis 3 to work on: the tensor has axes -3 to 2"),
    (lambda: ops.Sum((1, -2)), (X,), "the same axis twice in [1, -2]"),
    (lambda: ops.Sum(()), (X,), "an empty list of axes"),
    (ops.AMax, (BOOLS,), "`max` takes numbers, not bool"),
    (ops.All, (X,), "`all` takes a bool tensor"),
    (ops.Var, ((1,),), "Var with correction 1 takes 2 elements or more, not 1"),
    (lambda: ops.Std(1, 3), (X,), "Std with correction 3 takes 4 elements or more, not 3"),
    (ops.Var, (INTS,), "floating-point"),
    (lambda: ops.Norm(float("nan")), (X,), "not nan"),
    (ops.Norm, (INTS,), "floating-point"),
    (ops.ArgMax, (BOOLS,), "ArgMax takes numbers"),
    (lambda: ops.ArgMin(3), (X,), "no axis 3"),
    (lambda: ops.CumSum(0), ((),), "takes a tensor with axes"),
    (lambda: ops.CumProd(2), ((2, 3),), "has no axis 2"),
    (lambda: ops.Normalize(float("nan")), ((2, 3),), "not nan"),
    (lambda: ops.Normalize(eps=-1.0), ((2, 3),), "negative `eps`"),
    (ops.Normalize, ((3,),), "has no axis 1"),
    (lambda: ops.CumSum(0), (BOOLS,), "takes numbers, not bool"),
]
