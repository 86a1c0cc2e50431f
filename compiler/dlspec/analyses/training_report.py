"""What there is to say about a train: its data, its networks, and what each update changes and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from dlspec.analyses.objectives import reached
from dlspec.analyses.report import shape_json
from dlspec.analyses.written import written_arguments, written_call, written_value
from dlspec.ir.scope import within
from dlspec.objectives.training import Data, Group, Network, Training, Update
from dlspec.ops.gradient import differentiates

_MANY = 4
"""Frozen parts of a network that are counted, not named."""

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TrainingSummary:
    """A train, described."""

    training: Training

    def state(self, network: Network) -> str:
        """What happens to the weights of a network."""
        if network.source is not None:
            return f"average of {network.source}, decay {network.decay:g}"
        if any(network.name in update.networks for update in self.training.updates):
            parts = [part for part in self.training.frozen if within(part, network.name)]
            told = ", ".join(parts) if len(parts) < _MANY else f"{len(parts)} parts"
            return f"trained, {told} frozen" if parts else "trained"
        return "frozen" if network.frozen else "not updated"

    def params(self, *networks: str) -> int:
        """The elements of the trainable weights of some networks."""
        return self._elements({path for name in networks for path in self.training.weights(name)})

    def changed(self, update: Update, group: Group | None = None) -> int:
        """The elements of the weights that an update changes, or of those in one of its groups."""
        return self._elements(set(self.training.trained(update, group)))

    def reached(self, update: Update) -> int:
        """The elements of the weights that an update changes which the gradient of its objective reaches."""
        return self._elements(set(self.training.trained(update)) & reached(update.objective))

    @property
    def trained(self) -> int:
        """The elements of the weights that some update changes."""
        return self._elements({path for update in self.training.updates for path in self.training.trained(update)})

    @property
    def frozen(self) -> int:
        """The elements of the trainable weights that are frozen; those of moving averages are not counted."""
        return self._elements({path for path in self.training.graph.parameters if self._keeps(path)})

    def _keeps(self, path: str) -> bool:
        return self.training.is_frozen(path) and self.training.origin(path) == path

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
        decay = [] if update.decay == "all" else [f'decay="{update.decay}"']
        return rate + decay + schedule + [f"{name}={value:g}" for name, value in limits.items() if value is not None]

    def over(self, update: Update) -> list[str]:
        """``f.head(lr=0.01)``: what an update changes, each with what holds for it alone, as the spec would write it."""
        return [f"{group.path}{self._own(group)}" for group in update.groups]

    def _own(self, group: Group) -> str:
        given = self._given(group, group.own)
        return f"({given})" if given else ""

    def rates(self, group: Group) -> str:
        """``lr=0.01, weight_decay=0.0``: the rate that holds for a group, and what holds for it alone."""
        return self._given(group, tuple(dict.fromkeys(["lr", *group.own])))

    def _given(self, group: Group, names: tuple[str, ...]) -> str:
        given = {name: written_value(getattr(group.optimizer, name)) for name in names}
        if "lr" in given and group.rate is not None:
            given["lr"] = group.rate.span.text
        return ", ".join(f"{name}={text}" for name, text in given.items())

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
            "trained": self.trained,
            "frozen": self.frozen,
            "updates": [
                {
                    "name": update.name,
                    "direction": update.direction,
                    "objective": " ".join(update.expression.text.split()),
                    "over": list(update.over),
                    "params": self.changed(update),
                    "reached": self.reached(update),
                    "groups": [
                        {
                            "path": group.path,
                            "params": self.changed(update, group),
                            "own": self._given(group, group.own),
                        }
                        for group in update.groups
                    ],
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
