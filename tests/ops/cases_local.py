"""Locally connected layers, against a convolution of its own at each place."""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from harness import Case, Input, Refusal
from same import same
from torch import Tensor, nn

from dlspec.ir.init import constant, normal
from dlspec.ops.local import LocallyConnected


class Places(nn.Module):
    """The weight and the bias as given, and at each place a convolution of what is under the window there."""

    def __init__(
        self, out: int, channels: int, places: Any, kernel: Any, stride: Any, gap: Any, pad: Any, bias: bool
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out, channels, *places, *kernel))
        self.bias = nn.Parameter(torch.zeros(out, *places)) if bias else None
        self.places, self.kernel, self.stride, self.gap, self.pad = places, kernel, stride, gap, pad

    def forward(self, x: Tensor) -> Tensor:
        x = self.pad(x) if callable(self.pad) else F.pad(x, self.pad)
        convolve = (F.conv1d, F.conv2d, F.conv3d)[len(self.kernel) - 1]
        found = x.new_zeros(x.shape[0], self.weight.shape[0], *self.places)
        for place in product(*map(range, self.places)):
            rows = zip(place, self.stride, self.kernel, self.gap, strict=True)
            part = x[(..., *(slice(i * s, i * s + g * (k - 1) + 1) for i, s, k, g in rows))]
            at = (slice(None), slice(None), *place)
            found[at] = convolve(part, self.weight[at], dilation=self.gap).flatten(1)
        return found if self.bias is None else found + self.bias


def local(
    op: LocallyConnected,
    x: Any,
    places: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: Any = None,
    gap: Any = None,
    pad: Any = (0, 0),
) -> Case:
    """What an operator gives ``places`` of."""
    shape = x.shape if isinstance(x, Input) else x
    ones = (1,) * len(kernel)
    dtype = torch.float64 if isinstance(x, Input) else torch.float32
    return Case(
        op,
        (x,),
        lambda: Places(op.out_channels, shape[1], places, kernel, stride or ones, gap or ones, pad, op.bias).to(dtype),
        {0: ("N", *shape[1:])},
    )  # fmt: skip


CASES: list[Case] = [
    local(LocallyConnected(4, 3), (2, 3, 5, 6), (3, 4), (3, 3)),
    local(LocallyConnected(4, 3, 2, 1), (2, 3, 7, 8), (4, 4), (3, 3), (2, 2), pad=(1, 1, 1, 1)),
    local(
        LocallyConnected(4, (3, 2), (1, 2), (1, 0), (1, 2), False), (2, 3, 5, 8), (5, 3), (3, 2), (1, 2), (1, 2),
        (0, 0, 1, 1),
    ),
    local(LocallyConnected(2, 2, padding=((1, 0), (0, 2))), (1, 2, 4, 5), (4, 6), (2, 2), pad=(0, 2, 1, 0)),
    local(LocallyConnected(4, 3, padding="same"), (2, 3, 5, 4), (5, 4), (3, 3), pad=(1, 1, 1, 1)),
    local(
        LocallyConnected(4, 3, 2, "same"), (2, 3, 6, 5), (3, 3), (3, 3), (2, 2),
        pad=lambda x: same(x, (3, 3), (2, 2), (1, 1)),
    ),
    local(LocallyConnected(4, 3, 2, "valid"), (2, 3, 7, 6), (3, 2), (3, 3), (2, 2)),
    local(LocallyConnected(5, 4, 3), (2, 3, 11), (3,), (4,), (3,)),
    local(LocallyConnected(3, 2, padding=1, dilation=2), (2, 2, 4), (4,), (2,), gap=(2,), pad=(1, 1)),
    local(LocallyConnected(2, (1, 2, 3), bias=False), (1, 2, 3, 4, 5), (3, 3, 3), (1, 2, 3)),
    local(LocallyConnected(2, 1), (2, 3, 4, 4), (4, 4), (1, 1)),
    local(LocallyConnected(2, 3), Input((2, 3, 5, 4), "float64"), (3, 2), (3, 3)),
    local(LocallyConnected(2, 3, weight_init=normal(0, 0.02), bias_init=constant(0.5)), (1, 2, 4, 4), (2, 2), (3, 3)),
]  # fmt: skip

REFUSED: list[Refusal] = [
    (lambda: LocallyConnected(0, 3), ((1, 3, 5, 5),), "`out_channels` must be at least 1, not 0"),
    (lambda: LocallyConnected(4, 3, padding=-1), ((1, 3, 5, 5),), "`padding` must be at least 0, not -1"),
    (lambda: LocallyConnected(4, 3), ((3, 5),), "LocallyConnected takes an input of rank 3 or 4 or 5, not [3, 5]"),
    (lambda: LocallyConnected(4, 6), ((1, 3, 5, 5),), "LocallyConnected: a kernel of 6"),
    (lambda: LocallyConnected(4, (3, 3, 3)), ((1, 3, 5, 5),), "`kernel_size` has 3 values"),
    (lambda: LocallyConnected(4, 3), (Input((1, 3, 5, 5), "int64"),), "LocallyConnected"),
]
