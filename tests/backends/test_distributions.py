"""Distributions against torch.distributions: what their formulas give in ONNX Runtime and in generated PyTorch, the
gradients there, and the moments of draws."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributions as D
from tests.elaborate.specs import codes_in, found_in, graph_of
from torch import Tensor

from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes
from dlspec.backends.runtime import Session
from dlspec.backends.torch.live import to_module
from dlspec.ir.graph import Graph

Array = Any
kl = D.kl_divergence
UNIT = D.Normal(0.0, 1.0)
NARROW = D.Normal(torch.tensor([-1.0, 0.5, 2.0]), 0.5)
KINDS = {
    "m": "float[N, 3]", "v": "float[N, 3]", "w": "float[3]", "x": "float[N, 3]", "n": "float[N, 3]", "s": "float[N, 3]",
    "p": "float[N, 3]", "r": "float[N, 3]", "b": "float[N, 3]", "c": "int[N]", "l": "float[N, 3]", "k": "float[N, 3, 2]",
    "e": "float[N, 1]", "g": "float[K, N, 3]", "t": "float[N, 3, 3]", "u": "float[3, 3]",
}  # fmt: skip


def inputs(seed: int = 0, batch: int = 5) -> dict[str, Array]:
    """By name: m, n, x, l, g any numbers; v, s positive; p, r probabilities; b zeros and ones; c classes;
    t, u lower triangular."""
    draw = np.random.default_rng(seed)
    made: dict[str, Array] = {name: draw.standard_normal((batch, 3)) for name in ("m", "n", "x", "l")}
    made |= {name: draw.uniform(0.3, 2, (batch, 3)) for name in ("v", "s")}
    made |= {name: draw.uniform(0.05, 0.95, (batch, 3)) for name in ("p", "r")}
    made |= {
        "w": draw.standard_normal(3),
        "k": draw.standard_normal((batch, 3, 2)),
        "e": draw.standard_normal((batch, 1)),
    }
    made |= {"b": draw.integers(0, 2, (batch, 3)), "g": draw.standard_normal((2, batch, 3))}
    made |= {
        name: np.tril(draw.standard_normal((*shape, 3, 3))) * 0.3 + np.eye(3)
        for name, shape in (("t", (batch,)), ("u", ()))
    }
    return {name: array.astype(np.float32) for name, array in made.items()} | {"c": draw.integers(0, 3, batch)}


def network(body: str) -> Graph:
    used = [name for name in KINDS if re.search(rf"\b{name}\b", body)]
    return graph_of(f"network Net({', '.join(f'{name}: {KINDS[name]}' for name in used)}) -> out {{\n{body}\n}}")


def mixture(weights: Tensor, *components: D.Distribution) -> D.Distribution:
    loc = torch.stack([c.loc.expand(c.batch_shape) for c in components], -1)  # type: ignore[attr-defined]
    scale = torch.stack([c.scale for c in components], -1)  # type: ignore[attr-defined]
    return D.MixtureSameFamily(D.Categorical(logits=weights), D.Normal(loc, scale))


FORMULAS: list[tuple[str, Callable[[Any], Tensor]]] = [
    # Densities
    ("log_prob(Normal(m, v), x)", lambda t: D.Normal(t.m, t.v).log_prob(t.x)),
    ("log_prob(Normal(0.0, 1.0), x)", lambda t: UNIT.log_prob(t.x)),
    ("log_prob(Normal(m, 0.5), x)", lambda t: D.Normal(t.m, 0.5).log_prob(t.x)),
    ("log_prob(Normal(loc=w, scale=v), g)", lambda t: D.Normal(t.w, t.v).log_prob(t.g)),
    ("log_prob(Normal(e, 1), x)", lambda t: D.Normal(t.e, 1.0).log_prob(t.x)),
    ("log_prob(Normal(m, v), 0.5)", lambda t: D.Normal(t.m, t.v).log_prob(torch.tensor(0.5))),
    ('log_prob(Normal(m, v), x, "sum")', lambda t: D.Normal(t.m, t.v).log_prob(t.x).sum()),
    ('log_prob(Normal(m, v), x, reduction="mean")', lambda t: D.Normal(t.m, t.v).log_prob(t.x).mean()),
    ('log_prob(Normal(m, v), x, "batchmean")', lambda t: D.Normal(t.m, t.v).log_prob(t.x).sum() / 5),
    ("log_prob(Laplace(m, v), x)", lambda t: D.Laplace(t.m, t.v).log_prob(t.x)),
    ("log_prob(Laplace(0.0, 2.0), x)", lambda t: D.Laplace(0.0, 2.0).log_prob(t.x)),
    ("log_prob(Uniform(m, m + v), m + p * v)", lambda t: D.Uniform(t.m, t.m + t.v).log_prob(t.m + t.p * t.v)),
    ("log_prob(Uniform(-1.0, 0.5), x)", lambda t: D.Uniform(-1.0, 0.5, validate_args=False).log_prob(t.x)),
    ("log_prob(Bernoulli(p), b)", lambda t: D.Bernoulli(t.p).log_prob(t.b)),
    ("log_prob(Bernoulli(logits=8 * l), b)", lambda t: D.Bernoulli(logits=8 * t.l).log_prob(t.b)),
    ("log_prob(Bernoulli(0.25), b)", lambda t: D.Bernoulli(0.25).log_prob(t.b)),
    ('log_prob(Bernoulli(cast(l > 0, "float")), b)', lambda t: D.Bernoulli((t.l > 0).float()).log_prob(t.b)),
    ("log_prob(Categorical(p), c)", lambda t: D.Categorical(t.p).log_prob(t.c)),
    ("log_prob(Categorical(logits=l), c)", lambda t: D.Categorical(logits=t.l).log_prob(t.c)),
    ("log_prob(Categorical(logits=w), c)", lambda t: D.Categorical(logits=t.w).log_prob(t.c)),
    ("log_prob(Categorical([0.2, 0.3, 0.5]), c)", lambda t: D.Categorical(torch.tensor([0.2, 0.3, 0.5])).log_prob(t.c)),
    ("log_prob(Independent(Normal(m, v), 1), x)", lambda t: D.Independent(D.Normal(t.m, t.v), 1).log_prob(t.x)),
    ("log_prob(Independent(Bernoulli(p), 2), b)", lambda t: D.Independent(D.Bernoulli(t.p), 2).log_prob(t.b)),
    (
        "log_prob(Mixture(Categorical(logits=[0.5, -1]), [Normal(m, v), Normal(n, s)]), x)",
        lambda t: mixture(torch.tensor([0.5, -1.0]), D.Normal(t.m, t.v), D.Normal(t.n, t.s)).log_prob(t.x),
    ),
    (
        "log_prob(Mixture(Categorical(logits=k), Normal(k, exp(k))), x)",
        lambda t: D.MixtureSameFamily(D.Categorical(logits=t.k), D.Normal(t.k, t.k.exp())).log_prob(t.x),
    ),
    (
        "log_prob(Mixture(Categorical(logits=w), Independent(Normal(k, 1.0), 1)), k[:, 0])",
        lambda t: D.MixtureSameFamily(
            D.Categorical(logits=t.w.expand(5, 3)), D.Independent(D.Normal(t.k, 1.0), 1)
        ).log_prob(t.k[:, 0]),
    ),
    (
        "log_prob(MultivariateNormal(m, scale_tril=t), x)",
        lambda t: D.MultivariateNormal(t.m, scale_tril=t.t).log_prob(t.x),
    ),
    (
        "log_prob(MultivariateNormal(w, scale_tril=u), g)",
        lambda t: D.MultivariateNormal(t.w, scale_tril=t.u).log_prob(t.g),
    ),
    (
        "log_prob(MultivariateNormal(0.0, matmul(u, transpose(u, 0, 1))), x)",
        lambda t: D.MultivariateNormal(torch.zeros(3), t.u @ t.u.T).log_prob(t.x),
    ),
    (
        "log_prob(Mixture(Categorical(logits=w), MultivariateNormal(u, scale_tril=u)), x)",
        lambda t: D.MixtureSameFamily(
            D.Categorical(logits=t.w), D.MultivariateNormal(t.u, scale_tril=t.u.expand(3, 3, 3))
        ).log_prob(t.x),
    ),
    # Divergences
    ('kl(Normal(m, v), Normal(n, s), reduction="none")', lambda t: kl(D.Normal(t.m, t.v), D.Normal(t.n, t.s))),
    ("kl(Normal(m, v), Normal(0.0, 1.0))", lambda t: kl(D.Normal(t.m, t.v), UNIT).sum()),
    ("kl(Normal(0.5, 2.0), Normal(m, v))", lambda t: kl(D.Normal(0.5, 2.0), D.Normal(t.m, t.v)).sum()),
    ('kl(Normal(0.5, v), Normal(0.5, 1.0), reduction="none")', lambda t: kl(D.Normal(0.5, t.v), D.Normal(0.5, 1.0))),
    ("kl(Normal(w, 1.0), Normal(m, 1.0))", lambda t: kl(D.Normal(t.w, 1.0), D.Normal(t.m, 1.0)).sum()),
    ('kl(Normal(m, v), Normal(0.0, 1.0), reduction="mean")', lambda t: kl(D.Normal(t.m, t.v), UNIT).mean()),
    (
        'kl(Normal(m, v), Normal(n, s), reduction="batchmean")',
        lambda t: kl(D.Normal(t.m, t.v), D.Normal(t.n, t.s)).sum() / 5,
    ),
    ('kl(Laplace(m, v), Laplace(n, s), reduction="none")', lambda t: kl(D.Laplace(t.m, t.v), D.Laplace(t.n, t.s))),
    (
        'kl(Uniform(m, m + v), Uniform(m - p, m + v + p), reduction="none")',
        lambda t: kl(D.Uniform(t.m, t.m + t.v), D.Uniform(t.m - t.p, t.m + t.v + t.p)),
    ),
    (
        'kl(Uniform(m, m + v), Uniform(-1.0, 1.0), reduction="none")',
        lambda t: kl(D.Uniform(t.m, t.m + t.v), D.Uniform(-1.0, 1.0)),
    ),
    ('kl(Bernoulli(p), Bernoulli(r), reduction="none")', lambda t: kl(D.Bernoulli(t.p), D.Bernoulli(t.r))),
    (
        'kl(Bernoulli(logits=l), Bernoulli(0.5), reduction="none")',
        lambda t: kl(D.Bernoulli(logits=t.l), D.Bernoulli(0.5)),
    ),
    (
        'kl(Categorical(p), Categorical(logits=l), reduction="none")',
        lambda t: kl(D.Categorical(t.p), D.Categorical(logits=t.l)),
    ),
    (
        'kl(Independent(Normal(m, v), 1), Independent(Normal(n, 1.0), 1), reduction="none")',
        lambda t: kl(D.Independent(D.Normal(t.m, t.v), 1), D.Independent(D.Normal(t.n, torch.ones(5, 3)), 1)),
    ),
    (
        'kl(Independent(Normal(m, v), 1), Normal(0.0, 1.0), reduction="none")',
        lambda t: kl(D.Normal(t.m, t.v), UNIT).sum(1),
    ),
    (
        'kl(MultivariateNormal(m, scale_tril=t), MultivariateNormal(w, scale_tril=u), reduction="none")',
        lambda t: kl(D.MultivariateNormal(t.m, scale_tril=t.t), D.MultivariateNormal(t.w, scale_tril=t.u)),
    ),
    # Entropies and moments
    ("entropy(MultivariateNormal(m, scale_tril=u))", lambda t: D.MultivariateNormal(t.m, scale_tril=t.u).entropy()),
    (
        "mean(MultivariateNormal(m, scale_tril=u)) + std(MultivariateNormal(m, scale_tril=t))",
        lambda t: t.m + D.MultivariateNormal(t.m, scale_tril=t.t).stddev,
    ),
    ("entropy(Normal(m, v))", lambda t: D.Normal(t.m, t.v).entropy()),
    ("entropy(Normal(m, 2.0))", lambda t: D.Normal(t.m, 2.0).entropy()),
    (
        "entropy(Independent(Normal(m, 2.0), 1))",
        lambda t: D.Independent(D.Normal(t.m, torch.full((5, 3), 2.0)), 1).entropy(),
    ),
    ('entropy(Laplace(w, v), "sum")', lambda t: D.Laplace(t.w, t.v).entropy().sum()),
    ("entropy(Uniform(m, m + v))", lambda t: D.Uniform(t.m, t.m + t.v).entropy()),
    ("entropy(Bernoulli(p))", lambda t: D.Bernoulli(t.p).entropy()),
    ("entropy(Bernoulli(logits=l))", lambda t: D.Bernoulli(logits=t.l).entropy()),
    ("entropy(Categorical(p))", lambda t: D.Categorical(t.p).entropy()),
    ('entropy(Categorical(logits=l), "mean")', lambda t: D.Categorical(logits=t.l).entropy().mean()),
    ("mean(Normal(w, v))", lambda t: D.Normal(t.w, t.v).mean),
    ("std(Normal(m, 0.5))", lambda t: D.Normal(t.m, 0.5).stddev),
    ("mean(Laplace(m, v)) + std(Laplace(m, v))", lambda t: D.Laplace(t.m, t.v).mean + D.Laplace(t.m, t.v).stddev),
    (
        "mean(Uniform(m, m + v)) + std(Uniform(m, m + v))",
        lambda t: D.Uniform(t.m, t.m + t.v).mean + D.Uniform(t.m, t.m + t.v).stddev,
    ),
    ("mean(Bernoulli(logits=l)) + std(Bernoulli(p))", lambda t: D.Bernoulli(logits=t.l).mean + D.Bernoulli(t.p).stddev),
    (
        "mean(Mixture(Categorical(logits=k), Normal(k, exp(k))))",
        lambda t: D.MixtureSameFamily(D.Categorical(logits=t.k), D.Normal(t.k, t.k.exp())).mean,
    ),
    (
        "std(Mixture(Categorical(logits=k), Normal(k, exp(k))))",
        lambda t: D.MixtureSameFamily(D.Categorical(logits=t.k), D.Normal(t.k, t.k.exp())).stddev,
    ),
    (
        "std(Mixture(Categorical([0.25, 0.75]), [Normal(m, 0.5), Normal(n, s)]))",
        lambda t: (
            mixture(torch.tensor([0.25, 0.75]).log(), D.Normal(t.m, torch.full((5, 3), 0.5)), D.Normal(t.n, t.s)).stddev
        ),
    ),
]


@pytest.mark.parametrize(("body", "theirs"), FORMULAS, ids=[body for body, _ in FORMULAS])
def test_formulas_and_their_gradients(body: str, theirs: Callable[[Any], Tensor]) -> None:
    graph = network(body)
    given = inputs()
    names = [value.name for value in graph.inputs]
    wanted = theirs(SimpleNamespace(**{name: torch.from_numpy(array) for name, array in given.items()}))
    onnx = Session(to_bytes(build(graph))).run({name: given[name] for name in names})["out"]
    np.testing.assert_allclose(onnx, wanted.numpy(), rtol=2e-5, atol=2e-5)
    assert str(onnx.shape) == str(tuple(wanted.shape))

    def gradients(function: Callable[..., Tensor]) -> list[Tensor]:
        values = {name: torch.from_numpy(given[name].copy()) for name in names}
        floats = [x.requires_grad_() for x in values.values() if x.is_floating_point()]
        result = function(**values)
        torch.testing.assert_close(result.detach(), wanted, rtol=2e-5, atol=2e-5)
        result = result.where(result.isfinite(), 0).sum()
        return list(torch.autograd.grad(result, floats, materialize_grads=True)) if result.requires_grad else []

    module = to_module(graph, {})
    ours = gradients(lambda **values: module(*values.values()))
    torch.testing.assert_close(
        ours, gradients(lambda **values: theirs(SimpleNamespace(**values))), rtol=1e-4, atol=1e-4
    )


DRAWS: list[tuple[str, D.Distribution]] = [
    ("Normal(w, 0.5)", D.Normal(torch.tensor([-1.0, 0.5, 2.0]), 0.5)),
    ("Laplace(w, 0.7)", D.Laplace(torch.tensor([-1.0, 0.5, 2.0]), 0.7)),
    ("Uniform(w, w + 2)", D.Uniform(torch.tensor([-1.0, 0.5, 2.0]), torch.tensor([1.0, 2.5, 4.0]))),
    ("Bernoulli(logits=w)", D.Bernoulli(logits=torch.tensor([-1.0, 0.5, 2.0]))),
    ("Independent(Normal(w, 0.5), 1)", D.Normal(torch.tensor([-1.0, 0.5, 2.0]), 0.5)),
    (
        "Mixture(Categorical([0.25, 0.75]), [Normal(w, 0.5), Normal(2 * w, 1.0 + 0 * w)])",
        D.MixtureSameFamily(
            D.Categorical(torch.tensor([0.25, 0.75])),
            D.Normal(torch.tensor([[-1.0, -2.0], [0.5, 1.0], [2.0, 4.0]]), torch.tensor([0.5, 1.0])),
        ),
    ),
    (
        "Mixture(Categorical(logits=w), Independent(Normal(stack(w, 2 * w, dim=1), 0.5), 1))",
        D.MixtureSameFamily(
            D.Categorical(logits=torch.tensor([-1.0, 0.5, 2.0])),
            D.Independent(D.Normal(torch.tensor([[-1.0, -2.0], [0.5, 1.0], [2.0, 4.0]]), 0.5), 1),
        ),
    ),
]
COUNT = 100_000
CORRELATED = torch.tensor([[1.0, 0.0, 0.0], [0.5, 1.0, 0.0], [-0.5, 0.25, 0.5]])


def drawn(body: str) -> list[Array]:
    """The draws of both lowerings, at w = [-1, 0.5, 2]."""
    graph = graph_of(f"network Net(w: float[3]) -> out {{ {body} }}")
    w = np.asarray([-1.0, 0.5, 2.0], np.float32)
    torch.manual_seed(0)
    return [
        Session(to_bytes(build(graph, seed=1))).run({"w": w})["out"],
        to_module(graph, {})(torch.from_numpy(w)).numpy(),
    ]


@pytest.mark.parametrize(("body", "theirs"), DRAWS, ids=[body for body, _ in DRAWS])
def test_draws_have_the_moments(body: str, theirs: D.Distribution) -> None:
    """Within five standard errors."""
    for values in drawn(f"sample({body}, [{COUNT}])"):
        assert values.shape[0] == COUNT
        error = values.std(0) / np.sqrt(COUNT)
        assert (np.abs(values.mean(0) - theirs.mean.numpy()) < 5 * error).all()
        np.testing.assert_allclose(values.std(0), theirs.stddev.numpy(), rtol=0.02)


def test_draws_of_classes_have_the_frequencies() -> None:
    probs = torch.tensor([-1.0, 0.5, 2.0]).softmax(0).numpy()
    for values in drawn(f"sample(Categorical(logits=w), [{COUNT}])"):
        assert values.dtype == np.int64
        counts = np.bincount(values, minlength=3) / COUNT
        assert (np.abs(counts - probs) < 5 * np.sqrt(probs * (1 - probs) / COUNT)).all()


def test_draws_of_vectors_have_the_covariance() -> None:
    matrix = CORRELATED.tolist()
    for values in drawn(f"sample(MultivariateNormal(w, scale_tril={matrix}), [{COUNT}])"):
        np.testing.assert_allclose(np.cov(values.T), (CORRELATED @ CORRELATED.T).numpy(), atol=0.02)
        np.testing.assert_allclose(values.mean(0), [-1, 0.5, 2], atol=0.02)


def test_draws_without_parameters_that_are_tensors() -> None:
    for body in ("sample(Normal(2.0, 0.5), [100_000])", "sample(Uniform(1.0, 3.0), [100_000])"):
        for values in drawn(f"{body} + 0 * sum(w)"):
            assert abs(values.mean() - 2) < 0.02


def test_gradients_pass_to_the_parameters_of_draws() -> None:
    body = "z = sample(Normal(m, v))\n [z, sample(Laplace(m, v)), sample(Uniform(m, m + v))] -> Stack(0)"
    module = to_module(network(body), {})
    m, v = torch.zeros(5, 3, requires_grad=True), torch.ones(5, 3, requires_grad=True)
    for z in module(m, v).unbind(0):
        by_m, by_v = torch.autograd.grad(z.sum(), [m, v], retain_graph=True)
        torch.testing.assert_close(by_m, torch.ones(5, 3))
        torch.testing.assert_close(by_v, z.detach())  # z = v * noise at m = 0


@pytest.mark.parametrize(
    ("q", "p", "exact"),
    [
        ("Normal(w, 0.5)", "Normal(0.0, 1.0)", kl(NARROW, UNIT).sum()),
        (
            "Normal(w, 0.5)",
            "Mixture(Categorical([0.4, 0.6]), [Normal(0.0, 1.0), Normal(0.0, 1.0)])",
            kl(NARROW, UNIT).sum(),
        ),
        (
            "Independent(Laplace(w, 0.5), 1)",
            "Laplace(0.0, 1.0)",
            kl(D.Laplace(torch.tensor([-1.0, 0.5, 2.0]), 0.5), D.Laplace(0.0, 1.0)).sum(),
        ),
    ],
)
def test_divergences_from_draws(q: str, p: str, exact: Tensor) -> None:
    for value in drawn(f"kl({q}, {p}, samples=50_000)"):
        np.testing.assert_allclose(value, exact.numpy(), rtol=0.02)


@pytest.mark.parametrize(
    ("q", "p"),
    [
        ("Normal(m, v)", "Normal(0.0, 1.0)"),
        ("Bernoulli(p)", "Bernoulli(r)"),
        ("Independent(Normal(m, v), 1)", "Normal(0.0, 1.0)"),
    ],
)
def test_nothing_is_drawn_where_there_is_a_formula(q: str, p: str) -> None:
    by_formula, asked = (network(f"kl({q}, {p}{more})") for more in ("", ", samples=3"))
    assert not any(node.op.random for node in asked.nodes)
    assert [node.op for node in asked.nodes] == [node.op for node in by_formula.nodes]


def test_one_draw_is_one_draw() -> None:
    (operator,) = [n.op for n in network("kl(Normal(m, v), Laplace(0.0, 1.0), samples=1)").nodes if n.op.random]
    assert len(operator.shape) == 2  # type: ignore[attr-defined]


BLOCKS = """
block Posterior(latent) {
    mu = x -> mu: Linear(latent)
    Normal(mu, exp(0.5 * (x -> logvar: Linear(latent))))
}
block Loss(q, prior) { kl(q, prior) }
network Net(image: float[N, 8]) -> z, loss {
    q = image -> Posterior(4)
    z = sample(q)
    loss = z -> Loss(q, Normal(0.0, 1.0))
}
"""


def test_blocks_take_and_give_distributions() -> None:
    graph = graph_of(BLOCKS)
    assert [str(output.value.type) for output in graph.outputs] == ["float[N, 4]", "float[]"]
    module = to_module(graph, {path: np.full(w.shape, 0.25, np.float32) for path, w in graph.parameters.items()})
    q = D.Normal(torch.full((2, 4), 2.25), torch.full((2, 4), 2.25).mul(0.5).exp())
    torch.testing.assert_close(module(torch.ones(2, 8))[1], kl(q, UNIT).sum())


REFUSED = [
    ("Normal(m, v)", "DL0409", "is a distribution, Normal of float[N, 3], not a tensor"),
    ("sample(Normal(m, k))", "DL0201", "`Normal` cannot join [N, 3] with [N, 3, 2]"),
    ("sample(Normal(m, c))", "DL0207", "`Normal` takes floating-point numbers, not int[N]"),
    ("sample(Normal(m))", "DL0304", "`Normal` needs `scale`"),
    ("sample(Normal(m, 0))", "DL0208", "`scale` of `Normal` is positive, not 0"),
    ("sample(Normal(m, v, 3))", "DL0306", "`Normal` takes 2 arguments"),
    ("sample(Normal(mean=m, scale=v))", "DL0303", "`Normal` has no argument `mean`"),
    ('sample(Normal(m, "a"))', "DL0305", "`scale` of `Normal` takes a tensor or a number"),
    ("sample(Normal(m, [m, v]))", "DL0305", "`scale` of `Normal` takes a tensor or a number"),
    ("sample(Uniform(1.0, m))", "", ""),
    ("sample(Uniform(1.0, 1.0)) + m", "DL0208", "`low` of `Uniform` is below `high`"),
    ("sample(Bernoulli(p, l))", "DL0304", "takes one of `probs` and `logits`"),
    ("sample(Bernoulli()) + m", "DL0304", "takes one of `probs` and `logits`"),
    ("sample(Bernoulli(1.5)) + m", "DL0208", "`probs` of `Bernoulli` is from 0 to 1"),
    ("sample(Categorical(0.5)) + m", "DL0202", "takes an axis of classes, not float[]"),
    ("sample(Normal(m, v), 3)", "DL0305", "`shape` of `sample` takes a list of sizes, not the number 3"),
    ("sample(m)", "DL0305", "`sample` takes a distribution, not a tensor float[N, 3]"),
    ("kl(m, v)", "DL0305", "`kl` takes a distribution, not a tensor"),
    ("log_prob(Normal(m, v), c)", "DL0207", "takes float32, not int[N]"),
    ("log_prob(Normal(e, v), w)", "DL0201", "takes a tensor of that shape, not float[3]"),
    ("log_prob(Normal(w, 1.0), e)", "DL0201", "takes a tensor of that shape, not float[N, 1]"),
    ("log_prob(Categorical(p), b)", "DL0207", "takes int64, not float[N, 3]"),
    ("log_prob(Categorical(logits=k), c)", "DL0201", "takes a tensor of that shape, not int[N]"),
    ('log_prob(Normal(m, v), x, "max")', "DL0305", "`reduction` takes"),
    ("mean(Categorical(p))", "DL0411", "has no mean in closed form"),
    ("entropy(Mixture(Categorical(p), Normal(p, 1.0)))", "DL0411", "has no entropy in closed form"),
    ("kl(Normal(m, v), Laplace(m, v))", "DL0411", "`kl` of `Normal` from `Laplace` is not known"),
    ("kl(Bernoulli(p), Normal(m, v), samples=3)", "DL0411", "no function of its parameters"),
    ("kl(Normal(m, v), Laplace(m, v), samples=0)", "DL0305", "`samples` of `kl` takes a number of draws"),
    ("kl(Categorical(p), Categorical(logits=k))", "DL0201", "3 classes from 2"),
    ("kl(Independent(Normal(m, v), 1), Normal(m, v))", "DL0201", "distributions of one event"),
    ("sample(Independent(Normal(m, v), 3))", "DL0202", "1 to 2 axes of [N, 3] events, not 3"),
    ("sample(Mixture(p, Normal(p, 1.0)))", "DL0305", "`weights` of `Mixture` takes a `Categorical`"),
    ("sample(Mixture(Categorical(w), Normal(k, 1.0)))", "DL0201", "has 3 weights for 2 components"),
    ("sample(Mixture(Categorical([1, 1]), [Normal(m, v), Normal(w, 1.0)]))", "DL0201", "of one shape"),
    ("sample(MultivariateNormal(m))", "DL0304", "takes one of `covariance_matrix` and `scale_tril`"),
    ("sample(MultivariateNormal(m, 1.0))", "DL0305", "takes a matrix, not the number 1.0"),
    ("sample(MultivariateNormal(m, e))", "DL0201", "takes a mean [..., d] and a matrix [..., d, d], not"),
    ("sample(MultivariateNormal(k, u))", "DL0201", "not float[N, 3, 2] and float[3, 3]"),
    ("sample(Normal) + m", "DL0308", "`Normal` is a distribution"),
    ("Normal(m, v) + 1", "DL0305", "a distribution, Normal of float[N, 3]"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "code", "message"), REFUSED, ids=[row[0] for row in REFUSED])
def test_refused(body: str, code: str, message: str) -> None:
    used = [name for name in KINDS if re.search(rf"\b{name}\b", body)]
    text = f"network Net({', '.join(f'{name}: {KINDS[name]}' for name in used)}) -> out {{ {body} }}"
    assert codes_in(text) == ([code] if code else [])
    assert all(message in found.message for found in found_in(text))
