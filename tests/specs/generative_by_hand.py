"""Generative networks written by hand in PyTorch, with the names of the spec: those of which no outputs are recorded."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn


def _sines(time: torch.Tensor) -> torch.Tensor:
    angles = time[:, None] * 1000.0 ** (torch.arange(32) / 31)
    return torch.cat([angles.sin(), angles.cos()], 1)


class _Field(nn.Module):
    """Layers over a point with what is said of its time, and of its class where there are any."""

    def __init__(self, classes: int | None = None, width: int = 128) -> None:
        super().__init__()
        self.enter = nn.Linear(2, width)
        self.when = nn.Linear(64, width)
        if classes is not None:
            self.labels = nn.Embedding(classes + 1, width)
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(3)])
        self.leave = nn.Linear(width, 2)

    def forward(self, x: torch.Tensor, time: torch.Tensor, label: torch.Tensor | None = None) -> torch.Tensor:
        h = self.enter(x) + self.when(_sines(time))
        h = nn.functional.silu(h if label is None else h + self.labels(label))
        for layer in self.layers:
            h = h + nn.functional.silu(layer(h))
        return self.leave(h)


class _RealNVP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.couplings = nn.ModuleList(
            nn.Sequential(nn.Linear(1, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)) for _ in range(6)
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logdet = torch.zeros(len(x))
        for coupling in self.couplings:
            log_scale, shift = coupling(x[:, :1]).chunk(2, 1)
            x = torch.cat([x[:, 1:] * log_scale.tanh().exp() + shift, x[:, :1]], 1)
            logdet = logdet + log_scale.tanh().sum(1)
        return x, logdet


def _energy() -> nn.Module:
    layers: list[nn.Module] = []
    for width in (2, 128, 128):
        layers += [nn.Linear(width, 128), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(128, 1), nn.Flatten(0))


class _Patches(nn.Module):
    """The discriminator of pix2pix with an eighth of the channels."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Conv2d(6, width, 4, 2, 1), nn.LeakyReLU(0.2))
        for scale in (1, 2, 4):
            self.model.append(nn.Conv2d(scale * width, 2 * scale * width, 4, 2, 1))
            self.model.append(nn.InstanceNorm2d(2 * scale * width))
            self.model.append(nn.LeakyReLU(0.2))
        self.model.append(nn.ZeroPad2d((1, 0, 1, 0)))
        self.model.append(nn.Conv2d(8 * width, 1, 4, padding=1, bias=False))

    def forward(self, image: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        return self.model(torch.cat([image, condition], 1))


class _GaussianVAE(nn.Module):
    """At the mean of what is drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict(
            {"hidden": nn.Linear(784, 400), "mu": nn.Linear(400, 2), "logvar": nn.Linear(400, 2)}
        )
        self.decoder = nn.ModuleDict({"hidden": nn.Linear(2, 400), "pixels": nn.Linear(400, 784)})

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        h = self.encoder["hidden"](image.flatten(1)).tanh()
        mu = self.encoder["mu"](h)
        made = self.decoder["pixels"](self.decoder["hidden"](mu[None]).tanh())
        return made, mu[None], mu, self.encoder["logvar"](h)


class _ConvCVAE(nn.Module):
    """AntixK's, at the mean of what is drawn."""

    def __init__(self, latent: int = 128, classes: int = 40) -> None:
        super().__init__()
        self.classes = classes
        self.embed_class = nn.Linear(classes, 64 * 64)
        self.embed_data = nn.Conv2d(3, 3, 1)
        widths = (4, 32, 64, 128, 256, 512)
        self.encoder = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(before, after, 3, 2, 1), nn.BatchNorm2d(after), nn.LeakyReLU())
                for before, after in pairwise(widths)
            )
        )
        self.fc_mu = nn.Linear(2048, latent)
        self.fc_var = nn.Linear(2048, latent)
        self.decoder_input = nn.Linear(latent + classes, 2048)
        self.decoder = nn.Sequential(*(self._up(before, after) for before, after in pairwise(widths[:0:-1])))
        self.final_layer = nn.Sequential(*self._up(32, 32), nn.Conv2d(32, 3, 3, padding=1), nn.Tanh())

    @staticmethod
    def _up(before: int, after: int) -> nn.Sequential:
        larger = nn.ConvTranspose2d(before, after, 3, 2, 1, 1)
        return nn.Sequential(larger, nn.BatchNorm2d(after), nn.LeakyReLU())

    def forward(self, image: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, ...]:
        hot = nn.functional.one_hot(label, self.classes).float()
        h = torch.cat([self.embed_data(image), self.embed_class(hot).view(-1, 1, 64, 64)], 1)
        h = self.encoder(h).flatten(1)
        mu = self.fc_mu(h)
        small = self.decoder_input(torch.cat([mu, hot], 1)).view(-1, 512, 2, 2)
        return self.final_layer(self.decoder(small)), mu, self.fc_var(h)


GENERATIVE: dict[str, Callable[[], nn.Module]] = {
    "diffusion:Denoiser": lambda: _Field(8),
    "continuous:Field": _Field,
    "flow:RealNVP": _RealNVP,
    "energy:Energy": _energy,
    "pix2pix:Discriminator": _Patches,
    "gaussian_vae:GaussianVAE": _GaussianVAE,
    "vae:ConvCVAE": _ConvCVAE,
}
