"""What a `train` is: a graph of objectives, and in which order what is updated by which optimizer."""

from __future__ import annotations

from typing import Literal, TypeAlias

from dlspec.ir.graph import Graph, Value
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


class Update:
    """`minimize EXPR over NETWORKS using OPTIMIZER(...) times K`.

    ``name`` says what is updated: the networks' names joined. ``objective`` is a scalar, ``expression`` where it is
    written. ``rate`` is the rate of learning where that is computed from the steps taken.
    """

    __slots__ = (
        "direction", "expression", "limits", "name", "objective", "optimizer", "over", "rate", "schedule", "span",
        "times",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        direction: Direction,
        objective: Value,
        over: tuple[str, ...],
        optimizer: Optimizer,
        schedule: Schedule | None,
        limits: Limits,
        times: int,
        span: Span,
        expression: Span,
        rate: Value | None = None,
    ) -> None:
        self.name = name
        self.direction: Direction = direction
        self.objective = objective
        self.over = over
        self.optimizer = optimizer
        self.schedule = schedule
        self.limits = limits
        self.times = times
        self.span = span
        self.expression = expression
        self.rate = rate


STEP = "step"
"""The input of a graph that counts the steps of training, where a schedule asks for it: a 0-d int64."""


class Training:
    """A `train`, elaborated.

    ``graph`` computes everything: its inputs are the data and, where a schedule asks for it, `STEP`; its outputs are the
    objectives by the names of their updates. Each update evaluates its objective anew, draws included, from a batch.
    ``named`` are the tensors that the body names: scalars among them are metrics, images can be looked at. ``doc`` is the
    comment above it.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.doc = ""
        self.data: list[Data] = []
        self.networks: dict[str, Network] = {}
        self.updates: list[Update] = []
        self.named: dict[str, Value] = {}

    @property
    def name(self) -> str:
        return self.graph.name

    @property
    def looked_at(self) -> list[Value]:
        """The tensors that are results beside the objectives: those that the body names, and rates."""
        return [*self.named.values(), *(update.rate for update in self.updates if update.rate is not None)]

    def origin(self, path: str) -> str:
        """The path of the weight that one begins as: for a moving average that of its source, else its own."""
        name, dot, rest = path.partition(".")
        network = self.networks.get(name)
        return path if network is None or network.source is None else f"{network.source}{dot}{rest}"

    def weights(self, network: str) -> list[str]:
        """The paths of the weights of a network, buffers included; those of its source for an average."""
        own = self.networks[network].source or network
        return [path for path in self.graph.parameters if path == own or path.startswith(f"{own}.")]
