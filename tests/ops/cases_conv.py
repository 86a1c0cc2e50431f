"""Convolutions."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import Any

import torch.nn.functional as F
from harness import Case, Input, Refusal
from same import same
from torch import Tensor, nn

from dlspec.ir.init import constant, normal
from dlspec.ops.conv import Conv, ConvFunction, ConvTranspose, ConvTransposeFunction


def same_before(module: Any) -> nn.Module:
    """The convolution over an input that is padded for it."""
    own = module.forward
    mode = {"zeros": "constant"}.get(module.padding_mode, module.padding_mode)
    sizes = (module.kernel_size, module.stride, module.dilation)
    module.forward = lambda x: own(same(x, *sizes, mode=mode))
    return module


class UnevenConv1d(nn.Conv1d):
    """One element before and three after: torch's own padding is the same on both sides."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.pad(input, (1, 3)))


class UnevenConv2d(nn.Conv2d):
    """No row before and one after, two columns before and one after."""

    fill = "constant"

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.pad(input, (2, 1, 0, 1), mode=self.fill))


class UnevenReflectConv2d(UnevenConv2d):
    fill = "reflect"


class UnevenCircularConv2d(UnevenConv2d):
    fill = "circular"


def untyped(value: object) -> Any:
    """A wrong argument that type checkers let pass."""
    return value


UNEVEN = ((0, 1), (2, 1))

