"""Arithmetic and functions on constants: what is known while compiling."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from dlspec.diagnostics import Hinted
from dlspec.elaborate.values import Ratio, as_list, is_dim
from dlspec.ir import init
from dlspec.ir.dims import Expr, ceildiv, floordiv, product, smax, smin, total
from dlspec.ir.init import Init

MAX_RANGE = 1_000_000
MAX_BITS = 4096


class ConstantError(Hinted):
    """An operation that does not exist for these constants."""


def arithmetic(operator: str, a: Any, b: Any) -> Any:
    """``a operator b`` for numbers, sizes, strings and lists. Raises `ConstantError`."""
    if isinstance(a, Ratio) or isinstance(b, Ratio):
        return _ratio(operator, a, b)
    if not (_is_number(a) and _is_number(b)):
        return _sequences(operator, a, b)
    if operator in ("/", "//", "%") and type(b) in (int, float) and b == 0:
        raise ConstantError("division by zero")
    symbolic = Expr in (type(a), type(b))
    if symbolic and float in (type(a), type(b)):
        raise ConstantError("a symbolic size and a fraction do not mix", "sizes are whole: use `//`, `ceil` or `floor`")
    match operator:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/":
            return _divide(a, b) if symbolic else a / b
        case "//":
            return floordiv(a, b) if symbolic else a // b
        case "%":
            return a % b
        case "**":
            return _power(a, b)
        case _:
            raise ConstantError("")


def _sequences(operator: str, a: Any, b: Any) -> Any:
    kinds: tuple[object, object] = (a.__class__, b.__class__)
    if operator == "+" and kinds in ((list, list), (str, str)):
        return a + b
    if operator == "*" and kinds == (list, int):
        if len(a) * b > MAX_RANGE:
            raise ConstantError("this list would be too long")
        return a * b
    raise ConstantError("")


def _power(a: Any, b: Any) -> Any:
    if type(a) is int and type(b) is int:
        if b < 0:
            return float(a) ** b
        if a.bit_length() * b > MAX_BITS:
            raise ConstantError("this number would be too large")
    try:
        result = a**b
    except (OverflowError, ZeroDivisionError, TypeError) as error:
        raise ConstantError(str(error)) from None
    if isinstance(result, complex):
        raise ConstantError("a root of a negative number")
    return result


def _divide(a: Any, b: Any) -> Any:
    quotient = floordiv(a, b)
    return quotient if quotient * b == a else Ratio(a, b)


def _ratio(operator: str, a: Any, b: Any) -> Any:
    """Sums of a ratio and whole sizes stay ratios, so that `ceil((H + 1) / 2 + 3)` works."""
    n, d = (a.numerator, a.denominator) if isinstance(a, Ratio) else (a, 1)
    m, e = (b.numerator, b.denominator) if isinstance(b, Ratio) else (b, 1)
    if not all(map(is_dim, (n, d, m, e))):
        raise ConstantError("a symbolic size and a fraction do not mix", "sizes are whole: use `//`, `ceil` or `floor`")
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


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) or isinstance(value, Expr)


def _ceil(value: Any) -> Any:
    return ceildiv(value.numerator, value.denominator) if isinstance(value, Ratio) else _whole(value, math.ceil)


def _floor(value: Any) -> Any:
    return floordiv(value.numerator, value.denominator) if isinstance(value, Ratio) else _whole(value, math.floor)


def _whole(value: Any, rounding: Callable[[float], int]) -> Any:
    if isinstance(value, Expr):
        return value
    return rounding(value)


def _int(value: Any) -> Any:
    if isinstance(value, Expr):
        return value
    if isinstance(value, Ratio):
        raise ConstantError(f"{value} need not be whole", "use `//`, `ceil` or `floor`")
    return int(value)


def _numbers(arguments: tuple[Any, ...]) -> list[Any]:
    values = as_list(arguments[0]) if len(arguments) == 1 else list(arguments)
    if not values or not all(_is_number(value) for value in values):
        raise TypeError
    return values


def _max(*arguments: Any) -> Any:
    values = _numbers(arguments)
    return smax(*values) if any(isinstance(value, Expr) for value in values) else max(values)


def _min(*arguments: Any) -> Any:
    values = _numbers(arguments)
    return smin(*values) if any(isinstance(value, Expr) for value in values) else min(values)


def _reversed(values: list[Any]) -> list[Any]:
    return values[::-1]


def _enumerate(values: list[Any]) -> list[Any]:
    return [[index, value] for index, value in enumerate(values)]


def _sum(values: list[Any]) -> Any:
    return total(values) if all(map(is_dim, values)) else sum(values)


def _prod(values: list[Any]) -> Any:
    return product(values) if all(map(is_dim, values)) else math.prod(values)


def _range(*arguments: int) -> list[int]:
    numbers = range(*arguments)
    if len(numbers) > MAX_RANGE:
        raise ConstantError(f"a range of {len(numbers):,} numbers is too long")
    return list(numbers)


def _round(value: float, digits: int | None = None) -> float:
    return round(value, digits)


def _on_floats(function: Callable[[float], float]) -> Callable[..., float]:
    def apply(value: float) -> float:
        if type(value) not in (int, float):
            raise TypeError
        return function(value)

    return apply


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "bool": bool,
    "ceil": _ceil,
    "enumerate": _enumerate,
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

OF_LISTS = frozenset({"enumerate", "len", "reversed", "zip"})
"""Functions that look at the list and not at what is in it, which may be tensors."""

CONSTANTS: dict[str, float] = {"pi": math.pi, "inf": math.inf}


def _init(kind: str, **defaults: float | str) -> Callable[..., Init]:
    def make(*arguments: Any, **named: Any) -> Init:
        if len(arguments) > len(defaults) or set(named) - set(defaults):
            raise ConstantError(f"{kind} takes {', '.join(defaults) or 'no arguments'}")
        given = dict(zip(defaults, arguments, strict=False)) | named
        values: dict[str, Any] = {**defaults, **given}
        for name, value in values.items():
            text = isinstance(defaults[name], str)
            if text != isinstance(value, str) or not isinstance(value, int | float | str):
                raise ConstantError(f"`{name}` of {kind} takes {'a string' if text else 'a number'}")
        return Init(kind, tuple(values.items()))

    return make


# Initialisers, with the arguments of torch.nn.init. `normal` and `uniform` are also functions that draw tensors: those
# begin with a shape, these with a number.
INITIALISERS: dict[str, Callable[..., Init]] = {
    "normal": _init("normal", mean=0.0, std=1.0),
    "uniform": _init("uniform", a=0.0, b=1.0),
    "trunc_normal": _init("trunc_normal", mean=0.0, std=1.0, a=-2.0, b=2.0),
    "constant": _init("constant", val=0.0),
    "xavier_uniform": _init("xavier_uniform", gain=1.0),
    "xavier_normal": _init("xavier_normal", gain=1.0),
    "kaiming_uniform": _init("kaiming_uniform", a=0.0, mode="fan_in", nonlinearity="leaky_relu"),
    "kaiming_normal": _init("kaiming_normal", a=0.0, mode="fan_in", nonlinearity="leaky_relu"),
    "orthogonal": _init("orthogonal", gain=1.0),
    "dirac": _init("dirac"),
}


def as_init(value: Any) -> Init | None:
    """A number, nested lists of numbers or an initialiser, as an initialiser; None for anything else."""
    if isinstance(value, Init):
        return value
    if type(value) in (int, float, bool):
        return init.constant(float(value))
    if isinstance(value, list):
        data = _nested(value)
        return init.data(data) if data is not None else None
    return None


def _nested(value: Any) -> Any:
    if isinstance(value, list):
        parts = [_nested(item) for item in value]  # type: ignore[reportUnknownVariableType]
        return None if any(part is None for part in parts) else tuple(parts)
    return value if type(value) in (int, float, bool) else None


def call(name: str, arguments: list[Any], named: dict[str, Any]) -> Any:
    """Calls a constant function. Raises `ConstantError`."""
    function = FUNCTIONS[name]
    try:
        return function(*arguments, **named)
    except ConstantError:
        raise
    except (TypeError, ValueError, OverflowError, ZeroDivisionError, AttributeError):
        raise ConstantError(f"`{name}` does not take these arguments") from None
