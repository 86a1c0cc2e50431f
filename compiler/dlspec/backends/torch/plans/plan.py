"""What the class of one module holds, with the constants of this module: its members and the steps of its ``forward``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from dlspec.backends.torch.lowering.registry import Ref
from dlspec.backends.torch.plans.tree import Key, Module, Tree
from dlspec.backends.torch.python import names
from dlspec.backends.torch.python.expressions import Call, Const, Name, Own, Py, call
from dlspec.backends.torch.python.symbols import Each, Listed, LoopId, walk_all
from dlspec.ir.node import Value
from dlspec.ir.scope import Scope
from dlspec.ir.types import TensorType

if TYPE_CHECKING:
    from dlspec.backends.torch.plans.author import Author

Slot: TypeAlias = tuple[Key | str, int]
"""Where a tensor comes from in a forward: an argument by name, or a step and the position among its results."""


class Unreachable(Exception):
    """A size that no tensor at hand has: the module must be written out where it is used."""

    def __init__(self, modules: list[Module]) -> None:
        super().__init__()
        self.modules = modules


@dataclass(frozen=True, slots=True, eq=False)
class Make(Py):
    """The constructor call of a module, until its class is known."""

    module: Module


@dataclass(frozen=True, slots=True, eq=False)
class Chain(Py):
    """``nn.Sequential`` of parts, or ``listed`` an ``nn.ModuleList``, whose forward stands elsewhere."""

    parts: tuple[Part, ...]
    named: bool
    listed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    key: Key
    name: Py
    value: Py


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """What is made in a loop: the parts of each turn, its variables, and what it runs over (`range(depth)`), None where
    that cannot be written; ``hinges`` are the settings that this depends on.
    ``once``: it has one turn, and another might have other layers."""

    key: Key
    loop: LoopId
    iterations: tuple[tuple[Part, ...], ...]
    targets: tuple[str, ...]
    iterable: Py | None
    hinges: frozenset[str]
    once: bool


@dataclass(frozen=True, slots=True, eq=False)
class Option:
    key: Key
    parts: tuple[Part, ...]


Part: TypeAlias = Item | Loop | Option


@dataclass(eq=False, slots=True)
class Member:
    """``self.label = value``; ``name`` is the label as an expression, ``kind`` is module, param or buffer."""

    label: str
    name: Py
    value: Py
    kind: str
    conditions: tuple[Key, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """What an action is of a scan whose key is given. The others of the scan stand between its ``loop`` and its ``end``.

    * ``state``: what a state begins as. Its variable is the state's in all turns.
    * ``list``: a list for what is stacked, still empty.
    * ``loop``: what the turns run over, which gives the slices. It stands behind the states and the lists.
    * ``end``: what a turn has made: first the next states, then what is added to the lists. It gives the last states.
    """

    kind: Literal["state", "list", "loop", "end"]
    scan: Key


@dataclass(eq=False, slots=True)
class Action:
    """One step of the forward. ``light`` ones may stand inside others; ``augment``: the first operand may be overwritten.
    One with a ``mark`` is a part of a scan; a ``spare`` one is left out where nothing uses it."""

    key: Key
    value: Py
    outputs: list[Value]
    conditions: tuple[Key, ...]
    training: bool
    light: bool
    augment: bool
    hint: tuple[str, ...]
    mark: Mark | None = None
    spare: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """The steps of a loop that a forward runs: those of each turn are so many of the plan's actions, one turn after the
    other. ``inner`` are the loops inside, and ``running`` is ``iterable`` as a forward writes it. ``evenly``: labels are
    numbered by turns. ``alone`` is what the only turn of one has words for, each with what the next would find, None where
    that cannot be said. ``listed``: the text makes a list of what its turns give; ``gathers``: so it may, or with others.
    ``elements`` are the tensors that its variables stand for, in each turn. ``bare``: what it runs over is only there in a
    forward, and ``iterable`` as many numbers. The rest is as for `Loop`."""

    key: Key
    loop: LoopId
    bounds: tuple[tuple[int, int], ...]
    targets: tuple[str, ...]
    iterable: Py | None
    running: Py | None
    hinges: frozenset[str]
    evenly: bool
    inner: tuple[Run, ...]
    alone: dict[Slot, Slot | None] | None
    listed: bool
    elements: tuple[dict[Slot, str], ...]
    bare: bool
    gathers: bool


def bare(running: Py, turns: int) -> Py:
    """What a constructor runs over in place of tensors and layers: as many numbers, beside what it can say."""
    match running:
        case Call(function=Name(text="enumerate"), args=(counted,)):
            return call("enumerate", bare(counted, turns))
        case Call(function=Name(text="zip"), args=args):
            return call("zip", *(arg if _is_plain(arg) else bare(arg, turns) for arg in args))
        case _:
            return Const((0,) * turns)


def _is_plain(value: Py) -> bool:
    """Whether something is said without tensors and layers."""
    return not any(
        isinstance(inner, Ref | Each | Listed | Own) or (isinstance(inner, Name) and inner.text == "self")
        for inner in walk_all(value)
    )


@dataclass(eq=False, slots=True)
class Plan:
    """A module; one that is a train has ``methods`` instead of a forward.

    ``conditions`` are those of the `if`s that held, None where one cannot be written in the class. ``hinges`` are
    the settings of the network behind what the text says only as a number, ``numbered`` the lists whose places are said by
    their labels.
    """

    module: Module
    tree: Tree
    author: Author
    chain: Chain | None = None
    members: list[Member] = field(default_factory=list[Member])
    inits: list[tuple[Py, tuple[Key, ...]]] = field(default_factory=list[tuple[Py, tuple[Key, ...]]])
    actions: list[Action] = field(default_factory=list[Action])
    loops: list[Run] = field(default_factory=list[Run])
    inputs: list[str] = field(default_factory=list[str])
    outputs: list[tuple[Py, bool]] = field(default_factory=list[tuple[Py, bool]])
    types: dict[Slot, TensorType] = field(default_factory=dict["Slot", TensorType])
    values: dict[Slot, Value] = field(default_factory=dict["Slot", Value])
    methods: dict[str, Plan] = field(default_factory=dict[str, "Plan"])
    conditions: dict[Key, Py | None] = field(default_factory=dict["Key", "Py | None"])
    hinges: set[str] = field(default_factory=set[str])
    numbered: set[str] = field(default_factory=set[str])

    @property
    def ranks(self) -> tuple[int, ...]:
        """The ranks of what flows in."""
        return tuple(value.type.rank for value, _ in named_inputs(self.module.scope, self.tree))

    @property
    def structure(self) -> tuple[Any, ...]:
        """What must agree for two plans to be one class, for quick comparison."""
        return (self.chain is None, tuple(self.inputs), len(self.outputs))


def named_inputs(scope: Scope, tree: Tree) -> list[tuple[Value, str]]:
    """The tensors that flow into a scope, each with the name it has there: those that the spec names last, in its order."""
    given = {value: name for name, value in scope.arguments.items() if isinstance(value, Value)}
    given |= {value: name for name, value in scope.inputs.items()}
    if scope is tree.graph.root:
        given = {value: value.name for value in tree.graph.inputs}
    places = {value: place for place, value in enumerate(given, 1)}
    return [
        (value, names.variable(given[value]) if value in given else "in" if index == 0 else f"in{index + 1}")
        for index, value in enumerate(sorted(tree.inputs(scope), key=lambda value: places.get(value, 0)))
    ]
