"""A class to be: what the plans of several modules have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from dlspec.backends.torch.classes.levels import Turns, turn_of
from dlspec.backends.torch.plans.plan import Action, Plan, Slot
from dlspec.backends.torch.plans.tree import Key, Module
from dlspec.backends.torch.python.expressions import Py
from dlspec.backends.torch.python.symbols import LoopId
from dlspec.backends.torch.python.targets import names_in
from dlspec.ir.scope import Scope


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A module that is made: by the constructor of ``maker``."""

    module: Module
    maker: Module
    use: Scope


@dataclass(frozen=True, slots=True, eq=False)
class Makes(Py):
    """The constructor call of a class, in each plan and turn. ``loops`` are all that are written as loops."""

    made: tuple[Made, ...]
    turns: Turns
    loops: frozenset[LoopId]


@dataclass(frozen=True, slots=True, eq=False)
class Rolled(Py):
    """A run of members made in a loop over ``iterable``, with their names."""

    targets: tuple[str, ...]
    iterable: Py
    items: tuple[tuple[Py, Py], ...]
    index: str


@dataclass(frozen=True, slots=True, eq=False)
class Optional(Py):
    """Members that are there where the condition holds, and those that are there where not."""

    condition: Py
    items: tuple[tuple[Py, Py], ...]
    otherwise: tuple[tuple[Py, Py], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class SequentialOf(Py):
    """``nn.Sequential`` of items: pairs of a name and an expression, runs and options; ``listed`` an ``nn.ModuleList``."""

    items: tuple[tuple[Py, Py], ...]
    named: bool
    listed: bool = False


@dataclass(eq=False, slots=True)
class TLoop:
    """A loop of a class, in the constructor and in the forward."""

    loop: LoopId
    targets: tuple[str, ...]
    iterable: Py
    index: str

    @property
    def names(self) -> tuple[str, ...]:
        """Its variables."""
        return (*names_in(self.targets), self.index)

    @property
    def number(self) -> Py:
        """The number of a turn, from 0 on."""
        return turn_of(self.index, self.targets, self.iterable)


@dataclass(eq=False, slots=True)
class TMember:
    """A member with its label in the first plan, and as an expression. ``when`` is the flag of one that not every plan has,
    else empty; ``loops``, the outermost first, make one in each turn."""

    label: str
    name: Py
    value: Py
    kind: str
    when: str
    loops: tuple[TLoop, ...] = ()


@dataclass(eq=False, slots=True)
class TAction:
    key: Key
    value: Py
    outputs: int
    when: str
    action: Action


@dataclass(eq=False, slots=True)
class TRound:
    """The steps of all turns of a loop; ``carried`` and ``lists`` are as for `plan.Round`."""

    loop: TLoop
    body: list[TAction | TRound]
    carried: list[tuple[Slot, Slot, Slot]]
    lists: dict[Slot, Slot]


@dataclass(eq=False, slots=True)
class Template:
    """A class to be. ``flags`` are the conditions of what not every plan has, by what they say; ``hinges``
    the settings that the text hangs on without saying so."""

    plans: list[Plan]
    chain: SequentialOf | None = None
    members: list[TMember] = field(default_factory=list[TMember])
    inits: list[Py] = field(default_factory=list[Py])
    steps: list[TAction | TRound] = field(default_factory=list["TAction | TRound"])
    outputs: list[tuple[Py, bool]] = field(default_factory=list[tuple[Py, bool]])
    aliases: dict[Slot, Slot] = field(default_factory=dict["Slot", "Slot"])
    flags: dict[str, Py] = field(default_factory=dict[str, Py])
    hinges: set[str] = field(default_factory=set[str])

    @property
    def actions(self) -> list[TAction]:
        """The steps, with those in loops."""
        return [step for step in all_steps(self.steps) if isinstance(step, TAction)]

    @property
    def iterables(self) -> list[Py]:
        """What the loops of the forward run over."""
        return [step.loop.iterable for step in all_steps(self.steps) if isinstance(step, TRound)]


def all_steps(steps: Iterable[TAction | TRound]) -> Iterator[TAction | TRound]:
    """Steps with those inside of loops, which come behind their loop."""
    for step in steps:
        yield step
        if isinstance(step, TRound):
            yield from all_steps(step.body)
