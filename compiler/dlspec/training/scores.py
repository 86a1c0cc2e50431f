"""How well classes are told apart, where an objective is the cross-entropy with classes of the data: which is taken for
which, and whether a network is as sure as it is right."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.analyses.classes import uses_as_classes
from dlspec.backends.files import write_bytes
from dlspec.backends.torch.live import require_torch
from dlspec.ops.loss import CrossEntropyLoss, NLLLoss
from dlspec.training.devices import Devices
from dlspec.training.extras import need
from dlspec.training.pictures import file_of, quiet_fonts
from dlspec.training.table import Table

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

FILE = "classes.png"

_BINS = 15
_MOST = 200
"""Classes of which a matrix is kept."""

_SHOWN = 30
"""Classes that have names in a picture."""

_WRITTEN = 12
"""Classes up to which a matrix shows its counts as text."""


@dataclass(slots=True)
class Scores:
    """``matrix`` counts examples: [classes that they have, classes that are told]. Of each bin of confidence, which is the
    probability of the class that is told, ``bins`` has how many, the sum of confidences and how many are right: [3, bins].
    """

    label: str
    names: tuple[str, ...]
    matrix: Array
    bins: Array

    @property
    def accuracy(self) -> float:
        return float(self.matrix.trace() / max(1.0, self.matrix.sum()))

    @property
    def ece(self) -> float:
        """The expected calibration error: how far confidence and the share of what is right are apart, over the bins (Guo et
        al., 2017, "On calibration of modern neural networks")."""
        _, sure, right = self.bins
        return float(abs(sure - right).sum() / max(1.0, self.bins[0].sum()))

    @property
    def precision(self) -> Array:
        """Of those that are told to be of a class, the share that is; NaN where none is told so."""
        return _shares(self.matrix.diagonal(), self.matrix.sum(0))

    @property
    def recall(self) -> Array:
        """Of those of a class, the share that is told so; NaN where there is none."""
        return _shares(self.matrix.diagonal(), self.matrix.sum(1))

    def record(self) -> dict[str, Any]:
        return {
            "accuracy": self.accuracy,
            "ece": self.ece,
            "precision": dict(zip(self.names, self.precision.tolist(), strict=True)),
            "recall": dict(zip(self.names, self.recall.tolist(), strict=True)),
        }

    def __str__(self) -> str:
        import numpy as np

        least = ", ".join(
            f"least {what} {shares[worst]:.2f} of {self.names[worst]}"
            for what, shares in (("recall", self.recall), ("precision", self.precision))
            for worst in [int(np.nanargmin(shares))]
        )
        right, whole = int(self.matrix.trace()), int(self.matrix.sum())
        return f"{self.label}: {right:,} of {whole:,} right, {least}, calibration error {self.ece:.3f}"


def _shares(part: Array, whole: Array) -> Array:
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        return part / whole


class Counter:
    """Counts over batches that are looked at. It is false where no objective tells classes of the data apart."""

    def __init__(self, table: Table, devices: Devices) -> None:
        self._devices = devices
        self._count = 0
        self._ignored: int | None = None
        for column in table.columns:
            for node, count, ignored in uses_as_classes(table.training.graph.nodes, column.data.value):
                told = isinstance(node.op, CrossEntropyLoss | NLLLoss) and node.inputs[0].type.rank > 1
                if told and not self._count and isinstance(count, int) and 1 < count <= _MOST:
                    self._count, self._ignored, self._label = count, ignored, column.name
                    known: tuple[str, ...] = getattr(column.source, "classes", ())
                    self._names = known if len(known) == count else tuple(map(str, range(count)))
        self._sums: Tensor | None = None

    def __bool__(self) -> bool:
        return bool(self._count)

    @contextmanager
    def counting(self) -> Generator[None]:
        """In it an objective is computed, and what it tells of classes is counted."""
        if not self:
            yield
            return
        torch = require_torch()
        losses = (torch.nn.functional.cross_entropy, torch.nn.functional.nll_loss)
        mode: Any = torch.overrides.TorchFunctionMode
        counted, count = False, self._count

        class Seen(mode):
            def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                nonlocal counted
                given = args[:2] if function in losses and len(args) > 1 and not counted else ()
                if given and given[0].ndim > 1 and given[0].shape[1] == count and not given[1].is_floating_point():
                    counted = True
                    add(*given)
                return function(*args, **(kwargs or {}))

        add = self._add
        with Seen():
            yield

    def _add(self, logits: Tensor, target: Tensor) -> None:
        torch = require_torch()
        shares = logits.detach().float().softmax(1).movedim(1, -1).reshape(-1, self._count)
        wanted = target.reshape(-1)
        if self._ignored is not None:
            known = wanted != self._ignored
            shares, wanted = shares[known], wanted[known]
        sure, told = shares.max(1)
        matrix = torch.bincount(wanted * self._count + told, minlength=self._count**2)
        bins = (sure * _BINS).long().clamp(0, _BINS - 1)
        parts = [matrix, torch.bincount(bins, minlength=_BINS)]
        parts += [torch.bincount(bins, each.float(), minlength=_BINS) for each in (sure, told == wanted)]
        sums = torch.cat([part.float() for part in parts])
        self._sums = sums if self._sums is None else self._sums + sums

    def scores(self) -> Scores | None:
        """What was counted in all processes since they were last asked; None where nothing was."""
        if not self:
            return None
        size = self._count**2
        sums = (
            require_torch().zeros(size + 3 * _BINS, device=self._devices.device) if self._sums is None else self._sums
        )
        self._sums = None
        looking = 1 if self._devices.sharded else self._devices.processes  # else all of them look at everything
        numbers = (self._devices.mean(sums) * looking).cpu().double().numpy()
        if not numbers[:size].sum():
            return None
        matrix, bins = numbers[:size].reshape(self._count, -1), numbers[size:].reshape(3, _BINS)
        return Scores(self._label, self._names, matrix, bins)


def write_scores(scores: Scores, path: Path) -> None:
    """A matrix of what is taken for what, confidence beside what is right, and precision and recall of each class."""
    import numpy as np

    quiet_fonts()
    figure: Any = need("matplotlib.figure", "drawing classes").Figure((12, 4.2), layout="constrained")
    matrix, calibration, classes = figure.subplots(1, 3)
    places, count = np.arange(len(scores.names)), len(scores.names)
    matrix.imshow(
        np.nan_to_num(_shares(scores.matrix, scores.matrix.sum(1, keepdims=True))), cmap="Blues", vmin=0, vmax=1
    )
    matrix.set(xlabel="told", ylabel=scores.label, title="examples by class")
    if count <= _WRITTEN:
        for row, column in np.ndindex(count, count):
            dark = scores.matrix[row, column] > 0.5 * scores.matrix[row].sum()
            number = f"{int(scores.matrix[row, column])}"
            matrix.text(column, row, number, ha="center", va="center", fontsize=7, color="white" if dark else "black")
    many, sure, right = scores.bins
    there = many > 0
    calibration.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    calibration.bar(
        (np.arange(_BINS) + 0.5) / _BINS, many / many.sum(), 1 / _BINS, color="lightgrey", label="share of all"
    )
    calibration.plot(sure[there] / many[there], right[there] / many[there], marker="o", label="right")
    calibration.set(xlabel="confidence", xlim=(0, 1), ylim=(0, 1), title=f"calibration error {scores.ece:.3f}")
    calibration.legend(fontsize="small")
    classes.bar(places - 0.2, np.nan_to_num(scores.precision), 0.4, label="precision")
    classes.bar(places + 0.2, np.nan_to_num(scores.recall), 0.4, label="recall")
    classes.set(ylim=(0, 1.02), title=f"{scores.accuracy:.1%} right")
    classes.legend(fontsize="small", loc="lower right")
    if count <= _SHOWN:
        matrix.set_xticks(places, scores.names, rotation=90, fontsize="x-small")
        matrix.set_yticks(places, scores.names, fontsize="x-small")
        classes.set_xticks(places, scores.names, rotation=90, fontsize="x-small")
    write_bytes(path, file_of(figure))
