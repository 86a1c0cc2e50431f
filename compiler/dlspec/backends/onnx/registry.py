"""Which function lowers which operator to ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dlspec.backends.onnx.emitter import Lowering, OpType
from dlspec.ir.registry import Registry

LOWERINGS: Registry[Lowering[Any]] = Registry("lowered to ONNX", "dlspec.backends.onnx", "lower_")


def lowers(*operators: type[OpType]) -> Callable[[Lowering[OpType]], Lowering[OpType]]:
    """Registers a function as the lowering of operators. Raises `ValueError` for one that has a lowering already."""
    return LOWERINGS.register(*operators)
