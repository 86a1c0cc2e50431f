"""What is not finite, and where it began."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dlspec.backends.torch.live import require_torch
from dlspec.diagnostics import Diagnostic, DlspecError, Note
from dlspec.objectives.training import Training, Update

if TYPE_CHECKING:
    from torch import Tensor


class NotFinite(Exception):
    """Raised by the backward pass of an objective that is NaN or infinite, before anything has changed."""

    def __init__(self, objective: float) -> None:
        super().__init__(f"an objective is {objective}")
        self.objective = objective


def finding(
    training: Training,
    update: Update,
    objective: float,
    steps: int,
    weights: Mapping[str, Tensor],
    data: Mapping[str, Tensor],
    named: Mapping[str, Tensor],
) -> DlspecError:
    """The error for an objective that is not finite, with what was so first: data, weights, or a tensor that the body
    names, of those in the order in which they are computed."""
    shown = f"{objective:g}".replace("nan", "NaN").replace("inf", "infinite")
    message = f"the objective became {shown} in step {steps + 1}"
    notes: list[Note] = []
    hint = "a smaller `lr`, or `clip_grad_norm=`, keeps the weights in bounds" if steps else ""
    values = {one.value.name: one.value for one in training.data} | training.named
    wrong = [name for name, tensor in data.items() if not _finite(tensor)]
    grown = [name for name, tensor in weights.items() if not _finite(tensor)]
    first = next((name for name, tensor in named.items() if not _finite(tensor)), None)
    if wrong:
        notes.append(Note(values[wrong[0]].span, f"the data `{wrong[0]}` is not finite in this batch"))
        hint = "examples with NaN or infinite values are to be taken out"
    elif grown:
        network = next((n for n in training.networks.values() if f"{grown[0]}.".startswith(f"{n.name}.")), None)
        if network is not None:
            notes.append(Note(network.span, f"its weight `{grown[0]}` was not finite before: the gradient was not"))
    elif first is not None:
        notes.append(Note(values[first].span, f"`{first}` was not finite first"))
    label = f"updates {', '.join(update.over)}"
    return DlspecError([Diagnostic("DL0720", message, update.objective.span, label, tuple(notes), hint)])


def _finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(require_torch().isfinite(tensor).all())
