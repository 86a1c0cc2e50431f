"""Functions of one tensor, element by element. One FLOP per element unless the class says otherwise."""

from __future__ import annotations

from math import inf, nextafter
from typing import ClassVar

from dlspec.ir.dims import Dim
from dlspec.ir.intervals import NEGATIVE, NOT_NEGATIVE, POSITIVE, SIGNED, Interval, Intervals, negated, squared
from dlspec.ir.op import Needs, Op, OpError, Types
from dlspec.ir.types import DType, TensorType
from dlspec.ops.rules import DataMovement, broadcast, require_bool, require_float, require_numbers, same_dtype


class FloatFunction(Op):
    """Base of the functions of floating-point tensors."""

    layer = False
    elementwise = True
    light = True

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        require_float(inputs[0], f"`{self.function}`")
        return inputs[0]


class NumberFunction(Op):
    """Base of the functions that integers have too."""

    layer = False
    elementwise = True
    light = True

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        require_numbers(inputs[0], f"`{self.function}`")
        return inputs[0]


class Exp(FloatFunction):
    """e to the power of each element. ONNX: Exp."""

    function = "exp"
    between = POSITIVE
    onnx = "Exp"
    torch_function = "torch.exp"


class Expm1(FloatFunction):
    """`exp(x) - 1`, exact near 0."""

    wide = True
    function = "expm1"
    torch_function = "torch.expm1"


class Log(FloatFunction):
    """Natural logarithm. ONNX: Log."""

    function = "log"
    takes = POSITIVE
    onnx = "Log"
    torch_function = "torch.log"

    def range(self, inputs: Intervals) -> Interval | None:
        return NEGATIVE if inputs[0] is not None and inputs[0][1] < 1 else None


class Log1p(FloatFunction):
    """`log(1 + x)`, exact near 0."""

    function = "log1p"
    takes = (nextafter(-1.0, 0.0), inf)
    torch_function = "torch.log1p"


class Log2(FloatFunction):
    """Logarithm to the base 2."""

    function = "log2"
    takes = POSITIVE
    torch_function = "torch.log2"


class Sqrt(FloatFunction):
    """Square root. ONNX: Sqrt."""

    function = "sqrt"
    takes = NOT_NEGATIVE
    onnx = "Sqrt"
    torch_function = "torch.sqrt"

    def range(self, inputs: Intervals) -> Interval | None:
        return None if inputs[0] is None else POSITIVE if inputs[0][0] > 0 else NOT_NEGATIVE


class Rsqrt(FloatFunction):
    """`1 / sqrt(x)`."""

    function = "rsqrt"
    takes = POSITIVE
    torch_function = "torch.rsqrt"
    between = POSITIVE


class Reciprocal(FloatFunction):
    """`1 / x`. ONNX: Reciprocal."""

    function = "reciprocal"
    onnx = "Reciprocal"
    torch_function = "torch.reciprocal"


class Sin(FloatFunction):
    """Sine of an angle in radians. ONNX: Sin."""

    function = "sin"
    between = SIGNED
    onnx = "Sin"
    torch_function = "torch.sin"


class Cos(FloatFunction):
    """Cosine of an angle in radians. ONNX: Cos."""

    function = "cos"
    between = SIGNED
    onnx = "Cos"
    torch_function = "torch.cos"


class Tan(FloatFunction):
    """Tangent of an angle in radians. ONNX: Tan."""

    function = "tan"
    onnx = "Tan"
    torch_function = "torch.tan"


class Asin(FloatFunction):
    """Inverse sine, in radians. ONNX: Asin."""

    function = "asin"
    takes = (-1.0, 1.0)
    onnx = "Asin"
    torch_function = "torch.asin"


class Acos(FloatFunction):
    """Inverse cosine, in radians. ONNX: Acos."""

    function = "acos"
    takes = (-1.0, 1.0)
    onnx = "Acos"
    torch_function = "torch.acos"


class Atan(FloatFunction):
    """Inverse tangent, in radians. ONNX: Atan."""

    function = "atan"
    onnx = "Atan"
    torch_function = "torch.atan"


class Sinh(FloatFunction):
    """Hyperbolic sine. ONNX: Sinh."""

    function = "sinh"
    onnx = "Sinh"
    torch_function = "torch.sinh"


class Cosh(FloatFunction):
    """Hyperbolic cosine. ONNX: Cosh."""

    function = "cosh"
    onnx = "Cosh"
    torch_function = "torch.cosh"


class Erf(FloatFunction):
    """The error function. ONNX: Erf."""

    function = "erf"
    between = SIGNED
    onnx = "Erf"
    torch_function = "torch.erf"


class Floor(FloatFunction):
    """The largest whole number that is not greater. ONNX: Floor."""

    function = "floor"
    cuts_gradient = True
    onnx = "Floor"
    torch_function = "torch.floor"


