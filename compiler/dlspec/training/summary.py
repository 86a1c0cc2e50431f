"""What is said at the end of a run: its best number, how fast it was, and which files it left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from dlspec.objectives.training import Training
from dlspec.training.log import FILE, read

_FILES = (FILE, "curves.png", "classes.png", "samples", "checkpoints", "tensorboard", "wandb")


def speed(steps: int, examples: int, seconds: float) -> str:
    """How long a run took, and how many examples it saw in a second, evaluation and checkpoints included."""
    hours, rest = divmod(round(seconds), 3600)
    minutes = rest // 60
    time = (
        f"{seconds:.1f} s"
        if seconds < 60
        else f"{minutes} min {rest % 60} s"
        if not hours
        else f"{hours} h {minutes} min"
    )
    return f"{steps:,} step{'s' * (steps != 1)} in {time}, {examples / max(seconds, 1e-9):,.0f} examples a second"


def best_held_out(training: Training, metrics: Path, names: Mapping[str, str]) -> Iterator[str]:
    """The best of an only objective over what is held out, and where that was, if it was not at the end. ``names``: of
    objectives those that the body has for them."""
    if len(training.updates) > 1:
        return
    (update,) = training.updates
    numbers = [
        (record["held_out"]["objectives"][update.name], record["step"])
        for record in read(metrics)
        if record.get("held_out", {}).get("objectives", {}).get(update.name) is not None
    ]
    if not numbers:
        return
    choose = max if update.direction == "maximize" else min
    number, step = choose(numbers, key=lambda each: each[0])
    if step != numbers[-1][1]:
        name = names.get(update.name, update.name)
        yield f"best held out: {name} {number:.4g} at step {step}; --best {name} keeps such a checkpoint"


def files_left(out: Path) -> str:
    """What there is beside the weights."""
    return f"in {out}: {', '.join(name for name in _FILES if (out / name).exists())}"