CASES: list[Case] = [
    Case(Conv(8, 3), ((2, 4, 9, 11),), lambda: nn.Conv2d(4, 8, 3)),
    Case(Conv(16, 7, 2, 3, bias=False), ((1, 3, 33, 40),), lambda: nn.Conv2d(3, 16, 7, 2, 3, bias=False)),
    Case(Conv(6, 3, padding=1), ((2, 4, 12),), lambda: nn.Conv1d(4, 6, 3, padding=1)),
    Case(Conv(6, 3, stride=2, padding=1), ((2, 4, 5, 7, 9),), lambda: nn.Conv3d(4, 6, 3, 2, 1)),
    Case(Conv(6, 1, groups=2), ((2, 4, 5, 6),), lambda: nn.Conv2d(4, 6, 1, groups=2)),
    Case(Conv(8, 3, 1, 1, 1, 4), ((2, 4, 8, 6),), lambda: nn.Conv2d(4, 8, 3, 1, 1, 1, 4)),
    Case(Conv(5, 3, dilation=2, padding=2), ((2, 3, 9, 7),), lambda: nn.Conv2d(3, 5, 3, dilation=2, padding=2)),
    Case(
        Conv(5, (3, 2), (2, 1), (1, 0), (1, 3)),
        ((2, 3, 9, 10),),
        lambda: nn.Conv2d(3, 5, (3, 2), (2, 1), (1, 0), (1, 3)),
    ),
    Case(Conv(6, (1, 2, 3), groups=3), ((1, 6, 4, 5, 7),), lambda: nn.Conv3d(6, 6, (1, 2, 3), groups=3)),
    Case(Conv(4, 3, stride=4), ((1, 2, 6, 13),), lambda: nn.Conv2d(2, 4, 3, stride=4)),
    Case(Conv(4, 3, weight_init=normal(0, 0.02)), ((1, 2, 6, 7),), lambda: nn.Conv2d(2, 4, 3)),
    Case(Conv(4, 3, bias_init=constant(0.5)), ((1, 2, 6, 7),), lambda: nn.Conv2d(2, 4, 3)),
    # "same" with even kernels puts the odd one after
    Case(Conv(4, 4, padding="same"), ((2, 3, 7, 9),), lambda: nn.Conv2d(3, 4, 4, padding="same")),
    Case(
        Conv(4, (2, 3), padding="same", dilation=3),
        ((2, 3, 7, 9),),
        lambda: nn.Conv2d(3, 4, (2, 3), padding="same", dilation=3),
    ),
    Case(Conv(4, 2, padding="same"), ((2, 3, 4, 5, 6),), lambda: nn.Conv3d(3, 4, 2, padding="same")),
    Case(Conv(4, 3, 2, "valid"), ((2, 3, 7, 10),), lambda: nn.Conv2d(3, 4, 3, 2, "valid")),
    # with a stride, of sizes that end in every place of it
    *(
        Case(
            Conv(4, kernel, stride, "same"),
            ((2, 3, size, size + 1),),
            lambda k=kernel, s=stride: same_before(nn.Conv2d(3, 4, k, s)),
        )
        for (kernel, stride), size in product(((3, 2), (2, 2), (5, 3), (1, 2), (2, 3), (3, 4)), range(6, 10))
    ),
    Case(Conv(4, 3, 2, "same"), ((2, 3, 9),), lambda: same_before(nn.Conv1d(3, 4, 3, 2))),
    Case(Conv(4, 3, 2, "same"), ((1, 3, 5, 6, 7),), lambda: same_before(nn.Conv3d(3, 4, 3, 2))),
    Case(
        Conv(6, (3, 4), (2, 1), "same", (1, 2), 3, bias=False),
        ((2, 3, 8, 9),),
        lambda: same_before(nn.Conv2d(3, 6, (3, 4), (2, 1), 0, (1, 2), 3, bias=False)),
    ),
    *(
        Case(
            Conv(4, 5, 2, "same", padding_mode=mode),
            ((2, 3, 8, 9),),
            lambda mode=mode: same_before(nn.Conv2d(3, 4, 5, 2, padding_mode=mode)),
        )
        for mode in ("reflect", "replicate", "circular")
    ),
    Case(
        ConvFunction(2, "same", 2),
        ((2, 4, 9, 8), (6, 4, 3, 2), (6,)),
        lambda: lambda x, w, b: F.conv2d(same(x, (3, 2), (2, 2), (2, 2)), w, b, 2, dilation=2),
        {1: (6, 4, 3, 2), 2: (6,)},
    ),
    Case(
        ConvFunction(3, "same"),
        ((2, 4, 10), (6, 4, 5)),
        lambda: lambda x, w: F.conv1d(same(x, (5,), (3,), (1,)), w, stride=3),
        {1: (6, 4, 5)},
    ),
    # padding before and after
    Case(Conv(4, 5, padding=((1, 3),)), ((2, 3, 8),), lambda: UnevenConv1d(3, 4, 5)),
    Case(Conv(4, 3, 2, UNEVEN), ((2, 3, 8, 9),), lambda: UnevenConv2d(3, 4, 3, 2)),
    Case(Conv(4, 3, 2, UNEVEN, padding_mode="reflect"), ((2, 3, 8, 9),), lambda: UnevenReflectConv2d(3, 4, 3, 2)),
    Case(Conv(4, 3, 2, UNEVEN, padding_mode="circular"), ((2, 3, 8, 9),), lambda: UnevenCircularConv2d(3, 4, 3, 2)),
    *(
        case
        for mode in ("reflect", "replicate", "circular")
        for case in (
            Case(
                Conv(4, 3, padding=1, padding_mode=mode),
                ((2, 3, 6, 7),),
                lambda mode=mode: nn.Conv2d(3, 4, 3, padding=1, padding_mode=mode),
            ),
            Case(
                Conv(4, 5, padding=(2, 1), stride=2, bias=False, padding_mode=mode),
                ((1, 2, 6, 7),),
                lambda mode=mode: nn.Conv2d(2, 4, 5, padding=(2, 1), stride=2, bias=False, padding_mode=mode),
            ),
            Case(
                Conv(4, 4, padding="same", padding_mode=mode),
                ((1, 2, 6, 9),),
                lambda mode=mode: nn.Conv2d(2, 4, 4, padding="same", padding_mode=mode),
            ),
            Case(
                Conv(4, 3, padding=2, padding_mode=mode),
                ((2, 3, 7),),
                lambda mode=mode: nn.Conv1d(3, 4, 3, padding=2, padding_mode=mode),
            ),
            Case(
                Conv(4, 3, padding=(0, 1, 2), padding_mode=mode),
                ((1, 2, 4, 5, 6),),
                lambda mode=mode: nn.Conv3d(2, 4, 3, padding=(0, 1, 2), padding_mode=mode),
            ),
        )
    ),
    # all the input there is: reflect takes size - 1, circular the whole
    Case(
        Conv(4, 3, padding=5, padding_mode="reflect"),
        ((1, 2, 6),),
        lambda: nn.Conv1d(2, 4, 3, padding=5, padding_mode="reflect"),
    ),
    Case(
        Conv(4, 3, padding=6, padding_mode="circular"),
        ((1, 2, 6),),
        lambda: nn.Conv1d(2, 4, 3, padding=6, padding_mode="circular"),
    ),
    # with a given weight
    Case(
        ConvFunction(),
        ((2, 3, 7, 8), (4, 3, 3, 2)),
        lambda: F.conv2d,
        {1: (4, 3, 3, 2)},
    ),
    Case(
        ConvFunction(2, 1, 1, 2),
        ((2, 4, 7, 8), (6, 2, 3, 3), (6,)),
        lambda: partial(F.conv2d, stride=2, padding=1, dilation=1, groups=2),
        {1: (6, 2, 3, 3), 2: (6,)},
    ),
    Case(
        ConvFunction(padding="same", dilation=2),
        ((2, 3, 9), (4, 3, 4)),
        lambda: partial(F.conv1d, padding="same", dilation=2),
        {1: (4, 3, 4)},
    ),
    Case(
        ConvFunction((1, 2, 1)),
        ((1, 2, 4, 5, 6), (3, 2, 2, 2, 2)),
        lambda: partial(F.conv3d, stride=(1, 2, 1)),
        {1: ("K", 2, 2, 2, 2)},
    ),
    # transposed
    Case(ConvTranspose(6, 3), ((2, 4, 5, 7),), lambda: nn.ConvTranspose2d(4, 6, 3)),
    Case(ConvTranspose(6, 2, 2), ((2, 4, 5, 7),), lambda: nn.ConvTranspose2d(4, 6, 2, 2)),
    Case(ConvTranspose(6, 4, 2, 1, bias=False), ((2, 4, 5),), lambda: nn.ConvTranspose1d(4, 6, 4, 2, 1, bias=False)),
    Case(ConvTranspose(6, 3, 2, 1, 1), ((1, 4, 3, 4, 5),), lambda: nn.ConvTranspose3d(4, 6, 3, 2, 1, 1)),
    Case(
        ConvTranspose(6, (3, 2), (2, 3), (1, 0), (1, 2), 2),
        ((2, 4, 5, 7),),
        lambda: nn.ConvTranspose2d(4, 6, (3, 2), (2, 3), (1, 0), (1, 2), 2),
    ),
    Case(
        ConvTranspose(6, 3, 2, 2, 1, 1, True, 2),
        ((2, 4, 5, 7),),
        lambda: nn.ConvTranspose2d(4, 6, 3, 2, 2, 1, 1, True, 2),
    ),
    # an output padding that only the dilation allows
    *(
        Case(
            ConvTranspose(6, 3, 1, padding, extra, dilation=4),
            ((2, 4, 5, 7),),
            lambda p=padding, e=extra: nn.ConvTranspose2d(4, 6, 3, 1, p, e, dilation=4),
        )
        for padding, extra in ((1, 1), (0, 3), (2, (1, 3)), (1, (0, 3)))
    ),
    Case(
        ConvTranspose(6, 3, 2, 1, 3, dilation=4),
        ((2, 4, 5),),
        lambda: nn.ConvTranspose1d(4, 6, 3, 2, 1, 3, dilation=4),
    ),
    Case(ConvTranspose(8, 3, groups=4), ((2, 4, 5, 7),), lambda: nn.ConvTranspose2d(4, 8, 3, groups=4)),
    Case(ConvTranspose(2, 1, 3), ((2, 4, 5, 7),), lambda: nn.ConvTranspose2d(4, 2, 1, 3)),
    Case(ConvTranspose(4, 3, weight_init=normal(0, 0.02)), ((1, 2, 6, 7),), lambda: nn.ConvTranspose2d(2, 4, 3)),
    Case(ConvTranspose(4, 3, bias_init=constant(0.5)), ((1, 2, 6, 7),), lambda: nn.ConvTranspose2d(2, 4, 3)),
    Case(
        ConvTransposeFunction(),
        ((2, 4, 5, 7), (4, 6, 3, 3)),
        lambda: F.conv_transpose2d,
        {1: (4, 6, 3, 3)},
    ),
    Case(
        ConvTransposeFunction(2, 1, 1, 2, 1),
        ((2, 4, 5), (4, 3, 3), (6,)),
        lambda: partial(F.conv_transpose1d, stride=2, padding=1, output_padding=1, groups=2),
        {1: (4, 3, 3), 2: (6,)},
    ),
    Case(
        ConvTransposeFunction((2, 1), dilation=(1, 2)),
        ((1, 4, 5, 6), (4, 3, 2, 3)),
        lambda: partial(F.conv_transpose2d, stride=(2, 1), dilation=(1, 2)),
        {1: (4, 3, 2, 3)},
    ),
]

