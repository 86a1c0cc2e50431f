"""How a weight gets its first values, named and parametrised as in ``torch.nn.init``."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TypeAlias

Data: TypeAlias = "int | float | bool | tuple[Data, ...]"


@dataclass(frozen=True, slots=True)
class Init:
    """An initialiser: ``kind`` is a function of ``torch.nn.init`` without its underscore, or ``data`` for given values.

    ``arguments`` are the numbers it was given, by name; ``values`` the nested lists of ``data``.
    """

    kind: str
    arguments: tuple[tuple[str, float | str], ...] = ()
    values: Data = ()

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
