"""Products of matrices and tensors, and triangles of matrices, against torch."""

from __future__ import annotations

from typing import Any

import torch
from harness import Case, Input, Refusal
from tables import every_axis

from dlspec.ops.matrix import Einsum, MatMul, Tril, Triu


def matmul(*shapes: Any, macs: bool = True) -> Case:
    return Case(MatMul(), shapes, lambda: torch.matmul, macs=macs, symbols=every_axis(*shapes))


def einsum(equation: str, *inputs: Any, macs: bool = True) -> Case:
    return Case(
        Einsum(equation),
        inputs,
        lambda: lambda *xs: torch.einsum(equation, *xs),
        macs=macs,
        symbols=every_axis(*inputs),
    )


def triangle(op: Tril | Triu, x: Any) -> Case:
    function = torch.tril if isinstance(op, Tril) else torch.triu
    return Case(op, (x,), lambda: lambda x: function(x, op.diagonal), symbols=every_axis(x))


CASES: list[Case] = [
    matmul((4, 3), (3, 5)),
    matmul((2, 4, 3), (2, 3, 5)),
    matmul((2, 1, 4, 3), (6, 3, 5)),
    matmul((2, 4, 3), (3, 5)),
    matmul((3,), (3,), macs=False),  # torch's counter leaves vectors out
    matmul((2, 4, 3), (3,), macs=False),
    matmul((3,), (2, 3, 4), macs=False),
    matmul(Input((4, 3), "float64"), Input((3, 5), "float64")),
    matmul(Input((4, 3), "int64"), Input((3, 5), "int64")),
    einsum("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    einsum("bhqd,bhkd->bhqk", (2, 3, 4, 6), (2, 3, 5, 6)),
    einsum("ij,kj", (2, 3), (4, 3)),
    einsum("ba", (2, 3)),
    einsum("ii->i", (4, 4)),
    einsum("ii", (4, 4)),
    einsum("ij->", (2, 3)),
    einsum("i,j->ij", (2,), (3,)),
    einsum("nc,nc->n", (2, 3), (2, 3)),
    einsum("ijk,k->k", (2, 3, 4), (4,)),
    einsum("abc,abz->ab", (2, 3, 4), (2, 3, 5)),
    einsum("bij,jk->bk", (2, 6, 4), (4, 5)),
    einsum("ab,bc,cd->ad", (2, 3), (3, 4), (4, 5)),
    einsum("...ij,...jk->...ik", (2, 7, 3, 4), (2, 7, 4, 5)),
    einsum("n c h w, d c -> n d h w", (2, 3, 4, 5), (6, 3)),
    einsum("b...d,kd->b...k", (2, 4, 5, 3), (6, 3)),
    einsum("...i,i", (2, 3, 4), (4,)),
    einsum("Xa,aY->XY", (2, 3), (3, 4)),
    einsum("ij,jk->ik", Input((2, 3), "int64"), Input((3, 4), "int64")),
    einsum("ij,jk->ik", Input((2, 3), "float64"), Input((3, 4), "float64")),
    triangle(Tril(), (2, 4, 3)),
    triangle(Tril(1), Input((3, 5), "float64")),
    triangle(Tril(-2), Input((2, 4, 4), "int64")),
    triangle(Tril(), Input((4, 4), "bool")),
    triangle(Triu(), (3, 5)),
    triangle(Triu(-1), Input((2, 3, 4, 3), "int64")),
    triangle(Triu(2), Input((4, 4), "bool")),
]

REFUSED: list[Refusal] = [
    (MatMul, ((2, 3), (4, 5)), "`matmul` cannot multiply [2, 3] by [4, 5]: 3 columns meet 4 rows"),
    (MatMul, ((2, 4, 3), (5, 3, 6)), "axis 0 is 2 in one and 5 in the other"),
    (MatMul, ((2, 3), ()), "takes vectors and matrices, not [2, 3] and []"),
    (MatMul, ((2, 3), Input((3, 2), "int64")), "not float32 and int64"),
    (MatMul, (Input((2, 2), "bool"), Input((2, 2), "bool")), "takes numbers, not bool"),
    (Tril, ((4,),), "`tril` takes matrices [..., n, m], not float[4]"),
    (Triu, ((),), "`triu` takes matrices [..., n, m], not float[]"),
    (lambda: Einsum("ij,jk->ik"), ((2, 3), (4, 5)), "two sizes for `j`, 3 and 4, in [2, 3] and [4, 5]"),
    (lambda: Einsum("ij,jk->iz"), ((2, 3), (3, 5)), "`z` in its result and in none of its inputs"),
    (lambda: Einsum("ij,jk->ii"), ((2, 3), (3, 5)), "`i` twice in its result"),
    (lambda: Einsum("ij,jk->ik"), ((2, 3),), "names 2 tensors"),
    (lambda: Einsum("ij,jk->ik"), ((2, 3, 4), (3, 5)), "names the axes `ij` of [2, 3, 4]"),
    (lambda: Einsum("i1,jk"), ((2, 3), (3, 5)), "cannot read `1`"),
    (lambda: Einsum("i->j->k"), ((2,),), "cannot read `-`"),
    (lambda: Einsum("...i->i"), ((2, 3),), "`...` in its inputs and not in its result"),
    (lambda: Einsum("i->...i"), ((2,),), "`...` in its result and in none of its inputs"),
    (lambda: Einsum("...ij->...ij"), ((2,),), "names the axes `...ij` of [2]"),
]
