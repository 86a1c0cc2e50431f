"""Normalisation."""

from __future__ import annotations

from typing import Any

from harness import Case, Input, Refusal
from torch import nn

from dlspec.ir.init import constant, normal
from dlspec.ops.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, RMSNorm


def untyped(value: object) -> Any:
    """A wrong argument that type checkers let pass."""
    return value


def batch(op: BatchNorm, shape: tuple[int, ...], *args: Any, **kwargs: Any) -> Case:
    kinds = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
    module = kinds[len(shape)]
    return Case(op, (shape,), lambda: module(shape[1], *args, **kwargs), training_differs=op.track_running_stats)


def instance(op: InstanceNorm, shape: tuple[int, ...], *args: Any, **kwargs: Any) -> Case:
    module = {3: nn.InstanceNorm1d, 4: nn.InstanceNorm2d, 5: nn.InstanceNorm3d}[len(shape)]
    return Case(op, (shape,), lambda: module(shape[1], *args, **kwargs), training_differs=op.track_running_stats)


def local(op: LocalResponseNorm, shape: tuple[int, ...], *args: float) -> Case:
    # Large numbers, or k hides the rest
    return Case(op, (Input(shape, low=-30, high=30),), lambda: nn.LocalResponseNorm(op.size, *args))


CASES: list[Case] = [
    batch(BatchNorm(), (3, 4, 5, 6)),
    batch(BatchNorm(), (3, 4)),
    batch(BatchNorm(1e-3, 0.01), (3, 4, 7), 1e-3, 0.01),
    batch(BatchNorm(0.5, None), (3, 4, 2, 3, 5), 0.5, None),
    batch(BatchNorm(affine=False), (3, 4, 5, 6), affine=False),
    batch(BatchNorm(track_running_stats=False), (3, 4, 5, 6), track_running_stats=False),
    batch(BatchNorm(track_running_stats=False), (3, 4), track_running_stats=False),
    batch(BatchNorm(0.1, 0.1, False, False), (3, 4, 7), 0.1, 0.1, False, False),
    batch(BatchNorm(bias=False), (3, 4, 5, 6), bias=False),
    batch(BatchNorm(track_running_stats=False, bias=False), (3, 4, 7), track_running_stats=False, bias=False),
    batch(BatchNorm(weight_init=constant(0)), (3, 4, 5, 6)),
    batch(BatchNorm(bias_init=normal(0, 1)), (3, 4, 5, 6)),
    instance(InstanceNorm(), (3, 4, 5, 6)),
    instance(InstanceNorm(), (3, 4, 7)),
    instance(InstanceNorm(0.5), (3, 4, 2, 3, 5), 0.5),
    instance(InstanceNorm(affine=True), (3, 4, 5, 6), affine=True),
    instance(InstanceNorm(1e-3, 0.3, True, True), (3, 4, 5, 6), 1e-3, 0.3, True, True),
    instance(InstanceNorm(track_running_stats=True), (3, 4, 7), track_running_stats=True),
    instance(InstanceNorm(affine=True, bias=False), (3, 4, 5, 6), affine=True, bias=False),
    instance(InstanceNorm(affine=True, weight_init=normal(1, 0.1)), (3, 4, 7), affine=True),
    instance(InstanceNorm(affine=True, bias_init=constant(1)), (3, 4, 7), affine=True),
    # statistics of channels whose number is not known
    Case(
        BatchNorm(affine=False, track_running_stats=False),
        ((3, 4, 5),),
        lambda: nn.BatchNorm1d(4, affine=False, track_running_stats=False),
        {0: ("N", "C", "L")},
    ),
    Case(InstanceNorm(), ((3, 4, 5, 6),), lambda: nn.InstanceNorm2d(4), {0: ("N", "C", "H", "W")}),
    Case(GroupNorm(2), ((3, 6, 5, 7),), lambda: nn.GroupNorm(2, 6)),
    Case(GroupNorm(1), ((3, 6),), lambda: nn.GroupNorm(1, 6)),
    Case(GroupNorm(6, 0.5), ((3, 6, 5),), lambda: nn.GroupNorm(6, 6, 0.5)),
    Case(GroupNorm(3, affine=False), ((3, 6, 5, 7, 2),), lambda: nn.GroupNorm(3, 6, affine=False)),
    Case(GroupNorm(3, affine=False), ((2, 6, 5),), lambda: nn.GroupNorm(3, 6, affine=False), {0: ("N", "C", "L")}),
    Case(GroupNorm(3, bias=False), ((3, 6, 5),), lambda: nn.GroupNorm(3, 6, bias=False)),
    Case(GroupNorm(2, weight_init=normal(1, 0.1)), ((3, 6, 5),), lambda: nn.GroupNorm(2, 6)),
    Case(GroupNorm(2, bias_init=constant(1)), ((3, 6, 5),), lambda: nn.GroupNorm(2, 6)),
    Case(LayerNorm(), ((3, 7, 8),), lambda: nn.LayerNorm(8), {0: ("N", "T", 8)}),
    Case(LayerNorm(8), ((3, 8),), lambda: nn.LayerNorm(8)),
    Case(LayerNorm((6, 8), 0.5), ((3, 5, 6, 8),), lambda: nn.LayerNorm([6, 8], 0.5), {0: ("N", "C", 6, 8)}),
    Case(LayerNorm(bias=False), ((3, 7, 8),), lambda: nn.LayerNorm(8, bias=False), {0: ("N", "T", 8)}),
    Case(
        LayerNorm((7, 8), elementwise_affine=False),
        ((3, 7, 8),),
        lambda: nn.LayerNorm([7, 8], elementwise_affine=False),
        {0: ("N", 7, 8)},
    ),
    Case(LayerNorm(weight_init=normal(1, 0.1)), ((8,),), lambda: nn.LayerNorm(8), {0: (8,)}),
    Case(LayerNorm(bias_init=constant(1)), ((3, 8),), lambda: nn.LayerNorm(8)),
    Case(RMSNorm(), ((3, 7, 8),), lambda: nn.RMSNorm(8), {0: ("N", "T", 8)}),
    Case(RMSNorm((7, 8), 0.5), ((3, 7, 8),), lambda: nn.RMSNorm([7, 8], 0.5), {0: ("N", 7, 8)}),
    Case(RMSNorm(8, elementwise_affine=False), ((3, 8),), lambda: nn.RMSNorm(8, elementwise_affine=False)),
    Case(RMSNorm(weight_init=normal(1, 0.1)), ((8,),), lambda: nn.RMSNorm(8), {0: (8,)}),
    local(LocalResponseNorm(5), (2, 8, 5, 6)),
    local(LocalResponseNorm(5, 1e-3, 0.5, 2.0), (2, 8, 5, 6), 1e-3, 0.5, 2.0),
    local(LocalResponseNorm(4, 0.1), (2, 8, 5, 6), 0.1),
    local(LocalResponseNorm(2, 0.1), (2, 8, 5), 0.1),
    local(LocalResponseNorm(3, 0.1), (2, 8, 5), 0.1),
    local(LocalResponseNorm(3, 0.1), (2, 4, 5, 3, 6), 0.1),
    local(LocalResponseNorm(1, 0.1), (2, 4, 5, 6), 0.1),
    local(LocalResponseNorm(9, 0.1), (2, 4, 5, 6), 0.1),
]

