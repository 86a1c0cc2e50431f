"""Losses against torch.nn.functional's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from harness import Case, Input, Refusal
from tables import every_axis

from dlspec.ir.op import Op
from dlspec.ops import loss as ops

REDUCTIONS = ("none", "mean", "sum")


def case(op: Op, inputs: tuple[Any, ...], torchs: Callable[..., Any], **arguments: Any) -> Case:
    """Every axis is symbolic, the classes too."""
    return Case(op, inputs, lambda: lambda *xs: torchs(*xs, **arguments), symbols=every_axis(*inputs))


def each(cls: type[Op], inputs: tuple[Any, ...], torchs: Callable[..., Any], **arguments: Any) -> list[Case]:
    """With every reduction."""
    return [case(cls(reduction=r, **arguments), inputs, torchs, reduction=r, **arguments) for r in REDUCTIONS]


def weighted(torchs: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, y, w, **arguments: torchs(x, y, weight=w, **arguments)


PAIR = ((4, 3, 5), (4, 3, 5))
SCORES = (6, 4)
CLASSES = Input((6,), "int64", 0, 4)
FIXED = Input((6,), "int64", values=[0, 3, 1, 1, 2, 0])
MAP, MAP_CLASSES = (2, 4, 3, 5), Input((2, 3, 5), "int64", 0, 4)
P = Input((4, 3, 5), low=0.01, high=0.99)
TARGET = Input((4, 3, 5), low=0, high=1)
HARD = Input((6,), values=[0, 1, 1, 0, 1, 0])
CLASS_WEIGHT = Input((4,), low=0.5, high=2)
SIGNS = Input((6,), values=[1, -1, 1, 1, -1, -1])
INT_SIGNS = Input((6,), "int64", values=[1, -1, 1, 1, -1, -1])
ODD_SIGNS = Input((6,), values=[1, -1, 0, 1, -1, 2])
VECTORS = ((6, 5), (6, 5))
TRIPLET = ((6, 5), (6, 5), (6, 5))


def fixed(op: Op, inputs: tuple[Any, ...], torchs: Callable[..., Any], **arguments: Any) -> Case:
    """Sizes as they are: a target with given values, or no axes."""
    shapes = [item.shape if isinstance(item, Input) else item for item in inputs]
    return Case(op, inputs, lambda: lambda *xs: torchs(*xs, **arguments), symbols=dict(enumerate(shapes)))


def filled(torchs: Callable[..., Any]) -> Callable[..., Any]:
    """With a target that has no axes."""
    return lambda x, y, **arguments: torchs(x, y.expand_as(x), **arguments)


CASES: list[Case] = [
    *each(ops.MSELoss, PAIR, F.mse_loss),
    case(ops.MSELoss(), (Input((3, 4), "float64"), Input((3, 4), "float64")), F.mse_loss),
    fixed(ops.MSELoss(), ((3, 4), ()), filled(F.mse_loss)),
    fixed(ops.MSELoss("none"), ((), ()), F.mse_loss, reduction="none"),
    *each(ops.L1Loss, PAIR, F.l1_loss),
    *each(ops.SmoothL1Loss, PAIR, F.smooth_l1_loss, beta=0.7),
    case(ops.SmoothL1Loss(), PAIR, F.smooth_l1_loss),
    case(ops.SmoothL1Loss(beta=0), PAIR, F.smooth_l1_loss, beta=0),
    *each(ops.HuberLoss, PAIR, F.huber_loss, delta=0.7),
    case(ops.HuberLoss(), PAIR, F.huber_loss),
    # Classes
    *each(ops.NLLLoss, (SCORES, CLASSES), F.nll_loss),
    *each(ops.NLLLoss, (MAP, MAP_CLASSES), F.nll_loss, ignore_index=2),
    *each(ops.NLLLoss, (SCORES, CLASSES, CLASS_WEIGHT), weighted(F.nll_loss), ignore_index=1),
    *(fixed(ops.NLLLoss(reduction=r), ((4,), Input((), "int64", 0, 4)), F.nll_loss, reduction=r) for r in REDUCTIONS),
    *each(ops.CrossEntropyLoss, (SCORES, CLASSES), F.cross_entropy),
    *each(ops.CrossEntropyLoss, (MAP, MAP_CLASSES), F.cross_entropy, ignore_index=2),
    *each(ops.CrossEntropyLoss, (SCORES, CLASSES, CLASS_WEIGHT), weighted(F.cross_entropy), ignore_index=1),
    *each(ops.CrossEntropyLoss, (SCORES, CLASSES), F.cross_entropy, label_smoothing=0.1),
    *each(
        ops.CrossEntropyLoss, (MAP, MAP_CLASSES, CLASS_WEIGHT), weighted(F.cross_entropy),
        ignore_index=2, label_smoothing=0.3,
    ),
    *each(ops.CrossEntropyLoss, (SCORES, Input(SCORES, low=0, high=1)), F.cross_entropy),
    *each(
        ops.CrossEntropyLoss, (MAP, Input(MAP, low=0, high=1), CLASS_WEIGHT), weighted(F.cross_entropy), label_smoothing=0.2
    ),
    *each(ops.CrossEntropyLoss, (Input(SCORES, "float64"), CLASSES), F.cross_entropy),
    fixed(ops.CrossEntropyLoss(), ((4,), Input((), "int64", 0, 4)), F.cross_entropy),
    fixed(ops.CrossEntropyLoss(label_smoothing=0.1), ((4,), Input((), "int64", 0, 4)), F.cross_entropy, label_smoothing=0.1),
    fixed(ops.CrossEntropyLoss(), ((4,), (4,)), F.cross_entropy),
    # Probabilities
    *each(ops.BCELoss, (P, TARGET), F.binary_cross_entropy),
    *each(ops.BCELoss, (P, TARGET, (5,)), weighted(F.binary_cross_entropy)),
    fixed(ops.BCELoss(), (Input((6,), values=[0, 1, 0.5, 1, 0, 0.2]), HARD), F.binary_cross_entropy),
    fixed(ops.BCELoss(), (P, Input((), values=1.0)), filled(F.binary_cross_entropy)),
    *each(ops.BCEWithLogitsLoss, (PAIR[0], TARGET), F.binary_cross_entropy_with_logits),
    *each(ops.BCEWithLogitsLoss, (PAIR[0], TARGET, (3, 5)), weighted(F.binary_cross_entropy_with_logits)),
    *each(
        ops.BCEWithLogitsLoss,
        (PAIR[0], TARGET, (4, 1, 1), Input((5,), low=0.5, high=3)),
        lambda x, y, w, p, reduction: F.binary_cross_entropy_with_logits(x, y, w, pos_weight=p, reduction=reduction),
    ),
    fixed(
        ops.BCEWithLogitsLoss(reduction="none"), (Input((6,), values=[-200, 200, 0, 200, -30, -200]), HARD),
        F.binary_cross_entropy_with_logits, reduction="none",
    ),
    *each(ops.KLDivLoss, (PAIR[0], TARGET), F.kl_div),
    *each(ops.KLDivLoss, PAIR, F.kl_div, log_target=True),
    case(ops.KLDivLoss("batchmean"), (PAIR[0], TARGET), F.kl_div, reduction="batchmean"),
    fixed(ops.KLDivLoss("none"), ((6,), HARD), F.kl_div, reduction="none"),
    # Pairs and triplets
    *each(ops.MarginRankingLoss, ((6,), (6,), SIGNS), F.margin_ranking_loss),
    *each(ops.MarginRankingLoss, (*PAIR, PAIR[0]), F.margin_ranking_loss, margin=0.3),
    *each(ops.HingeEmbeddingLoss, ((6,), SIGNS), F.hinge_embedding_loss),
    *each(ops.HingeEmbeddingLoss, ((6,), INT_SIGNS), F.hinge_embedding_loss, margin=0.5),
    fixed(ops.HingeEmbeddingLoss(reduction="none"), ((6,), ODD_SIGNS), F.hinge_embedding_loss, reduction="none"),
    *each(ops.CosineEmbeddingLoss, (*VECTORS, SIGNS), F.cosine_embedding_loss),
    *each(ops.CosineEmbeddingLoss, (*VECTORS, INT_SIGNS), F.cosine_embedding_loss, margin=0.2),
    fixed(ops.CosineEmbeddingLoss(), ((5,), (5,), Input((), values=-1.0)), F.cosine_embedding_loss),
    *each(ops.TripletMarginLoss, TRIPLET, F.triplet_margin_loss),
    *each(ops.TripletMarginLoss, TRIPLET, F.triplet_margin_loss, margin=0.5, p=1.0, eps=1e-3, swap=True),
    case(ops.TripletMarginLoss(p=3.0), TRIPLET, F.triplet_margin_loss, p=3.0),
    case(ops.TripletMarginLoss(p=float("inf")), TRIPLET, F.triplet_margin_loss, p=float("inf")),
    fixed(ops.TripletMarginLoss(), ((5,), (5,), (5,)), F.triplet_margin_loss),
]  # fmt: skip

INTS = Input((4,), "int64")
REFUSED: list[Refusal] = [
    (ops.MSELoss, ((4, 1), (4,)), "the shape of what it is compared with, float[4, 1], not float[4]"),
    (ops.MSELoss, ((4, 1), (4, 3)), "float[4, 1], not float[4, 3]"),
    (ops.MSELoss, ((4,), INTS), "the element type of what it is compared with, float[4], not int[4]"),
    (ops.L1Loss, (INTS, INTS), "takes floating-point numbers, not int[4]"),
    (ops.L1Loss, ((), (4,)), "float[], not float[4]"),
    (lambda: ops.SmoothL1Loss(beta=-1), PAIR, "`beta` of 0 or more, not -1"),
    (lambda: ops.HuberLoss(delta=0), PAIR, "`delta` above 0, not 0"),
    (ops.NLLLoss, (SCORES, (6,)), "takes classes as int[6], not float[6]"),
    (ops.NLLLoss, (SCORES, Input((6,), "int32")), "takes classes as int[6], not int32[6]"),
    (ops.NLLLoss, (SCORES, Input((6, 1), "int64")), "takes classes as int[6], not int[6, 1]"),
    (ops.NLLLoss, ((), Input((), "int64")), "an axis of classes, not float[]"),
    (ops.CrossEntropyLoss, (SCORES, (6,)), "classes as int[6] or probabilities as float[6, 4], not float[6]"),
    (ops.CrossEntropyLoss, (SCORES, (6, 5)), "probabilities as float[6, 4], not float[6, 5]"),
    (ops.CrossEntropyLoss, (MAP, CLASSES), "classes as int[2, 3, 5]"),
    (ops.CrossEntropyLoss, (SCORES, CLASSES, (5,)), "one `weight` for each class, float[4], not float[5]"),
    (ops.CrossEntropyLoss, (SCORES, CLASSES, (4, 1)), "one `weight` for each class, float[4], not float[4, 1]"),
    (ops.CrossEntropyLoss, (SCORES, CLASSES, INTS), "one `weight` for each class, float[4], not int[4]"),
    (lambda: ops.CrossEntropyLoss(3), (SCORES, SCORES), "has an `ignore_index`, and its target is probabilities"),
    (lambda: ops.CrossEntropyLoss(label_smoothing=2), (SCORES, CLASSES), "`label_smoothing` from 0 to 1, not 2"),
    (ops.BCELoss, (P, TARGET, (4,)), "axis 2 is 5 in one and 4 in the other"),
    (ops.BCELoss, ((5,), (5,), (3, 5)), "a `weight` that broadcasts to its input, float[5], not float[3, 5]"),
    (ops.BCELoss, ((1,), (1,), (5,)), "a `weight` that broadcasts to its input, float[1], not float[5]"),
    (ops.BCEWithLogitsLoss, ((5,), (5,), (5,), Input((5,), "float64")), "a `pos_weight` that broadcasts"),
    (lambda: ops.KLDivLoss("batchmean"), ((), ()), "has no batch to divide by in float[]"),
    (lambda: ops.KLDivLoss("max"), PAIR, '`reduction` takes "none" or "mean" or "sum" or "batchmean"'),
    (ops.MarginRankingLoss, ((6,), (5,), SIGNS), "takes a second input of the shape"),
    (ops.MarginRankingLoss, ((6,), (6,), INT_SIGNS), "takes a target of the element type"),
    (ops.HingeEmbeddingLoss, ((5,), SIGNS), "float[5], not float[6]"),
    (ops.HingeEmbeddingLoss, ((6,), Input((6,), "bool")), "takes numbers, not bool[6]"),
    (ops.CosineEmbeddingLoss, (*VECTORS, (5,)), "float[6], not float[5]"),
    (ops.CosineEmbeddingLoss, (*PAIR, (4,)), "takes vectors [N, D] or [D]"),
    (ops.CosineEmbeddingLoss, ((5,), (), ()), "two vectors of one shape, not float[5] and float[]"),
    (lambda: ops.CosineEmbeddingLoss(2), (*VECTORS, SIGNS), "`margin` from -1 to 1, not 2"),
    (ops.TripletMarginLoss, ((6, 5), (6, 5), (6, 4)), "takes a negative of the shape"),
    (ops.TripletMarginLoss, ((6, 5), (), (6, 5)), "vectors of one shape, not float[6, 5] and float[]"),
    (ops.TripletMarginLoss, ((), (), ()), "takes vectors, not float[]"),
    (lambda: ops.TripletMarginLoss(0), TRIPLET, "`margin` above 0, not 0"),
    (lambda: ops.TripletMarginLoss(p=-1), TRIPLET, "`p` of 0 or more, not -1"),
]
