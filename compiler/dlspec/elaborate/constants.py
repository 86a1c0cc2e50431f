"""Arithmetic and functions on constants: what is known while compiling."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from dlspec.diagnostics import Hinted, did_you_mean
from dlspec.ir import init
from dlspec.ir.computed import smax, smin
from dlspec.ir.constants import Constant, Number, Ratio, is_dim, is_number
from dlspec.ir.dims import Dim, Expr, ceildiv, floordiv, product, total
from dlspec.ir.evaluation import greatest_number
from dlspec.ir.init import Data, Init
from dlspec.ir.types import DTYPES, DType
from dlspec.limits import Exceeded, budget

MAX_BITS = 4096
MAX_DIGITS = 400
MAX_POWER = 64


class ConstantError(Hinted):
    """An operation that does not exist for these constants."""


@dataclass(frozen=True, slots=True)
class NumberInfo:
    """`finfo("float16")`: what an element type of floating-point numbers holds, as ``torch.finfo``."""

    dtype: DType

    def part(self, name: str) -> float:
        """`min`, `max`, `eps` or `tiny`. Raises `ConstantError`."""
        parts = {"min": -self.dtype.largest, "max": self.dtype.largest, "eps": 2 * self.dtype.roundoff,
                 "tiny": self.dtype.smallest, "smallest_normal": self.dtype.smallest}  # fmt: skip
        if name not in parts:
            raise ConstantError(
                f"`finfo` has no `{name}`", did_you_mean(name, [*parts]) or f"it has {', '.join(parts)}"
            )
        return parts[name]

    def __str__(self) -> str:
        return f'finfo("{self.dtype.label}")'


def _finfo(dtype: str) -> NumberInfo:
    known = DTYPES.get(dtype)
    if known is None or not known.is_float:
        raise ConstantError(f"`finfo` is of floating-point types, not of {dtype}", 'finfo(x.dtype), finfo("float16")')
    return NumberInfo(known)


def arithmetic(operator: str, a: Constant, b: Constant) -> Constant:
    """``a operator b`` for numbers, sizes, strings and lists. Raises `ConstantError`."""
    try:
        return _bounded(_arithmetic(operator, a, b), a, b)
    except OverflowError:
        raise ConstantError(*_TOO_LARGE) from None


def _arithmetic(operator: str, a: Constant, b: Constant) -> Constant:
    if type(a) is int and type(b) is int and operator in ("+", "-", "*"):
        return _numbers(operator, a, b)
    if isinstance(a, Ratio) or isinstance(b, Ratio):
        return _ratio(operator, a, b)
    if not (is_number(a) and is_number(b)):
        return _sequences(operator, a, b)
    if operator in ("/", "//", "%") and type(b) in (int, float) and b == 0:
        raise ConstantError("division by zero")
    if not (isinstance(a, Expr) or isinstance(b, Expr)):
        return _numbers(operator, a, b)
    if isinstance(a, float) or isinstance(b, float):
        raise ConstantError(*_MIXED)
    return _sizes(operator, a, b)


_MIXED = ("a symbolic size and a fraction do not mix", "sizes are whole: use `//`, `ceil` or `floor`")


_TOO_LARGE = ("this number would be too large", "fractions are at most 1.8e308, infinity is written `inf`")


def _bounded(result: Constant, *operands: Constant) -> Constant:
    """The result, where it is one: neither an int of very many digits nor an infinity or no number that came of finite
    ones."""
    if isinstance(result, float) and not math.isfinite(result):
        if math.isnan(result):
            raise ConstantError("this has no value")
        if math.inf not in operands and -math.inf not in operands:
            raise ConstantError(*_TOO_LARGE)
    elif isinstance(result, int) and result.bit_length() > MAX_BITS:
        raise ConstantError(_TOO_LARGE[0])
    elif isinstance(result, Expr) and greatest_number(result).bit_length() > MAX_BITS:
        raise ConstantError("this size would be too large")
    return result


def _numbers(operator: str, a: float, b: float) -> float:
    match operator:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/":
            return a / b
        case "//":
            return a // b
        case "%":
            return a % b
        case "**":
            return _power(a, b)
        case _:
            raise ConstantError("")


def _sizes(operator: str, a: Dim, b: Dim) -> Dim | Ratio:
    match operator:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/":
            return _divide(a, b)
        case "//":
            return floordiv(a, b)
        case "%":
            return a % b
        case "**" if isinstance(b, int) and b >= 0:
            if b > MAX_POWER:
                raise ConstantError("this size would be too large")
            return a**b
        case _:
            raise ConstantError("")


def _sequences(operator: str, a: Constant, b: Constant) -> Constant:
    match operator, a, b:
        case "+", list(), list():
            budget().items(len(a) + len(b))
            return a + b
        case "+", str(), str():
            budget().make(len(a) + len(b))
            return a + b
        case "*", list(), int() if type(b) is int:
            budget().items(len(a) * max(b, 0))
            return a * b
        case _:
            raise ConstantError("")


def _power(a: float, b: float) -> float:
    if isinstance(a, int) and isinstance(b, int) and a.bit_length() * b > MAX_BITS:
        raise ConstantError("this number would be too large")
    try:
        result: float | complex = a**b
    except ZeroDivisionError:
        raise ConstantError("division by zero") from None
    except OverflowError:
        raise ConstantError("this number would be too large") from None
    if isinstance(result, complex):
        raise ConstantError("a root of a negative number")
    return result


def _divide(a: Dim, b: Dim) -> Dim | Ratio:
    quotient = floordiv(a, b)
    return quotient if quotient * b == a else Ratio(a, b)


def _ratio(operator: str, a: Constant, b: Constant) -> Constant:
    """Sums of a ratio and whole sizes stay ratios, so that `ceil((H + 1) / 2 + 3)` works."""
    n, d = (a.numerator, a.denominator) if isinstance(a, Ratio) else (a, 1)
    m, e = (b.numerator, b.denominator) if isinstance(b, Ratio) else (b, 1)
    if not (is_dim(n) and is_dim(m)):
        raise ConstantError(*_MIXED)
    match operator:
        case "+":
            return _divide(n * e + m * d, d * e)
        case "-":
            return _divide(n * e - m * d, d * e)
        case "*":
            return _divide(n * m, d * e)
        case "/":
            return _divide(n * e, d * m)
        case "//":
            return floordiv(n * e, d * m)
        case _:
            raise ConstantError("")


def _ceil(value: Constant) -> Dim:
    return ceildiv(value.numerator, value.denominator) if isinstance(value, Ratio) else _whole(value, math.ceil)


def _floor(value: Constant) -> Dim:
    return floordiv(value.numerator, value.denominator) if isinstance(value, Ratio) else _whole(value, math.floor)


def _whole(value: Constant, rounding: Callable[[float], int]) -> Dim:
    if isinstance(value, Expr):
        return value
    if not isinstance(value, int | float):
        raise TypeError
    return rounding(value)


def _int(value: Constant) -> Dim:
    if isinstance(value, Ratio):
        raise ConstantError(f"{value} need not be whole", "use `//`, `ceil` or `floor`")
    if isinstance(value, Expr):
        return value
    if not isinstance(value, int | float | str):
        raise TypeError
    return int(value)


def _numbers_of(arguments: tuple[Constant, ...]) -> list[Number]:
    given = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], list) else arguments
    values = [value for value in given if is_number(value)]
    if not values or len(values) < len(given):
        raise TypeError
    return values


def _max(*arguments: Constant) -> Number:
    values = _numbers_of(arguments)
    return smax(*_dims(values)) if any(isinstance(value, Expr) for value in values) else max(values)


def _min(*arguments: Constant) -> Number:
    values = _numbers_of(arguments)
    return smin(*_dims(values)) if any(isinstance(value, Expr) for value in values) else min(values)


def _reversed(values: list[Constant]) -> list[Constant]:
    return values[::-1]


def _enumerate(values: list[Constant]) -> list[Constant]:
    return [[index, value] for index, value in enumerate(values)]


def _sum(values: list[Number]) -> Number:
    return total(_dims(values)) if all(map(is_dim, values)) else sum(values)


def _prod(values: list[Number]) -> Number:
    if sum(value.bit_length() for value in values if isinstance(value, int)) > MAX_BITS:
        raise ConstantError("this number would be too large")
    return product(_dims(values)) if all(map(is_dim, values)) else math.prod(values)


def _dims(values: list[Number]) -> list[Dim]:
    """The numbers as sizes. Raises `TypeError` where one is a fraction."""
    dims = [value for value in values if is_dim(value)]
    if len(dims) < len(values):
        raise TypeError
    return dims


def _range(*arguments: int) -> list[Constant]:
    if any(isinstance(argument, Expr) for argument in arguments):
        raise ConstantError("`range` takes numbers, and a size among them is open", "give it a number in the signature")
    numbers = range(*arguments)
    budget().items(len(numbers), 40)
    return list(numbers)


def _abs(value: float) -> float:
    return abs(value)


def _round(value: float, digits: int | None = None) -> float:
    if digits is not None and abs(digits) > MAX_DIGITS:
        raise ConstantError(f"`round` takes at most {MAX_DIGITS} digits")
    return round(value, digits)


def _on_floats(function: Callable[[float], float]) -> Callable[..., float]:
    def apply(value: float) -> float:
        if type(value) not in (int, float):
            raise TypeError
        return function(value)

    return apply


FUNCTIONS: dict[str, Callable[..., Constant | NumberInfo]] = {
    "abs": _abs,
    "bool": bool,
    "ceil": _ceil,
    "enumerate": _enumerate,
    "finfo": _finfo,
    "float": float,
    "floor": _floor,
    "int": _int,
    "len": len,
    "max": _max,
    "min": _min,
    "prod": _prod,
    "range": _range,
    "reversed": _reversed,
    "round": _round,
    "sorted": sorted,
    "str": str,
    "sum": _sum,
    "zip": lambda *lists: [list(items) for items in zip(*lists, strict=True)],
    **{name: _on_floats(getattr(math, name)) for name in ("sqrt", "exp", "log", "log2", "sin", "cos", "tan", "tanh")},
}

_MAKES_LISTS = frozenset({"enumerate", "reversed", "sorted", "str", "zip"})

OF_LISTS = frozenset({"enumerate", "len", "reversed", "zip"})
"""Functions that look at the list and not at what is in it, which may be tensors."""

CONSTANTS: dict[str, float] = {"pi": math.pi, "inf": math.inf}


def _init(kind: str, **defaults: float | str) -> Callable[..., Init]:
    def make(*arguments: Constant, **named: Constant) -> Init:
        if len(arguments) > len(defaults) or set(named) - set(defaults):
            raise ConstantError(f"{kind} takes {', '.join(defaults) or 'no arguments'}")
        given = dict(zip(defaults, arguments, strict=False)) | named
        values: list[tuple[str, float | str]] = []
        for name, default in defaults.items():
            value = given.get(name, default)
            text = isinstance(default, str)
            counted = not isinstance(value, int) or abs(value) < 2**63
            if text != isinstance(value, str) or not isinstance(value, int | float | str) or not counted:
                raise ConstantError(f"`{name}` of {kind} takes {'a string' if text else 'a number, such as 1e30'}")
            values.append((name, value))
        return Init(kind, tuple(values))

    return make


def _fixed(name: str, value: float) -> Callable[..., Init]:
    def make(*arguments: Constant, **named: Constant) -> Init:
        if arguments or named:
            raise ConstantError(f"`{name}` takes a list of sizes, and nothing as an initialiser", f"{name}([3, 4])")
        return init.constant(value)

    return make


# Initialisers, with the arguments of torch.nn.init. `normal` and `uniform` are also functions that draw tensors: those
# begin with a shape, these with a number.
INITIALISERS: dict[str, Callable[..., Init]] = {
    "normal": _init("normal", mean=0.0, std=1.0),
    "uniform": _init("uniform", a=0.0, b=1.0),
    "trunc_normal": _init("trunc_normal", mean=0.0, std=1.0, a=-2.0, b=2.0),
    "constant": _init("constant", val=0.0),
    "zeros": _fixed("zeros", 0.0),
    "ones": _fixed("ones", 1.0),
    "xavier_uniform": _init("xavier_uniform", gain=1.0),
    "xavier_normal": _init("xavier_normal", gain=1.0),
    "kaiming_uniform": _init("kaiming_uniform", a=0.0, mode="fan_in", nonlinearity="leaky_relu"),
    "kaiming_normal": _init("kaiming_normal", a=0.0, mode="fan_in", nonlinearity="leaky_relu"),
    "orthogonal": _init("orthogonal", gain=1.0),
    "dirac": _init("dirac"),
}


def as_init(value: object) -> Init | None:
    """A number, nested lists of numbers or an initialiser, as an initialiser; None for anything else."""
    if isinstance(value, Init):
        return value
    if isinstance(value, int | float):
        return init.constant(float(value)) if abs(value) < 2**63 or isinstance(value, float) else None
    if isinstance(value, list):
        data = _nested(cast("list[object]", value))
        return init.data(data) if data is not None else None
    return None


def _nested(value: object) -> Data | None:
    if isinstance(value, list):
        parts = [_nested(item) for item in cast("list[object]", value)]
        known = tuple(part for part in parts if part is not None)
        return known if len(known) == len(parts) else None
    return value if isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**63) else None


def _items(arguments: list[Constant]) -> list[Constant]:
    return [item for each in arguments if isinstance(each, list) for item in each]


def call(name: str, arguments: list[Constant], named: dict[str, Constant]) -> Constant | NumberInfo:
    """Calls a constant function. Raises `ConstantError`."""
    function = FUNCTIONS[name]
    try:
        if name in _MAKES_LISTS:
            lists = [argument for argument in arguments if isinstance(argument, list)]
            budget().items(sum(map(len, lists)), 80)
        made = function(*arguments, **named)
        if isinstance(made, NumberInfo):
            return made
        return _bounded(made, *arguments, *named.values(), *_items(arguments))
    except (ConstantError, Exceeded):
        raise
    except (TypeError, LookupError, ValueError, OverflowError, ZeroDivisionError, AttributeError):
        raise ConstantError(f"`{name}` does not take these arguments") from None
