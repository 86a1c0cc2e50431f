"""Losses: functions of predictions and targets, with the arguments and defaults of ``torch.nn.functional``.

Each is what is said of it for every element (or sample), and then reduced: `reduction` "none" keeps them, "mean" and
"sum" give one number. A target has the type and shape of what it is compared with: nothing is broadcast, but for a number,
which is the target of every element. FLOPs are counted forward only: those of an element, and one for each that is reduced.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from dlspec.ir.dims import Dim
from dlspec.ir.op import Needs, Numbers, Op, OpError, Types
from dlspec.ir.types import DType, TensorType
from dlspec.ops.rules import broadcast, require_float, require_numbers


class Loss(Op):
    """Base of the losses.

    * ``expects``: what the input must be, where that is not any number: raw scores, logarithms of probabilities, or
      probabilities. `analyses.objectives_lint` looks at what makes it.
    * ``per_element``: FLOPs for each element of the first input, before the reduction.
    """

    narrow_in_torch = True
    wide = True
    tensors: ClassVar[tuple[str, ...]] = ("input", "target")
    layer = False
    expects: ClassVar[Numbers | None] = None
    takes_numbers = True
    per_element: ClassVar[int] = 1

    reduction: Literal["none", "mean", "sum"] = "mean"

    @property
    def title(self) -> str:
        return f"`{self.function}`"

    def each(self, need: Needs, inputs: Types) -> TensorType:
        """The losses before they are reduced. Raises `OpError` for a target that does not fit."""
        raise NotImplementedError

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        losses = self.each(need, inputs)
        return losses if self.reduction == "none" else losses.with_shape()

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        reduced = 0 if self.reduction == "none" else self.each(Needs(), inputs).elements
        return self.per_element * inputs[0].elements + reduced

    # Rules

    def match_shape(self, need: Needs, x: TensorType, target: TensorType, what: str = "target") -> None:
        """Demands one shape; a tensor without axes fits every shape."""
        if not target.rank:
            return
        message = f"{self.title} takes a {what} of the shape of what it is compared with, {x}, not {target}"
        hint = "nothing is broadcast: reshape one of them, as with `Flatten` or `x[:, 0]`"
        if x.rank != target.rank:
            raise OpError(message, hint)
        for size, other in zip(x.shape, target.shape, strict=True):
            need.equal(size, other, message, hint)

    def match(self, need: Needs, x: TensorType, target: TensorType, what: str = "target") -> None:
        """Demands one element type and one shape."""
        require_float(x, self.title)
        if target.dtype is not x.dtype:
            message = f"{self.title} takes a {what} of the element type of what it is compared with, {x}, not {target}"
            raise OpError(message, f'convert one of them: cast({what}, "{x.dtype.label}")', "DL0207")
        self.match_shape(need, x, target, what)

    def match_scale(self, need: Needs, x: TensorType, scale: TensorType, what: str) -> None:
        """Demands a tensor that broadcasts to the shape of the input."""
        message = f"{self.title} takes a `{what}` that broadcasts to its input, {x}, not {scale}"
        if scale.dtype is not x.dtype:
            raise OpError(message, f'cast({what}, "{x.dtype.label}")', "DL0207")
        if scale.rank > x.rank:
            raise OpError(message)
        for size, joint in zip(x.shape, broadcast(need, (x, scale), self.title), strict=True):
            need.equal(size, joint, message)


# Distances -----------------------------------------------------------------------------------------------------------


class Distance(Loss):
    """Base of the losses that compare element by element."""

    per_element = 2

    def each(self, need: Needs, inputs: Types) -> TensorType:
        self.match(need, inputs[0], inputs[1])
        return inputs[0]


class MSELoss(Distance):
    """Squared differences from the target. 2 FLOPs per element."""

    function = "mse"
    aliases = ("mse_loss",)


class L1Loss(Distance):
    """Magnitudes of the differences from the target. 2 FLOPs per element."""

    function = "l1"
    aliases = ("l1_loss",)


class SmoothL1Loss(Distance):
    """Squared differences near the target, their magnitudes further off.

    `0.5 * d ** 2 / beta` where the magnitude d is less than beta, `d - 0.5 * beta` elsewhere. 5 FLOPs per element.

    Girshick, 2015, "Fast R-CNN".
    """

    function = "smooth_l1"
    aliases = ("smooth_l1_loss",)
    per_element = 5

    beta: float = 1.0

    def check(self) -> None:
        if self.beta < 0:
            raise OpError(f"{self.title} takes a `beta` of 0 or more, not {self.beta:g}", code="DL0208")


class HuberLoss(Distance):
    """Squared differences near the target, their magnitudes further off, with slope delta.

    `0.5 * d ** 2` where the magnitude d is less than delta, `delta * (d - 0.5 * delta)` elsewhere. 5 FLOPs per
    element.

    Huber, 1964, "Robust Estimation of a Location Parameter".
    """

    function = "huber"
    aliases = ("huber_loss",)
    per_element = 5

    delta: float = 1.0

    def check(self) -> None:
        if self.delta <= 0:
            raise OpError(f"{self.title} takes a `delta` above 0, not {self.delta:g}", code="DL0208")


# Classes -------------------------------------------------------------------------------------------------------------


class Classification(Loss):
    """Base of the losses of classes: the input is [N, C], [N, C, ...] or [C], the target [N], [N, ...] or a number of
    a class, in int64.
    """

    tensors: ClassVar[tuple[str, ...]] = ("input", "target", "weight?")

    ignore_index: int = -100
    reduction: Literal["none", "mean", "sum"] = "mean"

    def each(self, need: Needs, inputs: Types) -> TensorType:
        x, target = inputs[:2]
        require_float(x, self.title)
        if not x.rank:
            raise OpError(f"{self.title} takes an input with an axis of classes, not {x}", code="DL0202")
        axis = min(1, x.rank - 1)
        shape = (*x.shape[:axis], *x.shape[axis + 1 :])
        wanted = TensorType(DType.INT64, shape)
        message = f"{self.title} of {x} takes {self.taken(x, wanted)}, not {target}"
        self.check_target(need, x, target, wanted, message)
        if len(inputs) > 2:
            self._check_weight(need, x, x.shape[axis], inputs[2])
        return x.with_shape(*shape)

    def classes(self, inputs: Types) -> tuple[int, Dim, int | None] | None:
        x, target = inputs[:2]
        return (1, x.shape[min(1, x.rank - 1)], self.ignore_index) if x.rank and target.dtype.is_integer else None

    def taken(self, x: TensorType, wanted: TensorType) -> str:
        """What the target may be, for messages."""
        return f"classes as {wanted}"

    def check_target(self, need: Needs, x: TensorType, target: TensorType, wanted: TensorType, message: str) -> None:
        if target.dtype is not DType.INT64:
            integer = target.dtype.is_integer
            raise OpError(message, 'cast(target, "int")' if integer else "classes are numbered from 0", "DL0207")
        if target.rank != wanted.rank:
            raise OpError(message, code="DL0202")
        for size, other in zip(wanted.shape, target.shape, strict=True):
            need.equal(size, other, message)

    def _check_weight(self, need: Needs, x: TensorType, classes: Dim, weight: TensorType) -> None:
        message = f"{self.title} of {x} takes one `weight` for each class, {x.with_shape(classes)}, not {weight}"
        if weight.dtype is not x.dtype:
            raise OpError(message, code="DL0207")
        if weight.rank != 1:
            raise OpError(message, code="DL0202")
        need.equal(classes, weight.shape[0], message)


class NLLLoss(Classification):
    """The negative log-likelihood of the target's class, from log-probabilities.

    Those of LogSoftmax, for one. Classes are on axis 1. A target of `ignore_index` does not count. With a `weight` for
    each class, "mean" divides by the weights of the targets. FLOPs: one per element.

    ONNX: NegativeLogLikelihoodLoss.
    """

    function = "nll"
    aliases = ("nll_loss",)
    expects = "log_probabilities"


class CrossEntropyLoss(Classification):
    """The cross-entropy of classes, from raw scores.

    It is LogSoftmax over axis 1 and the negative log-likelihood of the target. The target is the number of a class for
    each sample (and place), or a probability for each class, of the input's type and shape. A class of `ignore_index`
    does not count. With a `weight` for each class, "mean" divides by the weights of the classes. `label_smoothing`
    mixes that much of a uniform distribution into the target. FLOPs: seven per element.

    ONNX: SoftmaxCrossEntropyLoss. Label smoothing: Szegedy et al., 2015, "Rethinking the Inception Architecture for
    Computer Vision".
    """

    function = "cross_entropy"
    expects = "logits"
    per_element = 7

    label_smoothing: float = 0.0

    def check(self) -> None:
        if not 0 <= self.label_smoothing <= 1:
            raise OpError(
                f"{self.title} takes a `label_smoothing` from 0 to 1, not {self.label_smoothing:g}", code="DL0208"
            )

    def taken(self, x: TensorType, wanted: TensorType) -> str:
        return f"classes as {wanted} or probabilities as {x}"

    def check_target(self, need: Needs, x: TensorType, target: TensorType, wanted: TensorType, message: str) -> None:
        if not target.dtype.is_float:
            super().check_target(need, x, target, wanted, message)
            return
        if target.dtype is not x.dtype:
            raise OpError(message, f'cast(target, "{x.dtype.label}")', "DL0207")
        if target.rank != x.rank:
            raise OpError(message, "numbers of classes are an int tensor", "DL0202")
        if self.ignore_index >= 0:
            raise OpError(f"{self.title} has an `ignore_index`, and its target is probabilities", code="DL0208")
        for size, other in zip(x.shape, target.shape, strict=True):
            need.equal(size, other, message)


# Probabilities -------------------------------------------------------------------------------------------------------


class BCELoss(Loss):
    """The cross-entropy of yes and no, from probabilities such as those of Sigmoid.

    `-(t * log(x) + (1 - t) * log(1 - x))`, where logarithms stop at -100. A `weight` broadcasts to the input. 7 FLOPs
    per element. From raw scores `binary_cross_entropy_with_logits` is exact.
    """

    tensors: ClassVar[tuple[str, ...]] = ("input", "target", "weight?")
    function = "binary_cross_entropy"
    expects = "probabilities"
    per_element = 7

    def each(self, need: Needs, inputs: Types) -> TensorType:
        x, target, *weights = inputs
        self.match(need, x, target)
        for weight, name in zip(weights, ("weight", "pos_weight"), strict=False):
            self.match_scale(need, x, weight, name)
        return x


class BCEWithLogitsLoss(BCELoss):
    """The cross-entropy of yes and no, from raw scores.

    It is Sigmoid and binary cross-entropy in one. `weight` and `pos_weight`, that of positive targets, broadcast to
    the input. 7 FLOPs per element.
    """

    tensors: ClassVar[tuple[str, ...]] = ("input", "target", "weight?", "pos_weight?")
    function = "binary_cross_entropy_with_logits"
    expects = "logits"
    neutral: ClassVar[dict[str, float]] = {"weight": 1.0}


class KLDivLoss(Loss):
    """The divergence of log-probabilities from the target's probabilities.

    `t * (log(t) - x)`; the target t is logarithms too with `log_target`. "mean" is that of all elements; "batchmean",
    the sum by the size of the first axis, is the divergence. 4 FLOPs per element. For distributions there is `kl`.

    Kullback and Leibler, 1951, "On Information and Sufficiency".
    """

    function = "kl_div"
    divergence = True
    expects = "log_probabilities"
    per_element = 4

    reduction: Literal["none", "mean", "sum", "batchmean"] = "mean"  # type: ignore[assignment]
    log_target: bool = False

    def each(self, need: Needs, inputs: Types) -> TensorType:
        x, target = inputs
        self.match(need, x, target)
        if self.reduction == "batchmean" and not x.rank:
            raise OpError(f"{self.title} has no batch to divide by in {x}: choose another `reduction`", code="DL0202")
        return x


# Pairs and triplets --------------------------------------------------------------------------------------------------


class MarginRankingLoss(Loss):
    """Which of two scores should be the greater: the first where the target is 1, the second where it is -1.

    `max(0, -target * (input1 - input2) + margin)`. 4 FLOPs per element.

    Herbrich et al., 2000, "Large Margin Rank Boundaries for Ordinal Regression".
    """

    tensors: ClassVar[tuple[str, ...]] = ("input1", "input2", "target")
    function = "margin_ranking"
    aliases = ("margin_ranking_loss",)
    per_element = 4

    margin: float = 0.0
    reduction: Literal["none", "mean", "sum"] = "mean"

    def each(self, need: Needs, inputs: Types) -> TensorType:
        first, second, target = inputs
        self.match(need, first, second, "second input")
        self.match(need, first, target)
        return first


class HingeEmbeddingLoss(Loss):
    """A distance where the target is 1, and how much it lacks to the margin where the target is -1.

    That is `max(0, margin - distance)`. 3 FLOPs per element. The hinge of a classifier or a GAN is arithmetic:
    `mean(relu(1 - target * score))`.
    """

    function = "hinge_embedding"
    aliases = ("hinge_embedding_loss",)
    per_element = 3

    margin: float = 1.0
    reduction: Literal["none", "mean", "sum"] = "mean"

    def each(self, need: Needs, inputs: Types) -> TensorType:
        x, target = inputs
        require_float(x, self.title)
        require_numbers(target, self.title)
        self.match_shape(need, x, target)
        return x


class CosineEmbeddingLoss(Loss):
    """Vectors in one direction where the target is 1, and apart where it is -1.

    `1 - cos` and `max(0, cos - margin)` of the angle between them. Vectors are [N, D] and the target [N], or [D] and a
    number. 6 FLOPs per element of a vector.
    """

    tensors: ClassVar[tuple[str, ...]] = ("input1", "input2", "target")
    function = "cosine_embedding"
    aliases = ("cosine_embedding_loss",)
    per_element = 6

    margin: float = 0.0
    reduction: Literal["none", "mean", "sum"] = "mean"

    def check(self) -> None:
        if not -1 <= self.margin <= 1:
            raise OpError(f"{self.title} takes a `margin` from -1 to 1, not {self.margin:g}", code="DL0208")

    def each(self, need: Needs, inputs: Types) -> TensorType:
        first, second, target = inputs
        if first.rank not in (1, 2):
            raise OpError(f"{self.title} takes vectors [N, D] or [D], not {first}", "flatten them", "DL0202")
        self.match(need, first, second, "second input")
        if second.rank != first.rank:
            raise OpError(f"{self.title} takes two vectors of one shape, not {first} and {second}", code="DL0202")
        require_numbers(target, self.title)
        losses = first.with_shape(*first.shape[:-1])
        self.match_shape(need, losses, target)
        return losses


class TripletMarginLoss(Loss):
    """An anchor nearer to the positive than to the negative, by a margin.

    `max(0, d(anchor, positive) - d(anchor, negative) + margin)`, with the p-norm of the last axis as distance. `eps`
    is added to each difference. With `swap` the nearer of anchor and positive is compared with the negative. 6 FLOPs
    per element of a vector, 9 with `swap`.

    Balntas et al., 2016, "Learning shallow convolutional feature descriptors with triplet losses".
    """

    infinite = ("p",)
    tensors: ClassVar[tuple[str, ...]] = ("anchor", "positive", "negative")
    function = "triplet_margin"
    aliases = ("triplet_margin_loss",)
    per_element = 6

    margin: float = 1.0
    p: float = 2.0
    eps: float = 1e-6
    swap: bool = False
    reduction: Literal["none", "mean", "sum"] = "mean"

    def check(self) -> None:
        if self.margin <= 0:
            raise OpError(f"{self.title} takes a `margin` above 0, not {self.margin:g}", code="DL0208")
        if not self.p >= 0:
            raise OpError(f"{self.title} takes a `p` of 0 or more, not {self.p:g}", code="DL0208")

    def each(self, need: Needs, inputs: Types) -> TensorType:
        anchor = inputs[0]
        if not anchor.rank:
            raise OpError(f"{self.title} takes vectors, not {anchor}", code="DL0202")
        for other, name in zip(inputs[1:], ("positive", "negative"), strict=True):
            self.match(need, anchor, other, name)
            if not other.rank:
                raise OpError(f"{self.title} takes vectors of one shape, not {anchor} and {other}", code="DL0202")
        return anchor.with_shape(*anchor.shape[:-1])

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        return super().flops(inputs, outputs) + (3 * inputs[0].elements if self.swap else 0)


OPERATORS: tuple[type[Op], ...] = (
    MSELoss, L1Loss, SmoothL1Loss, HuberLoss, NLLLoss, CrossEntropyLoss, BCELoss, BCEWithLogitsLoss, KLDivLoss,
    MarginRankingLoss, HingeEmbeddingLoss, CosineEmbeddingLoss, TripletMarginLoss,
)  # fmt: skip
