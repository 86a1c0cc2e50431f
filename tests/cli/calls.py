"""What the tests of the command line share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).parents[2]
RESNET = str(ROOT / "specs" / "resnet.dlspec")
TINY = """\
network Tiny(image: float[N, 1, H = 8, W = 8], classes = 3, steps = [4], act = "relu") -> logits where H % 2 == 0 {
    image -> for w in steps { Conv(w, 3) } -> if act == "relu" { ReLU } else { Tanh } -> GlobalAvgPool -> Flatten
    -> fc: Linear(classes)
}
"""

Call: TypeAlias = Callable[..., tuple[int, str, str]]
"""Runs a command and gives its status, stdout and stderr."""
