"""What a block that is laid out consists of, in the two directions of `block_layout`: across the flow and along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dlspec.backends.diagram.looks import Line
from dlspec.backends.diagram.scene import Box, Edge

LANE = 10.0
"""What an edge that passes a row takes of it, in pixels, as everything here."""
SEPARATION = 20.0
TRACK = 8.0
GAP, ARROW = 18.0, 12.0
BEFORE_TRACKS = 8.0
PADDING = 12.0
BACK = 5.0
"""How far from its frame, within the padding, the states of a scan go back."""
LONG = 30
"""An edge that passes more rows than this runs outside of all of them: the engine would take too long over it."""
LABEL_GAP = 5.0
PORT_GAP = 16.0
MARGIN = 12.0
STACK = 5.0
"""How far a repeated box's copies stand out behind it."""


@dataclass(slots=True, eq=False)
class Shape:
    """The room a box takes: across the flow from -``left`` to ``right`` and ``length`` along it; its ports across.

    ``inputs`` is None where edges may come in wherever it suits them, up to ``reach`` from the middle.
    """

    left: float
    right: float
    length: float
    inputs: list[float] | None
    outputs: list[float]
    reach: float = 0.0


@dataclass(slots=True, eq=False, repr=False)
class Item:
    """Something in a row: a child, an edge's lane, or a port of the block (of no length).

    A long box beside several short ones stands beside all of them: ``parts`` keep its place in the rows behind its first.
    A lane outside of the rows passes all up to the row ``until``.
    """

    row: int
    shape: Shape
    box: Box | None = None
    until: int = -1
    parts: list[Item] = field(default_factory=list["Item"])
    across: float = 0.0
    along: float = 0.0
    arrivals: list[float] = field(default_factory=list[float])

    @property
    def last(self) -> Item:
        """Where edges leave."""
        return self.parts[-1] if self.parts else self

    def leaves(self, port: int) -> float:
        return self.across + (self.shape.outputs[port] if self.box else 0.0)


@dataclass(slots=True, eq=False, repr=False)
class Step:
    """A stretch of a tensor's way, its turn behind a ``row``; edges share it."""

    row: int
    start: Item
    port: int
    end: Item
    into: int | None
    main: bool


@dataclass(frozen=True, slots=True)
class Route:
    """The corners of an edge, (across, along)."""

    edge: Edge
    points: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text beside the flow; (``across``, ``along``) is where it begins beside the edge."""

    line: Line
    across: float
    along: float


@dataclass(frozen=True, slots=True)
class Level:
    """The name of a resolution, above the line that begins ``across`` the flow."""

    name: Line
    across: float


@dataclass(slots=True, eq=False, repr=False)
class Laid:
    """A block that is laid out. ``places`` are the origins of its children, (across, along). ``levels`` are named at the
    side of one that is laid out by resolution."""

    shape: Shape
    places: dict[Box, tuple[float, float]]
    routes: list[Route]
    texts: list[Text]
    levels: Sequence[Level] = ()
