"""The trainers of generators that grow against loops over the same networks: the same losses and weights, bit for bit."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from catalogue import program
from test_course_loops import Steps, adam, followed, made
from test_torch_loops import compare
from torch import Tensor
from train_snippets import Batch

from dlspec.backends.torch.live import to_training
from dlspec.pipeline import elaborate_training

RAISED: Mapping[str, Any] = {"lr": 1e-3, "betas": (0.0, 0.99), "eps": 1e-8}


def halved(image: Tensor) -> Tensor:
    return F.interpolate(F.avg_pool2d(image, 2), scale_factor=2)


def labelled(model: Any, data: Iterator[Batch], _: int) -> Steps:
    g, d, slow = model.generate, model.judge, copy.deepcopy(model.generate)
    of_d, of_g = adam(d, **RAISED), adam(g, **RAISED)
    for step in count():
        image, label = next(data).values()
        lod = 1 - torch.tensor(step) / 10
        real = torch.lerp(image, halved(image), lod)
        made_up = g(torch.randn(len(image), 8), label, lod).detach()
        verdict, told = d(real, lod)
        doubt, guessed = d(made_up, lod)
        between = torch.lerp(real, made_up, torch.rand(len(image), 1, 1, 1)).requires_grad_()
        (slope,) = torch.autograd.grad(d(between, lod)[0].sum(), between, create_graph=True)
        penalty = ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
        wrong = F.cross_entropy(told, label) + F.cross_entropy(guessed, label)
        error = doubt.mean() - verdict.mean() + 10 * penalty + 0.001 * (verdict**2).mean() + 1.0 * wrong
        made(of_d, error)
        taken, meant = d(g(torch.randn(len(image), 8), label, lod), lod)
        loss = 1.0 * F.cross_entropy(meant, label) - taken.mean()
        made(of_g, loss)
        followed(slow, g, 0.999)
        yield {"judge": error, "generate": loss}, [*g.parameters(), *d.parameters(), *slow.parameters()]


def stylegan(model: Any, data: Iterator[Batch], _: int) -> Steps:
    g, d, slow = model.generate, model.judge, copy.deepcopy(model.generate)
    of_d, of_g = adam(d, lr=1e-3, betas=(0.0, 0.99)), adam(g, lr=1e-3, betas=(0.0, 0.99))

    def fake(alpha: Tensor) -> Tensor:
        begin, chance = torch.rand(()), torch.rand(())
        crossover = torch.floor(begin * 3).long() + 1 if chance < 0.9 else torch.tensor(4)
        return g(torch.randn(len(image), 512), torch.randn(len(image), 512), crossover, alpha)

    for step in count():
        image = next(data)["image"]
        alpha = torch.tensor(step) / 10
        real = torch.lerp(halved(image), image, alpha).requires_grad_()
        made_up = fake(alpha)
        verdict = d(real, alpha)
        (slope,) = torch.autograd.grad(verdict.sum(), real, create_graph=True)
        r1 = (slope.flatten(1) ** 2).sum(1).mean()
        error = F.softplus(d(made_up.detach(), alpha)).mean() + F.softplus(-verdict).mean() + 5 * r1
        made(of_d, error)
        loss = F.softplus(-d(fake(alpha), alpha)).mean()
        made(of_g, loss)
        followed(slow, g, 0.999)
        yield {"judge": error, "generate": loss}, [*g.parameters(), *d.parameters(), *slow.parameters()]


LOOPS: dict[str, tuple[Callable[..., Steps], dict[str, Any]]] = {
    "progan:TrainLabelled": (labelled, {"widest": 8, "steps": 10, "group": None}),
    "stylegan:TrainStyleGAN": (stylegan, {"widest": 8, "steps": 10}),
}


@pytest.mark.parametrize("train", LOOPS)
def test_growing_networks_are_trained_as_by_a_plain_loop(train: str) -> None:
    loop, settings = LOOPS[train]
    file, _, name = train.partition(":")
    training = elaborate_training(program(file), name, settings)
    model, _ = to_training(training)
    networks = ("generate", "judge", "sampled")
    weights = [f"{each}.{path}" for each in networks for path, _ in model.get_submodule(each).named_parameters()]
    compare(training, loop, weights)
