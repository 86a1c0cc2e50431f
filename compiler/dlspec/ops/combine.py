"""Operators of several tensors: arithmetic, comparison, logic and joining. One FLOP per element and operation.

Shapes broadcast as in NumPy. Element types must agree; a number in the spec is a `Const` of the other side's type.
"""

from __future__ import annotations

from functools import reduce
from math import inf, prod
from typing import ClassVar, Literal

from dlspec.ir.dims import Dim, total
from dlspec.ir.init import Data
from dlspec.ir.intervals import (
    NOT_NEGATIVE,
    POSITIVE,
    Interval,
    Intervals,
    add,
    hull,
    inverted,
    multiply,
    negated,
    sign,
    squared,
)
from dlspec.ir.op import Needs, Op, OpError, Types
from dlspec.ir.types import DType, TensorType, format_shape
from dlspec.ops.rules import (
    DataMovement,
    broadcast,
    equations,
    one_axis,
    require_bool,
    require_float,
    require_inputs,
    require_numbers,
    same_dtype,
)


class Const(Op):
    """A tensor written in the spec: a number, or nested lists of numbers of one shape.

    ONNX: Constant, written as an initializer.
    """

    tensors = ()
    layer = False
    function = "tensor"

    value: Data
    dtype: DType = DType.FLOAT32

    def range(self, inputs: Intervals) -> Interval | None:
        return min(_leaves(self.value)), max(_leaves(self.value))

    def check(self) -> None:
        _data_shape(self.value)
        for number in _leaves(self.value):
            whole = isinstance(number, int) or number.is_integer()
            if self.dtype.is_integer and (isinstance(number, bool) or not whole):
                raise OpError(
                    f"{str(number).lower()} is not {self.dtype.label}",
                    'convert the tensor first: cast(x, "float")',
                    "DL0207",
                )
            if (self.dtype is DType.BOOL) is not isinstance(number, bool):
                raise OpError(f"{str(number).lower()} is not {self.dtype.label}", code="DL0207")

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return TensorType(self.dtype, _data_shape(self.value))

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 0


def _data_shape(value: Data) -> tuple[int, ...]:
    if not isinstance(value, tuple):
        return ()
    shapes = {_data_shape(item) for item in value}
    if not shapes:
        raise OpError("a tensor cannot be made of an empty list", code="DL0208")
    if len(shapes) > 1:
        raise OpError("a tensor cannot be made of lists of different lengths", code="DL0208")
    return (len(value), *shapes.pop())


def _leaves(value: Data) -> list[int | float | bool]:
    return [leaf for item in value for leaf in _leaves(item)] if isinstance(value, tuple) else [value]


class Arithmetic(Op):
    """Base of the operations on numbers of one element type."""

    elementwise = True
    light = True
    takes_numbers = True

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        name = type(self).__name__
        require_inputs(inputs, 2, name)
        same_dtype(inputs, name)
        require_numbers(inputs[0], name)
        return TensorType(inputs[0].dtype, broadcast(need, inputs, name))

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return (len(inputs) - 1) * outputs[0].elements


class Add(Arithmetic):
    """The sum of two tensors or more: `a + b`, or the join of a residual: `Add { body | Identity }`. ONNX: Add."""

    tensors: ClassVar[tuple[str, ...]] = ("*xs",)
    function = "add"
    overwritable = True

    def range(self, inputs: Intervals) -> Interval | None:
        return reduce(add, inputs)

    def slopes(self, inputs: Intervals) -> tuple[int, ...]:
        return (1,) * len(inputs)


class Mul(Arithmetic):
    """The product, element by element, of two tensors or more: `a * b`, or a gate: `Mul { Identity | gate }`.

    ONNX: Mul.
    """

    tensors: ClassVar[tuple[str, ...]] = ("*xs",)
    function = "mul"
    overwritable = True

    def range(self, inputs: Intervals) -> Interval | None:
        return reduce(multiply, inputs)

    def slopes(self, inputs: Intervals) -> tuple[int, ...]:
        signs = [sign(each) for each in inputs]
        return tuple(prod(signs[:place] + signs[place + 1 :]) for place in range(len(signs)))


class Max(Arithmetic):
    """The greatest, element by element, of two tensors or more. ONNX: Max."""

    tensors: ClassVar[tuple[str, ...]] = ("*xs",)
    function = "maximum"
    onnx = "Max"
    takes_numbers = False

    def range(self, inputs: Intervals) -> Interval | None:
        lows = [low for low, _ in filter(None, inputs)]
        highs = [high for _, high in filter(None, inputs)]
        return (max(lows), max(highs) if len(highs) == len(inputs) else inf) if lows and max(lows) > -inf else None


class Min(Arithmetic):
    """The least, element by element, of two tensors or more. ONNX: Min."""

    tensors: ClassVar[tuple[str, ...]] = ("*xs",)
    function = "minimum"
    onnx = "Min"
    takes_numbers = False


