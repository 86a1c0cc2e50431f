"""What a call of `dlspec train` asks for."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from dlspec.backends.runtime import RunError

DEFAULT_EPOCHS = 10


@dataclass(frozen=True, slots=True)
class Options:
    """The call. None stands for what was not given. With ``evaluate`` a checkpoint is looked at, and nothing is trained.

    ``steps`` and ``epochs`` are where the run ends, whichever comes first. ``every`` is in steps: how often a checkpoint
    is written; at the end of each epoch where it is None. ``keep`` is how many of them remain, ``best`` the number by which
    the best one does, ``patience`` the epochs without a better one after which the run ends. ``batch`` counts the examples
    of all processes, which take it in ``accumulate`` parts.
    """

    data: tuple[str, ...]
    out: Path
    val_data: tuple[str, ...] = ()
    download: bool = False
    epochs: int | None = None
    steps: int | None = None
    batch: int | None = None
    seed: int | None = None
    held_out: float | None = None
    resize: tuple[int, int] | None = None
    workers: int = 0
    every: int | None = None
    keep: int = 2
    best: str | None = None
    patience: int | None = None
    accumulate: int | None = None
    log_every: int = 10
    log: tuple[str, ...] = ()
    probe: bool = False
    resume: bool = False
    evaluate: bool = False
    checkpoint: Path | None = None
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"
    precision: str | None = None
    compile: bool = False


_KEPT = {
    "batch": "--batch-size",
    "seed": "--seed",
    "held_out": "--val-fraction",
    "resize": "--resize",
    "precision": "--precision",
    "accumulate": "--accumulate",
}
"""What a run that goes on keeps: with another value of one its steps would be others."""

_DEFAULTS: dict[str, Any] = {"seed": 0, "held_out": 0.1, "precision": "32-true", "accumulate": 1}


def kept(options: Options) -> dict[str, Any]:
    """What a checkpoint has to remember of a call."""
    return {name: getattr(options, name) for name in _KEPT}


def completed(options: Options, saved: dict[str, Any] | None) -> Options:
    """The options with what was not given as it was in the run that goes on, or by default.

    Raises `RunError` where the call gives something else than that run.
    """
    assert _KEPT.keys() <= {field.name for field in fields(Options)}
    changes: dict[str, Any] = {}
    for name, flag in _KEPT.items():
        given = getattr(options, name)
        if saved is None:
            changes[name] = _DEFAULTS.get(name) if given is None else given
            continue
        before = tuple(saved[name]) if isinstance(saved[name], list) else saved[name]
        if given is not None and given != before:
            raise RunError(f"the run that goes on had {flag} {before}, and the call says {given}", f"leave out {flag}")
        changes[name] = before
    return replace(options, **changes)
