"""Losses."""

from __future__ import annotations

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.lower_reduce import added_in, as_type, vector_norm
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.dims import Dim
from dlspec.ir.node import Node
from dlspec.ir.types import DType
from dlspec.ops import loss as ops


class Scalars:
    """Constants of the element type of a loss."""

    def __init__(self, e: Emitter, node: Node) -> None:
        self.e = e
        self.dtype = node.outputs[0].type.dtype

    def __getitem__(self, value: float) -> str:
        return self.e.scalar(value, self.dtype)

    def size(self, dim: Dim) -> str:
        return self[dim] if isinstance(dim, int) else self.e.cast(self.e.dim(dim), self.dtype)


def reduced(e: Emitter, op: ops.Loss, node: Node, losses: str) -> str:
    if op.reduction == "none":
        return losses
    return added(e, node, losses, "ReduceMean" if op.reduction == "mean" else "ReduceSum")


def added(e: Emitter, node: Node, losses: str, op_type: str = "ReduceSum") -> str:
    """All of what there is for the elements of the input, as one number."""
    dtype = node.outputs[0].type.dtype
    wide = added_in(node.inputs[0].type, range(node.inputs[0].type.rank))
    return as_type(e, e.op(op_type, [as_type(e, losses, dtype, wide)], keepdims=0), wide, dtype)


def difference(e: Emitter, a: str, b: str) -> str:
    return e.op("Abs", [e.op("Sub", [a, b])])


def hinge(e: Emitter, x: str) -> str:
    return e.op("Relu", [x])


# Distances -----------------------------------------------------------------------------------------------------------


@lowers(ops.MSELoss)
def mse(e: Emitter, op: ops.MSELoss, node: Node, xs: list[str], ws: list[str]) -> str:
    d = e.op("Sub", xs)
    return reduced(e, op, node, e.op("Mul", [d, d]))


@lowers(ops.L1Loss)
def l1(e: Emitter, op: ops.L1Loss, node: Node, xs: list[str], ws: list[str]) -> str:
    return reduced(e, op, node, difference(e, *xs))


@lowers(ops.SmoothL1Loss)
def smooth_l1(e: Emitter, op: ops.SmoothL1Loss, node: Node, xs: list[str], ws: list[str]) -> str:
    d, number = difference(e, *xs), Scalars(e, node)
    if op.beta == 0:
        return reduced(e, op, node, d)
    near = e.op("Mul", [e.op("Mul", [d, d]), number[0.5 / op.beta]])
    far = e.op("Sub", [d, number[0.5 * op.beta]])
    return reduced(e, op, node, e.op("Where", [e.op("Less", [d, number[op.beta]]), near, far]))


@lowers(ops.HuberLoss)
def huber(e: Emitter, op: ops.HuberLoss, node: Node, xs: list[str], ws: list[str]) -> str:
    d, number = difference(e, *xs), Scalars(e, node)
    near = e.op("Mul", [e.op("Mul", [d, d]), number[0.5]])
    far = e.op("Mul", [e.op("Sub", [d, number[0.5 * op.delta]]), number[op.delta]])
    return reduced(e, op, node, e.op("Where", [e.op("Less", [d, number[op.delta]]), near, far]))


# Classes -------------------------------------------------------------------------------------------------------------


@lowers(ops.NLLLoss)
def nll(e: Emitter, op: ops.NLLLoss, node: Node, xs: list[str], ws: list[str]) -> str:
    if _has_own_node(node):
        return e.op("NegativeLogLikelihoodLoss", xs, reduction=op.reduction, ignore_index=op.ignore_index)
    return _of_classes(e, op, node, xs, smoothing=0.0)


@lowers(ops.CrossEntropyLoss)
def cross_entropy(e: Emitter, op: ops.CrossEntropyLoss, node: Node, xs: list[str], ws: list[str]) -> str:
    x, target, *weight = xs
    by_class = not node.inputs[1].type.dtype.is_float
    if by_class and op.label_smoothing == 0 and _has_own_node(node):
        return e.op("SoftmaxCrossEntropyLoss", xs, reduction=op.reduction, ignore_index=op.ignore_index)
    logs = e.op("LogSoftmax", [x], axis=_axis(node))
    if by_class:
        return _of_classes(e, op, node, [logs, target, *weight], op.label_smoothing)
    number = Scalars(e, node)
    if op.label_smoothing:
        uniform = e.op("Div", [number[op.label_smoothing], _classes(node, number)])
        target = e.op("Add", [e.op("Mul", [target, number[1 - op.label_smoothing]]), uniform])
    return reduced(e, op, node, _summed(e, node, e.op("Mul", [logs, target]), weight))


