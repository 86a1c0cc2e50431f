"""Losses, as the formulas that they are."""

from __future__ import annotations

from dlspec.ops import loss as ops
from dlspec.ops.algebra import Term
from dlspec.passes.derivatives.registry import Cotangents, derives, expands
from dlspec.passes.derivatives.step import Step, along, compared, divided, where


def _reduced(op: ops.Loss, losses: Term) -> Term:
    return losses if op.reduction == "none" else losses.call("mean" if op.reduction == "mean" else "sum")


def _hinge(x: Term) -> Term:
    """Not relu: at 0, torch has a slope of 1."""
    return x.call("clamp", min=0.0)


# Distances


@expands(ops.MSELoss)
def mse(s: Step, op: ops.MSELoss) -> Term:
    return _reduced(op, (s.x - s.xs[1]).call("square"))


@expands(ops.L1Loss)
def l1(s: Step, op: ops.L1Loss) -> Term:
    return _reduced(op, (s.x - s.xs[1]).call("abs"))


@expands(ops.SmoothL1Loss)
def smooth_l1(s: Step, op: ops.SmoothL1Loss) -> Term:
    d = (s.x - s.xs[1]).call("abs")
    if op.beta == 0:
        return _reduced(op, d)
    return _reduced(op, where(compared("lt", d, op.beta), d * d * (0.5 / op.beta), d - 0.5 * op.beta))


@expands(ops.HuberLoss)
def huber(s: Step, op: ops.HuberLoss) -> Term:
    d = (s.x - s.xs[1]).call("abs")
    return _reduced(op, where(compared("lt", d, op.delta), d * d * 0.5, (d - 0.5 * op.delta) * op.delta))


# Classes


@expands(ops.NLLLoss)
def nll(s: Step, op: ops.NLLLoss) -> Term:
    return _of_classes(s, op, s.x, 0.0)


@expands(ops.CrossEntropyLoss)
def cross_entropy(s: Step, op: ops.CrossEntropyLoss) -> Term:
    logs = s.x.call("log_softmax", dim=_axis(s))
    target = s.xs[1]
    if not target.type.dtype.is_float:
        return _of_classes(s, op, logs, op.label_smoothing)
    if op.label_smoothing:
        target = target * (1 - op.label_smoothing) + divided(
            target.lifted(op.label_smoothing), s.x.type.shape[_axis(s)]
        )
    losses = _summed(s, logs * target)
    if op.reduction != "mean":
        return _reduced(op, losses)
    return divided(losses.call("sum"), losses.type.elements)


def _axis(s: Step) -> int:
    return min(1, s.x.type.rank - 1)


def _summed(s: Step, terms: Term) -> Term:
    """Minus the sum over the classes, each with its weight."""
    if len(s.xs) > 2:
        terms = terms * along(s.xs[2], _axis(s), terms.type.rank)
    return -terms.call("sum", dim=_axis(s))


def _of_classes(s: Step, op: ops.NLLLoss | ops.CrossEntropyLoss, logs: Term, smoothing: float) -> Term:
    axis, target = _axis(s), s.xs[1]
    classes = s.x.type.shape[axis]
    ignored = compared("eq", target, op.ignore_index)
    numbers = s.algebra.call("arange", end=classes)
    chosen = target.call("unsqueeze", dim=axis).call("eq", along(numbers, axis, s.x.type.rank))
    losses = _summed(s, where(chosen, logs, 0))
    if smoothing:
        losses = losses * (1 - smoothing) + divided(_summed(s, logs) * smoothing, classes)
    losses = where(ignored, losses * 0, losses)
    if op.reduction != "mean":
        return _reduced(op, losses)
    shares = -_summed(s, chosen.call("cast", dtype=logs.type.dtype.label))
    return losses.call("sum") / where(ignored, shares * 0, shares).call("sum")


# Probabilities


@derives(ops.BCELoss)
def bce(s: Step, op: ops.BCELoss) -> Cotangents:
    """A rule: where a logarithm stops, as at 0 and 1, torch has a slope even so."""
    x, target, *weight = s.xs
    g = divided(s.g, x.type.elements) if op.reduction == "mean" else s.g
    scaled = g * weight[0] if weight else g
    log_yes, log_no = (part.call("log").call("clamp", min=-100.0) for part in (x, 1 - x))
    of_x = scaled * (x - target) / ((1 - x) * x).call("clamp", min=1e-12)
    return of_x, scaled * (log_no - log_yes), *(-g * (target * log_yes + (1 - target) * log_no) for _ in weight)


@expands(ops.BCEWithLogitsLoss)
def bce_with_logits(s: Step, op: ops.BCEWithLogitsLoss) -> Term:
    x, target, *weights = s.xs
    tail = -x.call("logsigmoid")
    if len(weights) > 1:
        tail = ((weights[1] - 1) * target + 1) * tail
    losses = (1 - target) * x + tail
    return _reduced(op, losses * weights[0] if weights else losses)


@expands(ops.KLDivLoss)
def kl_div(s: Step, op: ops.KLDivLoss) -> Term:
    x, target = s.xs
    if op.log_target:
        losses = target.call("exp") * (target - x)
    else:
        at_zero = compared("eq", target, 0)
        logs = where(at_zero, target + 1, target).call("log")
        losses = where(at_zero, target * 0, target * logs) - target * x
    return divided(losses.call("sum"), x.type.shape[0]) if op.reduction == "batchmean" else _reduced(op, losses)


# Pairs and triplets


@expands(ops.MarginRankingLoss)
def margin_ranking(s: Step, op: ops.MarginRankingLoss) -> Term:
    first, second, target = s.xs
    return _reduced(op, _hinge(op.margin - target * (first - second)))


@expands(ops.HingeEmbeddingLoss)
def hinge_embedding(s: Step, op: ops.HingeEmbeddingLoss) -> Term:
    x, target = s.xs
    other = _hinge(op.margin - x)
    same = where(compared("eq", target, -1), x * 0, x)
    return _reduced(op, same + where(compared("eq", target, 1), other * 0, other))


@expands(ops.CosineEmbeddingLoss)
def cosine_embedding(s: Step, op: ops.CosineEmbeddingLoss) -> Term:
    first, second, target = s.xs
    length = ((_dot(first, first) + 1e-12) * (_dot(second, second) + 1e-12)).call("sqrt")
    cosine = _dot(first, second) / length
    other = _hinge(cosine - op.margin)
    same = where(compared("eq", target, 1), 1 - cosine, 0)
    return _reduced(op, same + where(compared("eq", target, -1), other, 0))


def _dot(x: Term, y: Term) -> Term:
    return (x * y).call("sum", dim=-1)


@expands(ops.TripletMarginLoss)
def triplet_margin(s: Step, op: ops.TripletMarginLoss) -> Term:
    anchor, positive, negative = s.xs

    def distance(x: Term, y: Term) -> Term:
        return (x - y + op.eps).call("norm", p=op.p, dim=-1)

    far = distance(anchor, negative)
    if op.swap:
        far = far.call("minimum", distance(positive, negative))
    return _reduced(op, _hinge(distance(anchor, positive) - far + op.margin))
