"""The weights that a run begins with, where files give them: of all networks of a `train`, or of some."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.backends.runtime import RunError
from dlspec.backends.weights import initial_weights, untied
from dlspec.diagnostics import Diagnostic, Severity, did_you_mean
from dlspec.ir.scope import within
from dlspec.objectives.training import Training
from dlspec.passes.retype import numpy_dtype

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_SHOWN = 4
"""Names of weights that a message lists."""

_DRAWN_APART = ("constant", "data", "eye", "dirac")
"""Initialisers that draw nothing: such weights are what their author wants."""


@dataclass(slots=True)
class Beginning:
    """``given``: weights by their paths in the `train`; ``lines`` say what was taken."""

    given: dict[str, Array] = field(default_factory=dict[str, "Array"])
    lines: list[str] = field(default_factory=list[str])

    def weights(self, training: Training, seed: int) -> dict[str, Array] | None:
        """All first values; a moving average begins as its source. None where no file gives any. Raises `DlspecError`."""
        if not self.given:
            return None
        made = initial_weights(training, seed) | self.given
        for path in training.graph.parameters:
            if path not in self.given and training.origin(path) in self.given:
                made[path] = self.given[training.origin(path)]
        return made

    def take(self, training: Training, text: str, tensors: Mapping[str, Array], partial: bool) -> None:
        """Takes the tensors of a file for ``text``, which is ``NETWORK=FILE`` or ``FILE``: for all networks where the names
        are those of the `train`, else for the only one.

        With ``partial`` what fits is taken, and what does not is told. Raises `RunError`, `DlspecError`.
        """
        name, file = whose(training, text)
        if name is None and not any(path in training.graph.parameters for path in tensors):
            name = _only(training, file)
        tensors = tensors if name is None else _within(training, name, tensors)
        tensors = untied(training.graph, tensors)
        wanted = {
            path: parameter
            for path, parameter in training.graph.parameters.items()
            if name is None or path == name or path.startswith(f"{name}.")
        }
        fitting = {
            path: array.astype(numpy_dtype(wanted[path].dtype), copy=False)
            for path, array in tensors.items()
            if path in wanted and array.shape == tuple(wanted[path].shape) and _kind(array, wanted[path].dtype.is_float)
        }
        shapes = [
            f"{path} {list(tensors[path].shape)}, not {list(wanted[path].shape)}"
            for path in wanted
            if path in tensors and path not in fitting
        ]
        averages = [path for path in wanted if name is None and training.origin(path) != path]
        missing = [
            path for path in wanted if path not in tensors and not wanted[path].is_counter and path not in averages
        ]
        unknown = [path for path in tensors if path not in wanted and training.origin(path) == path]
        apart = [
            f"{what}: {_listed(names)}"
            for what, names in (("of another shape", shapes), ("not in the file", missing), ("not used", unknown))
            if names
        ]
        title = f"`{name}`" if name else f"`{training.name}`"
        if not fitting:
            raise RunError(f"{file} has no weights of {title}", "; ".join(apart))
        if apart and not partial:
            raise RunError(
                f"{file} has not the weights of {title}: {'; '.join(apart)}", "--partial takes those that fit"
            )
        self.given |= fitting
        told = "".join(f"; {part}" for part in apart)
        self.lines.append(f"weights of {title}: {len(fitting)} of {len(wanted)} from {file}{told}")


def whose(training: Training, text: str) -> tuple[str | None, str]:
    """The network and the file of ``NETWORK=FILE``; None for a file alone. Raises `RunError`."""
    name, equals, file = text.partition("=")
    if not equals or (name not in training.networks and Path(text).exists()):
        return None, text
    if name not in training.networks:
        hint = did_you_mean(name, training.networks) or f"it has {', '.join(training.networks)}"
        raise RunError(f"--weights {text}: `{training.name}` has no network `{name}`", hint)
    if training.networks[name].source is not None:
        source = training.networks[name].source
        raise RunError(f"`{name}` is a moving average, and begins as `{source}`", f"--weights {source}={file}")
    return name, file


def undrawn(training: Training, beginning: Beginning) -> Iterator[Diagnostic]:
    """Warnings for what is frozen with weights that are those of the seed: nobody gave them, and nothing will train them."""
    kept = {
        name: network.span
        for name, network in training.networks.items()
        if network.frozen and network.source is None and network.declaration != "buffer"
    }
    for part, span in {**kept, **training.frozen}.items():
        drawn = [
            path
            for path, weight in training.graph.parameters.items()
            if within(path, part) and weight.init.kind not in _DRAWN_APART and path not in beginning.given
        ]
        if drawn:
            message = f"`{part}` is frozen, and its weights, such as `{drawn[0]}`, are drawn: nobody gave them"
            hint = f"--weights {part.partition('.')[0]}=FILE"
            yield Diagnostic("DL0721", message, span, hint=hint, severity=Severity.WARNING)


def _only(training: Training, file: str) -> str:
    """The only network with weights of its own. Raises `RunError`."""
    names = [name for name, network in training.networks.items() if network.source is None and training.weights(name)]
    if len(names) == 1:
        return names[0]
    hint = f"--weights {names[0]}={file}" if names else ""
    raise RunError(
        f"{file} is of one network, and `{training.name}` has {', '.join(names) or 'none with weights'}", hint
    )


def _within(training: Training, name: str, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The tensors of a network under their paths in the `train`: from a file of it alone, or of a whole `train`."""
    if name in training.graph.parameters:
        found = [array for path, array in tensors.items() if path == name or len(tensors) == 1]
        return dict.fromkeys([name], found[0]) if found else {}
    known = {*training.graph.parameters, *training.graph.aliases}
    if not any(f"{name}.{path}" in known for path in tensors):
        return {path: array for path, array in tensors.items() if path.startswith(f"{name}.")}
    return {f"{name}.{path}": array for path, array in tensors.items()}


def _kind(array: Array, floats: bool) -> bool:
    return (array.dtype.kind not in "iub") is floats


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
