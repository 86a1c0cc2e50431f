"""What the rules write cotangents with."""

from __future__ import annotations

from collections.abc import Sequence

from dlspec.ir.dims import Dim, Expr, product
from dlspec.ir.edit import Editor
from dlspec.ir.node import Node
from dlspec.ir.types import TensorType
from dlspec.ops.algebra import Algebra, Number, Term
from dlspec.ops.constant import Param


class NoDerivative(Exception):
    """An operator, or a form of it, that has no rule. ``what`` names it."""

    def __init__(self, node: Node, what: str) -> None:
        super().__init__(what)
        self.node = node
        self.what = what


class Step:
    """One node on the way back.

    ``xs`` are its inputs, ``ys`` its outputs and ``gs`` the cotangents of those; ``x``, ``y`` and ``g`` the first of
    each. ``wanted`` says of which inputs a cotangent is asked for: a rule may leave out others, and need not.
    """

    def __init__(
        self,
        node: Node,
        edit: Editor,
        algebra: Algebra,
        cotangents: Sequence[Term | None],
        wanted: tuple[bool, ...],
    ) -> None:
        self.node = node
        self.algebra = algebra
        self._edit = edit
        self.xs = tuple(algebra.term(value) for value in node.inputs)
        self.ys = tuple(algebra.term(value) for value in node.outputs)
        self.wanted = wanted
        self._cotangents = cotangents

    @property
    def x(self) -> Term:
        return self.xs[0]

    @property
    def y(self) -> Term:
        return self.ys[0]

    @property
    def g(self) -> Term:
        return self.gs[0]

    @property
    def gs(self) -> tuple[Term, ...]:
        """Zeros where nothing comes back."""
        return tuple(
            zeros(self.algebra, value.type) if cotangent is None else cotangent
            for value, cotangent in zip(self.node.outputs, self._cotangents, strict=True)
        )

    def weight(self, index: int) -> Term:
        """A weight that the operator owns, as a tensor."""
        weight = self.node.weights[index]
        op = Param(weight.path, weight.shape, weight.init, weight.kind, weight.dtype)
        (value,) = self._edit.insert(op, weights=(weight,))
        return self.algebra.term(value)


def filled(algebra: Algebra, type: TensorType, value: float) -> Term:
    return algebra.call("full", shape=type.shape, value=value, dtype=type.dtype.label)


def zeros(algebra: Algebra, type: TensorType) -> Term:
    return filled(algebra, type, 0.0)


def compared(name: str, x: Term, other: Term | Number) -> Term:
    """A comparison by the name of its function: ``compared("gt", x, 0)``."""
    return x.call(name, x.lifted(other))


def where(condition: Term, x: Term, y: Term | Number) -> Term:
    return condition.call("where", x, x.lifted(y))


def reshaped(x: Term, shape: Sequence[Dim]) -> Term:
    return x if x.type.shape == tuple(shape) else x.call("reshape", shape=tuple(shape))


def count(x: Term, axes: Sequence[int]) -> Dim:
    """The number of elements on some axes."""
    return product(x.type.shape[axis] for axis in axes)


def divided(x: Term, by: Dim) -> Term:
    return x / (by if isinstance(by, Expr) else float(by))


def along(vector: Term, axis: int, rank: int) -> Term:
    """A vector that broadcasts along one axis of a tensor."""
    return reshaped(vector, (*vector.type.shape, *(1 for _ in range(rank - axis - 1))))


def fitted(x: Term, type: TensorType) -> Term:
    """A cotangent in the shape of what it belongs to: summed over what was stretched, and stretched over what was
    summed. Symbolic sizes that meet are equal."""
    extra = x.type.rank - type.rank
    if extra > 0:
        x = x.call("sum", dim=tuple(range(extra)))
    ahead = type.rank - x.type.rank
    pairs = list(zip(x.type.shape, type.shape[ahead:], strict=True))
    summed = tuple(axis for axis, (have, want) in enumerate(pairs) if want == 1 != have)
    if summed:
        x = x.call("sum", dim=summed, keepdim=True)
    if ahead or any(have == 1 != want for have, want in pairs):
        x = x.call("expand", shape=type.shape)
    return x
