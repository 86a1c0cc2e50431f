"""Generated files as they are read. With UPDATE_GOLDEN=1 in the environment they are written anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from catalogue import graph_of

from dlspec.backends.torch import source

GOLDEN = Path(__file__).parents[2] / "golden" / "torch"


NETWORKS = [
    "resnet:ResNet50", "unet:UNet", "unet:UNetRecursive", "googlenet:GoogLeNet", "densenet:DenseNet121",
    "stylegan:Generator", "nvae:NVAE", "hnet:HNet",
]  # fmt: skip


@pytest.mark.parametrize("network", NETWORKS)
def test_golden(network: str) -> None:
    path = GOLDEN / f"{network.partition(':')[2].lower()}.py"
    text = source(graph_of(network))
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text
