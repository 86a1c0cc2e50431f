"""Padding against torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from harness import Case, Input, Refusal
from tables import every_axis, filled

from dlspec.ir.dims import symbol
from dlspec.ops.pad import Pad, PadTo

X1, X2, X3 = (2, 3, 6), (2, 3, 5, 7), (2, 3, 4, 5, 6)


def pad(x: Any, padding: Any, flat: Sequence[int], mode: str = "constant", value: float = 0.0) -> Case:
    """``flat`` is the same in torch's order: the last axis first."""
    given = {"value": value} if value else {}
    return Case(
        Pad(padding, mode, value), (x,), lambda: lambda x: F.pad(x, flat, mode, **given), symbols=every_axis(x),
        tolerance=(0, 0),
    )  # fmt: skip


CASES: list[Case] = [
    pad(X1, 2, (2, 2)),
    pad(X2, 1, (1, 1, 1, 1), value=0.5),
    pad(X2, (1, 2), (2, 2, 1, 1)),
    pad(X2, ((0, 1), (2, 3)), (2, 3, 0, 1), value=-3),
    pad(X3, (1, (0, 2), 3), (3, 3, 0, 2, 1, 1)),
    pad(X2, ((-1, 2), (0, -3)), (0, -3, -1, 2)),
    pad(X2, 0, (0, 0, 0, 0)),
    pad(Input(X2, "int64"), 1, (1, 1, 1, 1), value=4),
    pad(Input(X2, "float64"), 1, (1, 1, 1, 1), value=0.25),
    pad(Input(X1, "bool"), 1, (1, 1), value=1),
    *(
        case
        for mode in ("reflect", "replicate", "circular")
        for case in (
            pad(X1, 3, (3, 3), mode),
            pad(X1, ((0, 2),), (0, 2), mode),
            pad(X2, ((3, 0), (1, 4)), (1, 4, 3, 0), mode),
            pad(X3, (1, (0, 2), (3, 1)), (3, 1, 0, 2, 1, 1), mode),
            pad(Input(X2, "float64"), 2, (2, 2, 2, 2), mode),
        )
    ),
    Case(PadTo(9), (X2,), lambda: lambda x: filled(x, 9, 9, 0), symbols={0: ("N", 3, 5, 7)}),
    Case(PadTo((6, 7), 0.5), (X2,), lambda: lambda x: filled(x, 6, 7, 0.5), symbols={0: ("N", 3, 5, 7)}),
    Case(PadTo((5, 7)), (X2,), lambda: lambda x: filled(x, 5, 7, 0), symbols={0: ("N", 3, 5, 7)}),
    Case(PadTo(40, -1), (X2,), lambda: lambda x: filled(x, 40, 40, -1)),
]

REFUSED: list[Refusal] = [
    (lambda: Pad("same"), (X2,), 'Pad takes numbers, not "same"'),
    (lambda: Pad((1, 1, 1, 1)), (X2,), "Pad is given 4 entries, and [2, 3, 5, 7] has 2 spatial axes"),
    (lambda: Pad(((1, 2, 3), 1)), (X2,), "`padding` takes an int"),
    (lambda: Pad(1), ((2, 3),), "[2, 3] has none"),
    (lambda: Pad(5, "reflect"), (X2,), "Pad cannot mirror 5 elements of an axis of size 5"),
    (lambda: Pad(6, "circular"), (X2,), "Pad cannot take 6 elements of an axis of size 5"),
    (lambda: Pad(-1, "reflect"), (X2,), 'cannot cut in mode "reflect"'),
    (lambda: Pad(((-3, -2), 0)), (X2,), "Pad cuts 5 elements of an axis of size 5"),
    (lambda: Pad(((0, symbol("H") - 5), 0), "reflect"), (X2,), 'in mode "reflect" takes numbers, not H - 5'),
    (lambda: Pad(1, "mirror"), (X2,), '`mode` takes "constant" or "reflect"'),
    (lambda: Pad(1, "reflect", 2), (X2,), "has no use for a `value`"),
    (lambda: Pad(1, value=0.5), (Input(X2, "int64"),), "Pad cannot fill int[2, 3, 5, 7] with 0.5"),
    (lambda: PadTo(4), (X2,), "PadTo cannot fill 5 up to 4"),
    (lambda: PadTo((9, 9, 9)), (X2,), "is given 3 sizes for the 2 spatial axes"),
    (lambda: PadTo(9, 2), (Input(X2, "bool"),), "PadTo cannot fill bool[2, 3, 5, 7] with 2"),
]
