"""A class to be: what the plans of several modules have in common, with holes where their constants differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dlspec.backends.torch.express import Environment, Text
from dlspec.backends.torch.plan import Action, Plan, Slot
from dlspec.backends.torch.python import Py
from dlspec.backends.torch.tree import Key, Module


class Mismatch(Exception):
    """The plans are not of one structure."""


class Unreachable(Exception):
    """A size that no tensor at hand has: the module must be written out where it is used."""

    def __init__(self, modules: list[Module]) -> None:
        super().__init__()
        self.modules = modules


@dataclass(frozen=True, slots=True, eq=False)
class Hole(Py):
    """A constant that differs: its value in each environment. ``name`` is what it is called where it is used."""

    values: tuple[Any, ...]
    envs: tuple[Environment, ...]
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Makes(Py):
    """The constructor call of a class: the module that is made in each environment."""

    modules: tuple[Module | None, ...]
    envs: tuple[Environment, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Rolled(Py):
    """A run of members made in a loop: ``label`` is None where they are numbered."""

    count: Py
    items: tuple[Py, ...]
    label: Py | None
    length: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Optional(Py):
    """Members that are there where the condition holds."""

    condition: Py
    items: tuple[tuple[str, Py], ...]


@dataclass(frozen=True, slots=True, eq=False)
class SequentialOf(Py):
    """``nn.Sequential`` of items: pairs of a label and an expression, runs and options."""

    items: tuple[tuple[str, Py], ...]
    named: bool


@dataclass(eq=False, slots=True)
class TMember:
    label: str
    value: Py
    kind: str
    present: tuple[bool, ...]


@dataclass(eq=False, slots=True)
class TAction:
    key: Key
    value: Py
    outputs: int
    present: tuple[bool, ...]
    action: Action


@dataclass(eq=False, slots=True)
class Template:
    """A class to be: what its plans have in common."""

    plans: list[Plan]
    text: Text | None
    chain: SequentialOf | None = None
    members: list[TMember] = field(default_factory=list[TMember])
    inits: list[Py] = field(default_factory=list[Py])
    actions: list[TAction] = field(default_factory=list[TAction])
    outputs: list[tuple[Py, bool]] = field(default_factory=list[tuple[Py, bool]])
    aliases: dict[Slot, Slot] = field(default_factory=dict["Slot", "Slot"])

    @property
    def envs(self) -> tuple[Environment, ...]:
        return tuple(plan.env for plan in self.plans)
