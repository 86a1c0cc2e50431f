"""The specs that the tests of training share, and what reads their runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from dlspec.objectives.training import Training
from dlspec.pipeline import elaborate_training, open_source
from dlspec.source import Source

Call: TypeAlias = Callable[..., tuple[int, str, str]]
"""Runs a command and gives its status, stdout and stderr."""

LENET = """\
network LeNet(image: float[N, 1, 8, 8], classes = 10) -> logits {
    image -> Conv(16, 3, padding=1) -> ReLU -> Conv(32, 3, padding=1) -> BatchNorm -> ReLU -> MaxPool(2)
    -> Flatten -> Linear(64) -> ReLU -> Linear(classes)
}
train Classify {
    data image: float[N, 1, 8, 8]
    data label: int[N]
    shared classify = LeNet
    logits = image -> classify
    loss = cross_entropy(logits, label)
    accuracy = mean(cast(argmax(logits, dim=1) == label, "float"))
    minimize loss over classify using Adam(lr=2e-3)
}
"""

MLP = """\
network Mlp(image: float[N, 64]) -> logits { image -> Linear(16) -> ReLU -> Linear(10) }
train Fit(lr = 0.1) {
    data image: float[N, 64]
    data label: int[N]
    shared f = Mlp
    loss = cross_entropy(image -> f, label)
    minimize loss over f using SGD(lr=lr, momentum=0.9, schedule=StepLR(20, gamma=0.5))
}
"""
"""Nothing is random in it, so several processes take the very steps of one."""

GAN = """\
network Generator(z: float[N, 4]) -> image { z -> Linear(64) -> BatchNorm -> Sigmoid -> Reshape([N, 1, 8, 8]) }
network Critic(image: float[N, 1, 8, 8]) -> score { image -> Flatten -> Dropout(0.2) -> Linear(1) }
train Gan {
    data real: float[N, 1, 8, 8] -> RandomCrop(8, padding=1)
    shared generate = Generator
    shared judge = Critic
    shared smooth = moving_average(generate, decay=0.9)
    z = normal([real.batch, 4])
    fake = z -> generate
    shown = z -> smooth
    maximize mean(real -> judge) - mean(fake -> judge)
        over judge using RMSprop(lr=5e-4, clip_weights=0.1) times 2
    maximize mean(fake -> judge) over generate using Adam(lr=1e-3, betas=(0.5, 0.999))
}
"""
"""Noise, dropout, augmentation, a moving average, and two optimizers that take turns."""

TINY = """\
network Net(x: float[N, 3]) -> y {{ x -> Linear(2) }}
train Fit {{
    data {data}
    shared f = Net
    {body}
    minimize mean((x -> f) ** 2) over f using SGD(lr=1e-2)
}}
"""


def training(text: str, name: str, **settings: Any) -> Training:
    return elaborate_training(open_source(Source("train.dlspec", text)), name, settings)


def records(out: Path | str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(out, "metrics.jsonl").read_text().splitlines()]


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
