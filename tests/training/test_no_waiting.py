"""Between two lines of the log nothing asks the device for a number: each asking would wait for all that it has to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from torch.utils._python_dispatch import TorchDispatchMode
from trains import Call

from dlspec.training.stepper import Stepper

OF_OPTIMIZERS = str(Path("torch", "optim"))
"""Adam keeps its count of steps on the CPU, and asks for that."""


class Asked(TorchDispatchMode):
    """Counts numbers that go from tensors to Python, and tensors that are made of Python's numbers by a copy."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.name() in ("aten::_local_scalar_dense", "aten::_to_copy", "aten::is_nonzero") and not _of_optimizer():
            self.counts[-1] += 1
        return func(*args, **(kwargs or {}))


def _of_optimizer() -> bool:
    frame: Any = sys._getframe()
    while frame is not None:
        if OF_OPTIMIZERS in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """In it the list gets what each step of a run asked for."""
    asked = Asked()
    step = Stepper.step

    def counting(self: Stepper) -> None:
        asked.counts.append(0)
        with asked:
            step(self)

    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "step", counting)
        yield asked.counts


@pytest.mark.parametrize("name", ["mlp", "gan", "lenet"])
def test_a_step_asks_for_nothing(name: str, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    with counted(monkeypatch) as counts:
        assert call("train", f"{name}.dlspec", "--data", "digits", "--steps", "7", "--log-every", "3")[0] == 0
    assert counts == [0] * 7


def test_what_asks_is_counted(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    look = Stepper._backward

    def asking(self: Stepper, objective: Any, parameters: Any) -> None:
        objective.item()
        look(self, objective, parameters)

    monkeypatch.setattr(Stepper, "_backward", asking)
    with counted(monkeypatch) as counts:
        assert call("train", "mlp.dlspec", "--data", "digits", "--steps", "2")[0] == 0
    assert counts == [1, 1]
