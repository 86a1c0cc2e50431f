"""Distributions: values that stand for formulas.

They have no node of their own. What is asked of one (a draw, a density, an entropy) becomes ordinary nodes where it is
asked. Names, arguments and formulas are those of ``torch.distributions``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar, TypeAlias

from dlspec.elaborate.values import Distribution, Failure
from dlspec.ir.dims import Dim
from dlspec.ir.intervals import NOT_NEGATIVE, POSITIVE, Interval
from dlspec.ir.node import Value
from dlspec.ir.op import Needs, Numbers, Op, Types
from dlspec.ir.types import DType, TensorType, format_shape
from dlspec.ops.algebra import Algebra, Term
from dlspec.ops.rules import broadcast, require_float, same_dtype
from dlspec.source import Span

Parameter: TypeAlias = Value | float
Quantity: TypeAlias = Term | float
Shape: TypeAlias = tuple[Dim, ...]

EPSILON = {DType.FLOAT64: 2.0**-52, DType.FLOAT32: 2.0**-23, DType.FLOAT16: 2.0**-10, DType.BFLOAT16: 2.0**-7}
"""How far probabilities stay from 0 and 1, as in torch: the spacing of numbers at 1."""


class Joint(Op):
    """What tensors that stand in one formula must satisfy: one element type, and shapes that broadcast. Not a node."""

    tensors: ClassVar[tuple[str, ...]] = ("*xs",)
    layer = False

    title: str

    def infer(self, need: Needs, inputs: Types) -> TensorType:
        for x in inputs:
            require_float(x, self.title)
        same_dtype(inputs, self.title)
        return TensorType(inputs[0].dtype, broadcast(need, inputs, self.title))


def joint_type(a: Algebra, title: str, values: list[Value]) -> TensorType:
    """The type of a formula of these tensors; a float32 number where there are none. Raises `Failure`."""
    if not values:
        return TensorType(DType.FLOAT32, ())
    return a.builder.types(Joint(title), tuple(values), a.span)[0]


_PYTHON: dict[str, Callable[[float], float]] = {
    "log": math.log, "exp": math.exp, "abs": abs, "square": lambda x: x * x, "sqrt": math.sqrt,
}  # fmt: skip


def apply(name: str, x: Quantity) -> Quantity:
    """A function of a tensor or of a number."""
    return x.call(name) if isinstance(x, Term) else _PYTHON[name](x)


class Family(Distribution):
    """Base of the distributions.

    * ``type``: element type and shape of one draw, parameters broadcast. ``event``: how many of its last axes are one
      event; the axes before are the batch.
    * ``reparametrised``: draws are a function of the parameters that gradients pass.
    """

    event: int = 0
    reparametrised: bool = False
    type: TensorType

    @property
    def batch(self) -> Shape:
        return self.type.shape[: self.type.rank - self.event]

    def __str__(self) -> str:
        return f"{type(self).__name__} of {self.type}"

    @property
    def values(self) -> list[Value]:
        """The tensors among the parameters."""
        raise NotImplementedError

    def sample(self, a: Algebra, shape: Shape) -> Term:
        """Draws, with ``shape`` in front of the batch."""
        raise NotImplementedError

    def log_prob(self, a: Algebra, x: Term) -> Quantity:
        raise NotImplementedError

    def entropy(self, a: Algebra) -> Quantity:
        raise _unknown(self, "entropy", a.span, "it is `-mean(log_prob(q, sample(q, [K])))` of K draws")

    def mean(self, a: Algebra) -> Quantity:
        raise NotImplementedError

    def std(self, a: Algebra) -> Quantity:
        raise NotImplementedError


def _unknown(of: Family, what: str, span: Span, hint: str = "") -> Failure:
    return Failure("DL0411", f"{of.title} has no {what} in closed form", span, hint=hint)


def filled(a: Algebra, value: Quantity, type_: TensorType) -> Quantity:
    """A quantity in the shape of a type: what does not depend on some parameters is the same along their axes."""
    if not type_.rank or (isinstance(value, Term) and value.value.type.shape == type_.shape):
        return value
    if isinstance(value, Term):
        return value.call("expand", shape=type_.shape)
    return a.call("full", shape=type_.shape, value=value, dtype=type_.dtype)


class Parametric(Family):
    """Base of the distributions of single numbers with parameters that broadcast."""

    names: ClassVar[tuple[str, ...]] = ()
    positive: ClassVar[tuple[str, ...]] = ()
    takes: ClassVar[dict[str, Interval | Numbers]] = {}

    def __init__(self, a: Algebra, **parameters: Parameter) -> None:
        self.parameters = parameters
        for name in self.positive:
            value = parameters[name]
            if isinstance(value, float) and value <= 0:
                raise Failure("DL0208", f"`{name}` of {self.title} is positive, not {value:g}", a.span)
        self.check(a.span)
        self.type = joint_type(a, self.title, self.values)

    def check(self, span: Span) -> None:
        """Raises `Failure` for numbers that do not fit each other."""

    def claims(self) -> list[tuple[Value, str, Interval | Numbers]]:
        takes = self.takes | dict.fromkeys(self.positive, POSITIVE)
        given = [(name, value) for name, value in self.parameters.items() if isinstance(value, Value)]
        return [(value, f"`{name}` of {self.title}", takes[name]) for name, value in given if name in takes]

    @property
    def values(self) -> list[Value]:
        return [value for value in self.parameters.values() if isinstance(value, Value)]

    def terms(self, a: Algebra) -> list[Quantity]:
        return [a.term(p) if isinstance(p, Value) else p for p in self.parameters.values()]

    def tensors(self, a: Algebra) -> list[Term]:
        """The parameters, numbers as 0-d tensors."""
        dtype = self.type.dtype.label
        return [p if isinstance(p, Term) else a.call("Const", value=p, dtype=dtype) for p in self.terms(a)]

    def drawn(self, a: Algebra, name: str, shape: Shape, **fields: float) -> Term:
        return a.call(name, shape=(*shape, *self.type.shape), dtype=self.type.dtype, **fields)


class Normal(Parametric):
    """The normal distribution."""

    names = ("loc", "scale")
    positive = ("scale",)
    reparametrised = True

    def sample(self, a: Algebra, shape: Shape) -> Term:
        loc, scale = self.terms(a)
        if isinstance(loc, float) and isinstance(scale, float):
            return self.drawn(a, "normal", shape, mean=loc, std=scale)
        return loc + scale * self.drawn(a, "normal", shape)

    def log_prob(self, a: Algebra, x: Term) -> Quantity:
        loc, scale = self.terms(a)
        return -0.5 * apply("square", (x - loc) / scale) - (apply("log", scale) + 0.5 * math.log(2 * math.pi))

    def entropy(self, a: Algebra) -> Quantity:
        return apply("log", self.terms(a)[1]) + 0.5 * math.log(2 * math.pi * math.e)

    def mean(self, a: Algebra) -> Quantity:
        return self.terms(a)[0]

    def std(self, a: Algebra) -> Quantity:
        return self.terms(a)[1]


class Laplace(Parametric):
    """The Laplace distribution."""

    names = ("loc", "scale")
    positive = ("scale",)
    reparametrised = True

    def sample(self, a: Algebra, shape: Shape) -> Term:
        loc, scale = self.terms(a)
        u = self.drawn(a, "uniform", shape, low=EPSILON[self.type.dtype] - 1, high=1.0)
        return loc - scale * (u.call("sign") * (-u.call("abs")).call("log1p"))

    def log_prob(self, a: Algebra, x: Term) -> Quantity:
        loc, scale = self.terms(a)
        return -(x - loc).call("abs") / scale - apply("log", 2 * scale)

    def entropy(self, a: Algebra) -> Quantity:
        return apply("log", 2 * self.terms(a)[1]) + 1.0

    def mean(self, a: Algebra) -> Quantity:
        return self.terms(a)[0]

    def std(self, a: Algebra) -> Quantity:
        return math.sqrt(2) * self.terms(a)[1]


class Uniform(Parametric):
    """The uniform distribution from `low` up to, but not including, `high`."""

    names = ("low", "high")
    reparametrised = True

    def check(self, span: Span) -> None:
        low, high = self.parameters.values()
        if isinstance(low, float) and isinstance(high, float) and low >= high:
            raise Failure("DL0208", f"`low` of {self.title} is below `high`, and {low:g} is not below {high:g}", span)

    def sample(self, a: Algebra, shape: Shape) -> Term:
        low, high = self.terms(a)
        if isinstance(low, float) and isinstance(high, float):
            return self.drawn(a, "uniform", shape, low=low, high=high)
        return low + (high - low) * self.drawn(a, "uniform", shape)

    def log_prob(self, a: Algebra, x: Term) -> Quantity:
        low, high = self.tensors(a)
        inside = a.call("logical_and", a.call("le", low, x), a.call("gt", high, x))
        return a.call("where", inside, -(high - low).call("log"), low.lifted(-math.inf))

    def entropy(self, a: Algebra) -> Quantity:
        low, high = self.terms(a)
        return apply("log", high - low)

    def mean(self, a: Algebra) -> Quantity:
        low, high = self.terms(a)
        return 0.5 * (low + high)

    def std(self, a: Algebra) -> Quantity:
        low, high = self.terms(a)
        return (high - low) / math.sqrt(12)


class Discrete(Parametric):
    """Base of those that take probabilities or, as `logits`, raw scores. Probabilities stay off 0 and 1 by `EPSILON`."""

    names = ("probs", "logits")
    takes: ClassVar[dict[str, Interval | Numbers]] = {"probs": NOT_NEGATIVE, "logits": "logits"}

    def clamped(self, probs: Term) -> Term:
        epsilon = EPSILON[probs.value.type.dtype]
        return probs.call("clamp", min=epsilon, max=1 - epsilon)


class Bernoulli(Discrete):
    """1 with probability `probs`, or the sigmoid of `logits`, else 0."""

    takes: ClassVar[dict[str, Interval | Numbers]] = {"probs": (0.0, 1.0), "logits": "logits"}

    def check(self, span: Span) -> None:
        probs = self.parameters.get("probs")
        if isinstance(probs, float) and not 0 <= probs <= 1:
            raise Failure("DL0208", f"`probs` of {self.title} is from 0 to 1, not {probs:g}", span)

    def probs(self, a: Algebra) -> Term:
        (given,) = self.tensors(a)
        return given if "probs" in self.parameters else given.call("sigmoid")

    def logits(self, a: Algebra) -> Term:
        (given,) = self.tensors(a)
        if "logits" in self.parameters:
            return given
        probs = self.clamped(given)
        return probs.call("log") - (-probs).call("log1p")

    def sample(self, a: Algebra, shape: Shape) -> Term:
        probs = filled(a, self.probs(a), self.type.with_shape(*shape, *self.type.shape))
        assert isinstance(probs, Term)
        return probs.call("bernoulli")

    def log_prob(self, a: Algebra, x: Term) -> Quantity:
        logits = self.logits(a)
        return (x - 1.0) * logits - (-logits).call("softplus")

    def entropy(self, a: Algebra) -> Quantity:
        logits = self.logits(a)
        return (1.0 - self.probs(a)) * logits + (-logits).call("softplus")

    def mean(self, a: Algebra) -> Quantity:
        return self.probs(a)

    def std(self, a: Algebra) -> Quantity:
        probs = self.probs(a)
        return (probs * (1.0 - probs)).call("sqrt")


class Categorical(Discrete):
    """The number of a class, int64.

    The last axis of `probs`, which need not sum to 1, or of `logits` is that of the classes.
    """

    sized = True

    def __init__(self, a: Algebra, **parameters: Parameter) -> None:
        super().__init__(a, **parameters)
        if not self.type.rank:
            raise Failure("DL0202", f"{self.title} takes an axis of classes, not {self.type}", a.span)
        self.classes = self.type.shape[-1]
        self.over = self.type
        self.type = TensorType(DType.INT64, self.type.shape[:-1])

    def __str__(self) -> str:
        return f"Categorical of {self.classes} classes, {self.type}"

    def tensors(self, a: Algebra) -> list[Term]:
        return [a.term(value) for value in self.values]

    def probs(self, a: Algebra) -> Term:
        (given,) = self.tensors(a)
        if "logits" in self.parameters:
            return given.call("softmax", dim=-1)
        return given / given.call("sum", dim=-1, keepdim=True)

    def log_probs(self, a: Algebra) -> Term:
        if "logits" in self.parameters:
            return self.tensors(a)[0].call("log_softmax", dim=-1)
        return self.clamped(self.probs(a)).call("log")

    def sample(self, a: Algebra, shape: Shape) -> Term:
        """The greatest of the log-probabilities, each with Gumbel noise (Gumbel 1954)."""
        u = a.call("uniform", shape=(*shape, *self.over.shape), dtype=self.over.dtype)
        gumbel = -(-u.call("log")).call("log")
        return (self.log_probs(a) + gumbel).call("argmax", dim=-1)

    def log_prob(self, a: Algebra, x: Term) -> Quantity:
        logs = self.log_probs(a)
        shape = (*x.value.type.shape, self.classes)
        if logs.value.type.shape != shape:
            logs = logs.call("expand", shape=shape)
        return logs.call("gather", x.call("unsqueeze", dim=-1), dim=-1).call("squeeze", dim=-1)

    def entropy(self, a: Algebra) -> Quantity:
        return -(self.probs(a) * self.log_probs(a)).call("sum", dim=-1)

    def mean(self, a: Algebra) -> Quantity:
        raise _unknown(self, "mean", a.span, "the numbers of classes are names")

    def std(self, a: Algebra) -> Quantity:
        raise _unknown(self, "std", a.span, "the numbers of classes are names")


class Independent(Family):
    """A distribution whose last batch axes are one event.

    Densities, entropies and divergences are summed over them.
    """

    def __init__(self, a: Algebra, base: Family, axes: int) -> None:
        if not 1 <= axes <= len(base.batch):
            message = (
                f"`Independent` makes 1 to {len(base.batch)} axes of {format_shape(base.batch)} events, not {axes}"
            )
            raise Failure("DL0202" if base.batch else "DL0208", message, a.span)
        self.base = base
        self.axes = axes
        self.type = base.type
        self.event = base.event + axes
        self.reparametrised = base.reparametrised
        self.sized = base.sized

    @property
    def values(self) -> list[Value]:
        return self.base.values

    def summed(self, each: Quantity) -> Term:
        assert isinstance(each, Term)
        return each.call("sum", dim=tuple(range(-self.axes, 0)))

    def sample(self, a: Algebra, shape: Shape) -> Term:
        return self.base.sample(a, shape)

    def log_prob(self, a: Algebra, x: Term) -> Quantity:
        return self.summed(self.base.log_prob(a, x))

    def entropy(self, a: Algebra) -> Quantity:
        return self.summed(filled(a, self.base.entropy(a), self.base.type.with_shape(*self.base.batch)))

    def mean(self, a: Algebra) -> Quantity:
        return self.base.mean(a)

    def std(self, a: Algebra) -> Quantity:
        return self.base.std(a)
