"""std.gaussian_vae: what is asked of a trained model, by the formulas."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from catalogue import graph_of
from torch.distributions import Normal, kl_divergence

from dlspec.backends.torch.live import to_module
from dlspec.backends.weights import draw
from dlspec.passes.fixed_draws import with_fixed_draws

SMALL: dict[str, Any] = {"side": 4, "width": 16, "latent": 3}


def module(network: str, **settings: Any) -> Any:
    graph = with_fixed_draws(graph_of(f"gaussian_vae:{network}", SMALL | settings))
    return to_module(graph, {path: draw(each, 7) for path, each in graph.parameters.items()})


def test_a_score_is_the_error_of_the_mean_code_and_the_divergence() -> None:
    """Draws are at their means, so that the bound differs from it by what normalises the density alone."""
    strange = module("Anomaly", deviation=0.3, draws=2)
    model = module("GaussianVAE")
    model.load_state_dict(strange.state_dict(), strict=True)
    image = torch.rand(5, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    score, bound = strange(image)
    (made,), (code,), mu, logvar = model(image)
    assert torch.equal(code, mu)
    divergence = kl_divergence(Normal(mu, torch.exp(0.5 * logvar)), Normal(0.0, 1.0)).sum(1)
    assert torch.allclose(score, (image.flatten(1) - made).square().sum(1) / 0.18 + divergence, rtol=1e-5)
    likelihood = Normal(made, 0.3).log_prob(image.flatten(1)).sum(1)
    assert torch.allclose(bound, divergence - likelihood, rtol=1e-5)
    assert torch.allclose(bound - score, torch.tensor(16 * (math.log(0.3) + 0.5 * math.log(2 * math.pi))), atol=1e-3)


def test_halves_have_the_weights_of_the_whole() -> None:
    model, codes, decoder = module("GaussianVAE"), module("Codes"), module("Decoder")
    for half in (codes, decoder):
        own = half.state_dict().keys()
        half.load_state_dict({key: value for key, value in model.state_dict().items() if key in own}, strict=True)
    assert codes.state_dict().keys() | decoder.state_dict().keys() == model.state_dict().keys()
    image = torch.rand(5, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    made, _, mu, logvar = model(image)
    found, sigma = codes(image)
    assert torch.equal(found, mu)
    assert torch.allclose(sigma, torch.exp(0.5 * logvar))
    assert torch.allclose(decoder(mu).flatten(1), made[0], atol=1e-6)
    assert F.mse_loss(decoder(mu + 1).flatten(1), made[0]) > 1e-4
