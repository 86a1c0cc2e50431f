"""std.latent against the figures of scikit-learn and the distributions of PyTorch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import repeat
from math import log
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
from catalogue import TRUTH, graph_of, program
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes
from dlspec.backends.runtime import run
from dlspec.backends.torch.live import to_training
from dlspec.pipeline import elaborate_training

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

FIGURES: Mapping[str, Any] = json.loads((TRUTH / "latent.json").read_text(encoding="utf-8"))


def data() -> Array:
    i, j = np.meshgrid(np.arange(200), np.arange(8), indexing="ij")
    return np.sin(0.37 * i + 0.9 * j) + 0.5 * np.cos(0.11 * i * (j + 1)) + 0.1 * np.sin(1.7 * i * j + 0.3)


def outputs(network: str, weights: Mapping[str, Any], x: Array, **settings: Any) -> dict[str, Array]:
    graph = graph_of(f"latent:{network}", settings)
    assert weights.keys() == graph.parameters.keys()
    arrays = {path: np.asarray(values, np.float32) for path, values in weights.items()}
    return run(to_bytes(build(graph, weights=arrays)), {"x": x.astype(np.float32)})


def components() -> tuple[Array, Array]:
    """The largest eigenvalues of the data's covariance, and their eigenvectors as columns."""
    values, vectors = np.linalg.eigh(np.cov(data().T))
    return values[::-1], vectors[:, ::-1]


def test_principal_components() -> None:
    figures, x = FIGURES["pca"], data()
    values, vectors = components()
    np.testing.assert_allclose(values[:3], figures["explained_variance"], rtol=1e-9)
    found = outputs("PCA", {"mu": x.mean(0), "W": vectors[:, :3]}, x)
    assert np.mean((found["reconstruction"] - x) ** 2) == pytest.approx(figures["recon_mse"], rel=1e-5)
    np.testing.assert_allclose(np.var(found["code"], 0, ddof=1), figures["explained_variance"], rtol=1e-5)


def test_axes_are_in_the_order_of_their_variances() -> None:
    """Also the third from the fourth, whose variances are 0.13593 and 0.13575."""
    values, vectors = components()
    found = outputs("PrincipalAxes", {}, data(), components=4)
    np.testing.assert_allclose(found["variances"], values[:4], rtol=1e-5)
    signs = np.sign(vectors[np.abs(vectors).argmax(0), range(8)])
    np.testing.assert_allclose(found["axes"], (vectors * signs)[:, :4], atol=1e-3)


def trained(train: str, x: Array, steps: int, seed: int = 0, **settings: Any) -> Any:
    """The networks after steps with all the data."""
    model, trainer = to_training(elaborate_training(program("latent"), train, settings), seed=seed)
    torch.manual_seed(seed)
    batches = repeat({"x": torch.from_numpy(x.astype(np.float32))})
    for _ in range(steps):
        trainer.step(batches)
    return model


def test_one_step_finds_principal_components() -> None:
    x = data()
    model = trained("FitPCA", x, 1)
    mu, axes = model.model.mu.detach().numpy(), model.model.W.detach().numpy()
    np.testing.assert_allclose(mu, x.mean(0), atol=1e-6)
    np.testing.assert_allclose(np.abs(np.sum(axes * components()[1][:, :3], 0)), 1, atol=1e-5)


def test_mixtures_end_at_one_optimum_from_all_seeds() -> None:
    """At least as likely as the density that the data is drawn from. Gradients from random starts end 1.5 to 2.5 below it,
    and differ by 1."""
    random = np.random.default_rng(0)
    centres = np.array([[0.0, 0], [8, 0], [0, 8], [8, 8], [40, 40]])
    scales, shares = np.array([1, 0.3, 0.5, 0.2, 2]), np.array([0.3, 0.3, 0.2, 0.1, 0.1])
    which = random.choice(5, 600, p=shares)
    x = centres[which] + scales[which, None] * random.standard_normal((600, 2))
    distances = ((x[:, None] - centres) ** 2).sum(2) / scales**2
    known = np.log((shares / (2 * np.pi * scales**2) * np.exp(-distances / 2)).sum(1)).mean()
    sample = torch.from_numpy(x.astype(np.float32))
    found = [
        trained("FitMixture", x, 20, seed, features=2, clusters=5).model(sample)[0].mean().item() for seed in range(5)
    ]
    assert known < min(found) < known + 0.05
    assert max(found) - min(found) < 1e-4


