"""Resampling against ``torch.nn.functional.interpolate``."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from harness import Case, Input, Refusal

from dlspec.ops.resize import Resize, Upsample

X1, X2, X3 = (2, 3, 6), (2, 3, 5, 7), (2, 3, 4, 5, 6)
_LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}


def resampled(op: Upsample | Resize, x: tuple[int, ...] | Input = X2) -> Case:
    rank = len(x.shape if isinstance(x, Input) else x)
    mode = _LINEAR[rank] if op.mode == "linear" else op.mode
    options: dict[str, Any] = {} if mode.startswith(("nearest", "area")) else {"align_corners": op.align_corners}
    options |= {"antialias": True} if op.antialias else {}
    if isinstance(op, Upsample):
        options["scale_factor"] = op.scale_factor
    return Case(op, (x,), lambda: lambda x: F.interpolate(x, size=op.size, mode=mode, **options))


CASES: list[Case] = [
    *(
        resampled(Upsample(scale_factor=scale, mode=mode), x)
        for scale in (2, 3, 0.5, 1.5, 1, 0.7)
        for mode in ("nearest", "nearest-exact", "linear")
        for x in (X1, X2, X3)
    ),
    *(
        resampled(Upsample(scale_factor=scale, mode=mode, align_corners=align), x)
        for scale in (2, 1.5, 0.5)
        for mode, x in (("bilinear", X2), ("trilinear", X3), ("bicubic", X2))
        for align in (False, True)
    ),
    *(resampled(Resize(size, "area"), x) for x in (X1, X2, X3) for size in (1, 3, 8)),
    resampled(Upsample(scale_factor=0.5, mode="area")),
    *(
        resampled(Resize(size, mode, align, antialias=True))
        for mode in ("bilinear", "bicubic")
        for align in (False, True)
        for size in ((2, 3), (4, 11), (5, 7))
    ),
    *(
        resampled(Upsample(scale_factor=scale, mode=mode, antialias=True))
        for mode in ("linear", "bicubic")
        for scale in (0.4, 1.5)
    ),
    resampled(Upsample((3, 2), mode="bilinear", antialias=True), Input((1, 2, 9, 8), "float64")),
    resampled(Upsample(scale_factor=(2, 1.5))),
    resampled(Upsample(scale_factor=(1, 2), mode="linear")),
    resampled(Upsample(9)),
    resampled(Upsample((9, 14), mode="linear", align_corners=True)),
    resampled(Upsample(scale_factor=2), Input(X2, "float16", 0, 1)),
    *(
        resampled(Resize(size, mode), x)
        for mode in ("nearest", "nearest-exact", "linear")
        for x in (X1, X2, X3)
        for size in (1, 3, 8, 12)
    ),
    *(
        resampled(Resize(size, mode, align), x)
        for mode, x in (("linear", X1), ("bilinear", X2), ("trilinear", X3), ("bicubic", X2))
        for align in (False, True)
        for size in (1, 4, 11)
    ),
    # Where a position is whole and its float32 quotient is not: torch's own choice is asked for.
    *(resampled(Resize(size, mode), (1, 1, 28)) for mode in ("nearest", "nearest-exact") for size in (2, 4, 12, 41)),
    *(
        resampled(Upsample(scale_factor=scale, mode=mode), (1, 1, 16))
        for mode in ("nearest", "nearest-exact")
        for scale in (0.7, 1.1, 2.3, 41)
    ),
    # A product below a whole number, an axis that a factor leaves alone, one that it happens to double; no neighbours.
    *(
        resampled(Upsample(scale_factor=1.15, mode=mode), (1, 2, 100, 13))
        for mode in ("nearest", "bilinear", "bicubic")
    ),
    *(
        resampled(Upsample(scale_factor=s, mode=m), (1, 2, 26, 3))
        for s in (1.3, 1.01)
        for m in ("nearest", "linear", "bicubic")
    ),
    *(
        resampled(Upsample(scale_factor=2.05, mode=mode), (1, 2, 6, 21))
        for mode in ("nearest", "nearest-exact", "bilinear")
    ),
    resampled(Upsample(scale_factor=2.9999), (1, 2, 10, 11)),
    resampled(Upsample(scale_factor=(1.3, 0.7), mode="bicubic"), Input((1, 2, 9, 8), "float64")),
    resampled(Resize(7, mode="linear", align_corners=True), Input((1, 2, 9, 8), "float64")),
    resampled(Upsample(scale_factor=1.1), (1, 1, 5)),
    resampled(Upsample(scale_factor=2.1), (1, 1, 5)),
    resampled(Resize((5, 7), "linear")),
    resampled(Resize((3, 14))),
]

REFUSED: list[Refusal] = [
    (Upsample, (X2,), "takes either `size` or `scale_factor`"),
    (lambda: Upsample(4, 2), (X2,), "takes either `size` or `scale_factor`"),
    (lambda: Upsample(scale_factor=0), (X2,), "must be a positive number, not 0"),
    (lambda: Upsample(scale_factor=1e-300), (X2,), "`scale_factor` 1e-300 makes no size"),
    (lambda: Upsample(scale_factor=1e300), (X2,), "`scale_factor` 1e+300 makes no size"),
    (lambda: Upsample(scale_factor=(2, 2, 2)), (X2,), "`scale_factor` has 3 values, and [2, 3, 5, 7] has 2"),
    (lambda: Upsample(scale_factor=0.1), (X2,), "would have a spatial size of 0"),
    (lambda: Upsample(scale_factor=2, mode="bilinear"), (X1,), 'in mode "bilinear" does not fit [2, 3, 6]'),
    (lambda: Upsample(scale_factor=2, align_corners=True), (X2,), '`align_corners` has no meaning in mode "nearest"'),
    (lambda: Resize(4, "area", True), (X2,), '`align_corners` has no meaning in mode "area"'),
    (lambda: Resize(4, antialias=True), (X2,), '`antialias` has no meaning in mode "nearest"'),
    (
        lambda: Upsample(4, mode="linear", antialias=True),
        (X1,),
        "is antialiased on two spatial axes, and [2, 3, 6] has not",
    ),
    (lambda: Upsample(scale_factor=2), ((2, 3),), "does not fit [2, 3] with its 0 spatial axes"),
    (lambda: Upsample(scale_factor=2), (Input(X2, "int64"),), "takes floating-point numbers"),
    (lambda: Resize(4, "bicubic"), (X3,), 'in mode "bicubic" does not fit'),
    (lambda: Resize(0), (X2,), "would have a spatial size of 0"),
    (lambda: Resize((4, 4, 4)), (X2,), "is given 3 sizes for the 2 spatial axes"),
    (lambda: Resize(4, "cubic"), (X2,), '`mode` takes "nearest" or'),
]
