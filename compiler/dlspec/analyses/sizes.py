"""Puts numbers for symbols into the types of a graph."""

from __future__ import annotations

from collections.abc import Mapping

from dlspec.ir.dims import Dim
from dlspec.ir.evaluation import substitute
from dlspec.ir.types import TensorType


class Sizing:
    """Types with ``sizes`` put in; symbols without a size stay. Every size and every type is substituted once."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = sizes
        self._dims: dict[Dim, Dim] = {}
        self._known: dict[TensorType, TensorType] = {}

    def dim(self, dim: Dim) -> Dim:
        if isinstance(dim, int):
            return dim
        known = self._dims.get(dim)
        if known is None:
            known = self._dims[dim] = substitute(dim, self.sizes)
        return known

    def type(self, type: TensorType) -> TensorType:
        known = self._known.get(type)
        if known is None:
            known = self._known[type] = type.with_shape(*[self.dim(size) for size in type.shape])
        return known
