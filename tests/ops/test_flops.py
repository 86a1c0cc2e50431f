"""FLOPs of layers, worked out by hand from the conventions that their docstrings state."""

from __future__ import annotations

import pytest
from harness import infer

from dlspec.ir.dims import symbol
from dlspec.ir.evaluation import evaluate
from dlspec.ir.op import Op
from dlspec.ir.types import DType, TensorType
from dlspec.ops import activation, dropout, loss, recurrent, softmax
from dlspec.ops.conv import Conv, ConvFunction, ConvTranspose, ConvTransposeFunction
from dlspec.ops.embedding import Embedding
from dlspec.ops.linear import Bilinear, Linear, LinearFunction
from dlspec.ops.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, RMSNorm
from dlspec.ops.pooling import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, GlobalAvgPool, GlobalMaxPool, LPPool, MaxPool

IMAGE = ((2, 6, 8, 10),)
ELEMENTS = 2 * 6 * 8 * 10

FLOPS: list[tuple[Op, tuple[tuple[int, ...], ...], int]] = [
    # 4 channels of 6 x 8 from 6 channels under 3 x 3
    (Conv(4, 3, bias=False), IMAGE, 2 * (2 * 4 * 6 * 8) * (6 * 9)),
    (Conv(4, 3), IMAGE, 2 * (2 * 4 * 6 * 8) * (6 * 9) + 2 * 4 * 6 * 8),
    (Conv(4, 3, groups=2, bias=False), IMAGE, 2 * (2 * 4 * 6 * 8) * (3 * 9)),
    (ConvFunction(), (*IMAGE, (4, 6, 3, 3)), 2 * (2 * 4 * 6 * 8) * (6 * 9)),
    (ConvFunction(), (*IMAGE, (4, 6, 3, 3), (4,)), 2 * (2 * 4 * 6 * 8) * (6 * 9) + 2 * 4 * 6 * 8),
    (ConvTranspose(4, 2, 2, bias=False), IMAGE, 2 * ELEMENTS * (4 * 4)),
    (ConvTranspose(4, 2, 2), IMAGE, 2 * ELEMENTS * (4 * 4) + 2 * 4 * 16 * 20),
    (ConvTransposeFunction(2), (*IMAGE, (6, 4, 2, 2), (4,)), 2 * ELEMENTS * (4 * 4) + 2 * 4 * 16 * 20),
    (Linear(5), ((3, 7, 4),), 2 * (3 * 7 * 5) * 4 + 3 * 7 * 5),
    (Linear(5, False), ((3, 4),), 2 * (3 * 5) * 4),
    (LinearFunction(), ((3, 4), (5, 4)), 2 * (3 * 5) * 4),
    (LinearFunction(), ((3, 4), (5, 4), (5,)), 2 * (3 * 5) * 4 + 3 * 5),
    (Bilinear(6), ((3, 4), (3, 5)), 2 * (3 * 6) * (4 * 5 + 5) + 3 * 6),
    (BatchNorm(), IMAGE, 2 * ELEMENTS),
    (BatchNorm(track_running_stats=False), IMAGE, 7 * ELEMENTS),
    (BatchNorm(track_running_stats=False, bias=False), IMAGE, 6 * ELEMENTS),
    (InstanceNorm(), IMAGE, 5 * ELEMENTS),
    (InstanceNorm(affine=True), IMAGE, 7 * ELEMENTS),
    (InstanceNorm(track_running_stats=True), IMAGE, 2 * ELEMENTS),
    (GroupNorm(2), IMAGE, 7 * ELEMENTS),
    (GroupNorm(2, affine=False), IMAGE, 5 * ELEMENTS),
    (LayerNorm(), IMAGE, 7 * ELEMENTS),
    (LayerNorm(bias=False), IMAGE, 6 * ELEMENTS),
    (LayerNorm(elementwise_affine=False), IMAGE, 5 * ELEMENTS),
    (RMSNorm(), IMAGE, 4 * ELEMENTS),
    (RMSNorm(elementwise_affine=False), IMAGE, 3 * ELEMENTS),
    (LocalResponseNorm(5), IMAGE, 10 * ELEMENTS),
    (MaxPool(2), IMAGE, 4 * (2 * 6 * 4 * 5)),
    (AvgPool((2, 5)), IMAGE, 10 * (2 * 6 * 4 * 2)),
    (LPPool(2, 2), IMAGE, 2 * 4 * (2 * 6 * 4 * 5)),
    (AdaptiveAvgPool((3, 1)), IMAGE, ELEMENTS + 2 * 6 * 3),
    (AdaptiveMaxPool((3, 1)), IMAGE, ELEMENTS),
    (GlobalAvgPool(), IMAGE, ELEMENTS + 2 * 6),
    (GlobalMaxPool(), IMAGE, ELEMENTS),
    *(
        (op, IMAGE, ELEMENTS)
        for op in (activation.ReLU(), activation.GELU(), activation.PReLU(6), activation.Threshold(0, 1))
    ),
    (loss.MSELoss("none"), IMAGE * 2, 2 * ELEMENTS),
    (loss.MSELoss(), IMAGE * 2, 2 * ELEMENTS + ELEMENTS),
    (loss.BCELoss(reduction="sum"), IMAGE * 2, 7 * ELEMENTS + ELEMENTS),
    (loss.CrossEntropyLoss(), IMAGE * 2, 7 * ELEMENTS + ELEMENTS // 6),  # a target of probabilities; 6 classes
    (loss.TripletMarginLoss(), ((3, 8),) * 3, 6 * 24 + 3),
    (loss.TripletMarginLoss(swap=True, reduction="none"), ((3, 8),) * 3, 9 * 24),
    (loss.CosineEmbeddingLoss(), ((3, 8), (3, 8), (3,)), 6 * 24 + 3),
    # 3 sequences of 4 steps: gates of 5 features and 2 states, 3 additions for each, and what makes the state of them
    (recurrent.RNN(2, batch_first=True), ((3, 4, 5),), 12 * 2 * (2 * 7 + 3 + 1)),
    (recurrent.RNN(2, batch_first=True, bias=False), ((3, 4, 5),), 12 * 2 * (2 * 7 + 1 + 1)),
    (recurrent.GRU(2, batch_first=True), ((3, 4, 5),), 12 * 2 * (3 * (2 * 7 + 3) + 8)),
    (recurrent.LSTM(2, batch_first=True), ((3, 4, 5),), 12 * 2 * (4 * (2 * 7 + 3) + 9)),
    (recurrent.LSTM(2, proj_size=1, batch_first=True), ((3, 4, 5),), 12 * 2 * (4 * (2 * 6 + 3) + 9 + 2)),
    (softmax.Softmax(1), IMAGE, 5 * ELEMENTS),
    (softmax.LogSoftmax(1), IMAGE, 5 * ELEMENTS),
    (softmax.Softmin(1), IMAGE, 6 * ELEMENTS),
    (softmax.GLU(), IMAGE, ELEMENTS),
    *(
        (op, IMAGE, 0)
        for op in (dropout.Identity(), dropout.Dropout(), dropout.ChannelDropout(), dropout.DropPath(0.5))
    ),
]


@pytest.mark.parametrize(
    ("op", "shapes", "flops"), FLOPS, ids=[f"{index}-{op!r}" for index, (op, _, _) in enumerate(FLOPS)]
)
def test_flops(op: Op, shapes: tuple[tuple[int, ...], ...], flops: int) -> None:
    types = tuple(TensorType(DType.FLOAT32, shape) for shape in shapes)
    outputs, _ = infer(op, types)
    assert op.flops(types, outputs) == flops
    batch = symbol("N")
    open_types = tuple(
        type.with_shape(batch, *type.shape[1:]) if type.shape[0] == types[0].shape[0] else type for type in types
    )
    outputs, _ = infer(op, open_types)
    assert evaluate(op.flops(open_types, outputs), {"N": shapes[0][0]}) == flops


def test_a_table_is_looked_up_for_nothing() -> None:
    types = (TensorType(DType.INT64, (3, 7)),)
    outputs, _ = infer(Embedding(10, 4), types)
    assert Embedding(10, 4).flops(types, outputs) == 0
