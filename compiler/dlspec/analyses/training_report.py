"""What there is to say about a train: its data, its networks, and what each update changes and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from dlspec.analyses.objectives import reached
from dlspec.analyses.report import shape_json
from dlspec.analyses.written import written_arguments, written_call
from dlspec.objectives.training import Data, Network, Training, Update
from dlspec.ops.gradient import differentiates

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TrainingSummary:
    """A train, described."""

    training: Training

    def state(self, network: Network) -> str:
        """What happens to the weights of a network."""
        if network.source is not None:
            return f"average of {network.source}, decay {network.decay:g}"
        if any(network.name in update.over for update in self.training.updates):
            return "trained"
        return "frozen" if network.frozen else "not updated"

    def params(self, *networks: str) -> int:
        """The elements of the trainable weights of some networks."""
        return self._elements({path for name in networks for path in self.training.weights(name)})

    def reached(self, update: Update) -> int:
        """The elements of the weights of what an update changes that the gradient of its objective reaches."""
        own = {path for name in update.over for path in self.training.weights(name)}
        return self._elements(own & reached(update.objective))

    def _elements(self, paths: set[str]) -> int:
        parameters = self.training.graph.parameters
        return sum(parameters[path].elements for path in paths if parameters[path].kind == "param")

    @property
    def differentiates(self) -> bool:
        """Whether something is computed from a gradient."""
        return differentiates(self.training.graph)

    def using(self, update: Update) -> str:
        """``Adam(lr=0.001), StepLR(100), clip_grad_norm=1.0``: how an update is made, as the spec would write it."""
        return ", ".join([written_call(update.optimizer), *self._beside(update)])

    def using_parts(self, update: Update) -> list[str]:
        """The same in parts that lines can be broken between."""
        optimizer = update.optimizer
        return [f"using {type(optimizer).__name__}", *written_arguments(optimizer), *self._beside(update)]

    def _beside(self, update: Update) -> list[str]:
        schedule = [] if update.schedule is None else [written_call(update.schedule)]
        limits = {field.name: getattr(update.limits, field.name) for field in update.limits.fields}
        rate = [] if update.rate is None else [f"lr={update.rate.span.text}"]
        return rate + schedule + [f"{name}={value:g}" for name, value in limits.items() if value is not None]

    def to_json(self) -> Json:
        """As the command line writes it. ``reached`` are the params that the gradient reaches, of ``params``."""
        training = self.training
        return {
            "train": training.name,
            "data": [_data(data) for data in training.data],
            "preconditions": [str(condition) for condition in training.graph.conditions],
            "networks": [
                {
                    "name": network.name,
                    "declaration": network.declaration,
                    "params": self.params(network.name),
                    "weights": self.state(network),
                }
                for network in training.networks.values()
            ],
            "updates": [
                {
                    "name": update.name,
                    "direction": update.direction,
                    "objective": " ".join(update.expression.text.split()),
                    "over": list(update.over),
                    "params": self.params(*update.over),
                    "reached": self.reached(update),
                    "using": self.using(update),
                    "times": update.times,
                }
                for update in training.updates
            ],
        }


def _data(data: Data) -> Json:
    return {
        "name": data.value.name,
        "dtype": data.value.type.dtype.label,
        "shape": shape_json(data.value.type),
        "augmentations": [written_call(change) for change in data.augmentations],
    }
