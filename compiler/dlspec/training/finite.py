"""What is not finite, and where it began."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dlspec.backends.torch.live import require_torch
from dlspec.diagnostics import Diagnostic, DlspecError, Note
from dlspec.objectives.training import Training, Update
from dlspec.training.devices import Devices

if TYPE_CHECKING:
    from torch import Tensor


class NotFinite(Exception):
    """Raised by the backward pass of an objective that is NaN or infinite, before anything has changed."""

    def __init__(self, update: Update, objective: float) -> None:
        super().__init__(f"an objective is {objective}")
        self.update = update
        self.objective = objective


class Watch:
    """Knows on the device whether the objectives of all steps were finite: a product with 0 is 0 for those alone."""

    def __init__(self, training: Training, devices: Devices) -> None:
        torch = require_torch()
        self._devices = devices
        self._updates = training.updates
        self._zeros = {update.name: torch.zeros((), device=devices.device) for update in training.updates}

    def see(self, update: Update, objective: Tensor) -> None:
        self._zeros[update.name].add_(objective, alpha=0)

    def found(self) -> Update | None:
        """The first update with an objective that was not finite, in any of the processes. Waits for the device."""
        zeros = self._devices.means(self._zeros.values())
        return next((update for update, zero in zip(self._updates, zeros, strict=True) if zero != 0), None)


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
    return _error(update, message, hint, *notes)


def lost(update: Update, first: int, last: int) -> DlspecError:
    """The error for an objective that was not finite in one of these steps, where they cannot be taken again."""
    which = f"step {last}" if first >= last else f"one of the steps {first} to {last}"
    hint = "`--log-every 1` and going on with `--resume` name the step" if first < last else ""
    return _error(update, f"the objective became NaN or infinite in {which}", hint)


def _error(update: Update, message: str, hint: str, *notes: Note) -> DlspecError:
    label = f"updates {', '.join(update.over)}"
    return DlspecError([Diagnostic("DL0720", message, update.objective.span, label, notes, hint)])


def _finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(require_torch().isfinite(tensor).all())
