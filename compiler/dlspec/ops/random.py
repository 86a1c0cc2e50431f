"""Tensors that are made, not computed: random draws and regular ones. Their sizes may be symbolic."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, inf, lcm
from typing import ClassVar

from dlspec.ir.dims import Dim, Expr, ceildiv
from dlspec.ir.fields import Number, Shape
from dlspec.ir.intervals import Interval, Intervals
from dlspec.ir.op import Needs, Op, OpError, Types
from dlspec.ir.types import DType, TensorType, format_shape
from dlspec.ops.rules import require_float

_MOST_PARTS = 1 << 20
"""Of a whole: fractions of less are not exact in the sizes of which there are as many."""


class Generator(Op):
    """Base of operators without inputs. 1 FLOP per element drawn, none for regular tensors."""

    tensors: ClassVar[tuple[str, ...]] = ()
    layer = False

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return outputs[0].elements if self.random else 0


def _made(need: Needs, shape: tuple[Dim, ...], dtype: DType, name: str) -> TensorType:
    for size in shape:
        need.at_least(size, 1, f"`{name}` cannot make a tensor of shape {format_shape(shape)}")
    return TensorType(dtype, shape)


def _drawn_dtype(dtype: DType, name: str) -> None:
    if not dtype.is_float:
        raise OpError(f"`{name}` draws floating-point numbers, not {dtype.label}", "cast the result", "DL0207")


class Normal(Generator):
    """Independent draws from a normal distribution. ONNX: RandomNormal."""

    function = "normal"
    random = True

    shape: Shape
    mean: float = 0.0
    std: float = 1.0
    dtype: DType = DType.FLOAT32

    def check(self) -> None:
        _drawn_dtype(self.dtype, "normal")
        if self.std < 0:
            raise OpError(f"`normal` has a negative `std`: {self.std:g}", code="DL0208")

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return _made(need, self.shape, self.dtype, "normal")


class Uniform(Generator):
    """Independent draws, uniform between `low` and `high`. ONNX: RandomUniform."""

    function = "uniform"
    random = True

    shape: Shape
    low: float = 0.0
    high: float = 1.0
    dtype: DType = DType.FLOAT32

    def check(self) -> None:
        _drawn_dtype(self.dtype, "uniform")
        if self.low > self.high:
            raise OpError(f"`uniform` has its `low` {self.low:g} above its `high` {self.high:g}", code="DL0208")

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return _made(need, self.shape, self.dtype, "uniform")


class Bernoulli(Op):
    """1 with the probability that each element gives, else 0. ONNX: Bernoulli, written out."""

    tensors: ClassVar[tuple[str, ...]] = ("p",)
    layer = False
    function = "bernoulli"
    takes = (0.0, 1.0)
    cuts_gradient = True
    random = True
    elementwise = True
    torch_function = "torch.bernoulli"

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        require_float(inputs[0], "`bernoulli`")
        return inputs[0]


class Multinomial(Op):
    """The positions of `num_samples` draws, each with the probability that the weights of its row give it.

    The input is a vector of weights, or a matrix of one for each row, that need not sum to 1. Without `replacement` no
    position is drawn twice, and no row may have fewer weights that are not 0. 4 FLOPs per weight and draw.

    ONNX: RandomUniformLike and TopK, or ArgMax. By the greatest sums with Gumbel noise: Yellott, 1977, "The Relationship
    between Luce's Choice Axiom, Thurstone's Theory of Comparative Judgment, and the Double Exponential Distribution".
    """

    layer = False
    function = "multinomial"
    torch_function = "torch.multinomial"
    takes = (0.0, inf)
    cuts_gradient = True
    random = True
    wide = True

    num_samples: int
    replacement: bool = False

    def check(self) -> None:
        if self.num_samples < 1:
            raise OpError(f"`multinomial` draws 1 sample or more, not {self.num_samples}", code="DL0208")

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = inputs[0]
        require_float(x, "`multinomial`")
        if x.rank not in (1, 2):
            raise OpError(f"`multinomial` takes a vector or a matrix of weights, not {x}", code="DL0202")
        if not self.replacement:
            message = f"`multinomial` draws {self.num_samples} different ones of {x.shape[-1]}"
            need.at_least(x.shape[-1], self.num_samples, message, "replacement=true")
        return TensorType(DType.INT64, (*x.shape[:-1], self.num_samples))

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 4 * inputs[0].elements * (self.num_samples if self.replacement else 1)


class Full(Generator):
    """A tensor with one value everywhere. ONNX: ConstantOfShape."""

    infinite = ("value",)
    function = "full"

    shape: Shape
    value: float
    dtype: DType = DType.FLOAT32

    def range(self, inputs: Intervals) -> Interval | None:
        return self.value, self.value

    def check(self) -> None:
        allowed = self.dtype.is_float or (self.value.is_integer() and (self.dtype.is_integer or self.value in (0, 1)))
        if not allowed:
            raise OpError(f"`full` cannot fill {self.dtype.label} with {self.value:g}", code="DL0207")

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return _made(need, self.shape, self.dtype, "full")


class Zeros(Generator):
    """A tensor of zeros; of false for bool. ONNX: ConstantOfShape."""

    function = "zeros"
    between = (0.0, 0.0)

    shape: Shape
    dtype: DType = DType.FLOAT32

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return _made(need, self.shape, self.dtype, "zeros")


class Ones(Generator):
    """A tensor of ones; of true for bool. ONNX: ConstantOfShape."""

    function = "ones"
    between = (1.0, 1.0)

    shape: Shape
    dtype: DType = DType.FLOAT32

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return _made(need, self.shape, self.dtype, "ones")


class Arange(Generator):
    """The numbers 0, 1, 2 ... below `end`, or `start`, `start + step` ...: `arange(n)`, `arange(3, n)`, `arange(3, n, 2)`.

    With fractions, `arange(0, 1, 0.25)`, they are float32 unless told, else int64; there are as many as torch makes, the
    quotient of distance and step in float64, rounded up. Along an open size the step has a power of two below it, as 0.5
    and 0.75 have. ONNX: Range.
    """

    torch_order: ClassVar[tuple[str, ...]] = ("start", "end", "step", "dtype")
    function = "arange"

    end: Number
    dtype: DType | None = None
    start: Number = 0
    step: Number = 1

    def check(self) -> None:
        whole = not any(isinstance(number, float) for number in (self.start, self.end, self.step))
        if self.dtype is None and not whole:
            object.__setattr__(self, "dtype", DType.FLOAT32)  # as a field, since it is another in half precision
        if self.dtype is DType.BOOL:
            raise OpError("`arange` makes numbers, not bool", code="DL0207")
        if not whole and self.element.is_integer:
            raise OpError(f"`arange` makes no {self.element.label} of fractions", "cast the result", "DL0207")
        if not isinstance(self.step, int | float):
            raise OpError(f"the step of `arange` is a number, not {self.step}", code="DL0208")
        if self.step == 0:
            raise OpError("`arange` has a step of 0", code="DL0208")

    @property
    def element(self) -> DType:
        return self.dtype or DType.INT64

    @property
    def size(self) -> Dim:
        start, end, step = self.start, self.end, self.step
        if isinstance(start, int | float) and isinstance(end, int | float) and isinstance(step, int | float):
            if isinstance(step, int) and isinstance(start, int) and isinstance(end, int):
                return -((start - end) // step)
            return ceil((end - start) / step)
        parts = [Fraction(n) if isinstance(n, int | float) else None for n in (start, end, step)]
        times = lcm(*[part.denominator for part in parts if part])
        if times > _MOST_PARTS:
            message = f"how many numbers `arange` makes from {start} to {end} by {step} is not one for all sizes"
            raise OpError(message, 'arithmetic says it: `0.1 * arange(n, dtype="float")`', "DL0205")
        first, last, by = (times * n if isinstance(n, Expr) else int(times * Fraction(n)) for n in (start, end, step))
        assert isinstance(by, int)
        return ceildiv(last - first if by > 0 else first - last, abs(by))

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return _made(need, (self.size,), self.element, "arange")


class Linspace(Generator):
    """`steps` numbers from `start` to `end` at equal distances, both included."""

    function = "linspace"

    start: float
    end: float
    steps: Dim
    dtype: DType = DType.FLOAT32

    def check(self) -> None:
        _drawn_dtype(self.dtype, "linspace")

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return _made(need, (self.steps,), self.dtype, "linspace")


class Eye(Generator):
    """The identity matrix of `n` rows and `m` columns, `n` unless told. ONNX: EyeLike."""

    function = "eye"

    n: Dim
    m: Dim | None = None
    dtype: DType = DType.FLOAT32

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return _made(need, (self.n, self.n if self.m is None else self.m), self.dtype, "eye")


OPERATORS: tuple[type[Op], ...] = (Normal, Uniform, Bernoulli, Multinomial, Full, Zeros, Ones, Arange, Linspace, Eye)
