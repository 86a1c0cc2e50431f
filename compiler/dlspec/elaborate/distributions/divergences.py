"""The Kullback-Leibler divergence of distributions: in closed form where it is known, else from draws."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from dlspec.elaborate.distributions.families import (
    Bernoulli,
    Categorical,
    Family,
    Independent,
    Laplace,
    Normal,
    Parametric,
    Quantity,
    Uniform,
    apply,
    filled,
    joint_type,
)
from dlspec.elaborate.distributions.multivariate import MultivariateNormal
from dlspec.elaborate.values import Failure
from dlspec.ir.types import TensorType
from dlspec.ops.algebra import Algebra, Term

_Family = TypeVar("_Family", bound=Family)
_Formula: TypeAlias = Callable[[Algebra, _Family, _Family], Quantity]

_FORMULAS: dict[type[Family], _Formula[Family]] = {}


def _formula(of: type[_Family]) -> Callable[[_Formula[_Family]], _Formula[_Family]]:
    def register(formula: _Formula[_Family]) -> _Formula[_Family]:
        _FORMULAS[of] = formula  # type: ignore[assignment]
        return formula

    return register


@_formula(Normal)
def _normal(a: Algebra, q: Normal, p: Normal) -> Quantity:
    (loc, scale), (prior, width) = q.terms(a), p.terms(a)
    ratio = scale / width
    distance = apply("square", (loc - prior) / width)
    return 0.5 * (apply("square", ratio) + distance - 1.0) - apply("log", ratio)


@_formula(Laplace)
def _laplace(a: Algebra, q: Laplace, p: Laplace) -> Quantity:
    (loc, scale), (prior, width) = q.terms(a), p.terms(a)
    ratio = scale / width
    distance = apply("abs", loc - prior)
    return distance / width + ratio * apply("exp", -distance / scale) - apply("log", ratio) - 1.0


@_formula(Uniform)
def _uniform(a: Algebra, q: Uniform, p: Uniform) -> Quantity:
    """Infinite where q reaches outside of p."""
    (low, high), (bottom, top) = q.tensors(a), p.tensors(a)
    inside = a.call("logical_and", a.call("le", bottom, low), a.call("ge", top, high))
    return a.call("where", inside, ((top - bottom) / (high - low)).call("log"), low.lifted(math.inf))


@_formula(Bernoulli)
def _bernoulli(a: Algebra, q: Bernoulli, p: Bernoulli) -> Quantity:
    probs, own, other = q.probs(a), q.logits(a), p.logits(a)
    yes = probs * ((-other).call("softplus") - (-own).call("softplus"))
    return yes + (1.0 - probs) * (other.call("softplus") - own.call("softplus"))


@_formula(MultivariateNormal)
def _multivariate(a: Algebra, q: MultivariateNormal, p: MultivariateNormal) -> Quantity:
    own, other = q.factor(a), p.factor(a)
    spread = a.call("solve_triangular", other, own).call("square").call("sum", dim=(-2, -1))
    distance = p.whitened(a, q.mean(a)).call("square").call("sum", dim=-1)
    return 0.5 * (spread + distance - float(q.size)) + p.log_volume(a) - q.log_volume(a)


@_formula(Categorical)
def _categorical(a: Algebra, q: Categorical, p: Categorical) -> Quantity:
    return (q.probs(a) * (q.log_probs(a) - p.log_probs(a))).call("sum", dim=-1)


def divergence(a: Algebra, q: Family, p: Family) -> Quantity:
    """`kl(q, p)` in closed form, for each of the batch. Raises `Failure` where none is known."""
    if isinstance(q, Independent):
        inner = p.base if isinstance(p, Independent) and p.axes == q.axes else p
        if inner is p and (isinstance(p, Independent) or p.type.rank):
            raise Failure("DL0201", f"`kl` takes distributions of one event, not {q} and {p}", a.span)
        each = divergence(a, q.base, inner)
        return q.summed(filled(a, each, _joint(a, q.base, inner)) if not isinstance(each, Term) else each)
    if not has_formula(q, p):
        raise Failure(
            "DL0411", f"`kl` of {q.title} from {p.title} is not known in closed form", a.span,
            hint="estimate it from draws: `kl(q, p, samples=1)`",
        )  # fmt: skip
    if isinstance(q, Categorical) and isinstance(p, Categorical) and q.classes != p.classes:
        raise Failure("DL0201", f"`kl` of {q.classes} classes from {p.classes}: {q} and {p}", a.span)
    value = _FORMULAS[type(q)](a, q, p)
    return filled(a, value, _joint(a, q, p)) if isinstance(q, Parametric) else value


def has_formula(q: Family, p: Family) -> bool:
    """Whether `divergence` knows a formula for two distributions of these kinds."""
    if isinstance(q, Independent):
        return has_formula(q.base, p.base if isinstance(p, Independent) and p.axes == q.axes else p)
    return type(q) in _FORMULAS and type(p) is type(q)


def _joint(a: Algebra, q: Family, p: Family) -> TensorType:
    """The type of what is said of each pair of the two batches."""
    both = joint_type(a, "`kl`", [*q.values, *p.values])
    return both.with_shape(*both.shape[:-1]) if isinstance(q, Categorical) else both


def estimate(a: Algebra, q: Family, p: Family, samples: int) -> Quantity:
    """`kl(q, p)` as the mean over draws of `q`. Raises `Failure` where no gradient would reach the parameters of `q`."""
    if not q.reparametrised:
        raise Failure(
            "DL0411", f"draws of {q.title} are no function of its parameters, so the gradient of an estimate is wrong",
            a.span, hint="take `log_prob` of draws, and weight it yourself",
        )  # fmt: skip
    if q.event != p.event and p.type.rank:
        raise Failure("DL0201", f"`kl` takes distributions of one event, not {q} and {p}", a.span)
    x = q.sample(a, (samples,) if samples > 1 else ())
    prior = p.log_prob(a, x)
    if q.event and not p.event:
        assert isinstance(prior, Term)
        prior = prior.call("sum", dim=tuple(range(-q.event, 0)))
    difference = q.log_prob(a, x) - prior
    assert isinstance(difference, Term)
    return difference.call("mean", dim=0) if samples > 1 else difference