class Sub(Arithmetic):
    """The difference: `x - y`. ONNX: Sub."""

    tensors: ClassVar[tuple[str, ...]] = ("x", "y")
    function = "sub"
    onnx = "Sub"
    overwritable = True

    def range(self, inputs: Intervals) -> Interval | None:
        return add(inputs[0], negated(inputs[1]))

    def slopes(self, inputs: Intervals) -> tuple[int, ...]:
        return (1, -1)


class Div(Arithmetic):
    """The quotient of floating-point tensors: `x / y`. ONNX: Div."""

    tensors: ClassVar[tuple[str, ...]] = ("x", "y")
    function = "div"
    onnx = "Div"

    def range(self, inputs: Intervals) -> Interval | None:
        return multiply(inputs[0], inverted(inputs[1]))

    def slopes(self, inputs: Intervals) -> tuple[int, ...]:
        return (sign(inputs[1]), -sign(inputs[0]) * abs(sign(inputs[1])))

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        if inputs[0].dtype.is_integer:
            raise OpError(
                f"Div takes floating-point numbers, not {inputs[0]}", 'divide by `//`, or cast(x, "float")', "DL0207"
            )
        return super().infer(need, inputs)


class FloorDiv(Arithmetic):
    """The quotient rounded down: `x // y`, as ``torch.floor_divide``. Integers too.

    3 FLOPs per element: the remainder, the difference and the quotient.
    """

    tensors: ClassVar[tuple[str, ...]] = ("x", "y")
    layer = False
    function = "floor_divide"
    cuts_gradient = True

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 3 * outputs[0].elements


class Mod(Arithmetic):
    """The remainder with the sign of the divisor: `x % y`, as ``torch.remainder``. Integers too. ONNX: Mod."""

    tensors: ClassVar[tuple[str, ...]] = ("x", "y")
    layer = False
    function = "remainder"


class Pow(Arithmetic):
    """`x ** y`. Integers too, with exponents that are not negative. ONNX: Pow."""

    tensors: ClassVar[tuple[str, ...]] = ("x", "exponent")
    layer = False
    function = "pow"
    onnx = "Pow"

    def range(self, inputs: Intervals) -> Interval | None:
        x, exponent = inputs
        if x is None or exponent is None or exponent[0] != exponent[1]:
            return None
        if exponent[0] % 2 == 0 and exponent[0] > 0:
            return squared(x)
        return POSITIVE if x[0] > 0 else NOT_NEGATIVE if x[0] == 0 < exponent[0] else None


class Comparison(Op):
    """Base of the comparisons. The result is a bool tensor."""

    tensors: ClassVar[tuple[str, ...]] = ("x", "y")
    layer = False
    elementwise = True
    light = True
    takes_numbers = True

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        same_dtype(inputs, f"`{self.function}`")
        return TensorType(DType.BOOL, broadcast(need, inputs, f"`{self.function}`"))


class Equal(Comparison):
    """True where the elements are equal: `x == y`. ONNX: Equal."""

    function = "eq"
    onnx = "Equal"


class NotEqual(Comparison):
    """True where the elements differ: `x != y`."""

    function = "ne"


class Order(Comparison):
    """Base of the comparisons that numbers have and truth values do not."""

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        require_numbers(inputs[0], f"`{self.function}`")
        return super().infer(need, inputs)


class Less(Order):
    """True where x is less: `x < y`. ONNX: Less."""

    function = "lt"
    onnx = "Less"


class LessEqual(Order):
    """True where x is not greater: `x <= y`. ONNX: LessOrEqual."""

    function = "le"
    onnx = "LessOrEqual"


class Greater(Order):
    """True where x is greater: `x > y`. ONNX: Greater."""

    function = "gt"
    onnx = "Greater"


class GreaterEqual(Order):
    """True where x is not less: `x >= y`. ONNX: GreaterOrEqual."""

    function = "ge"
    onnx = "GreaterOrEqual"


class Logic(Op):
    """Base of the operations on two bool tensors."""

    tensors: ClassVar[tuple[str, ...]] = ("x", "y")
    layer = False
    elementwise = True
    light = True

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        for x in inputs:
            require_bool(x, f"`{self.function}`")
        return TensorType(DType.BOOL, broadcast(need, inputs, f"`{self.function}`"))


class And(Logic):
    """True where both are: `x and y`. ONNX: And."""

    function = "logical_and"
    onnx = "And"


class Or(Logic):
    """True where one or both are: `x or y`. ONNX: Or."""

    function = "logical_or"
    onnx = "Or"


class Xor(Logic):
    """True where exactly one is. ONNX: Xor."""

    function = "logical_xor"
    onnx = "Xor"


