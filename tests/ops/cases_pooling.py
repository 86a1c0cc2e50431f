"""Pooling."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import torch
import torch.nn.functional as F
from harness import Case, Input, Refusal
from same import mean_of_same, same
from torch import Tensor, nn

from dlspec.ops.pooling import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    LPPool,
    MaxPool,
)


def ceil_modes() -> list[Case]:
    """Kernel, stride and padding over sizes that end in every place of a window, with and without ceil_mode."""
    cases: list[Case] = []
    for (kernel, stride, padding), size in product(
        ((2, 2, 0), (3, 2, 0), (3, 2, 1), (2, 3, 1), (3, 3, 1), (2, 4, 0), (5, 2, 2)), (6, 7, 8, 9)
    ):
        shape = (1, 2, size, 11)
        cases.append(
            Case(
                MaxPool(kernel, stride, padding, ceil_mode=True),
                (shape,),
                lambda k=kernel, s=stride, p=padding: nn.MaxPool2d(k, s, p, ceil_mode=True),
            )
        )
        cases += [
            Case(
                AvgPool(kernel, stride, padding, True, count),
                (shape,),
                lambda k=kernel, s=stride, p=padding, c=count: nn.AvgPool2d(k, s, p, True, c),
            )
            for count in (True, False)
        ]
    return cases


def global_pool(function: Callable[..., Tensor]) -> Callable[[], Callable[[Tensor], Tensor]]:
    return lambda: lambda x: function(x, tuple(range(2, x.ndim)), keepdim=True)


def adaptive(size: int | tuple[int, ...], shape: tuple[int, ...]) -> list[Case]:
    index = len(shape) - 3
    average = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)[index]
    largest = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)[index]
    return [
        Case(AdaptiveAvgPool(size), (shape,), lambda: average(size)),
        Case(AdaptiveMaxPool(size), (shape,), lambda: largest(size)),
    ]


def same_pools(kernel: tuple[int, ...], stride: tuple[int, ...], shape: tuple[int, ...]) -> list[Case]:
    """Both kinds with `padding="same"`: the padding is in no maximum and in no mean."""
    largest = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(kernel) - 1]
    average = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(kernel) - 1]
    ones = (1,) * len(kernel)
    return [
        Case(
            MaxPool(kernel, stride, "same"),
            (shape,),
            lambda: lambda x: largest(same(x, kernel, stride, ones, float("-inf")), kernel, stride),
        ),
        Case(AvgPool(kernel, stride, "same"), (shape,), lambda: mean_of_same(average, kernel, stride)),
    ]


CASES: list[Case] = [
    *(
        case
        for (kernel, stride), size in product(
            ((3, 2), (2, 2), (5, 3), (1, 2), (2, 3), (3, 4), (3, 1), (4, 1)), range(6, 10)
        )
        for case in same_pools((kernel, kernel), (stride, stride), (2, 3, size, size + 1))
    ),
    *same_pools((3,), (2,), (2, 3, 9)),
    *same_pools((2, 3, 1), (2, 2, 3), (1, 2, 5, 6, 7)),
    *same_pools((2, 3, 1), (2, 1, 3), (1, 2, 5, 6, 7)),
    Case(MaxPool(2, None, "same"), ((2, 3, 7),), lambda: nn.MaxPool1d(2, ceil_mode=True)),
    Case(AvgPool(2, None, "same"), ((2, 3, 7),), lambda: nn.AvgPool1d(2, ceil_mode=True)),
    Case(AvgPool(2, padding="valid"), ((2, 3, 7),), lambda: nn.AvgPool1d(2)),
    Case(
        MaxPool(3, 2, "same", 2),
        ((1, 2, 8, 9),),
        lambda: lambda x: F.max_pool2d(same(x, (3, 3), (2, 2), (2, 2), float("-inf")), 3, 2, dilation=2),
    ),
    Case(
        MaxPool((3, 2), 1, "same", (2, 3)),
        ((1, 2, 8, 9),),
        lambda: lambda x: F.max_pool2d(same(x, (3, 2), (1, 1), (2, 3), float("-inf")), (3, 2), 1, dilation=(2, 3)),
    ),
    Case(
        AvgPool(3, 2, "same", divisor_override=4),
        ((2, 3, 8, 9),),
        lambda: lambda x: F.avg_pool2d(same(x, (3, 3), (2, 2), (1, 1)), 3, 2, divisor_override=4),
    ),
    Case(MaxPool(2), ((2, 3, 8, 9),), lambda: nn.MaxPool2d(2)),
    Case(MaxPool(3, 2, 1), ((2, 3, 8, 9),), lambda: nn.MaxPool2d(3, 2, 1)),
    Case(MaxPool(3, 1, 1), ((2, 3, 8),), lambda: nn.MaxPool1d(3, 1, 1)),
    Case(
        MaxPool((2, 3, 1), (1, 2, 2), (1, 0, 0)),
        ((1, 2, 4, 5, 6),),
        lambda: nn.MaxPool3d((2, 3, 1), (1, 2, 2), (1, 0, 0)),
    ),
    Case(MaxPool(3, 1, 1, 2), ((1, 2, 8, 9),), lambda: nn.MaxPool2d(3, 1, 1, 2)),
    # a last window that reaches further over the end than the kernel is large
    Case(MaxPool(2, 3, 1, 3, True), ((1, 2, 8, 9),), lambda: nn.MaxPool2d(2, 3, 1, 3, ceil_mode=True)),
    Case(
        MaxPool((3, 2), (2, 4), (1, 0), 1, True),
        ((1, 2, 8, 9),),
        lambda: nn.MaxPool2d((3, 2), (2, 4), (1, 0), 1, ceil_mode=True),
    ),
    Case(MaxPool(3, 2, ceil_mode=True), ((1, 2, 4, 5, 8),), lambda: nn.MaxPool3d(3, 2, ceil_mode=True)),
    # smaller than the kernel, which only ceil_mode takes
    Case(MaxPool(3, 2, ceil_mode=True), ((1, 2, 2),), lambda: nn.MaxPool1d(3, 2, ceil_mode=True)),
    Case(AvgPool(2), ((2, 3, 8, 9),), lambda: nn.AvgPool2d(2)),
    Case(AvgPool(3, 2, 1), ((2, 3, 8, 9),), lambda: nn.AvgPool2d(3, 2, 1)),
    Case(AvgPool(3, 2, 1, count_include_pad=False), ((2, 3, 8, 9),), lambda: nn.AvgPool2d(3, 2, 1, False, False)),
    Case(AvgPool(3, 1, 1), ((2, 3, 8),), lambda: nn.AvgPool1d(3, 1, 1)),
    Case(AvgPool(2, 3, 1, True), ((2, 3, 8),), lambda: nn.AvgPool1d(2, 3, 1, True)),
    Case(
        AvgPool((2, 3, 1), (1, 2, 2), (1, 0, 0)),
        ((1, 2, 4, 5, 6),),
        lambda: nn.AvgPool3d((2, 3, 1), (1, 2, 2), (1, 0, 0)),
    ),
    Case(AvgPool(3, 2, (1, 0, 1), True), ((1, 2, 4, 6, 7),), lambda: nn.AvgPool3d(3, 2, (1, 0, 1), True)),
    Case(AvgPool(3, 2, 1, divisor_override=4), ((2, 3, 8, 9),), lambda: nn.AvgPool2d(3, 2, 1, divisor_override=4)),
    Case(AvgPool(3, 2, 1, True, False, -2), ((2, 3, 8, 9),), lambda: nn.AvgPool2d(3, 2, 1, True, False, -2)),
    Case(AvgPool(2, divisor_override=3), ((1, 2, 4, 6, 7),), lambda: nn.AvgPool3d(2, divisor_override=3)),
    *ceil_modes(),
    Case(LPPool(2, 3), ((2, 3, 8, 9),), lambda: nn.LPPool2d(2, 3)),
    Case(LPPool(1, 2, 1), (Input((2, 3, 8)),), lambda: nn.LPPool1d(1, 2, 1)),
    Case(LPPool(2, 3, 2, True), ((2, 3, 8, 10),), lambda: nn.LPPool2d(2, 3, 2, True)),
    Case(LPPool(1.5, (2, 3), (2, 1)), (Input((2, 3, 8, 9), low=0.1),), lambda: nn.LPPool2d(1.5, (2, 3), (2, 1))),
    Case(LPPool(4, 2), ((1, 2, 4, 5, 6),), lambda: nn.LPPool3d(4, 2)),
    *adaptive(1, (2, 3, 7, 9)),
    *adaptive(1, (2, 3, 7)),
    *adaptive(4, (2, 3, 8, 12)),
    *adaptive(7, (2, 3, 8, 5)),
    *adaptive((3, 1), (2, 3, 8, 5)),
    *adaptive((3, 8), (2, 3, 7, 8)),
    *adaptive(5, (2, 3, 13)),
    *adaptive(9, (2, 3, 4)),
    *adaptive((2, 3, 4), (1, 2, 4, 7, 9)),
    *adaptive(1, (1, 2, 4, 7, 9)),
    Case(GlobalAvgPool(), ((2, 3, 7, 9),), global_pool(torch.mean)),
    Case(GlobalAvgPool(), ((2, 3, 7),), global_pool(torch.mean)),
    Case(GlobalAvgPool(), ((2, 3, 4, 5, 6),), global_pool(torch.mean)),
    Case(GlobalMaxPool(), ((2, 3, 7, 9),), global_pool(torch.amax)),
    Case(GlobalMaxPool(), ((2, 3, 7),), global_pool(torch.amax)),
    Case(GlobalMaxPool(), ((2, 3, 4, 5, 6),), global_pool(torch.amax)),
]

INT = Input((1, 2, 8, 8), "int64")

REFUSED: list[Refusal] = [
    (
        lambda: MaxPool(5),
        ((1, 2, 8, 4),),
        "MaxPool: a kernel of 5 does not fit axis 3 of [1, 2, 8, 4], which is 4 without padding",
    ),
    (lambda: MaxPool(5, 2, ceil_mode=True), ((1, 2, 8, 3),), "MaxPool: a kernel of 5 does not fit axis 3"),
    (lambda: MaxPool(3, padding=2), ((1, 2, 8),), "a padding of 2 is more than half of the kernel, which is 3"),
    (
        lambda: MaxPool(3, padding=2, dilation=2),
        ((1, 2, 8),),
        "a padding of 2 is more than half of the kernel, which is 3",
    ),
    (lambda: MaxPool(3, 2, "same", ceil_mode=True), ((1, 2, 8),), '`padding="same"` leaves no end for `ceil_mode`'),
    (lambda: AvgPool(3, 2, "same"), ((1, 2, 0, 4),), "AvgPool: axis 2 of [1, 2, 0, 4] is empty"),
    (lambda: MaxPool(3, padding="full"), ((1, 2, 8),), '`padding` takes an int, one for each axis, "same" or "valid"'),
    (lambda: MaxPool(0), ((1, 2, 8),), "`kernel_size` must be at least 1, not 0"),
    (lambda: MaxPool(2, 0), ((1, 2, 8),), "`stride` must be at least 1, not 0"),
    (lambda: MaxPool(2, padding=-1), ((1, 2, 8),), "`padding` must be at least 0, not -1"),
    (lambda: MaxPool(2, dilation=0), ((1, 2, 8),), "`dilation` must be at least 1, not 0"),
    (lambda: MaxPool((2, 2)), ((1, 2, 8),), "`kernel_size` has 2 values, and the input has 1 spatial axes"),
    (lambda: MaxPool(2), ((8, 8),), "MaxPool takes an input of rank 3 or 4 or 5, not [8, 8]"),
    (lambda: MaxPool(2), (INT,), "MaxPool takes floating-point numbers"),
    (lambda: AvgPool(9), ((1, 2, 8),), "AvgPool: a kernel of 9 does not fit axis 2"),
    (lambda: AvgPool(2, divisor_override=0), ((1, 2, 8, 8),), "`divisor_override` must not be 0"),
    (lambda: AvgPool(2, divisor_override=3), ((1, 2, 8),), "AvgPool over one spatial axis takes no `divisor_override`"),
    (lambda: AvgPool(2), (INT,), "AvgPool takes floating-point numbers"),
    (lambda: AvgPool(2, padding=2), ((1, 2, 8),), "a padding of 2 is more than half"),
    (lambda: LPPool(0, 2), ((1, 2, 8),), "`norm_type` must be a finite number other than 0, not 0"),
    (lambda: LPPool(float("inf"), 2), ((1, 2, 8),), "`norm_type` must be a finite number other than 0, not inf"),
    (lambda: LPPool(2, 9), ((1, 2, 8),), "LPPool: a kernel of 9 does not fit axis 2"),
    (lambda: LPPool(2, 2), (INT,), "LPPool takes floating-point numbers"),
    (lambda: AdaptiveAvgPool(0), ((1, 2, 8),), "an output size must be at least 1, not 0"),
    (lambda: AdaptiveAvgPool((1, 2)), ((1, 2, 8),), "AdaptiveAvgPool is given 2 sizes for the 1 spatial axes"),
    (lambda: AdaptiveAvgPool(1), ((1, 2),), "AdaptiveAvgPool takes an input of rank 3 or 4 or 5"),
    (lambda: AdaptiveMaxPool(1), ((1, 2, 0),), "AdaptiveMaxPool: axis 2 of [1, 2, 0] is empty"),
    (lambda: AdaptiveMaxPool(2), (INT,), "AdaptiveMaxPool takes floating-point numbers"),
    (lambda: GlobalAvgPool(), ((2, 3),), "GlobalAvgPool takes an input of rank 3 or 4 or 5"),
    (lambda: GlobalMaxPool(), (INT,), "GlobalMaxPool takes floating-point numbers"),
]