def _has_own_node(node: Node) -> bool:
    """What ONNX Runtime has: float32 with a batch."""
    return node.inputs[0].type.dtype is DType.FLOAT32 and node.inputs[0].type.rank > 1


def _axis(node: Node) -> int:
    return min(1, node.inputs[0].type.rank - 1)


def _classes(node: Node, number: Scalars) -> str:
    return number.size(node.inputs[0].type.shape[_axis(node)])


def _summed(e: Emitter, node: Node, terms: str, weight: list[str]) -> str:
    """Minus the sum of terms over the classes, each with its weight."""
    axis, rank = _axis(node), node.inputs[0].type.rank
    if weight:
        terms = e.op("Mul", [terms, e.op("Reshape", [weight[0], e.constant([-1] + [1] * (rank - axis - 1))])])
    return e.op("Neg", [e.op("ReduceSum", [terms, e.constant([axis])], keepdims=0)])


def _of_classes(e: Emitter, op: ops.NLLLoss | ops.CrossEntropyLoss, node: Node, xs: list[str], smoothing: float) -> str:
    """From log-probabilities: that of the target's class, mixed with the mean of all. "mean" divides by the weights of
    the targets that count."""
    (logs, target, *weight), number = xs, Scalars(e, node)
    axis = e.constant([_axis(node)])
    ignored = e.op("Equal", [target, e.constant(op.ignore_index)])
    known = e.op("Where", [ignored, e.constant(0), target])
    picked = e.op("GatherElements", [logs, e.op("Unsqueeze", [known, axis])], axis=_axis(node))
    losses = e.op("Neg", [e.op("Squeeze", [picked, axis])])
    share = e.op("Gather", [weight[0], known], axis=0) if weight else number[1]
    losses = e.op("Mul", [losses, share])
    if smoothing:
        uniform = e.op("Div", [number[smoothing], _classes(node, number)])
        spread = e.op("Mul", [_summed(e, node, logs, weight), uniform])
        losses = e.op("Add", [e.op("Mul", [losses, number[1 - smoothing]]), spread])
    losses = e.op("Where", [ignored, number[0], losses])
    if op.reduction != "mean":
        return reduced(e, op, node, losses)
    counted = added(e, node, e.op("Where", [ignored, number[0], share]))
    return e.op("Div", [added(e, node, losses), counted])


# Probabilities -------------------------------------------------------------------------------------------------------


@lowers(ops.BCELoss)
def bce(e: Emitter, op: ops.BCELoss, node: Node, xs: list[str], ws: list[str]) -> str:
    (x, target, *weight), number = xs, Scalars(e, node)
    yes = e.op("Mul", [target, e.op("Max", [e.op("Log", [x]), number[-100]])])
    rest = e.op("Max", [e.op("Log", [e.op("Sub", [number[1], x])]), number[-100]])
    no = e.op("Mul", [e.op("Sub", [number[1], target]), rest])
    losses = e.op("Neg", [e.op("Add", [yes, no])])
    return reduced(e, op, node, e.op("Mul", [losses, *weight]) if weight else losses)


@lowers(ops.BCEWithLogitsLoss)
def bce_with_logits(e: Emitter, op: ops.BCEWithLogitsLoss, node: Node, xs: list[str], ws: list[str]) -> str:
    """`(1 - t) * x + (1 + (pos_weight - 1) * t) * softplus(-x)`."""
    (x, target, *weights), number = xs, Scalars(e, node)
    tail = _softplus_of_minus(e, x, number)
    if len(weights) > 1:
        scale = e.op("Mul", [e.op("Sub", [weights[1], number[1]]), target])
        tail = e.op("Mul", [e.op("Add", [scale, number[1]]), tail])
    losses = e.op("Add", [e.op("Mul", [e.op("Sub", [number[1], target]), x]), tail])
    return reduced(e, op, node, e.op("Mul", [losses, weights[0]]) if weights else losses)