class Ceil(FloatFunction):
    """The smallest whole number that is not less. ONNX: Ceil."""

    function = "ceil"
    cuts_gradient = True
    onnx = "Ceil"
    torch_function = "torch.ceil"


class Round(FloatFunction):
    """The nearest whole number; halves go to the even one. ONNX: Round."""

    function = "round"
    cuts_gradient = True
    onnx = "Round"
    torch_function = "torch.round"


class Abs(NumberFunction):
    """Absolute value. ONNX: Abs."""

    function = "abs"
    onnx = "Abs"
    torch_function = "torch.abs"

    def range(self, inputs: Intervals) -> Interval | None:
        return squared(inputs[0])


class Neg(NumberFunction):
    """`-x`. ONNX: Neg."""

    function = "neg"
    onnx = "Neg"
    takes_numbers = True

    def range(self, inputs: Intervals) -> Interval | None:
        return negated(inputs[0])

    def slopes(self, inputs: Intervals) -> tuple[int, ...]:
        return (-1,)


class Sign(NumberFunction):
    """-1, 0 or 1. ONNX: Sign."""

    function = "sign"
    cuts_gradient = True
    onnx = "Sign"
    torch_function = "torch.sign"


class Square(NumberFunction):
    """`x * x`. ONNX: Mul."""

    function = "square"
    torch_function = "torch.square"

    def range(self, inputs: Intervals) -> Interval | None:
        return squared(inputs[0])


class Clamp(NumberFunction):
    """Limits each element to `min` and `max`, of which one may be left out. ONNX: Clip."""

    infinite = ("min", "max")
    function = "clamp"

    min: float | None = None
    max: float | None = None

    def range(self, inputs: Intervals) -> Interval | None:
        if inputs[0] is None and None in (self.min, self.max):
            return None
        low, high = inputs[0] or (-inf, inf)
        least, most = (-inf if self.min is None else self.min), (inf if self.max is None else self.max)
        return min(max(low, least), most), max(min(high, most), least)

    def check(self) -> None:
        if self.min is None and self.max is None:
            raise OpError("`clamp` needs `min`, `max` or both", "clamp(x, min=0)", "DL0208")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise OpError(f"`clamp` has its `min` {self.min:g} above its `max` {self.max:g}", code="DL0208")
        if self.min == inf or self.max == -inf:
            raise OpError("`clamp` would make everything infinite", code="DL0208")

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        x = super().infer(need, inputs)
        for bound in (self.min, self.max):
            if x.dtype.is_integer and bound is not None and not bound.is_integer():
                raise OpError(
                    f"`clamp` cannot limit {x} to {bound:g}", 'convert the tensor first: cast(x, "float")', "DL0207"
                )
        return x


class Cast(DataMovement):
    """The same values as another element type. To an integer truncates towards 0; to bool, all but 0 is true.

    ONNX: Cast.
    """

    function = "cast"
    elementwise = True
    light = True

    dtype: DType

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return TensorType(self.dtype, inputs[0].shape)


class IsNaN(FloatFunction):
    """True where an element is not a number. ONNX: IsNaN."""

    function = "isnan"
    onnx = "IsNaN"
    torch_function = "torch.isnan"

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return TensorType(DType.BOOL, super().infer(need, inputs).shape)


class IsInf(FloatFunction):
    """True where an element is infinite, of either sign. ONNX: IsInf."""

    function = "isinf"
    onnx = "IsInf"
    torch_function = "torch.isinf"

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return TensorType(DType.BOOL, super().infer(need, inputs).shape)


class Not(Op):
    """`not x` of a bool tensor. ONNX: Not."""

    layer = False
    function = "logical_not"
    onnx = "Not"
    elementwise = True

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        require_bool(inputs[0], "`not`")
        return inputs[0]


class Atan2(Op):
    """The angle of the point `(x, y)` in radians, from -pi to pi. Broadcasts.

    4 FLOPs per element of the output.
    """

    tensors: ClassVar[tuple[str, ...]] = ("y", "x")
    layer = False
    function = "atan2"
    torch_function = "torch.atan2"
    elementwise = True

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        same_dtype(inputs, "`atan2`")
        require_float(inputs[0], "`atan2`")
        return TensorType(inputs[0].dtype, broadcast(need, inputs, "`atan2`"))

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 4 * outputs[0].elements


OPERATORS: tuple[type[Op], ...] = (
    Exp, Expm1, Log, Log1p, Log2, Sqrt, Rsqrt, Reciprocal, Sin, Cos, Tan, Asin, Acos, Atan, Sinh, Cosh, Erf, Floor,
    Ceil, Round, Abs, Neg, Sign, Square, Clamp, Cast, IsNaN, IsInf, Not, Atan2,
)  # fmt: skip
