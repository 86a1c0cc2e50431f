"""Views and axes against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from harness import Case, Input, Refusal
from tables import every_axis
from torch import nn

from dlspec.ir.op import Op
from dlspec.ops import shape as ops

X = (2, 3, 5, 7)


def moved(op: Op, x: tuple[int, ...] | Input, torchs: Callable[..., Any]) -> Case:
    return Case(op, (x,), lambda: torchs, tolerance=(0, 0), symbols=every_axis(x))


CASES: list[Case] = [
    Case(ops.Flatten(), (X,), nn.Flatten, tolerance=(0, 0)),
    moved(ops.Flatten(), X, torch.nn.Flatten()),
    moved(ops.Flatten(), (2, 3), lambda x: x.clone()),
    moved(ops.Flatten(0), X, lambda x: x.flatten()),
    moved(ops.Flatten(-2), X, lambda x: x.flatten(-2)),
    moved(ops.Flatten(1, 2), X, lambda x: x.flatten(1, 2)),
    moved(ops.Flatten(0), (), lambda x: x.flatten()),
    moved(ops.Flatten(), Input(X, "int64"), lambda x: x.flatten(1)),
    Case(ops.Reshape((2, 3, 35)), (X,), lambda: lambda x: x.reshape(2, 3, 35), symbols={0: X}),
    Case(ops.Reshape((6, -1)), (X,), lambda: lambda x: x.reshape(6, -1), symbols={0: ("N", 3, 5, "L")}),
    moved(ops.Reshape((-1,)), X, lambda x: x.reshape(-1)),
    Case(ops.Reshape((-1, 15)), (X,), lambda: lambda x: x.reshape(-1, 15), symbols={0: ("N", 3, 5, "L")}),
    Case(ops.Reshape((1, 2, -1, 1)), ((4, 6),), lambda: lambda x: x.reshape(1, 2, -1, 1)),
    Case(ops.Reshape(()), (Input((1, 1)),), lambda: lambda x: x.reshape(())),
    Case(ops.Unflatten(1, (2, 3)), ((2, 6, 5),), lambda: nn.Unflatten(1, (2, 3))),
    Case(ops.Unflatten(1, (-1, 3)), ((2, 6, 5),), lambda: nn.Unflatten(1, (-1, 3))),
    Case(ops.Unflatten(-1, (2, -1, 2)), ((2, 6, 8),), lambda: nn.Unflatten(-1, (2, -1, 2))),
    moved(ops.Squeeze(1), (2, 1, 5), lambda x: x.squeeze(1)),
    moved(ops.Squeeze((-1, 1)), (2, 1, 5, 1), lambda x: x.squeeze((-1, 1))),
    moved(ops.Unsqueeze(0), (2, 3), lambda x: x.unsqueeze(0)),
    moved(ops.Unsqueeze(-1), (2, 3), lambda x: x.unsqueeze(-1)),
    Case(ops.Expand((2, 4, 5)), ((2, 1, 5),), lambda: lambda x: x.expand(2, 4, 5), symbols={0: (2, 1, 5)}),
    moved(ops.Expand((4, -1, 6, -1)), (2, 1, 5), lambda x: x.expand(4, -1, 6, -1)),
    moved(ops.Expand((-1, -1)), (2, 3), lambda x: x.expand(-1, -1)),
    moved(ops.Permute((0, 2, 3, 1)), X, lambda x: x.permute(0, 2, 3, 1)),
    moved(ops.Permute((-1, 0, 1, -2)), X, lambda x: x.permute(-1, 0, 1, -2)),
    moved(ops.Permute((0, 1)), (2, 3), lambda x: x.permute(0, 1)),
    moved(ops.Transpose(1, 2), X, lambda x: x.transpose(1, 2)),
    moved(ops.Transpose(-1, 0), Input(X, "bool"), lambda x: x.transpose(-1, 0)),
    Case(ops.PixelShuffle(2), ((2, 12, 3, 5),), lambda: nn.PixelShuffle(2), tolerance=(0, 0)),
    Case(ops.PixelShuffle(3), (Input((2, 18, 3, 5), "float64"),), lambda: nn.PixelShuffle(3), tolerance=(0, 0)),
    Case(ops.PixelUnshuffle(2), ((2, 3, 4, 6),), lambda: nn.PixelUnshuffle(2), tolerance=(0, 0)),
    Case(ops.PixelUnshuffle(3), ((2, 2, 6, 9),), lambda: nn.PixelUnshuffle(3), tolerance=(0, 0)),
    Case(ops.ChannelShuffle(2), ((2, 6, 4, 5),), lambda: nn.ChannelShuffle(2), tolerance=(0, 0)),
    Case(ops.ChannelShuffle(3), ((2, 6, 5),), lambda: nn.ChannelShuffle(3), tolerance=(0, 0)),
    Case(ops.OneHot(10), (Input((2, 3), "int64"),), lambda: lambda x: F.one_hot(x, 10), macs=False),
    Case(ops.OneHot(4), (Input((2, 3), "int32", 0, 4),), lambda: lambda x: F.one_hot(x.long(), 4), macs=False),
    Case(ops.OneHot(10), (Input((), "int64"),), lambda: lambda x: F.one_hot(x, 10), macs=False),
]

REFUSED: list[Refusal] = [
    (lambda: ops.Flatten(2, 1), (X,), "starts at axis 2, behind its end at axis 1"),
    (ops.Flatten, ((5,),), "Flatten has no axis 1"),
    (lambda: ops.Reshape((4, -1)), (X,), "210 elements are not divisible by 4"),
    (lambda: ops.Reshape((2, 100)), (X,), "cannot give [2, 3, 5, 7] the shape [2, 100]: 210 elements are not 200"),
    (lambda: ops.Reshape((-1, 2, -1)), (X,), "leaves open 2"),
    (lambda: ops.Reshape((0, -1)), (X,), "cannot give [2, 3, 5, 7] the shape [0, -1]"),
    (lambda: ops.Reshape(4), (X,), "`shape` takes a list of sizes"),
    (lambda: ops.Unflatten(1, (2, 2)), (X,), "Unflatten of axis 1 cannot give [3] the shape [2, 2]"),
    (lambda: ops.Unflatten(1, ()), (X,), "an empty list of sizes"),
    (lambda: ops.Unflatten(4, (1, -1)), (X,), "no axis 4"),
    (lambda: ops.Squeeze(1), (X,), "cannot remove axis 1 of [2, 3, 5, 7]: its size is 3"),
    (ops.Squeeze, (X,), "`dim` takes an axis or a list of axes, not nothing"),
    (lambda: ops.Unsqueeze(4), ((2, 3),), "no axis 4"),
    (lambda: ops.Expand((2, 4, 5, 7)), (X,), "axis 1 is 3, not 1 or 4"),
    (lambda: ops.Expand((3, 5)), (X,), "it has fewer axes"),
    (lambda: ops.Expand((-1, 2, 3)), ((2, 3),), "axis 0 cannot have the size -1"),
    (lambda: ops.Permute((0, 1)), (X,), "names 2 of the 4 axes"),
    (lambda: ops.Permute((0, 1, 1, 2)), (X,), "same axis twice"),
    (lambda: ops.Transpose(0, 4), (X,), "no axis 4"),
    (lambda: ops.PixelShuffle(2), (X,), "needs channels divisible by 4, not 3"),
    (lambda: ops.PixelShuffle(2), ((2, 4, 5),), "rank 4, not [2, 4, 5]"),
    (lambda: ops.PixelShuffle(0), (X,), "`upscale_factor` must be at least 1"),
    (lambda: ops.PixelUnshuffle(2), (X,), "divisible by 2, not 5"),
    (lambda: ops.ChannelShuffle(2), (X,), "cannot part 3 channels into 2 groups"),
    (lambda: ops.ChannelShuffle(2), ((2, 4),), "takes channels and spatial axes, not [2, 4]"),
    (lambda: ops.OneHot(3), ((2, 3),), "`one_hot` takes class numbers, not float[2, 3]"),
]
