"""Calls of distributions, and of the functions that ask something of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, cast

from dlspec.elaborate.calls import Given, bind_named
from dlspec.elaborate.distributions.divergences import divergence, estimate, has_formula
from dlspec.elaborate.distributions.families import (
    Bernoulli,
    Categorical,
    Family,
    Independent,
    Laplace,
    Normal,
    Parameter,
    Parametric,
    Quantity,
    Uniform,
    filled,
)
from dlspec.elaborate.distributions.mixtures import Mixture
from dlspec.elaborate.distributions.multivariate import MultivariateNormal
from dlspec.elaborate.values import Failure, freeze, kind_of
from dlspec.ir.constants import Constant, is_dim
from dlspec.ir.fields import MISSING, FieldError, describe
from dlspec.ir.graph import Prior
from dlspec.ir.node import Value
from dlspec.ir.types import TensorType
from dlspec.ops.algebra import Algebra, NodeBuilder, Term
from dlspec.source import Span

_REDUCTIONS = ("none", "mean", "sum", "batchmean")


# Distributions -------------------------------------------------------------------------------------------------------


def _parameter(a: Algebra, name: str, value: object, title: str) -> Parameter:
    """A tensor or a number; a list of numbers as a tensor."""
    if isinstance(value, Value):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, list):
        with suppress(FieldError):
            return a.call("Const", value=_floats(cast("list[object]", value)), dtype="float").value
    raise Failure("DL0305", f"`{name}` of {title} takes a tensor or a number, not {kind_of(value)}", a.span)


def _floats(value: object) -> object:
    return tuple(map(_floats, cast("list[object]", value))) if isinstance(value, list) else freeze(value)


def _parametric(cls: type[Parametric]) -> Callable[..., Family]:
    def make(a: Algebra, **given: object) -> Family:
        return cls(a, **{name: _parameter(a, name, value, f"`{cls.__name__}`") for name, value in given.items()})

    return make


def _discrete(cls: type[Parametric]) -> Callable[..., Family]:
    def make(a: Algebra, **given: object) -> Family:
        name, value = _one_of(a, cls.__name__, given)
        return cls(a, **{name: _parameter(a, name, value, f"`{cls.__name__}`")})

    return make


def _one_of(a: Algebra, title: str, given: dict[str, object]) -> tuple[str, object]:
    """The one parameter of several ways to say the same that is given. Raises `Failure`."""
    chosen = [(name, value) for name, value in given.items() if value is not None]
    if len(chosen) != 1:
        raise Failure("DL0304", f"`{title}` takes one of {' and '.join(f'`{name}`' for name in given)}", a.span)
    return chosen[0]


def _multivariate(a: Algebra, loc: object, **given: object) -> Family:
    title = "`MultivariateNormal`"
    mean = _parameter(a, "loc", loc, title)
    name, value = _one_of(a, "MultivariateNormal", given)
    matrix = _parameter(a, name, value, title)
    if not isinstance(matrix, Value):
        raise Failure("DL0305", f"`{name}` of {title} takes a matrix, not {kind_of(value)}", a.span)
    return MultivariateNormal(a, mean, matrix, covariance=name == "covariance_matrix")


def _independent(a: Algebra, base_distribution: object, reinterpreted_batch_ndims: object) -> Family:
    if type(reinterpreted_batch_ndims) is not int:
        what = "`reinterpreted_batch_ndims` of `Independent` takes a number of axes"
        raise Failure("DL0305", f"{what}, not {kind_of(reinterpreted_batch_ndims)}", a.span)
    return Independent(a, _family(base_distribution, "Independent", a.span), reinterpreted_batch_ndims)


def _mixture(a: Algebra, weights: object, components: object) -> Family:
    if not isinstance(weights, Categorical):
        raise Failure(
            "DL0305", f"`weights` of `Mixture` takes a `Categorical`, not {kind_of(weights)}", a.span,
            hint="Mixture(Categorical(logits=...), ...)",
        )  # fmt: skip
    if isinstance(components, list):
        parts = [_family(part, "Mixture", a.span) for part in cast("list[object]", components)]
        if not parts:
            raise Failure("DL0208", "`Mixture` takes one component or more", a.span)
        return Mixture(a, weights, parts)
    return Mixture(a, weights, _family(components, "Mixture", a.span))


class Entry(NamedTuple):
    """What is called by a name: its parameters with their defaults, `MISSING` where there is none, and what
    has its documentation."""

    make: Callable[..., Family | Quantity]
    parameters: Mapping[str, Constant]
    documented: object

    def signature(self, name: str) -> str:
        """As a spec writes it: `kl(q, p, samples=none)`."""
        shown = (key if value is MISSING else f"{key}={describe(value)}" for key, value in self.parameters.items())
        return f"{name}({', '.join(shown)})"


def _entry(make: Callable[..., Family | Quantity], documented: object, **parameters: Constant) -> Entry:
    return Entry(make, parameters, documented)


DISTRIBUTIONS: dict[str, Entry] = {
    "Normal": _entry(_parametric(Normal), Normal, loc=MISSING, scale=MISSING),
    "Laplace": _entry(_parametric(Laplace), Laplace, loc=MISSING, scale=MISSING),
    "Uniform": _entry(_parametric(Uniform), Uniform, low=MISSING, high=MISSING),
    "Bernoulli": _entry(_discrete(Bernoulli), Bernoulli, probs=None, logits=None),
    "Categorical": _entry(_discrete(Categorical), Categorical, probs=None, logits=None),
    "MultivariateNormal": _entry(
        _multivariate, MultivariateNormal, loc=MISSING, covariance_matrix=None, scale_tril=None
    ),
    "Independent": _entry(_independent, Independent, base_distribution=MISSING, reinterpreted_batch_ndims=MISSING),
    "Mixture": _entry(_mixture, Mixture, weights=MISSING, components=MISSING),
}
"""The distributions by name."""


# Functions of distributions ------------------------------------------------------------------------------------------


def _sample(a: Algebra, q: Family, shape: object) -> Quantity:
    """A draw from a distribution, or many with `shape` in front.

    It is a function of the parameters, which gradients pass, but for Bernoulli, Categorical and the weights of a
    Mixture.
    """
    sizes = cast("list[object]", shape) if isinstance(shape, list) else [None]
    dims = tuple(size for size in sizes if is_dim(size))
    if len(dims) < len(sizes):
        raise Failure("DL0305", f"`shape` of `sample` takes a list of sizes, not {kind_of(shape)}", a.span)
    return q.sample(a, dims)


def _log_prob(a: Algebra, q: Family, x: object, reduction: object) -> Quantity:
    """The logarithm of the density or the probability of a tensor."""
    if isinstance(x, Value):
        if x.type.dtype is not q.type.dtype:
            message = f"`log_prob` of {q} takes {q.type.dtype.label}, not {x.type}"
            raise Failure("DL0207", message, a.span, hint=f'cast(x, "{q.type.dtype.label}")')
        _check_shape(q, x.type, a.span)
        term = a.term(x)
    elif type(x) in (int, float) and not q.event:
        term = a.call("Const", value=x, dtype=q.type.dtype.label)
    else:
        raise Failure("DL0305", f"`log_prob` takes a tensor, not {kind_of(x)}", a.span)
    return _reduced(a, q.log_prob(a, term), reduction)


def _check_shape(q: Family, x: TensorType, span: Span) -> None:
    """Parameters stretch to the data, and the data to the parameters only where both have the same axes: a [N] does not
    quietly become [N, N] by parameters [N, 1]."""
    own = q.type.shape
    shape = x.shape[x.rank - len(own) :] if x.rank >= len(own) else ()
    grows = any(size == 1 != other for size, other in zip(shape, own, strict=False))
    events = shape[len(own) - q.event :] != own[len(own) - q.event :]
    if x.rank < len(own) or (grows and x.rank > len(own)) or (events and grows):
        raise Failure(
            "DL0201", f"`log_prob` of {q} takes a tensor of that shape, not {x}", span,
            hint="give it the axes that it has not: `x[:, None]`",
        )  # fmt: skip


def _kl(a: Algebra, q: Family, p: object, samples: object, reduction: object) -> Quantity:
    """The Kullback-Leibler divergence of q from p, summed over everything unless told.

    It is computed by a formula where both are of one kind that has one, and else, with `samples`, as the mean over that many
    draws of q.
    """
    p = _family(p, "kl", a.span)
    if samples is None or has_formula(q, p):
        _draws(a, 1 if samples is None else samples)
        return _reduced(a, divergence(a, q, p), reduction)
    return _reduced(a, estimate(a, q, p, _draws(a, samples)), reduction)


def priors(given: list[Given]) -> dict[Value, Prior]:
    """Of a call of `kl(q, p)` whose p is told by numbers alone: p for each tensor that tells q."""
    named = {
        argument.name.name if argument.name else "qp"[place]: value for place, (argument, value) in enumerate(given[:2])
    }
    q, p = named.get("q"), named.get("p")
    while isinstance(p, Independent):
        p = p.base
    if not isinstance(q, Family) or not isinstance(p, Parametric) or p.values:
        return {}
    numbers = tuple(number for number in p.parameters.values() if isinstance(number, float))
    return dict.fromkeys(q.values, Prior(type(p).__name__, numbers))


def _draws(a: Algebra, samples: object) -> int:
    if type(samples) is not int or samples < 1:
        raise Failure("DL0305", f"`samples` of `kl` takes a number of draws, not {kind_of(samples)}", a.span)
    return samples


def _entropy(a: Algebra, q: Family, reduction: object) -> Quantity:
    """The entropy of a distribution, in nats."""
    dtype = q.over.dtype if isinstance(q, Categorical) else q.type.dtype
    return _reduced(a, filled(a, q.entropy(a), TensorType(dtype, q.batch)), reduction)


def _mean(a: Algebra, q: Family) -> Quantity:
    """The mean of a distribution."""
    return filled(a, q.mean(a), q.type)


def _std(a: Algebra, q: Family) -> Quantity:
    """The standard deviation of a distribution."""
    return filled(a, q.std(a), q.type)


FUNCTIONS: dict[str, Entry] = {
    "sample": _entry(_sample, _sample, q=MISSING, shape=[]),
    "log_prob": _entry(_log_prob, _log_prob, q=MISSING, x=MISSING, reduction="none"),
    "kl": _entry(_kl, _kl, q=MISSING, p=MISSING, samples=None, reduction="sum"),
    "entropy": _entry(_entropy, _entropy, q=MISSING, reduction="none"),
    "mean": _entry(_mean, _mean, q=MISSING),
    "std": _entry(_std, _std, q=MISSING),
}
"""What distributions are asked."""


def _reduced(a: Algebra, value: Quantity, reduction: object) -> Quantity:
    if reduction not in _REDUCTIONS:
        allowed = " or ".join(f'"{name}"' for name in _REDUCTIONS)
        raise Failure("DL0305", f"`reduction` takes {allowed}, not {kind_of(reduction)}", a.span)
    rank = value.value.type.rank if isinstance(value, Term) else 0
    if reduction == "batchmean" and not rank:
        raise Failure("DL0202", "a number has no batch to divide by: choose another `reduction`", a.span)
    if not isinstance(value, Term) or reduction == "none" or not rank:
        return value
    if reduction == "mean":
        return value.call("mean")
    total = value.call("sum")
    return total / value.value.type.shape[0] if reduction == "batchmean" else total


def _family(value: object, name: str, span: Span) -> Family:
    if isinstance(value, Family):
        return value
    hint = "of tensors there is `kl_div`" if name == "kl" and isinstance(value, Value) else ""
    raise Failure("DL0305", f"`{name}` takes a distribution, not {kind_of(value)}", span, hint=hint)


def asks(name: str, values: Sequence[object]) -> bool:
    """Whether a call is one of a function of distributions: `mean` and `std` are functions of tensors too."""
    return name in FUNCTIONS and (name not in ("mean", "std") or bool(values and isinstance(values[0], Family)))


def call(builder: NodeBuilder, name: str, given: list[Given], span: Span) -> Value | Family | float:
    """A distribution, or what is asked of one: a tensor, or a number where nothing in it is one. Raises `Failure`."""
    a = Algebra(builder, span)
    entry = DISTRIBUTIONS.get(name) or FUNCTIONS[name]
    values = bind_named(f"`{name}`", given, entry.parameters, span)
    if name in FUNCTIONS:
        values["q"] = _family(values["q"], name, span)
    made = entry.make(a, **values)
    return made.value if isinstance(made, Term) else made
