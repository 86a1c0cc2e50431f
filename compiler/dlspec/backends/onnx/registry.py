"""Which function lowers which operator to ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from dlspec.ir.op import Op
from dlspec.ir.registry import Registry

if TYPE_CHECKING:
    from dlspec.backends.onnx.emitter import Emitter
    from dlspec.ir.graph import Node

OpType = TypeVar("OpType", bound=Op)
Result: TypeAlias = str | tuple[str, ...]
Lowering: TypeAlias = "Callable[[Emitter, OpType, Node, list[str], list[str]], Result]"

LOWERINGS: Registry[Lowering[Any]] = Registry("lowered to ONNX", "dlspec.backends.onnx", "lower_")


def lowers(*operators: type[OpType]) -> Callable[[Lowering[OpType]], Lowering[OpType]]:
    """Registers a function as the lowering of operators.

    It gets the emitter, the operator, its node, the names of the node's inputs and of its weights, and returns the
    names of the outputs. Raises `ValueError` for an operator that has a lowering already.
    """
    return LOWERINGS.register(*operators)
