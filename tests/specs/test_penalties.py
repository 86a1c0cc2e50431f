"""Penalties on gradients, in the shipped objectives, against the formulas of their papers written with autograd."""

from __future__ import annotations

import pytest
import torch
from catalogue import program
from torch import Tensor, nn

from dlspec.backends.torch.live import to_training
from dlspec.pipeline import elaborate_training


def model_of(name: str, **settings: object) -> nn.Module:
    spec, _, train = name.partition(":")
    return to_training(elaborate_training(program(spec), train, settings))[0]


def gradient(score: Tensor, at: Tensor) -> Tensor:
    return torch.autograd.grad(score.sum(), at, create_graph=True)[0].flatten(1)


@pytest.mark.parametrize("train", ["TrainDenseWGANGP", "TrainDigitWGANGP"])
def test_wgan_gp(train: str) -> None:
    """Gulrajani et al., 2017, equation 3, between real images and fakes."""
    model = model_of(f"wgan:{train}")
    real = torch.rand(5, 1, 28, 28)
    torch.manual_seed(7)
    found = model.judge_objective(real)
    torch.manual_seed(7)
    fake = model.generate(torch.randn(5, 100 if train == "TrainDenseWGANGP" else 128)).view(5, 1, 28, 28).detach()
    share = torch.rand(5, 1, 1, 1)
    between = (real + share * (fake - real)).requires_grad_()
    lengths = gradient(model.judge(between), between).norm(dim=1)
    expected = model.judge(fake).mean() - model.judge(real).mean() + 10 * ((lengths - 1) ** 2).mean()
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert ((lengths - 1) ** 2).mean() > 0


def test_r1_of_stylegan() -> None:
    """Mescheder et al., 2018, equation 9, and the logistic loss that does not saturate."""
    model = model_of("stylegan:TrainStyleGAN", level=1)
    image, step = torch.randn(2, 3, 8, 8), torch.tensor(1000)
    found = model.measure(image, step)
    alpha = step / 37_500
    smaller = nn.functional.interpolate(nn.functional.avg_pool2d(image, 2), scale_factor=2)
    real = (smaller + alpha * (image - smaller)).requires_grad_()
    verdict = model.judge(real, alpha)
    expected = gradient(verdict, real).square().sum(1).mean()
    assert found["r1"].item() == pytest.approx(expected.item(), rel=1e-4)
    assert torch.allclose(found["verdict"], verdict, atol=1e-5)
    torch.manual_seed(3)
    objective = model.judge_objective(image, step)
    torch.manual_seed(3)
    crossover = torch.floor(torch.rand(()) * 3).long() + 1
    crossover = torch.where(torch.rand(()) < 0.9, crossover, 4)
    scores = model.judge(model.generate(torch.randn(2, 512), torch.randn(2, 512), crossover, alpha), alpha)
    softplus = nn.functional.softplus
    total = softplus(scores).mean() + softplus(-verdict).mean() + 10 / 2 * expected
    assert objective.item() == pytest.approx(total.item(), rel=1e-4)
