"""From a call to a run: its data, its batches and its processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from dlspec.backends.runtime import RunError
from dlspec.diagnostics import Diagnostics, DlspecError
from dlspec.objectives.training import Training
from dlspec.training import checkpoint
from dlspec.training.accumulate import check_parts
from dlspec.training.apart import apart
from dlspec.training.batches import Batches, batch_size
from dlspec.training.beginning import Beginning
from dlspec.training.best import Best
from dlspec.training.compiled import check_compile
from dlspec.training.devices import Devices, first_process
from dlspec.training.examples import settled_options, to_look_at, to_train_on
from dlspec.training.extras import check_installed
from dlspec.training.loading import check_workers
from dlspec.training.log import FILE
from dlspec.training.loop import Run
from dlspec.training.options import Options
from dlspec.training.shards import check_shards
from dlspec.training.stepper import Say
from dlspec.training.trackers import check_trackers

Warn: TypeAlias = Callable[[Diagnostics], None]
"""Shows findings."""


def train(training: Training, options: Options, beginning: Beginning, say: Say, warn: Warn) -> None:
    """Trains on the data of the call and writes what comes of it into ``options.out``; ``warn`` shows what is found of it.

    Raises `RunError` for a call that does not fit, `DlspecError` where PyTorch cannot express an objective and where
    one stops being finite, and `OSError`.
    """
    changes = any(change.random for data in training.data for change in data.augmentations)
    check_installed("lightning_fabric", "matplotlib", "PIL", *(["kornia"] if changes else []))
    check_trackers(options.log)
    check_workers(options.workers)
    place = _place(options)
    saved = None if place is None else checkpoint.load(place, training)
    options = replace(settled_options(options, saved), checkpoint=place)
    seed = options.seed or 0
    devices = Devices(options)
    if devices.sharded:
        check_shards(training)
        if options.probe:
            raise RunError("--probe looks at whole weights, and --strategy fsdp divides them", "--strategy ddp")
    if options.compile:
        check_compile(training, devices)
        if options.probe:
            raise RunError("--probe looks at layers, of which --compile makes one", "leave out one of the two")
    if options.devices * options.nodes > 1:
        _check_together(training)
    if (options.accumulate or 1) > 1:
        check_parts(training, devices.sharded)
    best = None if options.best is None else Best(training, options.best)
    if options.evaluate:
        examples = to_look_at(training, options, saved)
        devices.launch()
        try:
            Run(training, options, devices, examples, lambda: None, saved, None, say).evaluate()
        finally:
            devices.close()
        return
    examples = to_train_on(training, options, saved)
    table, rows = examples.table, examples.rows
    size = batch_size(table, options.batch, len(rows), options.devices * options.nodes, options.accumulate or 1)
    if saved is None and first_process():
        warn(Diagnostics(apart(table)))
    devices.launch()
    options = replace(options, batch=size)
    run = Run(training, options, devices, examples, lambda: beginning.weights(training, seed), saved, best, say)
    part = {"process": devices.process, "processes": devices.processes, "taken": saved.taken if saved else 0}
    batches = Batches(table, rows, size, seed, **part, workers=options.workers)
    if not devices.process:
        options.out.mkdir(parents=True, exist_ok=True)
        more = f", going on after batch {saved.taken}" if saved else ""
        counts = f"{len(rows):,} examples to train on, {len(examples.looked_at):,} held out"
        say(
            f"{training.name}: {counts}, {batches.per_epoch:,} batches of {size} an epoch, seed {seed}, {devices}{more}"
        )
        for line in (*examples.lines, *beginning.lines, *(f"not used: {name}" for name in examples.unused)):
            say(line)
    try:
        run.fit(batches)
        devices.wait()
    except DlspecError:
        if not devices.process:  # they all found it
            raise
    finally:
        batches.close()
        devices.close()


def _check_together(training: Training) -> None:
    """Raises `RunError` for an optimizer with which processes would each take a way of their own."""
    for update in training.updates:
        if update.optimizer.searches:
            name = type(update.optimizer).__name__
            message = f"`{name}` evaluates its objective until it is content, which several processes cannot together"
            raise RunError(message, "--devices 1, or another optimizer")


def _place(options: Options) -> Path | None:
    """The checkpoint that a run goes on from. Raises `RunError` where there is none, or where there is a run already."""
    if options.resume:
        there = [options.checkpoint] if options.checkpoint else checkpoint.saved(options.out)
        if not there:
            hint = (
                f"it ended before the first: remove {options.out}, and call it as before"
                if options.out.is_dir()
                else ""
            )
            raise RunError(f"there is no checkpoint in {checkpoint.folder_of(options.out)} to go on from", hint)
        return there[-1]
    if first_process() and (options.out / FILE).exists():
        raise RunError(f"{options.out} holds a run", "--resume goes on with it, and --out names another folder")
    return None