INT = Input((1, 4, 8, 8), "int64")

REFUSED: list[Refusal] = [
    (
        lambda: Conv(8, 7),
        ((1, 3, 4, 9),),
        "a kernel of 7 does not fit axis 2 of [1, 3, 4, 9], which is 4 without padding",
    ),
    (lambda: Conv(8, 7, padding=1), ((1, 3, 9, 4),), "axis 3 of [1, 3, 9, 4], which is 4 padded by 2"),
    (
        lambda: Conv(8, 3, dilation=4),
        ((1, 3, 9, 8),),
        "a kernel of 3 with dilation 4, which spans 9, does not fit axis 3",
    ),
    (lambda: Conv(8, 3, groups=2), ((1, 3, 8, 8),), "3 input channels are not divisible by 2 groups"),
    (lambda: Conv(9, 3, groups=2), ((1, 4, 8, 8),), "9 output channels are not divisible by 2 groups"),
    (lambda: Conv(8, 3), ((1, 3),), "takes an input of rank 3 or 4 or 5, not [1, 3]"),
    (lambda: Conv(8, 3), ((1, 3, 4, 4, 4, 4),), "takes an input of rank 3 or 4 or 5"),
    (lambda: Conv(8, 3), (INT,), "Conv takes floating-point numbers, not int[1, 4, 8, 8]"),
    (lambda: Conv(8, (3, 3)), ((1, 3, 8),), "`kernel_size` has 2 values, and the input has 1 spatial axes"),
    (lambda: Conv(8, 3, (1, 2, 3)), ((1, 3, 8, 8),), "`stride` has 3 values"),
    (lambda: Conv(8, 3, padding=(1,)), ((1, 3, 8, 8),), "`padding` has 1 entries"),
    (lambda: Conv(8, 3, padding=untyped(((1, 2, 3),))), ((1, 3, 8),), "`padding` takes an int, one for each axis"),
    (lambda: Conv(8, 3, padding="full"), ((1, 3, 8),), "`padding` takes an int, one for each axis"),
    (lambda: Conv(8, 3, padding=-1), ((1, 3, 8),), "`padding` must be at least 0, not -1"),
    (lambda: Conv(8, 3, padding=((0, -2),)), ((1, 3, 8),), "`padding` must be at least 0, not -2"),
    (lambda: Conv(8, 3, 2, "same"), ((1, 3, 0),), "Conv: axis 2 of [1, 3, 0] is empty"),
    (
        lambda: Conv(8, 5, 2, "same", padding_mode="reflect"),
        ((1, 3, 2, 9),),
        "reflect padding of 2 does not fit axis 2 of [1, 3, 2, 9], which must be at least 3",
    ),
    (lambda: Conv(0, 3), ((1, 3, 8),), "`out_channels` must be at least 1, not 0"),
    (lambda: Conv(8, (3, 0)), ((1, 3, 8, 8),), "`kernel_size` must be at least 1, not 0"),
    (lambda: Conv(8, 3, 0), ((1, 3, 8),), "`stride` must be at least 1, not 0"),
    (lambda: Conv(8, 3, dilation=0), ((1, 3, 8),), "`dilation` must be at least 1, not 0"),
    (lambda: Conv(8, 3, groups=0), ((1, 3, 8),), "`groups` must be at least 1, not 0"),
    (lambda: Conv(untyped(8.5), 3), ((1, 3, 8),), "`out_channels` takes an int, not 8.5"),
    (lambda: Conv(8, 3, padding_mode=untyped("mirror")), ((1, 3, 8),), "`padding_mode` takes"),
    (
        lambda: Conv(8, 3, padding=4, padding_mode="reflect"),
        ((1, 3, 9, 4),),
        "reflect padding of 4 does not fit axis 3 of [1, 3, 9, 4], which must be at least 5",
    ),
    (
        lambda: Conv(8, 3, padding=5, padding_mode="circular"),
        ((1, 3, 4, 9),),
        "circular padding of 5 does not fit axis 2 of [1, 3, 4, 9], which must be at least 5",
    ),
    (lambda: ConvFunction(), ((1, 3, 8, 8), (4, 2, 3, 3)), "is for 2 channels in each group, not 3 / 1"),
    (lambda: ConvFunction(groups=2), ((1, 4, 8, 8), (5, 2, 3, 3)), "5 output channels are not divisible by 2 groups"),
    (lambda: ConvFunction(), ((1, 3, 8, 8), (4, 3, 3)), "must have the rank of the input"),
    (lambda: ConvFunction(), ((1, 3, 8, 8), (4, 3, 9, 3)), "a kernel of 9 does not fit axis 2"),
    (lambda: ConvFunction(), ((1, 3, 8, 8), (4, 3, 3, 3), (3,)), "must have one value for each of 4 output channels"),
    (lambda: ConvFunction(), ((1, 3, 8, 8), (4, 3, 3, 3), (4, 1)), "the bias must have one axis"),
    (lambda: ConvFunction(), ((1, 3, 8, 8), Input((4, 3, 3, 3), "float64")), "float32 and float64"),
    (lambda: ConvTranspose(6, 3, padding=3), ((1, 4, 2, 9),), "padding of 3 leaves nothing of axis 2"),
    (lambda: ConvTranspose(6, 3, 2, output_padding=2), ((1, 4, 5),), "output_padding of 2 must be smaller than"),
    (lambda: ConvTranspose(6, 3, groups=4), ((1, 4, 5),), "6 output channels are not divisible by 4 groups"),
    (lambda: ConvTranspose(6, 3, groups=3), ((1, 4, 5),), "4 input channels are not divisible by 3 groups"),
    (lambda: ConvTranspose(6, 3), ((4, 5),), "takes an input of rank 3 or 4 or 5"),
    (lambda: ConvTranspose(6, 3), (INT,), "takes floating-point numbers"),
    (lambda: ConvTransposeFunction(), ((1, 4, 5), (3, 6, 3)), "is for 3 input channels, not 4"),
]
