"""Which of the looks at a run was the best, by a number that the call names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from dlspec.backends.runtime import RunError
from dlspec.diagnostics import did_you_mean
from dlspec.objectives.training import Direction, Training

_DIRECTIONS: dict[str, Direction] = {"min": "minimize", "max": "maximize"}


class Best:
    """The best of the records of epochs: by what is held out where something is, else by the batch trained on last.

    ``behind`` counts the epochs since then.
    """

    def __init__(self, training: Training, wanted: str) -> None:
        """``wanted`` is a number's name, or ``max:NAME`` or ``min:NAME``. Raises `RunError` for a name that the `train` does
        not know, or whose better side nothing says."""
        self.name, direction = _asked(training, wanted)
        self._sign = 1.0 if direction == "maximize" else -1.0
        self._value = -math.inf
        self.behind = 0

    def go_on(self, records: Iterable[Mapping[str, Any]], steps: int) -> None:
        """Sees what a run wrote until it had made so many steps."""
        for record in records:
            if record["step"] <= steps and record.get("epoch_over"):
                self.see(record)

    def see(self, record: Mapping[str, Any]) -> bool:
        """Whether the record of an epoch is better than all before it."""
        looked = record.get("held_out", record)
        numbers = {**looked.get("named", {}), **looked["objectives"]}
        found: float | None = numbers.get(self.name)
        value = -math.inf if found is None or not math.isfinite(found) else self._sign * found
        better = value > self._value
        if better:
            self._value = value
        self.behind = 0 if better else self.behind + 1
        return better

    def __str__(self) -> str:
        return f"{self.name} {self._sign * self._value:.4g}"


def _asked(training: Training, wanted: str) -> tuple[str, Direction]:
    side, colon, name = wanted.rpartition(":")
    numbers = {n: value for n, value in training.named.items() if value.type.rank == 0}
    objectives = {update.name: update for update in training.updates}
    if name not in numbers.keys() | objectives.keys():
        known = [*objectives, *numbers]
        hint = did_you_mean(name, known) or f"there is {', '.join(known)}"
        raise RunError(f"--best {wanted}: `{training.name}` has no number `{name}`", hint)
    if colon and side not in _DIRECTIONS:
        raise RunError(f"--best {wanted}: `{side}` says no side", f"--best max:{name} or --best min:{name}")
    if colon:
        return name, _DIRECTIONS[side]
    same = [u for u in training.updates if u.name == name or u.objective is numbers.get(name)]
    if not same:
        raise RunError(
            f"--best {wanted}: is more of `{name}` better, or less?", f"--best max:{name} or --best min:{name}"
        )
    return name, same[0].direction
