"""The normal distribution of vectors."""

from __future__ import annotations

import math
from typing import ClassVar

from dlspec.elaborate.distributions.families import Family, Parameter, Quantity, Shape
from dlspec.elaborate.values import Failure
from dlspec.ir.node import Value
from dlspec.ir.op import Needs, Op, OpError, Types
from dlspec.ir.types import TensorType
from dlspec.ops.algebra import Algebra, Term
from dlspec.ops.rules import broadcast, require_float, same_dtype


class MeanAndMatrix(Op):
    """What a mean and a matrix must satisfy: [..., d] and [..., d, d]. Not a node."""

    tensors: ClassVar[tuple[str, ...]] = ("loc", "matrix")
    layer = False

    title: str

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        loc, matrix = inputs
        require_float(loc, self.title)
        same_dtype(inputs, self.title)
        message = f"{self.title} takes a mean [..., d] and a matrix [..., d, d], not {loc} and {matrix}"
        if not loc.rank or matrix.rank < 2:
            raise OpError(message, code="DL0202")
        size = need.equal(loc.shape[-1], need.equal(matrix.shape[-2], matrix.shape[-1], message), message)
        leading = (loc.with_shape(*loc.shape[:-1]), matrix.with_shape(*matrix.shape[:-2]))
        return loc.with_shape(*broadcast(need, leading, self.title), size)


class MultivariateNormal(Family):
    """The normal distribution of vectors, by its covariance or the lower triangular factor of it."""

    event = 1
    reparametrised = True
    sized = True

    def __init__(self, a: Algebra, loc: Parameter, matrix: Value, *, covariance: bool) -> None:
        self.matrix = matrix
        self.covariance = covariance
        if not isinstance(loc, Value):
            shape = matrix.type.shape[-1:]
            loc = a.call("full", shape=shape, value=loc, dtype=matrix.type.dtype).value
        self.loc = loc
        self.type = a.builder.types(MeanAndMatrix(self.title), (loc, matrix), a.span)[0]
        size = self.type.shape[-1]
        if not isinstance(size, int):
            raise Failure("DL0205", f"{self.title} needs a known number of dimensions, not {size}", a.span)
        self.size = size

    @property
    def values(self) -> list[Value]:
        return [self.loc, self.matrix]

    def factor(self, a: Algebra) -> Term:
        """The lower triangular factor of the covariance."""
        matrix = a.term(self.matrix)
        return matrix.call("cholesky") if self.covariance else matrix

    def _diagonal(self, a: Algebra) -> Term:
        eye = a.call("eye", n=self.size, dtype=self.type.dtype)
        return (self.factor(a) * eye).call("sum", dim=-1)

    def log_volume(self, a: Algebra) -> Term:
        """The logarithm of the determinant of the factor."""
        return self._diagonal(a).call("log").call("sum", dim=-1)

    def whitened(self, a: Algebra, x: Term) -> Term:
        """The standard normal vector that becomes ``x``."""
        column = (x - a.term(self.loc)).call("unsqueeze", dim=-1)
        return a.call("solve_triangular", self.factor(a), column).call("squeeze", dim=-1)

    def sample(self, a: Algebra, shape: Shape) -> Term:
        noise = a.call("normal", shape=(*shape, *self.type.shape, 1), dtype=self.type.dtype)
        return a.term(self.loc) + a.call("matmul", self.factor(a), noise).call("squeeze", dim=-1)

    def log_prob(self, a: Algebra, x: Term) -> Quantity:
        distance = self.whitened(a, x).call("square").call("sum", dim=-1)
        return -0.5 * (distance + self.size * math.log(2 * math.pi)) - self.log_volume(a)

    def entropy(self, a: Algebra) -> Quantity:
        return self.log_volume(a) + 0.5 * self.size * (1 + math.log(2 * math.pi))

    def mean(self, a: Algebra) -> Term:
        return a.term(self.loc)

    def std(self, a: Algebra) -> Term:
        return self.factor(a).call("square").call("sum", dim=-1).call("sqrt")


__all__ = ["MultivariateNormal"]
