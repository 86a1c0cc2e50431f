"""Rotary embeddings against the formula in complex numbers."""

from __future__ import annotations

from typing import Any

import torch
from harness import Case, Input, Refusal
from torch import Tensor

from dlspec.ops.rotary import Rotary, RotaryTable


def turned(interleaved: bool) -> Any:
    """Each pair is a complex number, times one of length 1."""

    def function(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        pairs = cos.shape[-1]
        own = x[..., : 2 * pairs]
        own = own.unflatten(-1, (pairs, 2)) if interleaved else own.unflatten(-1, (2, pairs)).transpose(-1, -2)
        made = torch.view_as_real(torch.view_as_complex(own.contiguous()) * torch.complex(cos, sin))
        flat = made.flatten(-2) if interleaved else made.transpose(-1, -2).flatten(-2)
        return torch.cat([flat, x[..., 2 * pairs :]], -1)

    return lambda: function


def rotary(*shapes: Any, axes: dict[int, tuple[Any, ...]], interleaved: bool = False) -> Case:
    return Case(Rotary(interleaved), shapes, turned(interleaved), symbols=axes)


def table(positions: Input, axes: tuple[Any, ...], **fields: Any) -> Case:
    dtype = getattr(torch, fields.get("dtype", "float").replace("float", "float32").replace("float3264", "float64"))

    def function(x: Tensor) -> tuple[Tensor, Tensor]:
        dim, theta = fields.get("dim"), fields.get("theta", 10000.0)
        each = fields["frequencies"] if dim is None else [theta ** (-2 * i / dim) for i in range(dim // 2)]
        angles = torch.einsum("...,f->...f", x.double(), torch.tensor(each, device=x.device).double().reshape(-1))
        return angles.cos().to(dtype), angles.sin().to(dtype)

    return Case(RotaryTable(**fields), (positions,), lambda: function, symbols={0: axes})


X, PAIRS = (2, 3, 5, 8), (5, 4)
OPEN: dict[int, tuple[Any, ...]] = {0: ("N", 3, "T", 8), 1: ("T", 4), 2: ("T", 4)}
FORMS: list[tuple[Any, ...]] = [
    (X, PAIRS, OPEN),
    (X, (5, 2), {0: ("N", "H", "T", 8), 1: ("T", 2), 2: ("T", 2)}),
    (X, (2, 1, 5, 4), {0: ("N", 3, "T", 8), 1: ("N", 1, "T", 4), 2: ("N", 1, "T", 4)}),
    (X, (1, 5, 3), {0: ("N", 3, "T", 8), 1: (1, "T", 3), 2: (1, "T", 3)}),
    ((2, 5, 3, 8), (5, 1, 4), {0: ("N", "T", 3, 8), 1: ("T", 1, 4), 2: ("T", 1, 4)}),
    (X, (2, 3, 5, 4), {0: ("N", 3, "T", 8), 1: ("N", 3, "T", 4), 2: ("N", 3, "T", 4)}),
    ((2, 5, 8), (5, 4), {0: ("N", "T", 8), 1: ("T", 4), 2: ("T", 4)}),
    ((2, 5, 8), (2, 5, 1), {0: ("N", "T", 8), 1: ("N", "T", 1), 2: ("N", "T", 1)}),
    ((5, 8), (5, 4), {0: ("T", 8), 1: ("T", 4), 2: ("T", 4)}),
    ((5, 8), (4,), {0: ("T", 8), 1: (4,), 2: (4,)}),
    (X, (1, 4), {0: ("N", 3, "T", 8), 1: (1, 4), 2: (1, 4)}),
    ((2, 2, 3, 5, 8), (5, 4), {0: ("M", "N", 3, "T", 8), 1: ("T", 4), 2: ("T", 4)}),
]

CASES: list[Case] = [
    *(rotary(x, pairs, pairs, axes=axes, interleaved=each) for x, pairs, axes in FORMS for each in (False, True)),
    rotary(Input(X, "float64"), Input(PAIRS, "float64"), Input(PAIRS, "float64"), axes=OPEN),
    table(Input((7,), "int64", 0, 50), ("T",), dim=8),
    table(Input((2, 7), "int64", 0, 50), ("N", "T"), dim=6, theta=500.0),
    table(Input((7,), "int32", 0, 50), ("T",), frequencies=(1.0, 0.25, 0.1)),
    table(Input((3,), "float64"), ("T",), dim=4, dtype="float64"),
    table(Input((3,)), ("T",), frequencies=0.5),
    table(Input((), "int64", 3, 4), (), dim=4),
]

REFUSED: list[Refusal] = [
    (Rotary, (X, (5, 4), (5, 3)), "of one shape, not [5, 4] and [5, 3]"),
    (Rotary, (X, (5, 4), (4,)), "of one shape, not [5, 4] and [4]"),
    (Rotary, (X, (5, 5), (5, 5)), "turns 10 features, and [2, 3, 5, 8] has 8"),
    (Rotary, (X, (6, 4), (6, 4)), "[6, 4] does not broadcast to the axes of [2, 3, 5, 8]"),
    (Rotary, (X, (2, 5, 4), (2, 5, 4)), "[2, 5, 4] does not broadcast to the axes of [2, 3, 5, 8]"),
    (Rotary, ((5, 8), (1, 5, 4), (1, 5, 4)), "does not broadcast"),
    (Rotary, (X, Input(PAIRS, "float64"), Input(PAIRS, "float64")), "not float32 and float64"),
    (RotaryTable, (Input((5,), "int64"),), "takes either `dim` or `frequencies`"),
    (lambda: RotaryTable(4, frequencies=(1.0,)), (Input((5,), "int64"),), "takes either `dim` or `frequencies`"),
    (lambda: RotaryTable(3), (Input((5,), "int64"),), "`dim` must be an even number from 2, not 3"),
    (lambda: RotaryTable(4, theta=0.0), (Input((5,), "int64"),), "`theta` must be greater than 0"),
    (lambda: RotaryTable(frequencies=()), (Input((5,), "int64"),), "`frequencies` is an empty list"),
    (lambda: RotaryTable(4, dtype="int64"), (Input((5,), "int64"),), "`dtype` must be one of floats, not int64"),
    (lambda: RotaryTable(4), (Input((5,), "bool"),), "takes numbers, not bool"),
]
