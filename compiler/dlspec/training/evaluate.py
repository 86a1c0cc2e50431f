"""What objectives and the named tensors of a `train` are on given data, without training on it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from inspect import signature
from typing import TYPE_CHECKING, Any

from dlspec.analyses.training_report import TrainingSummary
from dlspec.backends.torch.classes.grouping import objective_names
from dlspec.backends.torch.live import require_torch
from dlspec.backends.torch.python.names import variable
from dlspec.objectives.training import STEP, Training
from dlspec.training.compiled import as_written
from dlspec.training.devices import Devices
from dlspec.training.seeds import seed_of

if TYPE_CHECKING:
    from torch import Tensor, nn


class Evaluator:
    """Looks at a model: in eval mode, with random numbers of its own, and leaving those of training as they are."""

    def __init__(self, training: Training, model: nn.Module, devices: Devices, seed: int, compiled: bool) -> None:
        self._training = training
        self._model = model
        self._devices = devices
        self._seed = seed
        self._compiled = compiled
        self._differentiates = TrainingSummary(training).differentiates

    def objectives(self, batch: Mapping[str, Tensor], steps: int) -> dict[str, Tensor]:
        """Every objective by the name of its update: scalars."""
        methods = objective_names(self._training)
        return {name: self._call(method, batch, steps) for name, method in methods.items()}

    def named(self, batch: Mapping[str, Tensor], steps: int) -> dict[str, Tensor]:
        """The tensors that the body names."""
        return self._call("measure", batch, steps) if self._training.named else {}

    @contextmanager
    def looking(self, *seed: object) -> Generator[None]:
        """In it the model is in eval mode, and what is drawn has this seed."""
        torch = require_torch()
        devices = [self._devices.device] if self._devices.device.type == "cuda" else []
        training = self._model.training
        self._model.eval()
        grad = torch.enable_grad if self._differentiates else torch.no_grad
        with torch.random.fork_rng(devices), grad(), self._devices.autocast(), as_written(self._compiled):
            self._devices.seed(seed_of(self._seed, "look", self._devices.process, *seed))
            yield
        self._model.train(training)

    def _call(self, method: str, batch: Mapping[str, Tensor], steps: int) -> Any:
        function = getattr(self._model, method)
        torch = require_torch()
        given = {variable(name): tensor for name, tensor in batch.items()}
        given[STEP] = torch.tensor(steps, device=self._devices.device)
        made = function(**{name: given[name] for name in signature(function).parameters})
        if isinstance(made, dict):
            return {name: tensor.detach() for name, tensor in made.items()}  # type: ignore[reportUnknownMemberType]
        return made.detach()
