"""What a run says of itself to programs that people look at many runs with: TensorBoard and Weights & Biases.

Each gets what `metrics.jsonl` and `samples` have, below the run's own folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from dlspec.backends.runtime import RunError
from dlspec.objectives.training import Training
from dlspec.training.extras import need
from dlspec.training.pictures import names_of, numbers_of

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
    Images: TypeAlias = Mapping[str, Array]


class Tracker(Protocol):
    """``numbers`` and ``images``, uint8[height, width, channels], are by their names, as they are after ``steps`` steps."""

    def write(self, numbers: Mapping[str, float], images: Images, steps: int) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """Events in the folder ``tensorboard`` of the run."""

    package, hint = "tensorboard", "pip install 'dlspec[log]'"

    def __init__(self, name: str, out: Path, steps: int) -> None:
        """Goes on after ``steps`` steps: TensorBoard shows nothing of what an interrupted run wrote of later ones."""
        writer: Any = need("torch.utils.tensorboard", "--log tensorboard").SummaryWriter
        self._writer = writer(str(out / "tensorboard"), purge_step=steps + 1 if steps else None)

    def write(self, numbers: Mapping[str, float], images: Images, steps: int) -> None:
        for name, number in numbers.items():
            self._writer.add_scalar(name, number, steps)
        for name, pixels in images.items():
            self._writer.add_image(name, pixels, steps, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class WandB:
    """A run of Weights & Biases in the folder ``wandb`` of the run. It is sent nowhere, unless WANDB_MODE says so: `wandb
    sync` does it later."""

    package, hint = "wandb", "pip install wandb"

    def __init__(self, name: str, out: Path, steps: int) -> None:
        """Raises `RunError` where it does not begin."""
        self._library = need(self.package, "--log wandb", self.hint)
        mode = os.environ.get("WANDB_MODE", "offline")
        try:
            self._run: Any = self._library.init(project=name, name=out.name, dir=str(out), mode=mode)
        except Exception as error:  # it has its own for each: no key, no network, a folder that cannot be written
            raise RunError(f"Weights & Biases does not begin: {error}", "WANDB_MODE=offline needs no account") from None

    def write(self, numbers: Mapping[str, float], images: Images, steps: int) -> None:
        shown = {name: self._library.Image(pixels) for name, pixels in images.items()}
        self._run.log({**numbers, **shown}, step=steps)

    def close(self) -> None:
        self._run.finish()


TRACKERS: dict[str, Any] = {"tensorboard": TensorBoard, "wandb": WandB}
"""By the names of `--log`."""


class Trackers:
    """All that a call asks for."""

    def __init__(self, training: Training, wanted: Sequence[str], out: Path, steps: int) -> None:
        self._names = names_of(training)
        self._all: list[Tracker] = [TRACKERS[name](training.name, out, steps) for name in dict.fromkeys(wanted)]

    def record(self, record: Mapping[str, Any]) -> None:
        """The numbers of a record of metrics, where they are finite."""
        numbers = {
            f"{of}/{name}": number
            for of, part in (("training", record), ("held out", record.get("held_out", {})))
            for name, number in numbers_of(part, self._names).items()
        }
        numbers |= {f"rate/{name}": rate for name, rate in record["lr"].items()}
        probed: Mapping[str, Mapping[str, float]] = record.get("probe", {})
        numbers |= {f"{kind}/{layer}": number for kind, layers in probed.items() for layer, number in layers.items()}
        self._write(numbers, {}, record["step"])

    def images(self, images: Images, steps: int) -> None:
        if images:
            self._write({}, {f"samples/{name}": pixels for name, pixels in images.items()}, steps)

    def close(self) -> None:
        for tracker in self._all:
            tracker.close()

    def _write(self, numbers: Mapping[str, float], images: Images, steps: int) -> None:
        for tracker in self._all:
            tracker.write(numbers, images, steps)


def check_trackers(wanted: Sequence[str]) -> None:
    """Raises `RunError` where the package of one is not installed."""
    for name in wanted:
        need(TRACKERS[name].package, f"--log {name}", TRACKERS[name].hint)