class Where(Op):
    """The elements of `x` where the condition is true, those of `y` elsewhere. Broadcasts.

    Where both are numbers they are float, or int if both are ints.

    ONNX: Where.
    """

    tensors: ClassVar[tuple[str, ...]] = ("condition", "x", "y")
    truths: ClassVar[tuple[str, ...]] = ("condition",)
    layer = False
    function = "where"
    elementwise = True
    takes_numbers = True

    def range(self, inputs: Intervals) -> Interval | None:
        return hull(inputs[1:])

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        require_bool(inputs[0], "`where`")
        same_dtype(inputs[1:], "`where`")
        return TensorType(inputs[1].dtype, broadcast(need, inputs, "`where`"))


class Lerp(Op):
    """`x + weight * (y - x)`. Broadcasts. 3 FLOPs per element."""

    tensors: ClassVar[tuple[str, ...]] = ("x", "y", "weight")
    layer = False
    function = "lerp"
    torch_function = "torch.lerp"
    elementwise = True

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        same_dtype(inputs, "`lerp`")
        require_float(inputs[0], "`lerp`")
        return TensorType(inputs[0].dtype, broadcast(need, inputs, "`lerp`"))

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 3 * outputs[0].elements


class Concat(DataMovement):
    """Joins tensors along an axis, the channels by default. All other axes must agree. ONNX: Concat."""

    tensors: ClassVar[tuple[str, ...]] = ("*xs",)
    function = "concat"
    overwritable = True
    light = True

    dim: int = 1

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        require_inputs(inputs, 1, "Concat")
        axis = one_axis(self.dim, inputs[0].rank, "Concat")
        shape = _agreeing(need, inputs, "Concat", axis)
        shape[axis] = total(x.shape[axis] for x in inputs)
        return TensorType(inputs[0].dtype, tuple(shape))

    def formula(self, inputs: Types, outputs: Types) -> tuple[str, ...]:
        axis = one_axis(self.dim, inputs[0].rank, "Concat")
        return equations({axis: (" + ".join(str(x.shape[axis]) for x in inputs), outputs[0].shape[axis])})


class Stack(DataMovement):
    """Joins tensors of one shape along a new axis."""

    tensors: ClassVar[tuple[str, ...]] = ("*xs",)
    function = "stack"
    light = True

    dim: int = 0

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        require_inputs(inputs, 1, "Stack")
        axis = one_axis(self.dim, inputs[0].rank + 1, "Stack")
        shape = _agreeing(need, inputs, "Stack", None)
        return TensorType(inputs[0].dtype, (*shape[:axis], len(inputs), *shape[axis:]))


class MeshGrid(DataMovement):
    """The coordinates of a grid: each vector along an axis of its own and repeated on the others, as ``torch.meshgrid``.

    `y, x = meshgrid(arange(h), arange(w))` are `[h, w]` each; with `indexing="xy"` the first two axes are swapped.

    ONNX: Expand.
    """

    tensors: ClassVar[tuple[str, ...]] = ("*xs",)
    layer = False
    function = "meshgrid"

    indexing: Literal["ij", "xy"] = "ij"

    def axes(self, count: int) -> list[int]:
        """For each vector its axis in the results."""
        return [1, 0, *range(2, count)] if self.indexing == "xy" and count > 1 else list(range(count))

    def infer(self, need: Needs, inputs: Types) -> Types:
        require_inputs(inputs, 1, "`meshgrid`")
        same_dtype(inputs, "`meshgrid`")
        for x in inputs:
            if x.rank != 1:
                raise OpError(f"`meshgrid` takes vectors, not {x}", code="DL0202")
        axes = self.axes(len(inputs))
        return tuple(TensorType(x.dtype, tuple(inputs[axis].shape[0] for axis in axes)) for x in inputs)


def _agreeing(need: Needs, inputs: Types, name: str, but: int | None) -> list[Dim]:
    """The shape that all inputs have, on all axes but one."""
    same_dtype(inputs, name)
    first = inputs[0]
    shape = list(first.shape)
    for x in inputs[1:]:
        if x.rank != first.rank:
            both = f"{format_shape(first.shape)} and {format_shape(x.shape)}"
            raise OpError(f"{name} takes tensors of one rank, not {both}", code="DL0202")
        for axis, size in enumerate(x.shape):
            if axis != but and size != shape[axis]:
                message = (
                    f"{name} cannot join {format_shape(first.shape)} and {format_shape(x.shape)}: "
                    f"axis {axis} is {first.shape[axis]} in one and {size} in the other"
                )
                shape[axis] = need.equal(shape[axis], size, message)
    return shape


OPERATORS: tuple[type[Op], ...] = (
    Const, Add, Mul, Max, Min, Sub, Div, FloorDiv, Mod, Pow, Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual,
    And, Or, Xor, Where, Lerp, Concat, Stack, MeshGrid,
)  # fmt: skip
