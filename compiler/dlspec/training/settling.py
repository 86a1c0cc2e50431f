"""Running statistics that are still near where they began, so that a network at inference is another than in training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

_LEFT = 0.01
"""The share that the first values have in statistics, from which on they are called settled."""

_WILD = 3.0
"""So many times the objective in training, and what is held out is called wild."""


def unsettled(model: nn.Module, trained: Mapping[str, float], held_out: Mapping[str, float]) -> str:
    """What to know of objectives that are far larger on what is held out, where statistics of normalisation have seen few
    batches; else an empty text."""
    wild = [name for name, number in held_out.items() if _is_wild(trained.get(name, math.nan), number)]
    if not wild:
        return ""
    modules: list[tuple[str, Any]] = list(model.named_modules())  # type: ignore[reportUnknownMemberType]
    for name, module in modules:
        count, momentum = getattr(module, "num_batches_tracked", None), getattr(module, "momentum", None)
        if count is None or momentum is None or not module.training:
            continue
        batches = int(count)
        left = (1 - float(momentum)) ** batches
        if left > _LEFT:
            return (
                f"held out, {', '.join(wild)} is far from training: the running statistics of `{name}` have seen "
                f"{batches} batches and are {left:.0%} what they began as; more steps, or a larger momentum, settle them"
            )
    return ""


def _is_wild(trained: float, held_out: float) -> bool:
    if not math.isfinite(held_out):
        return math.isfinite(trained)
    return abs(held_out) > _WILD * abs(trained) + 1e-3