def test_probabilistic_components() -> None:
    """The likelihood by Woodbury's identity, at the parameters in closed form."""
    figures, x = FIGURES["pca"], data()
    values, vectors = components()
    noise = values[3:].mean()
    assert noise == pytest.approx(figures["noise_variance"])
    weights = {"mu": x.mean(0), "W": vectors[:, :3] * np.sqrt(values[:3] - noise), "log_sigma": log(noise) / 2}
    found = outputs("PPCA", weights, x)
    assert found["log_likelihood"].mean() == pytest.approx(figures["ppca_mean_loglik"], abs=1e-5)
    whole = MultivariateNormal(
        *(torch.from_numpy(a) for a in (weights["mu"], weights["W"] @ weights["W"].T + noise * np.eye(8)))
    )
    np.testing.assert_allclose(found["log_likelihood"], whole.log_prob(torch.from_numpy(x)), rtol=1e-4)


@pytest.mark.parametrize("components", [1, 2, 5])
def test_woodbury_of_any_number(components: int) -> None:
    generator = np.random.default_rng(components)
    x, mu, W = (generator.standard_normal(shape) for shape in ((20, 6), 6, (6, components)))
    found = outputs("PPCA", {"mu": mu, "W": W, "log_sigma": -0.2}, x, features=6, components=components)
    covariance = W @ W.T + np.exp(-0.4) * np.eye(6)
    whole = MultivariateNormal(torch.from_numpy(mu), torch.from_numpy(covariance))
    np.testing.assert_allclose(found["log_likelihood"], whole.log_prob(torch.from_numpy(x)), rtol=1e-4)


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_mixtures(covariance: str) -> None:
    graph = graph_of("latent:GaussianMixture", {"covariance": covariance})
    assert sum(p.elements for p in graph.parameters.values()) == FIGURES[f"gmm_{covariance}"]["n_free_params"]
    generator = np.random.default_rng(0)
    weights = {path: 0.5 * generator.standard_normal(p.shape) for path, p in graph.parameters.items()}
    x = data()[:20]
    found = outputs("GaussianMixture", weights, x, covariance=covariance)
    scales = np.exp(-np.broadcast_to(weights["log_scale"], (3, 8)))
    triangle = np.tile(np.eye(8), (3, 1, 1))
    if "mixing" in weights:
        triangle[:, *np.tril_indices(8, -1)] = weights["mixing"]
    mixture = MixtureSameFamily(
        Categorical(logits=torch.tensor([0.0, *weights["logits"]])),
        MultivariateNormal(
            torch.from_numpy(weights["means"]),
            precision_matrix=torch.from_numpy(
                np.einsum("kij,kil->kjl", triangle * scales[:, None], triangle * scales[:, None])
            ),
        ),
    )
    np.testing.assert_allclose(found["log_likelihood"], mixture.log_prob(torch.from_numpy(x)), rtol=1e-4)
    np.testing.assert_allclose(found["responsibilities"].sum(1), 1, rtol=1e-5)


def test_a_step_of_expectation_maximisation() -> None:
    figures, x = FIGURES["gmm_diag_1_em_step"], data()
    start = np.log([0.5, 0.3, 0.2])
    weights = {"logits": (start - start[0])[1:], "means": x[[0, 70, 140]], "log_scale": np.zeros((3, 8))}
    found = outputs("EMStep", {f"model.{name}": values for name, values in weights.items()}, x)
    assert found["log_likelihood"].mean() == pytest.approx(figures["lower_bound"], rel=1e-5)
    np.testing.assert_allclose(found["weights"], figures["weights"], rtol=1e-5)
    np.testing.assert_allclose(found["means"][0], figures["means0"], rtol=1e-3, atol=1e-5)
    after = np.log(found["weights"])
    weights = {
        "logits": (after - after[0])[1:], "means": found["means"], "log_scale": np.log(np.sqrt(found["variances"]))
    }  # fmt: skip
    better = outputs("GaussianMixture", weights, x)["log_likelihood"].mean()
    assert better == pytest.approx(figures["mean_loglik_after"], rel=1e-5)
    assert better > found["log_likelihood"].mean()
