"""Products of matrices and tensors, and affine maps."""

from __future__ import annotations

from dlspec.ops.algebra import Term
from dlspec.ops.linear import Linear, LinearFunction
from dlspec.ops.matrix import Einsum, MatMul, Tril, Triu
from dlspec.passes.derivatives.registry import Cotangents, derives
from dlspec.passes.derivatives.step import NoDerivative, Step, fitted, reshaped


@derives(Linear)
def linear(s: Step, op: Linear) -> Cotangents:
    return (s.g.call("matmul", s.weight(0)),)


@derives(LinearFunction)
def linear_function(s: Step, op: LinearFunction) -> Cotangents:
    x, weight, *bias = s.xs
    of_weight = _rows(s.g).call("transpose", dim0=0, dim1=1).call("matmul", _rows(x)) if s.wanted[1] else None
    return s.g.call("matmul", weight), of_weight, *(s.g for _ in bias)


def _rows(x: Term) -> Term:
    """All axes but the last as one."""
    return reshaped(x, (-1, x.type.shape[-1]))


@derives(MatMul)
def matmul(s: Step, op: MatMul) -> Cotangents:
    x, y = s.xs
    g = s.g
    row, column = x, y
    if y.type.rank == 1:
        column, g = y.call("unsqueeze", dim=1), g.call("unsqueeze", dim=-1)
    if x.type.rank == 1:
        row, g = x.call("unsqueeze", dim=0), g.call("unsqueeze", dim=-2)
    of_row = g.call("matmul", _turned(column))
    of_column = _turned(row).call("matmul", g)
    return (
        reshaped(fitted(of_row, row.type), x.type.shape),
        reshaped(fitted(of_column, column.type), y.type.shape),
    )


def _turned(x: Term) -> Term:
    return x.call("transpose", dim0=-2, dim1=-1)


@derives(Tril, Triu)
def triangle(s: Step, op: Tril | Triu) -> Cotangents:
    return (s.g.call(op.function or "", diagonal=op.diagonal),)


@derives(Einsum)
def einsum(s: Step, op: Einsum) -> Cotangents:
    terms, output = op.labels(tuple(x.type for x in s.xs))
    found: list[Term | None] = []
    for index, term in enumerate(terms):
        if len(set(term)) < len(term):
            raise NoDerivative(s.node, f'einsum "{op.equation}", which takes a diagonal')
        others = [other for other in range(len(terms)) if other != index]
        known = set(output).union(*(terms[other] for other in others))
        left = ",".join([output, *(terms[other] for other in others)])
        right = "".join(letter for letter in term if letter in known)
        part = s.g.call("einsum", *(s.xs[other] for other in others), equation=f"{left}->{right}")
        for axis, letter in enumerate(term):
            if letter not in known:
                part = part.call("unsqueeze", dim=axis)
        found.append(part)
    return tuple(found)
