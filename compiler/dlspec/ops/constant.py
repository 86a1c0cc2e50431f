"""Tensors that come from the spec itself: declared weights and sizes used as numbers."""

from __future__ import annotations

from typing import Literal

from dlspec.ir.dims import Dim
from dlspec.ir.fields import Shape
from dlspec.ir.init import ZEROS, Init
from dlspec.ir.op import Needs, Op, OpError, Types, Weight
from dlspec.ir.types import DType, TensorType


class Stored(Op):
    """Base of operators that give a tensor of the state dict. It has no inputs."""

    tensors = ()
    layer = False

    name: str
    shape: Shape
    init: Init = ZEROS
    kind: Literal["param", "buffer"] = "param"
    dtype: DType = DType.FLOAT32

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        for size in self.shape:
            if not isinstance(size, int):
                raise OpError(f"`{self.name}` needs a known shape, and {size} is symbolic", code="DL0205")
            if size < 1:
                raise OpError(f"`{self.name}` has an axis of size {size}", code="DL0201")
        return TensorType(self.dtype, self.shape)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        sizes = tuple(size for size in self.shape if isinstance(size, int))
        return (Weight(self.name, sizes, self.init, self.kind, self.dtype),)

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 0


class Param(Stored):
    """A weight declared in the spec by `param` or `buffer`.

    The shape must be known numbers. It is one tensor of the state dict, under its own name.
    """


class Tied(Stored):
    """A weight of a layer declared by `shared`, as a tensor: `embed.weight`.

    It is the layer's own tensor of the state dict, so what is learned here is learned there.
    """


class Size(Op):
    """A symbolic size as a number that tensors are computed with: `x / x.height`. A 0-d tensor."""

    tensors = ()
    layer = False

    value: Dim
    dtype: DType = DType.FLOAT32

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        return TensorType(self.dtype, ())

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return 0


OPERATORS: tuple[type[Op], ...] = (Param, Tied, Size)
