"""Reductions over one axis, several, or all of them (`dim` none).

One FLOP per input element unless the class says more.
"""

from __future__ import annotations

from math import inf

from dlspec.ir.dims import Dim, product
from dlspec.ir.fields import Axes
from dlspec.ir.intervals import LEAST, POSITIVE, Interval, Intervals, sign, summed
from dlspec.ir.op import Needs, Op, OpError, Types
from dlspec.ir.types import DType, TensorType, format_shape
from dlspec.ops.rules import many_axes, one_axis, require_bool, require_float, require_numbers


def reduced_axes(dim: Axes | None, x: TensorType, name: str) -> tuple[int, ...]:
    """The axes that are reduced, counted from the front, ascending."""
    return tuple(range(x.rank)) if dim is None else tuple(sorted(many_axes(dim, x.rank, name)))


def reduced_shape(axes: tuple[int, ...], keepdim: bool, x: TensorType) -> tuple[Dim, ...]:
    """The shape that is left: the axes are gone, or of size 1."""
    if keepdim:
        return tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
    return tuple(size for axis, size in enumerate(x.shape) if axis not in axes)


class PerInputElement(Op):
    """Base of operators whose work grows with the input: `per_element` FLOPs for each of its elements."""

    def per_element(self) -> int:
        return 1

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return self.per_element() * inputs[0].elements


class Reduction(PerInputElement):
    """Base of the reductions that have no other arguments."""

    wide = True
    dim: Axes | None = None
    keepdim: bool = False

    def accept(self, x: TensorType) -> DType:
        """The element type of the result. Raises `OpError` for an input that is not accepted."""
        require_float(x, type(self).__name__)
        return x.dtype

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        dtype = self.accept(x)
        return TensorType(dtype, reduced_shape(reduced_axes(self.dim, x, type(self).__name__), self.keepdim, x))


class Mean(Reduction):
    """The mean. ONNX: ReduceMean."""

    function = "mean"

    def range(self, inputs: Intervals) -> Interval | None:
        (x,) = inputs
        return (LEAST, x[1]) if x is not None and x[0] == 0 else x

    def slopes(self, inputs: Intervals) -> tuple[int, ...]:
        return (1,)


class Sum(Reduction):
    """The sum. Of integers and truth values it is an int64. ONNX: ReduceSum."""

    function = "sum"
    several = "Add"

    def range(self, inputs: Intervals) -> Interval | None:
        return summed(inputs[0])

    def slopes(self, inputs: Intervals) -> tuple[int, ...]:
        return (1,)

    def accept(self, x: TensorType) -> DType:
        return x.dtype if x.dtype.is_float else DType.INT64


class Prod(Reduction):
    """The product. Of integers and truth values it is an int64. ONNX: ReduceProd."""

    function = "prod"
    several = "Mul"

    def accept(self, x: TensorType) -> DType:
        return x.dtype if x.dtype.is_float else DType.INT64


class AMax(Reduction):
    """The greatest element, as ``torch.amax``. ONNX: ReduceMax."""

    function = "max"
    several = "Max"

    def range(self, inputs: Intervals) -> Interval | None:
        return inputs[0] if sign(inputs[0]) else None

    def accept(self, x: TensorType) -> DType:
        require_numbers(x, "`max`")
        return x.dtype


class AMin(Reduction):
    """The least element, as ``torch.amin``. ONNX: ReduceMin."""

    function = "min"
    several = "Min"

    def range(self, inputs: Intervals) -> Interval | None:
        return inputs[0] if sign(inputs[0]) else None

    def accept(self, x: TensorType) -> DType:
        require_numbers(x, "`min`")
        return x.dtype


class LogSumExp(Reduction):
    """`log(sum(exp(x)))`, without overflow. 3 FLOPs per input element. ONNX: ReduceLogSumExp."""

    narrow_in_torch = True
    function = "logsumexp"

    def per_element(self) -> int:
        return 3


class All(Reduction):
    """True where all elements of a bool tensor are. ONNX: ReduceMin."""

    layer = False
    function = "all"

    def accept(self, x: TensorType) -> DType:
        require_bool(x, "`all`")
        return x.dtype


class Any(Reduction):
    """True where one or more elements of a bool tensor are. ONNX: ReduceMax."""

    layer = False
    function = "any"

    def accept(self, x: TensorType) -> DType:
        require_bool(x, "`any`")
        return x.dtype


