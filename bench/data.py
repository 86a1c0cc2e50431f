"""Batches of a folder of small images, of two workers each: beside torchvision's ImageFolder in PyTorch's DataLoader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers import torchvision_models
from bench.timing import interleaved, milliseconds, ratio, table

BATCH = 64
CLASSES = 10
SIDE = 64
WORKERS = 2
SPEC = f"""\
network Net(image: float[N, 3, {SIDE}, {SIDE}]) -> y {{ image -> Flatten -> Linear({CLASSES}) }}
train Fit {{
    data image: float[N, 3, {SIDE}, {SIDE}]
    data label: int[N]
    shared f = Net
    minimize cross_entropy(image -> f, label) over f using SGD(lr=1e-2)
}}
"""


def run(folder: Path, runs: int, images: int = 5000, ending: str = "jpg") -> dict[str, float]:
    """An epoch of each in turns, workers started anew: how much is loaded in a second by ours, of what is by theirs."""
    zoo = folder / "zoo"
    write(zoo, images, ending)
    times = interleaved({"dlspec": lambda: _count(ours(zoo)), "DataLoader": lambda: _count(theirs(zoo))}, runs)
    rate = times["DataLoader"] / times["dlspec"]
    rows = [
        (name, milliseconds(seconds), f"{images / seconds:,.0f}", ratio(times["DataLoader"], seconds))
        for name, seconds in times.items()
    ]
    table(
        f"{images:,} images, {ending}, {SIDE}x{SIDE}, {WORKERS} workers",
        ("an epoch", "time", "images/s", "of theirs"),
        rows,
    )
    return {"speed of DataLoader's": rate}


def write(zoo: Path, images: int, ending: str) -> None:
    """Images that do not compress to nothing, in a folder for each class."""
    from PIL import Image

    draw = np.random.default_rng(0)
    for index in range(images):
        path = zoo / f"class{index % CLASSES}" / f"{index:05}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(draw.integers(0, 256, (8, 8, 3), np.uint8))
        coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path)


def ours(zoo: Path) -> Iterator[dict[str, Any]]:
    """The batches of an epoch of `dlspec train --workers`."""
    from dlspec.pipeline import elaborate_training, open_source
    from dlspec.source import Source
    from dlspec.training.batches import Batches, all_of
    from dlspec.training.opening import open_data
    from dlspec.training.table import match

    training = elaborate_training(open_source(Source("train.dlspec", SPEC)), "Fit", {})
    made = match(training, open_data([str(zoo)], {"image": 4, "label": 1}, None))
    batches = Batches(made, all_of(made), BATCH, 0, workers=WORKERS)
    for _ in range(batches.per_epoch):
        yield next(batches)
    batches.close()


def theirs(zoo: Path) -> Iterator[Any]:
    torchvision_models()
    import torch
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    folder = ImageFolder(str(zoo), transforms.ToTensor())
    yield from torch.utils.data.DataLoader(folder, BATCH, shuffle=True, drop_last=True, num_workers=WORKERS)


def _count(batches: Iterator[Any]) -> int:
    return sum(1 for _ in batches)
