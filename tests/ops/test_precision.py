"""What is added up over many elements is as exact in ONNX as in torch: with numbers for the sizes and with open ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from harness import Array, onnx_session, run_onnx, single_node_graph

from dlspec.ir.dims import symbol
from dlspec.ir.op import Op
from dlspec.ir.types import DType, TensorType
from dlspec.ops import loss, norm, reduce

SHAPE = (1, 64, 128, 128)
AXES = (1, 2, 3)
EXACT: list[tuple[Op, Any]] = [
    (reduce.Mean(AXES), lambda x: x.mean(AXES)),
    (reduce.Sum(AXES), lambda x: x.sum(AXES)),
    (reduce.Sum(), lambda x: x.sum()),
    (reduce.Mean((0, 2, 3)), lambda x: x.mean((0, 2, 3))),
    (reduce.Var(AXES), lambda x: x.var(AXES)),
    (reduce.Var(AXES, 0), lambda x: x.var(AXES, correction=0)),
    (reduce.Std(), lambda x: x.std()),
    (reduce.Norm(2.0, AXES), lambda x: torch.linalg.vector_norm(x, 2, AXES)),
    (reduce.Norm(1.0), lambda x: torch.linalg.vector_norm(x, 1)),
    (reduce.Norm(3.0, AXES), lambda x: torch.linalg.vector_norm(x, 3, AXES)),
    (reduce.LogSumExp(AXES), lambda x: x.logsumexp(AXES)),
    (loss.MSELoss(), torch.nn.functional.mse_loss),
    (loss.L1Loss("sum"), lambda x, y: torch.nn.functional.l1_loss(x, y, reduction="sum")),
    (loss.HuberLoss(), torch.nn.functional.huber_loss),
]
WITH_NUMBERS: list[tuple[Op, Any]] = [
    (norm.GroupNorm(1, affine=False), lambda x: torch.nn.functional.group_norm(x, 1)),
    (norm.LayerNorm(SHAPE[1:], elementwise_affine=False), lambda x: torch.nn.functional.layer_norm(x, SHAPE[1:])),
    (norm.RMSNorm(SHAPE[1:], elementwise_affine=False), lambda x: torch.nn.functional.rms_norm(x, SHAPE[1:])),
]


def drawn(count: int, middle: float) -> list[Array]:
    generator = np.random.default_rng(count)
    return [(generator.standard_normal(SHAPE) + middle).astype(np.float32) for _ in range(count)]


ROWS = [(*row, opened) for row in EXACT for opened in (False, True)] + [(*row, False) for row in WITH_NUMBERS]


@pytest.mark.parametrize("middle", [0.3, 100.0])
@pytest.mark.parametrize(
    ("op", "function", "opened"), ROWS, ids=[f"{op}-{'open' if opened else 'numbers'}" for op, _, opened in ROWS]
)
def test_a_million_elements(op: Op, function: Any, opened: bool, middle: float) -> None:
    arrays = drawn(2 if isinstance(op, loss.Loss) else 1, middle)
    shape = ("N", 64, "H", "W") if opened else SHAPE
    type = TensorType(DType.FLOAT32, tuple(symbol(size) if isinstance(size, str) else size for size in shape))
    (ours,) = run_onnx(onnx_session(single_node_graph(op, (type,) * len(arrays)), {}), arrays)
    exact = function(*(torch.from_numpy(array).double() for array in arrays)).numpy()
    assert np.abs(ours - exact).max() <= 3e-7 * np.abs(exact).max()
