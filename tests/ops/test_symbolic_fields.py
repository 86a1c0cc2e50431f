"""Operators whose arguments are sizes in symbols: at two sizes, shapes and values are those of PyTorch.

`x` is `[N, 4, H, W]` and always an input of the model, also of operators that make their tensor from sizes alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from harness import Array, assert_close, onnx_session, run_onnx, run_torch
from tables import centre, filled

from dlspec.ir.dims import symbol
from dlspec.ir.evaluation import evaluate
from dlspec.ir.graph import Graph, Output
from dlspec.ir.node import Node, Value
from dlspec.ir.op import Needs, Op
from dlspec.ir.scope import Scope
from dlspec.ir.types import DType, TensorType
from dlspec.ops import pad, random, resize, shape, slicing
from dlspec.source import Source, Span

N, H, W = symbol("N"), symbol("H"), symbol("W")
X = TensorType(DType.FLOAT32, (N, 4, H, W))
SIZES = ({"N": 2, "H": 6, "W": 8}, {"N": 3, "H": 10, "W": 4})
ALL = ("slice", None, None, 1)


class Row(NamedTuple):
    op: Op
    torch: Callable[[torch.Tensor, int, int, int], Any]


ROWS = [
    Row(shape.Reshape((N, 4 * H, W)), lambda x, n, h, w: x.reshape(n, 4 * h, w)),
    Row(shape.Reshape((N, 2, 2, -1)), lambda x, n, h, w: x.reshape(n, 2, 2, -1)),
    Row(shape.Reshape((N * H, -1)), lambda x, n, h, w: x.reshape(n * h, -1)),
    Row(shape.Reshape((N, 4, H // 2, 2, W // 2, 2)), lambda x, n, h, w: x.reshape(n, 4, h // 2, 2, w // 2, 2)),
    Row(shape.Reshape((N, -1, H // 2, W // 2)), lambda x, n, h, w: x.reshape(n, -1, h // 2, w // 2)),
    Row(shape.Reshape(X.with_shape(N, H, 4, W)), lambda x, n, h, w: x.reshape(n, h, 4, w)),
    Row(shape.Unflatten(2, (H // 2, -1)), lambda x, n, h, w: x.unflatten(2, (h // 2, 2))),
    Row(shape.Expand((H, N, 4, -1, W)), lambda x, n, h, w: x.expand(h, n, 4, -1, w)),
    Row(slicing.Slice(2, H // 2), lambda x, n, h, w: x[:, :, h // 2 :]),
    Row(slicing.Slice(2, 1, H - 1, 2), lambda x, n, h, w: x[:, :, 1 : h - 1 : 2]),
    Row(slicing.Slice(3, -3, W), lambda x, n, h, w: x[..., -3:]),
    Row(slicing.Index((ALL, ALL, ("at", H // 2))), lambda x, n, h, w: x[:, :, h // 2]),
    Row(slicing.Index((ALL, ALL, ("slice", 1, H - 1, 1), ("at", W - 1))), lambda x, n, h, w: x[:, :, 1:-1, w - 1]),
    Row(slicing.Crop((H - 3, W // 2)), lambda x, n, h, w: centre(x, h - 3, w // 2)),
    Row(slicing.Crop((H - 3, W - 1), (2, 1)), lambda x, n, h, w: x[:, :, 2 : h - 1, 1:w]),
    Row(slicing.Crop(X.with_shape(N, 7, H - 1, W)), lambda x, n, h, w: centre(x, h - 1, w)),
    Row(slicing.Tile((1, H, 2)), lambda x, n, h, w: x.tile(1, h, 2)),
    Row(pad.PadTo((H + 3, 2 * W), 0.5), lambda x, n, h, w: filled(x, h + 3, 2 * w, 0.5)),
    Row(resize.Resize((2 * H, W + 1), "linear"), lambda x, n, h, w: F.interpolate(x, (2 * h, w + 1), mode="bilinear")),
    Row(resize.Resize(X.with_shape(N, 3, H // 2, W)), lambda x, n, h, w: F.interpolate(x, (h // 2, w))),
    Row(resize.Upsample((H, 3 * W)), lambda x, n, h, w: F.interpolate(x, (h, 3 * w))),
    Row(random.Zeros((N, H // 2)), lambda x, n, h, w: torch.zeros(n, h // 2)),
    Row(random.Ones(X, "int"), lambda x, n, h, w: torch.ones(n, 4, h, w, dtype=torch.int64)),
    Row(random.Full((W, H), 0.25), lambda x, n, h, w: torch.full((w, h), 0.25)),
    Row(random.Arange(H * W), lambda x, n, h, w: torch.arange(h * w)),
    Row(random.Arange(H, "float"), lambda x, n, h, w: torch.arange(h).float()),
    Row(random.Linspace(-1, 1, H), lambda x, n, h, w: torch.linspace(-1, 1, h)),
    Row(random.Linspace(-1, 1, W // W), lambda x, n, h, w: torch.linspace(-1, 1, 1)),
    Row(random.Eye(H, W), lambda x, n, h, w: torch.eye(h, w)),
    Row(random.Eye(W), lambda x, n, h, w: torch.eye(w)),
]


def graph_of(op: Op) -> Graph:
    span = Span(Source("operator.dlspec", "op"), 0, 2)
    root = Scope("network", None, span, declaration="Single")
    graph = Graph("Single", root)
    graph.inputs = [Value("input0", X, None, span)]
    graph.symbols = dict.fromkeys(sorted(X.symbols))
    inputs = tuple(graph.inputs) if op.tensors else ()
    result = op.infer(Needs(), tuple(value.type for value in inputs))
    outputs = (result,) if isinstance(result, TensorType) else result
    graph.nodes = [Node(op, inputs, (), root, "operator", span, outputs)]
    graph.outputs = [Output("output0", graph.nodes[0].outputs[0], False)]
    return graph


@pytest.mark.parametrize("row", ROWS, ids=[repr(row.op) for row in ROWS])
def test_sizes_in_symbols(row: Row) -> None:
    graph = graph_of(row.op)
    session = onnx_session(graph, {})
    for sizes in SIZES:
        array: Array = np.random.default_rng(0).standard_normal([evaluate(dim, sizes) for dim in X.shape], np.float32)
        theirs = run_torch(lambda x, sizes=sizes: row.torch(x, sizes["N"], sizes["H"], sizes["W"]), [array])
        assert tuple(evaluate(dim, sizes) for dim in graph.outputs[0].value.type.shape) == theirs[0].shape
        assert_close(run_onnx(session, [array]), theirs, (1e-5, 1e-6))


DEMANDS: list[tuple[Op, TensorType, set[str]]] = [
    (slicing.Slice(2, 1), X, {"H - 1 >= 1"}),
    (slicing.Slice(2, -3), X, {"H >= 3"}),
    (slicing.Index((ALL, ALL, ("at", -2))), X, {"H >= 2"}),
    (slicing.Crop((H, 5)), X, {"W - 5 >= 0"}),
    (slicing.Split(2, 3), X, {"W % 2"}),
    (pad.Pad(2, "reflect"), X, {"H >= 3", "W >= 3"}),
    (pad.Pad(2), X, set()),
    (pad.PadTo((H, 9)), X, {"9 - W >= 0"}),
    (shape.Reshape((N, -1, 8)), X, {"4 * H * W % 8"}),
    (shape.Reshape((N, 4, 6, W)), X, {"H == 6"}),
    (shape.Squeeze(2), X, {"H == 1"}),
    (shape.PixelUnshuffle(2), X, {"H % 2", "W % 2"}),
    (resize.Upsample(scale_factor=2), X, set()),
    (resize.Upsample(scale_factor=0.5), X, {"H // 2 >= 1", "W // 2 >= 1"}),
]


@pytest.mark.parametrize(("op", "x", "expected"), DEMANDS, ids=[repr(op) for op, _, _ in DEMANDS])
def test_demands_on_sizes(op: Op, x: TensorType, expected: set[str]) -> None:
    """What is true of all sizes is not among them."""
    need = Needs()
    op.infer(need, (x,))
    assert {f"{demand.left} {demand.relation} {demand.right}" for demand in need.requirements} == expected
