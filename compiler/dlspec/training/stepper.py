"""The networks of a run and how they take a step, in one of its processes.

In a step nothing waits for the device: what the objectives were, and whether all of them were finite, stays on it until
somebody asks. Then the steps since the last checkpoint, which are the same whenever they are taken, show where it began.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from dlspec.backends.torch.live import to_training
from dlspec.objectives.training import Training, Update
from dlspec.training import checkpoint
from dlspec.training.accumulate import accumulate
from dlspec.training.batches import Batches
from dlspec.training.checkpoint import Checkpoint, restore
from dlspec.training.compiled import compile_networks, fuse, refused
from dlspec.training.devices import Devices
from dlspec.training.evaluate import Evaluator
from dlspec.training.finite import NotFinite, Watch, finding, lost
from dlspec.training.options import Options
from dlspec.training.seeds import seed_of
from dlspec.training.shards import shard, whole

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

Begin: TypeAlias = "Callable[[], Mapping[str, Array] | None]"
"""Gives the weights to begin with, by path."""

Say: TypeAlias = Callable[[str], None]
"""Prints a line."""


class Stepper:
    """Takes steps, and goes back to a checkpoint. ``batch`` is the one that was taken last."""

    def __init__(
        self, training: Training, options: Options, devices: Devices, begin: Begin, saved: Checkpoint | None, say: Say
    ) -> None:
        """Raises `DlspecError` where PyTorch cannot express the objectives."""
        self._training = training
        self._options = options
        self._devices = devices
        self._begin = begin
        self._say = say
        self._seed = options.seed or 0
        self.model, self.trainer = to_training(training, begin(), self._seed)
        self.model.to(devices.device)
        if devices.sharded:
            shard(training, self.model, devices.processes, devices.device.type)
            self.trainer = type(self.trainer)(self.model)
        if devices.fuses:
            fuse(training, self.trainer)
        if saved is not None:
            restore(self.trainer, saved, options.checkpoint, devices.sharded)
        self.trainer.backward = self._backward
        self.trainer.seen = devices.mean
        if (options.accumulate or 1) > 1:
            accumulate(training, self.model, self.trainer, options.accumulate or 1)
        if options.compile:
            compile_networks(training, self.model)
        self.evaluator = Evaluator(training, self.model, devices, self._seed, options.compile)
        self.kept: Path | None = options.checkpoint if saved is not None else None
        self.batch: dict[str, Tensor] = {}
        self._batches: Batches | None = None
        self._updates = {id(self.trainer.parameters[update.name]): update for update in training.updates}
        self._watch = Watch(training, devices)
        self._looks = False
        self._known = self.steps
        self._made: dict[str, Tensor] = {}

    @property
    def steps(self) -> int:
        """The steps that were taken."""
        return self.trainer.steps

    def take(self, batches: Batches) -> None:
        """Takes its steps with these batches."""
        self._batches = batches
        self._feed = self._here(batches)

    def step(self) -> None:
        """One step of all updates. Raises `DlspecError` where numbers that are not finite made an operator fail."""
        try:
            self._made = self._step()
        except RuntimeError as error:
            if self._devices.processes == 1:
                self._check()
            raise (refused(error) or error) from None

    def objectives(self) -> dict[str, float]:
        """Those of the last step, means over the processes. Raises `DlspecError` where one of any step was not finite.

        Here a process waits for its device.
        """
        self._check()
        self._known = self.steps
        return dict(zip(self._made, self._devices.means(self._made.values()), strict=True))

    def weights(self) -> dict[str, Tensor]:
        """The weights of everything by path, whole; all processes have to ask for them."""
        state: dict[str, Tensor] = self.model.state_dict()
        return whole(state) if self._devices.sharded else state

    def state(self) -> dict[str, Any]:
        """The state of the trainer, whole; all processes have to ask for it."""
        self._devices.share_buffers(self.model)
        state = self.trainer.state_dict()
        return whole(state) if self._devices.sharded else state

    def _here(self, batches: Batches) -> Iterator[dict[str, Tensor]]:
        for batch in batches:
            self.batch = self._devices.here(batch)
            yield self.batch

    def _step(self) -> dict[str, Tensor]:
        self._devices.seed(seed_of(self._seed, "step", self.steps, self._devices.process))
        with self._devices.autocast():
            made: dict[str, Tensor] = self.trainer.step(self._feed)
        return made

    # Gradients

    def _backward(self, objective: Any, parameters: list[nn.Parameter]) -> None:
        """The gradients of an objective, means over the processes."""
        update = self._updates[id(parameters)]
        seen = objective.detach()
        self._watch.see(update, seen)
        if self._looks:
            self._look(update, seen)
        with self._devices.full_precision():
            if self._devices.sharded:
                objective.backward()  # what an objective depends on are the networks while they are whole
                self._keep_gradients(parameters)
            else:
                objective.backward(inputs=parameters)
        self._devices.average_gradients(parameters)

    def _keep_gradients(self, parameters: list[nn.Parameter]) -> None:
        kept = set(map(id, parameters))
        for parameter in self.model.parameters():
            if id(parameter) not in kept:
                parameter.grad = None

    # What is not finite

    def _look(self, update: Update, objective: Tensor) -> None:
        """Raises `NotFinite` in all processes, or in none."""
        value = float(self._devices.mean(objective))
        if not math.isfinite(value):
            raise NotFinite(update, -value if update.direction == "maximize" else value)

    def _check(self) -> None:
        update = self._watch.found()
        if update is not None:
            self._again(update)

    def _again(self, update: Update) -> NoReturn:
        """Takes the steps since the last checkpoint again, looks at each, and raises what it finds.

        Machines need not share a folder, so several of them do not look.
        """
        last = self.steps
        if self._options.nodes == 1:
            self._go_back()
            if last > self.steps and not self._devices.process:
                self._say(f"not finite by step {last}: the steps from {self.steps + 1} on are taken again to see where")
            self._looks = True
            try:
                while self.steps <= last:
                    self._step()
            except NotFinite as error:
                raise self._finding(error) from None
        raise lost(update, self._known + 1, last)

    def _go_back(self) -> None:
        """To the last checkpoint, or to the beginning."""
        if self.kept is None:
            fresh = to_training(self._training, self._begin(), self._seed)[1].state_dict()
            saved = Checkpoint(self._training.name, "", fresh, 0, 0, "", {}, {})
        else:
            saved = checkpoint.load(self.kept, self._training)
        restore(self.trainer, saved, self.kept, self._devices.sharded)
        assert self._batches is not None
        self._batches.go_to(saved.taken)

    def _finding(self, error: NotFinite) -> Exception:
        with self.evaluator.looking("not finite", self.steps):
            self.model.train()
            named = self.evaluator.named(self.batch, self.steps)
        return finding(self._training, error.update, error.objective, self.steps, self.weights(), self.batch, named)
