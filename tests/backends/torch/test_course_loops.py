"""The trainers of shipped objectives against loops over the same networks: the same losses and weights, bit for bit."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any, TypeAlias

import pytest
import torch
import torch.nn.functional as F
from catalogue import program
from light import LIGHT
from test_torch_loops import compare
from torch import Tensor, nn
from train_snippets import Batch

from dlspec.backends.torch.live import to_training
from dlspec.pipeline import elaborate_training

Steps: TypeAlias = Iterator[tuple[dict[str, Tensor], list[Tensor]]]


def adam(*modules: nn.Module, **given: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam([p for module in modules for p in module.parameters()], **given)


def made(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def followed(slow: nn.Module, module: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for mine, theirs in zip(slow.parameters(), module.parameters(), strict=True):
            mine.lerp_(theirs, 1 - decay)


def fit_points(model: Any, data: Iterator[Batch], _: int) -> Steps:
    optimizer = adam(model.flow, lr=1e-3)
    while True:
        z, logdet = model.flow(next(data)["x"])
        likelihood = ((-0.5 * z**2 - 0.5 * math.log(2 * math.pi)).sum(1) + logdet).mean()
        made(optimizer, -likelihood)
        yield {"flow": likelihood}, list(model.flow.parameters())


def fit_images(model: Any, data: Iterator[Batch], _: int) -> Steps:
    optimizer = adam(model.flow, lr=1e-3)
    while True:
        image = next(data)["image"]
        z, logdet = model.flow((image * 255 + torch.rand(image.shape)) / 256)
        likelihood = ((-0.5 * z**2 - 0.5 * math.log(2 * math.pi)).sum(1) + logdet).mean()
        bits = 8 - likelihood / (image[0].numel() * math.log(2))
        made(optimizer, bits)
        yield {"flow": bits}, list(model.flow.parameters())


def mixture(model: Any, data: Iterator[Batch], _: int) -> Steps:
    network, seeds = model.model, model.seeds
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    for step in count():
        x = next(data)["x"]
        _, r = network(x)
        begun = seeds(x)
        r = r.clamp(min=1e-8)
        share = r / r.sum(0)
        means = share.T @ x
        spread = (share[:, :, None] * (x[:, None] - means) ** 2).sum(0) + 1e-6
        weights, means, spread = (r.mean(0), means, spread) if step else begun
        off = ((network.means - means) ** 2).sum() + ((network.log_scale - torch.log(spread) / 2) ** 2).sum()
        loss = (off + ((network.logits - torch.log(weights[1:] / weights[0])) ** 2).sum()) / 2
        made(optimizer, loss)
        yield {"model": loss}, list(network.parameters())


def diffusion(model: Any, data: Iterator[Batch], _: int) -> Steps:
    network, slow = model.model, copy.deepcopy(model.model)
    optimizer = adam(network, lr=1e-3)
    while True:
        x, label = next(data).values()
        time = torch.rand(len(x))
        angle = 0.5 * math.pi * 0.995 * time[:, None]
        noise = torch.randn(x.shape)
        wish = torch.where(torch.rand(len(x)) < 0.1, 8, label)
        guess = network(torch.cos(angle) * x + torch.sin(angle) * noise, time, wish)
        loss = F.mse_loss(guess, torch.cos(angle) * noise - torch.sin(angle) * x)
        made(optimizer, loss)
        followed(slow, network, 0.99)
        yield {"model": loss}, [*network.parameters(), *slow.parameters()]


def match_flow(model: Any, data: Iterator[Batch], _: int) -> Steps:
    network, slow = model.model, copy.deepcopy(model.model)
    optimizer = adam(network, lr=1e-3)
    while True:
        x = next(data)["x"]
        time = torch.rand(len(x))
        share = time[:, None]
        noise = torch.randn(x.shape)
        loss = F.mse_loss(network((1 - share) * noise + share * x, time), x - noise)
        made(optimizer, loss)
        followed(slow, network, 0.99)
        yield {"model": loss}, [*network.parameters(), *slow.parameters()]


def match_score(model: Any, data: Iterator[Batch], _: int) -> Steps:
    network, slow = model.model, copy.deepcopy(model.model)
    optimizer = adam(network, lr=1e-3)
    while True:
        x = next(data)["x"]
        time = torch.rand(len(x))
        deviation = (0.01 * 1000.0**time)[:, None]
        noise = torch.randn(x.shape)
        noisy = x + deviation * noise
        score = network(noisy / torch.sqrt(1 + deviation**2), time) / deviation
        loss = ((deviation * score + noise) ** 2).mean()
        made(optimizer, loss)
        followed(slow, network, 0.99)
        yield {"model": loss}, [*network.parameters(), *slow.parameters()]


def slope(energy: nn.Module, x: Tensor, create_graph: bool) -> Tensor:
    return torch.autograd.grad(energy(x).sum(), x, create_graph=create_graph)[0]


def contrast(model: Any, data: Iterator[Batch], _: int) -> Steps:
    energy = model.energy
    optimizer = adam(energy, lr=1e-3)
    while True:
        x = next(data)["x"]
        h = x + torch.randn(x.shape)
        for _ in range(20):
            h = h.detach().requires_grad_()
            h = h - 0.5 * 0.01 * slope(energy, h, create_graph=False) + math.sqrt(0.01) * torch.randn(h.shape)
        down = energy(x + 0.2 * torch.randn(x.shape))
        up = energy(h.detach())
        loss = down.mean() - up.mean() + 0.02 * (down**2 + up**2).mean()
        made(optimizer, loss)
        yield {"energy": loss}, list(energy.parameters())


def denoise(model: Any, data: Iterator[Batch], _: int) -> Steps:
    energy = model.energy
    optimizer = adam(energy, lr=1e-3)
    while True:
        x = next(data)["x"]
        noise = torch.randn(x.shape)
        noisy = (x + 0.2 * noise).requires_grad_()
        loss = ((0.2 * slope(energy, noisy, create_graph=True) - noise) ** 2).mean()
        made(optimizer, loss)
        yield {"energy": loss}, list(energy.parameters())


GAN: Mapping[str, Any] = {"lr": 2e-4, "betas": (0.5, 0.999)}


def square(verdict: Tensor, answer: int) -> Tensor:
    return ((verdict - answer) ** 2).mean()


def pix2pix(model: Any, data: Iterator[Batch], _: int) -> Steps:
    g, d = model.generate, model.judge
    of_g, of_d = adam(g, **GAN), adam(d, **GAN)
    while True:
        given, wanted = next(data).values()
        fake = g(given)
        loss = square(d(fake, given), 1) + 100 * (fake - wanted).abs().mean()
        made(of_g, loss)
        error = (square(d(wanted, given), 1) + square(d(g(given).detach(), given), 0)) / 2
        made(of_d, error)
        yield {"generate": loss, "judge": error}, [*g.parameters(), *d.parameters()]


def cyclegan(model: Any, data: Iterator[Batch], _: int) -> Steps:
    to_a, to_b, judge_a, judge_b = model.to_a, model.to_b, model.judge_a, model.judge_b
    of_g, of_a, of_b = adam(to_b, to_a, **GAN), adam(judge_a, **GAN), adam(judge_b, **GAN)
    while True:
        a, b = next(data).values()
        made_b, made_a = to_b(a), to_a(b)
        same = ((to_a(a) - a).abs().mean() + (to_b(b) - b).abs().mean()) / 2
        taken = (square(judge_b(made_b), 1) + square(judge_a(made_a), 1)) / 2
        back = ((to_a(made_b) - a).abs().mean() + (to_b(made_a) - b).abs().mean()) / 2
        loss = taken + 10 * back + 5 * same
        made(of_g, loss)
        error_a = (square(judge_a(a), 1) + square(judge_a(to_a(b).detach()), 0)) / 2
        made(of_a, error_a)
        error_b = (square(judge_b(b), 1) + square(judge_b(to_b(a).detach()), 0)) / 2
        made(of_b, error_b)
        yield {"to_b_to_a": loss, "judge_a": error_a, "judge_b": error_b}, [*to_a.parameters(), *judge_b.parameters()]


def espcn(model: Any, data: Iterator[Batch], _: int) -> Steps:
    optimizer = adam(model.enlarge, lr=1e-3)
    while True:
        image, large = next(data).values()
        loss = F.mse_loss(model.enlarge(image), large)
        made(optimizer, loss)
        yield {"enlarge": loss}, list(model.enlarge.parameters())


def srgan(model: Any, data: Iterator[Batch], _: int) -> Steps:
    g, d, look = model.enlarge, model.judge, model.look.eval().requires_grad_(False)
    of_g, of_d = adam(g, **GAN), adam(d, **GAN)
    while True:
        image, large = next(data).values()
        fake = g(image)
        loss = (look(fake) - look(large)).abs().mean() + 1e-3 * square(d(fake), 1)
        made(of_g, loss)
        error = (square(d(large), 1) + square(d(g(image).detach()), 0)) / 2
        made(of_d, error)
        yield {"enlarge": loss, "judge": error}, [*g.parameters(), *d.parameters()]


def divergences(mu: Tensor, logvar: Tensor) -> Tensor:
    sigma = torch.exp(0.5 * logvar)
    return 0.5 * (sigma**2 + mu**2 - 1) - torch.log(sigma)


def gaussian_vae(analytic: bool) -> Callable[..., Steps]:
    """As it is taught: M codes of each image, one after another."""

    def loop(model: Any, data: Iterator[Batch], _: int) -> Steps:
        network = model.model
        encode, decode = network.encoder, network.decoder
        optimizer = adam(network, lr=1e-3)
        while True:
            x = next(data)["image"].flatten(1)
            h = torch.tanh(encode.hidden(x))
            mu, logvar = encode.mu(h), encode.logvar(h)
            z = mu + torch.exp(0.5 * logvar) * torch.randn(3, *mu.shape)
            made_of = decode.pixels(torch.tanh(decode.hidden(z)))
            likelihood = -(((x - made_of) ** 2).sum(-1) / (2 * 0.3**2)).mean()
            if analytic:
                divergence = divergences(mu, logvar).sum(1).mean()
            else:
                sigma = torch.exp(0.5 * logvar)
                constant = 0.5 * math.log(2 * math.pi)
                log_q = -0.5 * ((z - mu) / sigma) ** 2 - (torch.log(sigma) + constant)
                log_p = -0.5 * z**2 - constant
                divergence = (log_q - log_p).sum(-1).mean(0).mean()
            bound = likelihood - divergence
            made(optimizer, -bound)
            yield {"model": bound}, list(network.parameters())

    return loop


def conditional_vae(model: Any, data: Iterator[Batch], _: int) -> Steps:
    network = model.model
    optimizer = adam(network, lr=5e-3)
    while True:
        image, label = next(data).values()
        made_of, mu, logvar = network(image, label)
        loss = F.mse_loss(made_of, image) + 0.00025 * (divergences(mu, logvar).sum() / len(image))
        made(optimizer, loss)
        yield {"model": loss}, list(network.parameters())


def min_max(saturating: bool) -> Callable[..., Steps]:
    """The algorithm of the paper, with K = 2, M = 5 and J = 7."""

    def loop(model: Any, data: Iterator[Batch], _: int) -> Steps:
        g, d = model.generate, model.judge
        of_g, of_d = adam(g, **GAN), adam(d, **GAN)
        while True:
            for _ in range(2):
                real = next(data)["real"]
                value = F.logsigmoid(d(real)).mean() + F.logsigmoid(-d(g(torch.randn(5, 100)))).mean()
                made(of_d, -value)
            score = d(g(torch.randn(7, 100)))
            loss = F.logsigmoid(-score).mean() if saturating else -F.logsigmoid(score).mean()
            made(of_g, loss)
            yield {"judge": value, "generate": loss}, [*g.parameters(), *d.parameters()]

    return loop


def find_discriminator(model: Any, data: Iterator[Batch], _: int) -> Steps:
    d = model.judge
    optimizer = adam(d, lr=5e-3)
    while True:
        real = next(data)["real"]
        fake = 1 + 0.5 * torch.randn(real.shape)
        value = F.logsigmoid(d(real)).mean() + F.logsigmoid(-d(fake)).mean()
        made(optimizer, -value)
        yield {"judge": value}, list(d.parameters())


def alexnet(model: Any, data: Iterator[Batch], _: int) -> Steps:
    network = model.model
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=0)
    while True:
        image, label = next(data).values()
        loss = F.cross_entropy(network(image), label)
        made(optimizer, loss)
        plateau.step(loss)
        yield {"model": loss}, list(network.parameters())


def segment(model: Any, data: Iterator[Batch], _: int) -> Steps:
    network = model.model
    optimizer = adam(network, lr=1e-3)
    while True:
        image, mask = next(data).values()
        logits = network(image)
        p, truth = logits.softmax(1), F.one_hot(mask, 3).float().permute(0, 3, 1, 2)
        both = (p * truth).sum((0, 2, 3))
        apart = 1 - ((2 * both + 1) / ((p**2 + truth**2).sum((0, 2, 3)) + 1)).mean()
        loss = F.cross_entropy(logits, mask) + apart
        made(optimizer, loss)
        yield {"model": loss}, list(network.parameters())


LOOPS: dict[str, tuple[Callable[..., Steps], dict[str, Any], tuple[str, ...]]] = {
    "flow:FitPoints": (fit_points, {"width": 16}, ("flow",)),
    "flow:FitImages": (fit_images, {"width": 8}, ("flow",)),
    "latent:FitMixture": (mixture, {"features": 3}, ("model",)),
    "diffusion:TrainDiffusion": (diffusion, {"wanted": "velocity"}, ("model", "slow")),
    "continuous:MatchFlow": (match_flow, {"width": 16}, ("model", "slow")),
    "continuous:MatchScore": (match_score, {"width": 16}, ("model", "slow")),
    "energy:Contrast": (contrast, {"width": 16}, ("energy",)),
    "energy:Denoise": (denoise, {"width": 16}, ("energy",)),
    "pix2pix:TrainPix2Pix": (pix2pix, {}, ("generate", "judge")),
    "cyclegan:TrainCycleGAN": (cyclegan, {}, ("to_a", "judge_b")),
    "super_resolution:TrainESPCN": (espcn, {}, ("enlarge",)),
    "super_resolution:TrainSRGAN": (srgan, {}, ("enlarge", "judge")),
    "gaussian_vae:TrainGaussianVAE": (gaussian_vae(True), {"side": 4, "draws": 3, "deviation": 0.3}, ("model",)),
    "gaussian_vae:TrainGaussianVAE by draws": (
        gaussian_vae(False), {"side": 4, "draws": 3, "deviation": 0.3, "analytic": False}, ("model",)
    ),
    "vae:TrainConvCVAE": (conditional_vae, {"latent": 4, "classes": 3}, ("model",)),
    "alexnet:Classify": (alexnet, {"patience": 0}, ("model",)),
    "unet:Segment": (segment, {}, ("model",)),
    "gan:TrainMinMaxGAN": (min_max(True), {"K": 2, "M": 5, "J": 7}, ("generate", "judge")),
    "gan:TrainMinMaxGAN not saturating": (
        min_max(False), {"K": 2, "M": 5, "J": 7, "saturating": False}, ("generate", "judge")
    ),
    "gan:FindDiscriminator": (find_discriminator, {"q": [1.0, 0.5], "width": 8}, ("judge",)),
}  # fmt: skip


@pytest.mark.parametrize("train", LOOPS)
def test_steps_are_those_of_a_plain_loop(train: str) -> None:
    loop, settings, networks = LOOPS[train]
    file, _, name = train.partition(" ")[0].partition(":")
    made = elaborate_training(program(file), name, {**LIGHT.get(train, {}), **settings})
    model, _ = to_training(made)
    weights = [f"{each}.{path}" for each in networks for path, _ in model.get_submodule(each).named_parameters()]
    compare(made, loop, weights)
