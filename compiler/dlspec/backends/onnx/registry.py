"""Which function lowers which operator to ONNX."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from dlspec.ir.op import Op

if TYPE_CHECKING:
    from dlspec.backends.onnx.emitter import Emitter
    from dlspec.ir.graph import Node

OpType = TypeVar("OpType", bound=Op)
Result: TypeAlias = str | tuple[str, ...]
Lowering: TypeAlias = "Callable[[Emitter, OpType, Node, list[str], list[str]], Result]"

_LOWERINGS: dict[type[Op], Lowering[Any]] = {}


def lowers(*operators: type[OpType]) -> Callable[[Lowering[OpType]], Lowering[OpType]]:
    """Registers a function as the lowering of operators.

    It gets the emitter, the operator, its node, the names of the node's inputs and of its weights, and returns the
    names of the outputs. Raises `ValueError` for an operator that has a lowering already.
    """

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
