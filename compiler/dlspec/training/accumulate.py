"""A batch in parts, one after another, for what no memory holds at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import TYPE_CHECKING, Any

from dlspec.backends.runtime import RunError
from dlspec.backends.torch.classes.grouping import objective_names
from dlspec.backends.torch.live import require_torch
from dlspec.objectives.training import Training

if TYPE_CHECKING:
    from torch import Tensor, nn


def check_parts(training: Training, sharded: bool) -> None:
    """Raises `RunError` for a `train` whose batches cannot be taken in parts."""
    if sharded:
        raise RunError("--accumulate and --strategy fsdp do not go together", "--strategy ddp leaves the weights whole")
    for data in training.data:
        if data.value.type.shape[:1] != training.data[0].value.type.shape[:1]:
            raise RunError(f"--accumulate: `{data.value.name}` has another batch than `{training.data[0].value.name}`")


def accumulate(training: Training, model: Any, trainer: Any, parts: int) -> None:
    """Lets the objectives of a model be means over the parts of a batch, each with its gradients before the next begins."""
    names = objective_names(training)
    for update in training.updates:
        method = names[update.name]
        setattr(model, method, _in_parts(model, getattr(model, method), trainer.parameters[update.name], parts))


def part_of(batch: dict[str, Tensor], parts: int) -> list[dict[str, Tensor]]:
    """A batch as its parts, in order."""
    pieces = {name: tensor.chunk(parts) for name, tensor in batch.items()}
    return [{name: tensors[index] for name, tensors in pieces.items()} for index in range(parts)]


def _in_parts(
    model: nn.Module, objective: Callable[..., Tensor], parameters: list[nn.Parameter], parts: int
) -> Callable[..., Tensor]:
    torch = require_torch()

    @wraps(objective)
    def mean(*given: Tensor, **named: Tensor) -> Tensor:
        if not model.training:  # it is looked at
            return objective(*given, **named)
        total: Any = 0.0
        gradients: list[Any] = [None] * len(parameters)
        for index in range(parts):
            value = objective(*(x.chunk(parts)[index] if x.ndim else x for x in given))
            with torch.autocast(value.device.type, enabled=False):
                found = torch.autograd.grad(value / parts, parameters, allow_unused=True)
            total = total + value.detach() / parts
            gradients = [b if a is None else a if b is None else a + b for a, b in zip(gradients, found, strict=True)]
        return _known_gradients().apply(total, gradients, *parameters)

    return mean


@cache
def _known_gradients() -> Any:
    """A number whose gradients are computed already."""
    function: Any = require_torch().autograd.Function

    class Known(function):
        @staticmethod
        def forward(context: Any, value: Tensor, gradients: list[Any], *parameters: Tensor) -> Tensor:
            context.gradients = gradients
            return value.clone()

        @staticmethod
        def backward(context: Any, *outer: Any) -> Any:
            return None, None, *(None if one is None else one * outer[0] for one in context.gradients)

    return Known
