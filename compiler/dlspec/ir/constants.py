"""The constants of the language: what is known while compiling and is neither a tensor nor a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

from dlspec.ir.dims import Dim, Expr
from dlspec.ir.init import Init


@dataclass(frozen=True, slots=True)
class Ratio:
    """`H / 4`: what `ceil` and `floor` make a dimension of."""

    numerator: Dim
    denominator: Dim

    def __str__(self) -> str:
        return f"{self.numerator} / {self.denominator}"


Number: TypeAlias = int | float | Expr
Constant: TypeAlias = "Number | bool | str | Ratio | Init | list[Constant] | None"
"""Lists may hold tensors and layers too; one that does is no constant."""


def is_dim(value: object) -> TypeGuard[Dim]:
    return type(value) is int or isinstance(value, Expr)


def is_number(value: object) -> TypeGuard[Number]:
    return type(value) in (int, float) or isinstance(value, Expr)
