"""Generative networks written by hand in PyTorch, with the names of the spec: those of which no outputs are recorded."""

from __future__ import annotations

from collections.abc import Callable

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


GENERATIVE: dict[str, Callable[[], nn.Module]] = {
    "diffusion:Denoiser": lambda: _Field(8),
    "continuous:Field": _Field,
    "flow:RealNVP": _RealNVP,
    "energy:Energy": _energy,
    "pix2pix:Discriminator": _Patches,
}
