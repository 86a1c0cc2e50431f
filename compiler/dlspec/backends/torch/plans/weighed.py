"""What conditions on weights ask: their sizes, and what is computed of these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from dlspec.backends.torch.python.computing import tupled
from dlspec.backends.torch.python.evaluate import Unwritten, evaluate
from dlspec.backends.torch.python.expressions import Attribute, Const, Py, Slice, Subscript

AXES = {"batch": 0, "channels": 1, "features": -1, "width": -1, "length": -1, "height": -2, "depth": -3}
"""The axes that have names."""

Made: TypeAlias = tuple[Py, Any]
"""An expression, and what it comes to when the class runs: places of layers and weights, constants, and lists of them."""


def size_of(weight: Py, shape: tuple[int, ...], wanted: str) -> Made:
    """What a tensor of this shape is asked for: its shape, its rank, or an axis by name. Raises
    `Unwritten`, and `LookupError`."""
    sizes = Attribute(weight, "shape")
    match wanted:
        case "shape":
            return sizes, [*shape]
        case "spatial":
            return Subscript(sizes, (Slice(Const(2), None),)), [*shape[2:]]
        case "rank":
            return Attribute(weight, "ndim"), len(shape)
        case _ if wanted in AXES:
            return Subscript(sizes, (Const(AXES[wanted]),)), shape[AXES[wanted]]
        case _:
            raise Unwritten


def computed(make: Callable[..., Py], *parts: Made) -> Made:
    """An operation on values that are known. Raises `Unwritten` for one on layers."""
    value = evaluate(make(*(Const(tupled(value)) for _, value in parts)))
    return make(*(made for made, _ in parts)), value
