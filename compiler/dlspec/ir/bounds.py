"""What numbers and sizes may be at all: what no element type holds and no machine counts is refused where it is written."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from math import isinf
from typing import Any, cast

from dlspec.ir.evaluation import greatest_number
from dlspec.ir.fields import shown
from dlspec.ir.init import Init, misfit
from dlspec.ir.op import Op, OpError, Types, Weight
from dlspec.ir.types import DType, TensorType

MOST = 2**63
"""Sizes, and bytes of a tensor, are less: ONNX and PyTorch count them in int64."""

_NUMBERS = ("float", "Data")
"""The kinds of fields whose numbers are computed with."""


def check_size(type: TensorType | Weight) -> None:
    """Raises `OpError` for a tensor whose axes, or whose bytes, no machine counts."""
    known = type.dtype.size
    for size in type.shape:
        greatest = size if isinstance(size, int) else greatest_number(size)
        if greatest is size:
            known *= greatest
        if greatest >= MOST:
            raise OpError(f"a size of {shown(size)}, and sizes are less than 2 ** 63", code="DL0407")
    if known >= MOST:
        sizes = ", ".join(shown(size) for size in type.shape)
        raise OpError(f"a tensor [{sizes}] of {type.dtype.label} has {MOST:,} bytes or more", code="DL0407")


def check_numbers(op: Op, inputs: Types, weights: tuple[Weight, ...]) -> None:
    """Raises `OpError` for a number among the fields and first values of weights that its element type does not hold."""
    dtype = op.element_type(inputs) if _has_numbers(type(op)) else None
    if dtype is not None:
        _check_fields(op, dtype)
    for weight in weights:
        wrong = misfit(weight.init, weight.shape, weight.dtype)
        if wrong:
            message = f"the initialiser `{weight.init.kind}` of `{weight.name}` of {_name(op)} {wrong}"
            raise OpError(message, code="DL0605")
        if weight.init.values or not _fits(weight.init, weight.dtype):
            _check([*_of_init(weight.init)], weight.dtype, f"the initialiser of `{weight.name}` of {_name(op)}: ")


@cache
def _has_numbers(op: type[Op]) -> bool:
    return any(field.kind in _NUMBERS for field in op.fields)


@lru_cache(maxsize=4096)  # a network has few different operators and many inputs of each
def _check_fields(op: Op, dtype: DType) -> None:
    for field in op.fields:
        if field.kind in _NUMBERS:
            _check(getattr(op, field.name), dtype, f"`{field.name}` of {_name(op)}: " if field.kind == "float" else "")
        if field.kind == "float" and isinf(getattr(op, field.name) or 0) and field.name not in op.infinite:
            raise OpError(f"`{field.name}` of {_name(op)} must be finite", code="DL0208")


@lru_cache(maxsize=4096)
def _fits(init: Init, dtype: DType) -> bool:
    return not any(dtype.fault(number) for number in _leaves([*_of_init(init)]))


def _name(op: Op) -> str:
    return type(op).__name__ if op.layer else f"`{op.function}`"


def _of_init(init: Init) -> Iterator[Any]:
    yield from (number for name, number in init.arguments if name in ("val", "a", "b", "mean", "std", "gain"))
    yield init.values


def _check(value: Any, dtype: DType, where: str) -> None:
    for number in _leaves(value):
        fault = dtype.fault(number)
        if fault:
            raise OpError(f"{where}{number:.6g} {fault}", _hint(dtype, number), "DL0209")


def _hint(dtype: DType, number: float) -> str:
    if dtype is DType.FLOAT16:
        return "bfloat16 has the range of float32"
    return "infinity is written `inf`" if dtype.is_float and abs(number) > 1 else ""


def _leaves(value: Any) -> Iterator[int | float]:
    if isinstance(value, tuple | list):
        for item in cast("tuple[Any, ...]", value):
            yield from _leaves(item)
    elif isinstance(value, int | float):
        yield value