class Spread(PerInputElement):
    """Base of variance and standard deviation. 3 FLOPs per input element: difference, square, sum."""

    wide = True
    between = POSITIVE

    dim: Axes | None = None
    correction: int = 1
    keepdim: bool = False

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x, name = inputs[0], type(self).__name__
        require_float(x, name)
        axes = reduced_axes(self.dim, x, name)
        count = product(x.shape[axis] for axis in axes)
        need.at_least(
            count,
            self.correction + 1,
            f"{name} with correction {self.correction} takes {self.correction + 1} elements or more, not {count}",
            "set correction=0",
        )
        return TensorType(x.dtype, reduced_shape(axes, self.keepdim, x))

    def per_element(self) -> int:
        return 3


class Var(Spread):
    """The variance: squared differences from the mean, summed and divided by their number less `correction`."""

    function = "var"


class Std(Spread):
    """The square root of the variance."""

    function = "std"


class Norm(PerInputElement):
    """The vector norm `sum(|x| ** p) ** (1 / p)`.

    For `p` infinite it is the greatest magnitude, for 0 the number of elements that are not 0. 2 FLOPs per input
    element: power and sum.

    ONNX: ReduceSumSquare, or ReduceSum.
    """

    wide = True
    infinite = ("p",)
    layer = False
    function = "norm"
    between = POSITIVE

    p: float = 2.0
    dim: Axes | None = None
    keepdim: bool = False

    def check(self) -> None:
        if self.p != self.p:
            raise OpError("`norm` takes a number `p`, not nan", code="DL0208")

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        require_float(x, "`norm`")
        return TensorType(x.dtype, reduced_shape(reduced_axes(self.dim, x, "`norm`"), self.keepdim, x))

    def per_element(self) -> int:
        return 1 if abs(self.p) == inf else 2


class Extreme(PerInputElement):
    """Base of the positions of an extreme element."""

    dim: int | None = None
    keepdim: bool = False

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x, name = inputs[0], type(self).__name__
        require_numbers(x, name)
        axes = tuple(range(x.rank)) if self.dim is None else (one_axis(self.dim, x.rank, name),)
        return TensorType(DType.INT64, reduced_shape(axes, self.keepdim, x))


class ArgMax(Extreme):
    """The position of the greatest element, the first of equals, along one axis or in the flattened tensor.

    ONNX: ArgMax.
    """

    function = "argmax"


class ArgMin(Extreme):
    """The position of the least element, the first of equals, along one axis or in the flattened tensor.

    ONNX: ArgMin.
    """

    function = "argmin"


class Running(Op):
    """Base of what is reduced from the first element to each one."""

    wide = True
    layer = False

    dim: int

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x, name = inputs[0], f"`{self.function}`"
        require_numbers(x, name)
        if not x.rank:
            raise OpError(f"{name} takes a tensor with axes, not {format_shape(x.shape)}", code="DL0202")
        one_axis(self.dim, x.rank, name)
        return TensorType(DType.INT64 if x.dtype.is_integer else x.dtype, x.shape)


class CumSum(Running):
    """The running sum along an axis. Of int32 it is an int64. ONNX: CumSum."""

    function = "cumsum"


class CumProd(Running):
    """The running product along an axis. Of int32 it is an int64.

    In ONNX, which has none, an axis of open size takes the square of its size in memory.
    """

    function = "cumprod"


class Normalize(PerInputElement):
    """`x / max(norm(x, p, dim), eps)`: vectors of length 1, as ``torch.nn.functional.normalize``.

    3 FLOPs per input element: power, sum and quotient.
    """

    wide = True
    infinite = ("p",)
    layer = False
    function = "normalize"
    torch_function = "F.normalize"

    p: float = 2.0
    dim: Axes = 1
    eps: float = 1e-12

    def check(self) -> None:
        if self.p != self.p:
            raise OpError("`normalize` takes a number `p`, not nan", code="DL0208")
        if self.eps < 0:
            raise OpError(f"`normalize` has a negative `eps`: {self.eps:g}", code="DL0208")

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        require_float(inputs[0], "`normalize`")
        many_axes(self.dim, inputs[0].rank, "`normalize`")
        return inputs[0]

    def per_element(self) -> int:
        return 3


OPERATORS: tuple[type[Op], ...] = (
    Mean, Sum, Prod, AMax, AMin, LogSumExp, All, Any, Var, Std, Norm, ArgMax, ArgMin, CumSum, CumProd,
    Normalize,
)  # fmt: skip
