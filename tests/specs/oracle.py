"""Torchvision as the reference implementation. A dependency of the tests only."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from catalogue import Reference
from torch import nn

_LIBRARIES: list[torch.library.Library] = []
"""What is declared in one is forgotten when it goes."""


@cache
def torchvision_models() -> Any:
    """``torchvision.models``. Skips the test where torchvision is not installed."""
    # Without its compiled extension torchvision still wants two operators to be declared.
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _LIBRARIES.append(library)
    return pytest.importorskip("torchvision", reason="torchvision is not installed: `make test` installs it").models


def torchvision_model(reference: Reference) -> nn.Module:
    """The reference in eval mode, its tensors on the meta device: no memory and no time for weights."""
    assert reference.torchvision is not None
    builder, arguments = reference.torchvision
    with torch.device("meta"):
        model: nn.Module = getattr(torchvision_models(), builder)(weights=None, **arguments)
    return model.eval()
