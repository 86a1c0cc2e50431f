"""The steps of a run, and what is logged and kept of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import nullcontext
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.backends.runtime import RunError
from dlspec.backends.torch.live import require_torch
from dlspec.ir.node import Value
from dlspec.objectives.training import Training
from dlspec.training import checkpoint
from dlspec.training.accumulate import part_of
from dlspec.training.batches import Batches, settled
from dlspec.training.best import Best
from dlspec.training.checkpoint import Checkpoint, form_of
from dlspec.training.devices import Devices
from dlspec.training.examples import Examples
from dlspec.training.loading import Loader
from dlspec.training.log import FILE, Bar, Metrics, read, spoken
from dlspec.training.options import DEFAULT_EPOCHS, Options, kept
from dlspec.training.pictures import names_of, write_curves
from dlspec.training.probe import Probe, findings
from dlspec.training.samples import Samples
from dlspec.training.scores import FILE as CLASSES
from dlspec.training.scores import Counter, Scores, write_scores
from dlspec.training.settling import unsettled
from dlspec.training.stepper import Begin, Say, Stepper
from dlspec.training.summary import best_held_out, files_left, speed
from dlspec.training.trackers import Trackers
from dlspec.training.weights import write_weights

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_WORTH = 8
"""Batches for each of the workers from which on it pays to start them, after each epoch, for what is held out."""


class Run:
    """A run in one of its processes. Only the first of them prints and writes."""

    def __init__(
        self,
        training: Training,
        options: Options,
        devices: Devices,
        examples: Examples,
        begin: Begin,
        saved: Checkpoint | None,
        best: Best | None,
        say: Say,
    ) -> None:
        """``begin``: gives the weights to begin with.

        Raises `DlspecError` where PyTorch cannot express the objectives.
        """
        self._training = training
        self._options = options
        self._devices = devices
        self._examples = examples
        self._say = say
        self._stepper = Stepper(training, options, devices, begin, saved, say)
        self._probe = Probe(self._stepper.model, self._stepper.trainer) if options.probe else None
        self._counter = Counter(examples.held, devices)
        self._scores: Scores | None = None
        self._parts_of_a_batch = options.accumulate or 1
        self._best = best
        self._stopped = False
        self._probed: dict[str, dict[str, float]] | None = None
        if best is not None and saved is not None:
            best.go_on(read(options.out / FILE), self._stepper.steps)
            self._stopped = self._out_of_patience()
        self._scalars = [name for name, value in training.named.items() if _is_number(value)]
        self._passes = sum(update.times for update in training.updates)
        self._samples = Samples(training, examples.table.flat, options.out)
        self._names = names_of(training)

    # The loop

    def fit(self, batches: Batches) -> None:
        """Trains to the end of the run, and writes checkpoints, metrics, curves, samples and the trained weights.

        Raises `DlspecError` where an objective is not finite, and `OSError`.
        """
        first, held_out = not self._devices.process, self._examples.looked_at
        trackers = Trackers(self._training, self._options.log if first else (), self._options.out, self._stepper.steps)
        metrics = Metrics(self._options.out, self._stepper.steps) if first else None
        bar = Bar(self._training.name, self._last_step(batches), self._stepper.steps, first)
        self._stepper.take(batches)
        begun, steps, taken = perf_counter(), self._stepper.steps, batches.taken
        left = len(held_out) - sum(map(len, self._parts(held_out)))
        if first and left:
            self._say(
                f"not looked at: {left} of what is held out, which are no batch that `{self._training.name}` takes"
            )
        last: dict[str, Any] = {}
        objectives: dict[str, float] = {}
        try:
            while not self._ended(batches):
                epoch = int(batches.epochs)
                probes = self._probe is not None and self._probes()
                self._step(probes)
                ended = self._ended(batches)
                over = ended or int(batches.epochs) > epoch
                logs = over or probes or self._stepper.steps % self._options.log_every == 0
                if logs or self._keeps(over):
                    objectives = self._stepper.objectives()
                bar.show(self._stepper.steps, objectives)
                if logs:
                    last = self._record(batches, objectives)
                    if int(batches.epochs) > epoch:
                        last["epoch_over"] = True
                    if self._probe is not None and probes:
                        last["probe"] = self._probed = self._probe.record()
                    if over and len(held_out):
                        last["held_out"] = self._held_out(held_out)
                    if metrics:
                        metrics.write(last)
                    trackers.record(last)
                if over:
                    trackers.images(self._look(held_out), self._stepper.steps)
                if over and self._best is not None:
                    if self._best.see(last):
                        self._save(batches, best=True)
                    self._stopped = self._out_of_patience()
                if ended or self._stopped or self._keeps(over):
                    self._save(batches)
        finally:
            bar.close()
            trackers.close()
            if metrics:
                metrics.close()
                write_curves(metrics.path, self._options.out / "curves.png", self._names)
        weights = self._stepper.weights()
        if first:
            examples = (batches.taken - taken) * (self._options.batch or 0)
            self._finish(last, weights, speed(self._stepper.steps - steps, examples, perf_counter() - begun))

    def evaluate(self) -> None:
        """Says what objectives and named numbers are over all that is looked at. Raises `RunError` where no batch fits."""
        rows = self._examples.looked_at
        looked = sum(map(len, self._parts(rows)))
        if not looked:
            raise RunError(f"`{self._training.name}` takes no batch of the {len(rows)} examples that are given")
        numbers = self._spoken(self._held_out(rows))
        if not self._devices.process:
            self._say(f"step {self._stepper.steps}, over {looked:,} of {len(rows):,} examples: {numbers}")
            self._say_classes()

    def _step(self, probes: bool) -> None:
        with self._probe.looking() if self._probe is not None and probes else nullcontext():
            self._stepper.step()

    def _probes(self) -> bool:
        """Whether the next step is the first, or one that is logged for its number."""
        steps = self._stepper.steps
        return steps == 0 or (steps + 1) % self._options.log_every == 0

    # Where it ends

    def _out_of_patience(self) -> bool:
        patience = self._options.patience
        return patience is not None and self._best is not None and self._best.behind >= patience

    def _ended(self, batches: Batches) -> bool:
        steps, epochs = self._limits()
        return (
            self._stopped
            or (steps is not None and self._stepper.steps >= steps)
            or (epochs is not None and batches.taken >= epochs * batches.per_epoch)
        )

    def _limits(self) -> tuple[int | None, int | None]:
        steps, epochs = self._options.steps, self._options.epochs
        return steps, DEFAULT_EPOCHS if steps is None and epochs is None else epochs

    def _last_step(self, batches: Batches) -> int:
        steps, epochs = self._limits()
        a_step = 1 + self._passes - len(self._training.updates)
        ends = [] if epochs is None else [-(-epochs * batches.per_epoch // a_step)]
        return min([*ends, *([] if steps is None else [steps])])

    # What is said and kept

    def _record(self, batches: Batches, objectives: Mapping[str, float]) -> dict[str, Any]:
        record = {
            "step": self._stepper.steps,
            "epoch": round(batches.epochs, 4),
            "objectives": dict(objectives),
            "lr": self._rates(),
        }
        if self._scalars:
            record["named"] = {self._names[name]: objectives[name] for name in self._names} | self._looked_at()
        return record

    def _looked_at(self) -> dict[str, float]:
        """The named numbers of the last batch, but for those that are objectives."""
        names = [name for name in self._scalars if name not in self._names.values()]
        if not names:
            return {}
        torch = require_torch()
        parts: list[Tensor] = []
        for part in part_of(self._stepper.batch, self._parts_of_a_batch):
            with self._stepper.evaluator.looking("record", self._stepper.steps):
                named = self._stepper.evaluator.named(part, self._stepper.steps)
            parts.append(torch.stack([named[name].float() for name in names]))
        return dict(zip(names, self._devices.means(torch.stack(parts).mean(0)), strict=True))

    def _rates(self) -> dict[str, float]:
        """The rates of learning, by update, and by part where an update has several."""
        rates: dict[str, float] = {}
        for name, optimizer in self._stepper.trainer.optimizers.items():
            parts = {group.get("part", name): float(group["lr"]) for group in optimizer.param_groups}
            rates |= {name if len(parts) == 1 else f"{name}/{part}": rate for part, rate in parts.items()}
        return rates

    def _held_out(self, rows: Array) -> dict[str, dict[str, Any]]:
        """The objectives, named numbers and what is told of classes over what is held out, each process looking at some of
        its batches, or at all where a network runs in all of them at once."""
        torch = require_torch()
        self._devices.share_buffers(self._stepper.model)
        names = [update.name for update in self._training.updates]
        sums = torch.zeros(len(names) + len(self._scalars) + 1, device=self._devices.device)
        parts, processes = self._parts(rows), 1 if self._devices.sharded else self._devices.processes
        mine = range(0 if self._devices.sharded else self._devices.process, len(parts), processes)
        workers = self._options.workers if len(mine) > _WORTH * self._options.workers else 0
        loader = Loader(lambda number: settled(self._examples.held, parts[number]), mine, workers)
        for number, loaded in zip(mine, loader, strict=True):
            batch = self._devices.here(loaded)
            with self._stepper.evaluator.looking("held out", number):
                with self._counter.counting():
                    objectives = self._stepper.evaluator.objectives(batch, self._stepper.steps)
                named = self._stepper.evaluator.named(batch, self._stepper.steps)
            numbers = [*(objectives[name] for name in names), *(named[name] for name in self._scalars)]
            row = torch.stack([*(number.float() for number in numbers), sums.new_ones(())])
            sums += len(parts[number]) * row
        loader.close()
        *means, examples = self._devices.means(sums)
        means = [mean / examples if examples else math.nan for mean in means]
        self._scores = self._counter.scores()
        return {
            "objectives": dict(zip(names, means, strict=False)),
            "named": dict(zip(self._scalars, means[len(names) :], strict=True)),
            **({"classes": self._scores.record()} if self._scores else {}),
        }

    def _parts(self, rows: Array) -> list[Array]:
        """Batches of what is held out, those that the spec takes."""
        assert self._options.batch is not None
        size = self._options.batch // self._devices.processes // self._parts_of_a_batch
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        return [part for part in parts if not self._examples.held.refusal(len(part))]

    def _look(self, held_out: Array) -> dict[str, Array]:
        """Writes the tensors of images that the body names, of a batch that is held out if there is one, and gives them."""
        if not self._samples:
            return {}
        parts = self._parts(held_out)
        batch = self._devices.here(settled(self._examples.held, parts[0])) if parts else self._stepper.batch
        with self._stepper.evaluator.looking("samples"):
            named = self._stepper.evaluator.named(batch, self._stepper.steps)
        return {} if self._devices.process else self._samples.write(named, self._stepper.steps)

    def _keeps(self, epoch_over: bool) -> bool:
        every = self._options.every
        return epoch_over if every is None else self._stepper.steps % every == 0

    def _save(self, batches: Batches, best: bool = False) -> None:
        state = self._stepper.state()
        if not best:
            self._stepper.kept = checkpoint.place(self._options.out, self._stepper.steps)
        if self._devices.process:
            return
        made = Checkpoint(
            self._training.name,
            form_of(self._training),
            state,
            batches.taken,
            self._examples.table.examples,
            self._examples.digest,
            kept(self._options),
            self._examples.table.classes,
        )
        if best:
            checkpoint.save(self._options.out, checkpoint.BEST, made)
        else:
            checkpoint.save_last(self._options.out, self._stepper.steps, made, self._options.keep)

    def _finish(self, last: Mapping[str, Any], weights: Mapping[str, Tensor], speed: str) -> None:
        if last:
            self._say(f"step {last['step']}, epoch {last['epoch']:g}: {self._spoken(last)}")
        else:
            self._say(f"step {self._stepper.steps} is the end already: --epochs or --steps takes the run further")
        if "held_out" in last:
            self._say(f"held out: {self._spoken(last['held_out'])}")
            hint = unsettled(self._stepper.model, last["objectives"], last["held_out"]["objectives"])
            if hint:
                self._say(hint)
            self._say_classes()
        for line in findings(self._probed) if self._probed else ():
            self._say(line)
        if self._best is not None:
            where = checkpoint.folder_of(self._options.out) / checkpoint.BEST
            ended = f"; {self._best.behind} epochs without a better one end it" if self._stopped else ""
            self._say(f"best: {self._best}, in {where}{ended}")
        else:
            for line in best_held_out(self._training, self._options.out / FILE, self._names):
                self._say(line)
        if last:
            self._say(speed)
        if self._scores is not None:
            write_scores(self._scores, self._options.out / CLASSES)
        written = write_weights(self._training, weights, self._options.out)
        self._say(f"wrote {', '.join(str(path) for path in written)}")
        self._say(files_left(self._options.out))

    def _say_classes(self) -> None:
        if self._scores is not None:
            self._say(str(self._scores))

    def _spoken(self, record: Mapping[str, Any]) -> str:
        """Objectives and named numbers, those that are both once."""
        named = {name: n for name, n in record.get("named", {}).items() if name not in self._names.values()}
        return spoken({**record["objectives"], **named})


def _is_number(value: Value) -> bool:
    return value.type.rank == 0