INT = Input((3, 4, 5), "int64")

REFUSED: list[Refusal] = [
    (lambda: BatchNorm(), ((4,),), "BatchNorm takes an input of rank 2 or more, not [4]"),
    (lambda: BatchNorm(), (INT,), "BatchNorm takes floating-point numbers"),
    (lambda: BatchNorm(-1.0), ((3, 4),), "`eps` must not be negative, and is -1"),
    (lambda: BatchNorm(untyped("small")), ((3, 4),), '`eps` takes a number, not "small"'),
    (lambda: InstanceNorm(), ((3, 4),), "takes an input of rank 3 or 4 or 5, not [3, 4]"),
    (lambda: InstanceNorm(), (INT,), "InstanceNorm takes floating-point numbers"),
    (lambda: InstanceNorm(), ((3, 4, 1, 1),), "needs more than one element in space, and the input is [3, 4, 1, 1]"),
    (lambda: GroupNorm(4), ((3, 6, 5),), "6 channels are not divisible by 4 groups"),
    (lambda: GroupNorm(0), ((3, 6, 5),), "`num_groups` must be at least 1"),
    (lambda: GroupNorm(2), ((6,),), "GroupNorm takes an input of rank 2 or more, not [6]"),
    (lambda: GroupNorm(2), (INT,), "GroupNorm takes floating-point numbers"),
    (lambda: LayerNorm(7), ((3, 8),), "the last axes of [3, 8] are not the normalized_shape [7]"),
    (lambda: LayerNorm((3, 5, 8)), ((5, 8),), "the last axes of [5, 8] are not the normalized_shape [3, 5, 8]"),
    (lambda: LayerNorm(()), ((3, 8),), "`normalized_shape` is an empty list"),
    (lambda: LayerNorm(0), ((3, 8),), "`normalized_shape` must be at least 1"),
    (lambda: LayerNorm(), ((),), "LayerNorm takes an input of rank 1 or more, not []"),
    (lambda: LayerNorm(), (INT,), "LayerNorm takes floating-point numbers"),
    (lambda: RMSNorm(7), ((3, 8),), "the last axes of [3, 8] are not the normalized_shape [7]"),
    (lambda: RMSNorm(eps=-1.0), ((3, 8),), "`eps` must not be negative"),
    (lambda: LocalResponseNorm(0), ((3, 4, 5),), "`size` must be at least 1"),
    (lambda: LocalResponseNorm(5), ((3, 4),), "takes an input of rank 3 or 4 or 5"),
    (lambda: LocalResponseNorm(5), (INT,), "LocalResponseNorm takes floating-point numbers"),
]
