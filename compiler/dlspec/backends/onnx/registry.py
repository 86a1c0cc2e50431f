"""Which function lowers which operator to ONNX."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from dlspec.backends.onnx.emitter import Lowering, OpType
from dlspec.ir.op import Op

_LOWERINGS: dict[type[Op], Lowering[Any]] = {}


def lowers(*operators: type[OpType]) -> Callable[[Lowering[OpType]], Lowering[OpType]]:
    """Registers a function as the lowering of operators. Raises `ValueError` for one that has a lowering already."""

    def register(lowering: Lowering[OpType]) -> Lowering[OpType]:
        for operator in operators:
            if operator in _LOWERINGS:
                raise ValueError(f"{operator.__name__} is lowered to ONNX twice")
            _LOWERINGS[operator] = lowering
        return lowering

    return register


@cache
def _load() -> None:
    import dlspec.backends.onnx as package

    for module in iter_modules(package.__path__):
        if module.name.startswith("lower_"):
            import_module(f"{package.__name__}.{module.name}")


def lowering_of(operator: type[Op]) -> Lowering[Any] | None:
    """The lowering of an operator, or None where the backend has none."""
    _load()
    return _LOWERINGS.get(operator)
