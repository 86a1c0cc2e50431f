"""Which positions of its inputs an operator looks at, for one position of its output, axis by axis.

This is what receptive fields are made of. A rule says for each axis of an input along which axis of the output a window
slides over it, or that all of it is looked at. An operator without a rule is taken to look at everything: the bound that
always holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias, TypeVar

from dlspec.ir.dims import Dim
from dlspec.ir.op import Op, Types
from dlspec.ir.registry import Registry
from dlspec.ir.types import TensorType


class Slide(NamedTuple):
    """Position ``i`` of the output's ``axis`` sees the stretch from ``ceil((i * step + low) / den)`` to
    ``floor((i * step + high) / den)``, both included."""

    axis: int
    step: Dim = 1
    low: Dim = 0
    high: Dim = 0
    den: Dim = 1


Reach: TypeAlias = tuple[Slide | None, ...]
"""For each axis of an input; None where a position sees all of the axis."""

_Rule: TypeAlias = Callable[[Op, Types, Types], list[Reach]]
_Operator = TypeVar("_Operator", bound=Op)

RULES: Registry[_Rule] = Registry("seen through", "dlspec.analyses.reach", "reach_")
"""By operator or base of operators, from `reach_*.py`. What is element by element, as its class says, needs none."""


def reach(op: Op, inputs: Types, outputs: Types) -> list[Reach]:
    """For each input, how its axes are seen from the outputs, which are looked at together; in the symbols of the types."""
    rule = RULES.nearest(type(op))
    if rule is not None:
        return rule(op, inputs, outputs)
    return pointwise(inputs, outputs[0]) if op.elementwise else [everything(x) for x in inputs]


def everything(x: TensorType) -> Reach:
    return (None,) * x.rank


def sees(
    *kinds: type[_Operator],
) -> Callable[[Callable[[_Operator, Types, Types], list[Reach]]], Callable[[_Operator, Types, Types], list[Reach]]]:
    """Registers a function as what operators of these classes look at."""
    return RULES.register(*kinds)


def kept(x: TensorType, but: tuple[int, ...] = ()) -> Reach:
    """Every axis as it is, but for some of which all is seen."""
    return tuple(None if axis in but else Slide(axis) for axis in range(x.rank))


def still(x: TensorType, count: int) -> list[Slide | None]:
    return [Slide(axis) for axis in range(min(count, x.rank))]


def pointwise(inputs: Types, output: TensorType) -> list[Reach]:
    """Axes are aligned at the end; one of size 1 that stretches is seen at its only position."""

    def slide(x: TensorType, axis: int) -> Slide:
        there = axis + output.rank - x.rank
        return Slide(there, step=0 if x.shape[axis] == 1 and output.shape[there] != 1 else 1)

    return [tuple(slide(x, axis) for axis in range(x.rank)) for x in inputs]
