"""Affine maps of the last axis, and Embedding."""

from __future__ import annotations

import torch.nn.functional as F
from harness import Case, Input, Refusal
from torch import nn

from dlspec.ir.init import constant, normal
from dlspec.ops.embedding import Embedding
from dlspec.ops.linear import Bilinear, Linear, LinearFunction

CASES: list[Case] = [
    Case(Linear(8), ((3, 16),), lambda: nn.Linear(16, 8)),
    Case(Linear(8, False), ((3, 16),), lambda: nn.Linear(16, 8, False)),
    Case(Linear(8), ((16,),), lambda: nn.Linear(16, 8), {0: (16,)}),
    Case(Linear(5), ((2, 7, 16),), lambda: nn.Linear(16, 5), {0: ("N", "T", 16)}),
    Case(Linear(5, bias=False), ((2, 7, 3, 16),), lambda: nn.Linear(16, 5, bias=False), {0: ("N", "T", 3, 16)}),
    Case(Linear(5, weight_init=normal(0, 0.02)), ((2, 4),), lambda: nn.Linear(4, 5)),
    Case(Linear(5, bias_init=constant(-1)), ((2, 4),), lambda: nn.Linear(4, 5)),
    Case(LinearFunction(), ((3, 16), (8, 16)), lambda: F.linear, {1: (8, 16)}),
    Case(LinearFunction(), ((3, 16), (8, 16), (8,)), lambda: F.linear, {1: (8, 16), 2: (8,)}),
    Case(
        LinearFunction(),
        ((3, 5, 16), (8, 16), (8,)),
        lambda: F.linear,
        {0: ("N", "T", "D"), 1: ("K", "D"), 2: ("K",)},
    ),
    # torch's counter does not know Bilinear
    Case(Bilinear(6), ((3, 4), (3, 5)), lambda: nn.Bilinear(4, 5, 6), {0: ("N", 4), 1: ("N", 5)}, macs=False),
    Case(
        Bilinear(6, False),
        ((3, 7, 4), (3, 7, 5)),
        lambda: nn.Bilinear(4, 5, 6, False),
        {0: ("N", "T", 4), 1: ("N", "T", 5)},
        macs=False,
    ),
    Case(
        Bilinear(1, weight_init=normal(0, 0.1)),
        ((4,), (5,)),
        lambda: nn.Bilinear(4, 5, 1),
        {0: (4,), 1: (5,)},
        macs=False,
    ),
    Case(
        Bilinear(2, bias_init=constant(2)),
        ((3, 4), (3, 5)),
        lambda: nn.Bilinear(4, 5, 2),
        {0: ("N", 4), 1: ("N", 5)},
        macs=False,
    ),
    Case(Embedding(10, 4), (Input((3, 7), "int64"),), lambda: nn.Embedding(10, 4), {0: ("N", "T")}),
    Case(Embedding(20, 6), (Input((2, 3, 5), "int32", 0, 20),), lambda: nn.Embedding(20, 6), {0: ("N", "T", 5)}),
    Case(Embedding(10, 4, 2), (Input((5,), "int64"),), lambda: nn.Embedding(10, 4, 2)),
    Case(Embedding(10, 4, -1), (Input((5,), "int64"),), lambda: nn.Embedding(10, 4, -1)),
    Case(Embedding(10, 4, weight_init=normal(0, 0.02)), (Input((5,), "int64"),), lambda: nn.Embedding(10, 4)),
]

REFUSED: list[Refusal] = [
    (lambda: Linear(8), ((),), "takes an input of rank 1 or more, not []"),
    (lambda: Linear(0), ((3, 4),), "`out_features` must be at least 1, not 0"),
    (lambda: Linear(8), (Input((3, 4), "int64"),), "Linear takes floating-point numbers, not int[3, 4]"),
    (lambda: Linear(True), ((3, 4),), "`out_features` takes an int, not true"),
    (
        lambda: LinearFunction(),
        ((3, 4), (8, 5)),
        "is for 5 features, and the last axis of the input float[3, 4] differs",
    ),
    (lambda: LinearFunction(), ((3, 4), (4,)), "the weight must be [out, features]"),
    (lambda: LinearFunction(), ((3, 4), (8, 4), (4,)), "must have one value for each of 8 outputs"),
    (lambda: LinearFunction(), ((3, 4), (8, 4), (1, 8)), "the bias must have one axis"),
    (lambda: LinearFunction(), ((3, 4), Input((8, 4), "float64")), "float32 and float64"),
    (lambda: Bilinear(6), ((3, 4), (2, 4)), "must have the same axes before the last"),
    (lambda: Bilinear(6), ((3, 4), (4,)), "must have the same axes before the last"),
    (lambda: Bilinear(0), ((3, 4), (3, 4)), "`out_features` must be at least 1"),
    (lambda: Embedding(10, 4), ((3, 7),), "Embedding takes integers, not float[3, 7]"),
    (lambda: Embedding(10, 4, 10), (Input((3,), "int64"),), "`padding_idx` of 10 is not a row of a table with 10 rows"),
    (lambda: Embedding(10, 4, -11), (Input((3,), "int64"),), "`padding_idx` of -11"),
    (lambda: Embedding(0, 4), (Input((3,), "int64"),), "`num_embeddings` must be at least 1"),
    (lambda: Embedding(10, 0), (Input((3,), "int64"),), "`embedding_dim` must be at least 1"),
]