def _softplus_of_minus(e: Emitter, x: str, number: Scalars) -> str:
    """`max(-x, 0) + log(1 + exp(-|x|))`, which neither overflows nor loses what is small."""
    small = e.op("Exp", [e.op("Neg", [e.op("Abs", [x])])])
    return e.op("Add", [hinge(e, e.op("Neg", [x])), e.op("Log", [e.op("Add", [small, number[1]])])])


@lowers(ops.KLDivLoss)
def kl_div(e: Emitter, op: ops.KLDivLoss, node: Node, xs: list[str], ws: list[str]) -> str:
    (x, target), number = xs, Scalars(e, node)
    if op.log_target:
        losses = e.op("Mul", [e.op("Exp", [target]), e.op("Sub", [target, x])])
    else:
        entropy = e.op("Mul", [target, e.op("Log", [target])])
        known = e.op("Where", [e.op("Equal", [target, number[0]]), number[0], entropy])
        losses = e.op("Sub", [known, e.op("Mul", [target, x])])
    if op.reduction != "batchmean":
        return reduced(e, op, node, losses)
    batch = number.size(node.inputs[0].type.shape[0])
    return e.op("Div", [added(e, node, losses), batch])


# Pairs and triplets --------------------------------------------------------------------------------------------------


@lowers(ops.MarginRankingLoss)
def margin_ranking(e: Emitter, op: ops.MarginRankingLoss, node: Node, xs: list[str], ws: list[str]) -> str:
    first, second, target = xs
    ahead = e.op("Mul", [target, e.op("Sub", [first, second])])
    return reduced(e, op, node, hinge(e, e.op("Sub", [Scalars(e, node)[op.margin], ahead])))


@lowers(ops.HingeEmbeddingLoss)
def hinge_embedding(e: Emitter, op: ops.HingeEmbeddingLoss, node: Node, xs: list[str], ws: list[str]) -> str:
    """A target that is neither 1 nor -1 counts as both, as in torch."""
    (x, target), number, dtype = xs, Scalars(e, node), node.inputs[1].type.dtype
    other = hinge(e, e.op("Sub", [number[op.margin], x]))
    same = e.op("Where", [e.op("Equal", [target, e.scalar(-1, dtype)]), number[0], x])
    other = e.op("Where", [e.op("Equal", [target, e.scalar(1, dtype)]), number[0], other])
    return reduced(e, op, node, e.op("Add", [same, other]))


@lowers(ops.CosineEmbeddingLoss)
def cosine_embedding(e: Emitter, op: ops.CosineEmbeddingLoss, node: Node, xs: list[str], ws: list[str]) -> str:
    (first, second, target), number = xs, Scalars(e, node)

    def dot(a: str, b: str) -> str:
        return e.op("ReduceSum", [e.op("Mul", [a, b]), e.constant([-1])], keepdims=0)

    squares = [e.op("Add", [dot(x, x), number[1e-12]]) for x in (first, second)]
    cosine = e.op("Div", [dot(first, second), e.op("Sqrt", [e.op("Mul", squares)])])
    same = e.op("Sub", [number[1], cosine])
    other = hinge(e, e.op("Sub", [cosine, number[op.margin]]))
    dtype = node.inputs[2].type.dtype
    same = e.op("Where", [e.op("Equal", [target, e.scalar(1, dtype)]), same, number[0]])
    other = e.op("Where", [e.op("Equal", [target, e.scalar(-1, dtype)]), other, number[0]])
    return reduced(e, op, node, e.op("Add", [same, other]))


@lowers(ops.TripletMarginLoss)
def triplet_margin(e: Emitter, op: ops.TripletMarginLoss, node: Node, xs: list[str], ws: list[str]) -> str:
    (anchor, positive, negative), number, type_ = xs, Scalars(e, node), node.inputs[0].type

    def distance(a: str, b: str) -> str:
        d = e.op("Add", [e.op("Sub", [a, b]), number[op.eps]])
        return vector_norm(e, d, type_, op.p, [type_.rank - 1])

    far = distance(anchor, negative)
    if op.swap:
        far = e.op("Min", [far, distance(positive, negative)])
    return reduced(
        e, op, node, hinge(e, e.op("Add", [e.op("Sub", [distance(anchor, positive), far]), number[op.margin]]))
    )
