"""The sizes that windows leave: every small kernel, stride, padding and dilation, against PyTorch on meta tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from harness import assert_close, infer, onnx_session, run_onnx, run_torch, single_node_graph
from torch import Tensor

from dlspec.ir.dims import symbol
from dlspec.ir.evaluation import evaluate
from dlspec.ir.op import Op, OpError
from dlspec.ir.types import DType, TensorType
from dlspec.ops.conv import Conv, ConvTranspose
from dlspec.ops.pooling import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, MaxPool

SIZES = range(1, 13)


def line(size: int | str) -> TensorType:
    """[1, 1, size, 1]"""
    return TensorType(DType.FLOAT32, (1, 1, symbol(size) if isinstance(size, str) else size, 1))


def convolutions() -> Iterator[tuple[Op, Callable[[Tensor], Tensor]]]:
    for k, s, p, d in product((1, 2, 3, 5), (1, 2, 3), (0, 1, 2), (1, 2)):
        weight = torch.empty(1, 1, k, 1, device="meta")
        yield (
            Conv(1, (k, 1), (s, 1), (p, 0), (d, 1)),
            lambda x, w=weight, s=s, p=p, d=d: F.conv2d(x, w, None, (s, 1), (p, 0), (d, 1)),
        )


def transposed() -> Iterator[tuple[Op, Callable[[Tensor], Tensor]]]:
    for k, s, p, o in product((1, 2, 3, 5), (1, 2, 3), (0, 1, 2), (0, 1)):
        if o < s:
            weight = torch.empty(1, 1, k, 1, device="meta")
            yield (
                ConvTranspose(1, (k, 1), (s, 1), (p, 0), (o, 0)),
                lambda x, w=weight, s=s, p=p, o=o: F.conv_transpose2d(x, w, None, (s, 1), (p, 0), (o, 0)),
            )


def pools() -> Iterator[tuple[Op, Callable[[Tensor], Tensor]]]:
    for k, s, p, d, ceil in product((1, 2, 3, 5), (1, 2, 3, 4), (0, 1, 2), (1, 2), (False, True)):
        if 2 * p > k:
            continue
        yield (
            MaxPool((k, 1), (s, 1), (p, 0), (d, 1), ceil),
            lambda x, k=k, s=s, p=p, d=d, c=ceil: F.max_pool2d(x, (k, 1), (s, 1), (p, 0), (d, 1), c),
        )
        if d == 1:
            yield (
                AvgPool((k, 1), (s, 1), (p, 0), ceil),
                lambda x, k=k, s=s, p=p, c=ceil: F.avg_pool2d(x, (k, 1), (s, 1), (p, 0), c),
            )


def theirs(function: Callable[[Tensor], Tensor], size: int) -> int | None:
    """None where PyTorch refuses, or leaves nothing."""
    try:
        return function(torch.empty(1, 1, size, 1, device="meta")).shape[2] or None
    except RuntimeError:
        return None


def ours(op: Op, size: int) -> int | None:
    try:
        (y,), _ = infer(op, (line(size),))
    except OpError:
        return None
    return evaluate(y.shape[2], {})


@pytest.mark.parametrize("family", [convolutions, transposed, pools])
def test_sizes_are_torchs(family: Callable[[], Iterator[tuple[Op, Callable[[Tensor], Tensor]]]]) -> None:
    sizes, refused = 0, 0
    for op, function in family():
        (symbolic,), requirements = infer(op, (line("L"),))
        for size in SIZES:
            expected = theirs(function, size)
            assert ours(op, size) == expected, (op, size)
            met = all(evaluate(r.left, {"L": size}) >= evaluate(r.right, {}) for r in requirements)
            assert met == (expected is not None), (op, size)
            if expected is None:
                refused += 1
            else:
                sizes += 1
                assert evaluate(symbolic.shape[2], {"L": size}) == expected, (op, size)
    assert sizes > 200
    assert refused > 20


@pytest.mark.parametrize("make", [partial(Conv, 1), MaxPool, AvgPool])
def test_same_leaves_a_window_for_every_stride_begun(make: Callable[..., Any]) -> None:
    """The sizes, and a padding that is no more than they need, half of it in front."""
    for k, s, d in product((1, 2, 3, 5, 7), (1, 2, 3, 4), (1,) if make is AvgPool else (1, 2)):
        op = make((k, 1), (s, 1), "same", **({} if make is AvgPool else {"dilation": (d, 1)}))
        ((symbolic,), requirements), span = infer(op, (line("L"),)), d * (k - 1) + 1
        for size in SIZES:
            assert ours(op, size) == -(-size // s) == evaluate(symbolic.shape[2], {"L": size})
            assert all(evaluate(r.left, {"L": size}) >= evaluate(r.right, {}) for r in requirements)
            (before, after), *_ = op.window(line(size)).known_pads
            assert after - before in (0, 1)
            last = (-(-size // s) - 1) * s + span - before  # where the last window ends
            assert last == size + after or (before + after == 0 and last <= size)
            (before_, after_), *_ = op.window(line("L")).pads
            assert (evaluate(before_, {"L": size}), evaluate(after_, {"L": size})) == (before, after)
    assert ours(make((3, 1), (2, 1), "same"), 0) is None


@pytest.mark.parametrize("op", [AdaptiveAvgPool, AdaptiveMaxPool])
@pytest.mark.parametrize(("height", "width"), [(7, 9), (8, 8), (5, 12), (3, 2)])
def test_adaptive_to_sizes_that_follow_from_the_inputs(op: type[Op], height: int, width: int) -> None:
    size = ((symbol("H") + 1) // 2, 2 * symbol("W"))
    types = (TensorType(DType.FLOAT32, (2, 3, symbol("H"), symbol("W"))),)
    x = np.random.default_rng(0).standard_normal((2, 3, height, width)).astype(np.float32)
    function = F.adaptive_avg_pool2d if op is AdaptiveAvgPool else F.adaptive_max_pool2d
    expected = run_torch(partial(function, output_size=((height + 1) // 2, 2 * width)), [x])
    actual = run_onnx(onnx_session(single_node_graph(op(size), types), {}), [x])
    assert_close(actual, expected, (1e-5, 1e-6))
