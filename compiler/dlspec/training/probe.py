"""What is seen inside networks while they train: norms of gradients, shares of dead units and variances of activations, by
layer. Asked for with `--probe`; it looks at steps that are logged, and at the first."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from dlspec.backends.torch.live import require_torch

if TYPE_CHECKING:
    from torch import Tensor, nn

_VANISHED = 1e-3
"""The norm of the first layer's gradients, as a part of the last's, below which they are said to vanish."""

_DEAD = 0.5
"""The share of dead units from which on a layer is said to die."""


class Probe:
    """Looks at a model and its trainer. A layer is a module with weights of its own, by its path; in the order in which they
    first ran.

    * ``gradients``: the norm of those of its weights, as they are before limits such as `clip_grad_norm` change them.
    * ``variance``: that of all numbers that it gives, over the batch; a mean over its uses in the step.
    * ``dead``: of each ReLU or ReLU6 the share of units that are zero for all of the batch, in every use. A unit is a
      channel or a feature: the axis that the last layer before it has made. Where it is a function in a forward, it is
      named after the module: `encoder.relu`, `encoder.relu~2`.
    """

    def __init__(self, model: nn.Module, trainer: Any) -> None:
        self._model = model
        self._layers = {name: module for name, module in _modules(model) if _own(module)}
        self._rectifiers = {n for n, m in _modules(model) if type(m).__name__ in ("ReLU", "ReLU6", "Hardtanh")}
        self._path: list[str] = []
        self._counts: dict[str, int] = {}
        self._axis = 1
        self._looks = False
        self._variance: dict[str, list[Tensor]] = {}
        self._alive: dict[str, Tensor] = {}
        self._norms: dict[str, Tensor] = {}
        trainer.backward = self._after(trainer.backward)

    @contextmanager
    def looking(self) -> Generator[None]:
        """In it the model takes a step."""
        self._variance, self._alive, self._norms = {}, {}, {}
        self._path, self._counts = [], {}
        with ExitStack() as stack:
            for name, module in _modules(self._model):
                for hook in (
                    module.register_forward_pre_hook(self._entering(name)),
                    module.register_forward_hook(self._leaving(name)),
                ):
                    stack.callback(hook.remove)
            stack.enter_context(_rectified(self._see_units))
            self._looks = True
            try:
                yield
            finally:
                self._looks = False

    def record(self) -> dict[str, dict[str, float]]:
        """What was seen in the last step, by kind and layer. Waits for the device."""
        torch = require_torch()
        order = [*self._variance, *(name for name in self._norms if name not in self._variance)]
        return {
            "gradients": {name: float(self._norms[name]) for name in order if name in self._norms},
            "dead": {name: 1 - float(alive.float().mean()) for name, alive in self._alive.items()},
            "variance": {name: float(torch.stack(seen).mean()) for name, seen in self._variance.items()},
        }

    # What hooks do

    def _entering(self, name: str) -> Callable[..., None]:
        def enter(*_: Any) -> None:
            self._path.append(name)
            self._counts[name] = 0

        return enter

    def _leaving(self, name: str) -> Callable[..., None]:
        def leave(module: nn.Module, _: Any, made: Any) -> None:
            self._path.pop()
            output = _first_tensor(made)
            if name in self._layers and output is not None and output.is_floating_point():
                seen = output.detach().float()
                self._variance.setdefault(name, []).append(seen.var(correction=0))
                self._axis = -1 if type(module).__name__ in ("Linear", "Embedding", "LSTM", "GRU", "RNN") else 1

        return leave

    def _see_units(self, output: Tensor) -> None:
        if output.ndim < 2:
            return
        within = self._path[-1] if self._path else ""
        count = self._counts[within] = self._counts.get(within, 0) + 1
        name = within if within in self._rectifiers else f"{within}.relu".strip(".")
        name = name if count == 1 else f"{name}~{count}"
        axis = self._axis % output.ndim if output.ndim > 2 else 1
        units = output.detach().transpose(0, axis).flatten(1)
        alive = (units != 0).any(1)
        known = self._alive.get(name)
        self._alive[name] = alive if known is None or known.shape != alive.shape else known | alive

    def _after(self, backward: Callable[..., None]) -> Callable[..., None]:
        def seen(objective: Any, parameters: list[nn.Parameter]) -> None:
            backward(objective, parameters)
            if self._looks:
                torch = require_torch()
                chosen = set(map(id, parameters))
                for name, module in self._layers.items():
                    norms = [
                        torch.linalg.vector_norm(p.grad) for p in _own(module) if id(p) in chosen and p.grad is not None
                    ]
                    if norms:
                        self._norms[name] = torch.linalg.vector_norm(torch.stack(norms))

        return seen


def findings(seen: Mapping[str, Mapping[str, float | None]]) -> Iterator[str]:
    """What is wrong in a record, in a line each."""
    gradients = {name: number for name, number in seen["gradients"].items() if number is not None}
    for network in dict.fromkeys(name.partition(".")[0] for name in gradients):
        layers = [name for name in gradients if name.partition(".")[0] == network]
        first, last = layers[0], layers[-1]
        told = f"{gradients[first]:.2g} at `{first}` and {gradients[last]:.2g} at `{last}`"
        if gradients[first] < _VANISHED * gradients[last]:
            yield f"gradients vanish on the way back: their norm is {told}"
        elif gradients[first] * _VANISHED > gradients[last]:
            yield f"gradients explode on the way back: their norm is {told}"
    dead = {name: share for name, share in seen["dead"].items() if share is not None and share >= _DEAD}
    if dead:
        worst = max(dead, key=lambda name: dead[name])
        more = f", and as many as half in {len(dead) - 1} more" if len(dead) > 1 else ""
        yield f"{dead[worst]:.0%} of the units behind `{worst}` are dead: zero for all of the batch{more}"


def _modules(model: nn.Module) -> list[tuple[str, nn.Module]]:
    return list(model.named_modules())  # type: ignore[reportUnknownMemberType]


def _own(module: nn.Module) -> list[nn.Parameter]:
    return list(module.parameters(recurse=False))


def _first_tensor(made: Any) -> Any:
    """What a module gives, the first of several; a recurrent layer's states come after. None where that is no tensor."""
    if isinstance(made, require_torch().Tensor):
        return made
    return _first_tensor(made[0]) if isinstance(made, tuple | list) and made else None


def _rectified(see: Callable[[Tensor], None]) -> Any:
    """A mode in which the results of ReLU are seen, also where it is a function in a forward."""
    torch = require_torch()
    watched = {torch.nn.functional.relu, torch.relu, torch.relu_, torch.Tensor.relu, torch.Tensor.relu_}
    watched |= {torch.nn.functional.relu6, torch.nn.functional.hardtanh}
    mode: Any = torch.overrides.TorchFunctionMode

    class Seen(mode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made = function(*args, **(kwargs or {}))
            if function in watched:
                see(made)
            return made

    return Seen()
