"""What a `train` is: a graph of objectives, and in which order what is updated by which optimizer."""

from __future__ import annotations

from typing import Literal, TypeAlias

from dlspec.ir.graph import Graph
from dlspec.ir.node import Value
from dlspec.ir.scope import within
from dlspec.objectives.augmentations import Augmentation
from dlspec.objectives.optimizers import Limits, Optimizer, Schedule
from dlspec.source import Span

Direction: TypeAlias = Literal["minimize", "maximize"]


class Data:
    """A tensor that each batch gives, and how it is changed at random before: by its ``own`` changes, and then by the
    ``common`` ones of all that are in its ``pair``, which are drawn once for these together.

    ``pixels``: channels, height and width of an image that is a vector, where its size is written so: `float[N, 28 * 28]`.
    """

    __slots__ = ("common", "own", "pair", "pixels", "value")

    def __init__(
        self,
        value: Value,
        own: tuple[Augmentation, ...] = (),
        common: tuple[Augmentation, ...] = (),
        pair: tuple[str, ...] = (),
    ) -> None:
        self.value = value
        self.own = own
        self.common = common
        self.pair = pair
        self.pixels: tuple[int, int, int] | None = None

    @property
    def augmentations(self) -> tuple[Augmentation, ...]:
        """All changes, in order."""
        return self.own + self.common


class Network:
    """A network, layer or weight that a `train` holds, by its path.

    A ``frozen`` one has no optimizer. One with a ``source`` is a moving average, and frozen too: after each update of the
    source its weights become ``decay`` times their own plus ``1 - decay`` times the source's.
    ``declaration`` is the name of the network or block, or what the layer is.
    """

    __slots__ = ("decay", "declaration", "frozen", "name", "source", "span")

    def __init__(
        self,
        name: str,
        declaration: str,
        span: Span,
        *,
        frozen: bool = False,
        source: str | None = None,
        decay: float = 0.0,
    ) -> None:
        self.name = name
        self.declaration = declaration
        self.span = span
        self.frozen = frozen
        self.source = source
        self.decay = decay


Decay: TypeAlias = Literal["all", "weights"]


class Group:
    """What an update changes: a network, a part of one or a weight, by its ``path``, and all below it but for what
    another group of the update has.

    ``optimizer`` has the arguments that hold for it, ``own`` names those that are not the update's. ``rate`` is its rate of
    learning where that is computed from the steps taken.
    """

    __slots__ = ("optimizer", "own", "path", "rate", "span")

    def __init__(self, path: str, optimizer: Optimizer, own: tuple[str, ...], rate: Value | None, span: Span) -> None:
        self.path = path
        self.optimizer = optimizer
        self.own = own
        self.rate = rate
        self.span = span

    @property
    def network(self) -> str:
        """The network that it is, or is a part of."""
        return self.path.partition(".")[0]


class Update:
    """`minimize EXPR over NETWORKS using OPTIMIZER(...) times K`.

    ``name`` says what is updated: the paths of the ``groups`` joined. ``objective`` is a scalar, ``expression`` where it is
    written. ``rate`` is the rate of learning where that is computed from the steps taken. Where ``decay`` is "weights",
    parameters of at most one axis, biases and those of norms, do not decay.
    """

    __slots__ = (
        "decay", "direction", "expression", "groups", "limits", "name", "objective", "optimizer", "rate", "schedule",
        "span", "times",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        direction: Direction,
        objective: Value,
        groups: tuple[Group, ...],
        optimizer: Optimizer,
        schedule: Schedule | None,
        limits: Limits,
        times: int,
        span: Span,
        expression: Span,
        rate: Value | None = None,
        decay: Decay = "all",
    ) -> None:
        self.name = name
        self.direction: Direction = direction
        self.objective = objective
        self.groups = groups
        self.optimizer = optimizer
        self.schedule = schedule
        self.limits = limits
        self.times = times
        self.span = span
        self.expression = expression
        self.rate = rate
        self.decay: Decay = decay

    @property
    def over(self) -> tuple[str, ...]:
        """The paths of what it changes, in order."""
        return tuple(group.path for group in self.groups)

    @property
    def networks(self) -> tuple[str, ...]:
        """The networks of which it changes something, in order."""
        return tuple(dict.fromkeys(group.network for group in self.groups))

    @property
    def splits(self) -> bool:
        """Whether not all of its parameters are updated by one rule."""
        return self.decay != "all" or any(group.own for group in self.groups)

    def group_of(self, path: str) -> Group | None:
        """The group of a weight: that of the longest path that its own begins with."""
        own = [group for group in self.groups if within(path, group.path)]
        return max(own, key=lambda group: len(group.path), default=None)


STEP = "step"
"""The input of a graph that counts the steps of training, where a schedule asks for it: a 0-d int64."""


class Training:
    """A `train`, elaborated.

    ``graph`` computes everything: its inputs are the data and, where a schedule asks for it, `STEP`; its outputs are the
    objectives by the names of their updates. Each update evaluates its objective anew, draws included, from a batch.
    ``named`` are the tensors that the body names: scalars among them are metrics, images can be looked at. ``doc`` is the
    comment above it. ``frozen`` are the parts of networks that keep their weights and statistics, with where that is said.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.doc = ""
        self.data: list[Data] = []
        self.networks: dict[str, Network] = {}
        self.updates: list[Update] = []
        self.named: dict[str, Value] = {}
        self.frozen: dict[str, Span] = {}

    @property
    def name(self) -> str:
        return self.graph.name

    @property
    def looked_at(self) -> list[Value]:
        """The tensors that are results beside the objectives: those that the body names, and rates."""
        rates = dict.fromkeys(group.rate for update in self.updates for group in update.groups)
        return [*self.named.values(), *(rate for rate in rates if rate is not None)]

    def is_frozen(self, path: str) -> bool:
        """Whether a weight is in what is frozen."""
        network = self.networks.get(path.partition(".")[0])
        return (network is not None and network.frozen) or any(within(path, part) for part in self.frozen)

    def picks(self, update: Update) -> bool:
        """Whether an update leaves out something of the networks that it changes."""
        parts = any(path not in self.networks for path in update.over)
        return parts or any(within(part, path) for part in self.frozen for path in update.over)

    def trained(self, update: Update, group: Group | None = None) -> list[str]:
        """The paths of the parameters that an update changes, or of those in one of its groups."""
        return [
            path
            for path, weight in self.graph.parameters.items()
            if weight.kind == "param"
            and (own := update.group_of(path)) is not None
            and group in (None, own)
            and not self.is_frozen(path)
        ]

    def origin(self, path: str) -> str:
        """The path of the weight that one begins as: for a moving average that of its source, else its own."""
        name, dot, rest = path.partition(".")
        network = self.networks.get(name)
        return path if network is None or network.source is None else f"{network.source}{dot}{rest}"

    def weights(self, network: str) -> list[str]:
        """The paths of the weights of a network, buffers included; those of its source for an average."""
        own = self.networks[network].source or network
        return [path for path in self.graph.parameters if path == own or path.startswith(f"{own}.")]
