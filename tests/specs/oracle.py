"""Torchvision as the reference implementation. A dependency of the tests only."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from catalogue import Reference
from torch import nn

from bench import peers


def torchvision_models() -> Any:
    """``torchvision.models``. Skips the test where torchvision is not installed."""
    try:
        return peers.torchvision_models()
    except ImportError:
        pytest.skip("torchvision is not installed: `make test` installs it")


def torchvision_model(reference: Reference) -> nn.Module:
    """The reference in eval mode, its tensors on the meta device: no memory and no time for weights."""
    assert reference.torchvision is not None
    builder, arguments = reference.torchvision
    with torch.device("meta"):
        model: nn.Module = getattr(torchvision_models(), builder)(weights=None, **arguments)
    return model.eval()
