"""Torchvision, and timm which imports it, beside a PyTorch build that cannot load its compiled operators. For benchmarks
and tests only."""

from __future__ import annotations

from functools import cache
from typing import Any

_KEPT: list[Any] = []
"""What is declared in a library is forgotten when it goes."""


@cache
def torchvision_models() -> Any:
    """``torchvision.models``. Raises ImportError where it is not installed."""
    import torch

    # Without its compiled extension torchvision still wants two operators to be declared, once in a process.
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _KEPT.append(library)
    import torchvision

    return torchvision.models


def timm() -> Any:
    """The package ``timm``. Raises ImportError where it is not installed."""
    torchvision_models()
    import timm

    return timm
