"""How a weight gets its first values, named and parametrised as in ``torch.nn.init``."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, sqrt
from typing import TypeAlias

from dlspec.ir.types import DType

Data: TypeAlias = "int | float | bool | tuple[Data, ...]"


@dataclass(frozen=True, slots=True)
class Init:
    """An initialiser: ``kind`` is a function of ``torch.nn.init`` without its underscore, or ``data`` for given values.

    ``arguments`` are the numbers it was given, by name; ``values`` the nested lists of ``data``.
    """

    kind: str
    arguments: tuple[tuple[str, float | str], ...] = ()
    values: Data = ()

    def __str__(self) -> str:
        return f"the initialiser {self.kind}"

    def __getitem__(self, name: str) -> float | str:
        return dict(self.arguments)[name]


def constant(value: float) -> Init:
    return Init("constant", (("val", value),))


def uniform(low: float, high: float) -> Init:
    return Init("uniform", (("a", low), ("b", high)))


def normal(mean: float = 0.0, std: float = 1.0) -> Init:
    return Init("normal", (("mean", mean), ("std", std)))


def data(values: Data) -> Init:
    return Init("data", values=values)


ZEROS = constant(0.0)
ONES = constant(1.0)


def fan_in_uniform(fan_in: int) -> Init:
    """U(-1/sqrt(fan_in), 1/sqrt(fan_in)): what ``torch.nn`` draws for the weights and biases of convolutions and Linear."""
    bound = 1 / sqrt(fan_in) if fan_in > 0 else 0.0
    return uniform(-bound, bound)


_CONVOLUTIONS = tuple(f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3))
NONLINEARITIES = ("linear", *_CONVOLUTIONS, "sigmoid", "tanh", "relu", "leaky_relu", "selu")


def misfit(init: Init, shape: tuple[int, ...], dtype: DType) -> str:
    """Why a weight of this shape and type cannot begin so: what goes on after the name of the initialiser.

    Empty where it can. The demands are those of ``torch.nn.init``.
    """
    if init.kind == "data":
        values = _shape(init.values)
        return f"has the shape {list(values)}, and the weight {list(shape)}" if values and values != shape else ""
    if init.kind in ("constant", "zeros", "ones", "eye"):
        return f"needs a weight of rank 2, not {list(shape)}" if init.kind == "eye" and len(shape) != 2 else ""
    if not dtype.is_float:
        return f"cannot fill a weight of {dtype.label} {list(shape)}"
    given = dict(init.arguments)
    low, high = (-2.0, 2.0) if init.kind == "trunc_normal" else (0.0, 1.0)
    numbers = {"a": low, "b": high, "mean": 0.0, "std": 1.0, "groups": 1}
    numbers |= {name: value for name, value in given.items() if isinstance(value, int | float)}
    if not all(map(isfinite, numbers.values())):
        return "takes finite numbers"
    if numbers["std"] < 0:
        return f"needs a std of 0 or more, not {numbers['std']:g}"
    match init.kind:
        case "uniform" if numbers["a"] > numbers["b"]:
            return f"needs a <= b, not a={numbers['a']:g}, b={numbers['b']:g}"
        case "trunc_normal" if numbers["a"] >= numbers["b"] or numbers["std"] <= 0:
            a, b, std = (numbers[name] for name in ("a", "b", "std"))
            return f"needs a < b and std > 0, not a={a:g}, b={b:g}, std={std:g}"
        case "dirac":
            groups = int(numbers["groups"])
            if len(shape) not in (3, 4, 5) or shape[0] % groups:
                return f"needs a weight of rank 3, 4 or 5 with channels divisible by {groups}, not {list(shape)}"
        case "xavier_uniform" | "xavier_normal" | "kaiming_uniform" | "kaiming_normal" | "orthogonal":
            if len(shape) < 2:
                return f"needs a weight of rank 2 or more, not {list(shape)}"
            if given.get("mode", "fan_in") not in ("fan_in", "fan_out"):
                return f'takes the mode "fan_in" or "fan_out", not "{given["mode"]}"'
            if given.get("nonlinearity", "relu") not in NONLINEARITIES:
                return f'knows no nonlinearity "{given["nonlinearity"]}", but {", ".join(NONLINEARITIES)}'
        case _:
            pass
    return ""


def _shape(data: Data) -> tuple[int, ...]:
    """The shape of nested lists; their first items stand for the others."""
    return (len(data), *_shape(data[0])) if isinstance(data, tuple) and data else ()
