"""The operators: one class each, by family, and the names a spec calls them by.

Each family module lists its classes in ``OPERATORS``. A class is a layer under its own name and its pinned names, a
function of tensors under its ``function`` name, or both.
"""

from __future__ import annotations

from dlspec.ir.op import Op
from dlspec.ops import (
    activation,
    attention,
    combine,
    constant,
    conv,
    dropout,
    elementwise,
    embedding,
    experts,
    gradient,
    grid,
    linear,
    local,
    loss,
    matrix,
    norm,
    ordering,
    pad,
    patches,
    pooling,
    positions,
    random,
    rearrange,
    recurrent,
    reduce,
    resize,
    rotary,
    shape,
    slicing,
    softmax,
    solve,
)

_FAMILIES = (
    conv, local, linear, norm, activation, softmax, pooling, dropout, embedding, recurrent,
    elementwise, combine, reduce, shape, rearrange, slicing, positions, ordering, pad, patches, resize, grid,
    matrix, solve, attention, rotary, experts, loss, gradient, random, constant,
)  # fmt: skip

OPERATORS: tuple[type[Op], ...] = tuple(operator for family in _FAMILIES for operator in family.OPERATORS)


def _layers() -> dict[str, tuple[type[Op], int | None]]:
    layers: dict[str, tuple[type[Op], int | None]] = {}
    for operator in OPERATORS:
        if operator.layer:
            for name, axes in ((operator.__name__, None), *operator.pinned):
                if name in layers:
                    raise ValueError(f"two operators are the layer {name}: {layers[name][0]} and {operator}")
                layers[name] = (operator, axes)
    return layers


def _functions() -> dict[str, type[Op]]:
    functions: dict[str, type[Op]] = {}
    for operator in OPERATORS:
        for name in (operator.function, *operator.aliases):
            if name in functions:
                raise ValueError(f"two operators are the function {name}: {functions[name]} and {operator}")
            if name:
                functions[name] = operator
    return functions


LAYERS: dict[str, tuple[type[Op], int | None]] = _layers()
"""Layer name to operator and the number of spatial axes the name pins, if it pins one."""

FUNCTIONS: dict[str, type[Op]] = _functions()
"""Function name to operator."""

_BY_NAME: dict[str, type[Op]] = {operator.__name__: operator for operator in OPERATORS}


def by_name(name: str) -> type[Op]:
    """The operator of a class name, layers and functions alike."""
    return _BY_NAME[name]
