"""A block whose children stand in rows by their resolution, the finest above, and flow from left to right.

The columns are those of `block_layout`, where an edge passes a column in a lane of its own. What is placed here is
everything across the flow: the band of a level has lines, on which boxes and lanes follow each other. A tensor keeps to the
line it is on, so that a skip runs straight; what comes up from a coarser level alone stands on a line below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import inf
from typing import TypeAlias

from dlspec.backends.diagram.block_layout import BlockLayout
from dlspec.backends.diagram.levels import Levels
from dlspec.backends.diagram.looks import PADDING_X, line_width
from dlspec.backends.diagram.pieces import LABEL_GAP, PORT_GAP, SEPARATION, Item, Laid, Level, Shape
from dlspec.backends.diagram.placing import Placing
from dlspec.backends.diagram.scene import Box, Edge
from dlspec.backends.diagram.squeeze import MOST, Squeeze

_BETWEEN = 14.0
"""What lies between two levels beside what lies between two lines."""
_NAME = 18.0
"""How far a level reaches above its first line: its name stands there."""

_Tensor: TypeAlias = tuple[Item, int]
"""An item and the port of it that the tensor leaves by."""


@dataclass(slots=True, eq=False)
class _Arrival:
    """An edge as it is seen from the item that it enters."""

    edge: Edge
    start: Item
    port: int


@dataclass(slots=True, eq=False)
class _Band:
    """The lines of a level, by number, 0 the first that was there and those below it positive: what stands on a line in
    which column."""

    lines: dict[int, dict[int, _Tensor]] = field(default_factory=dict[int, dict[int, "_Tensor"]])

    def free(self, line: int, columns: Iterable[int], tensor: _Tensor | None = None) -> bool:
        """Whether nothing stands there, but for a lane of that tensor."""
        taken = self.lines.get(line, {})
        return all(taken.get(column, tensor) == tensor and (tensor or column not in taken) for column in columns)

    def take(self, line: int, columns: Iterable[int], tensor: _Tensor) -> None:
        self.lines.setdefault(line, {}).update(dict.fromkeys(columns, tensor))


class LevelLayout(BlockLayout):
    """One block to be laid out by levels. Needs no engine."""

    longest = inf

    def __init__(self, box: Box, shape_of: Callable[[Box], Shape], levels: Levels) -> None:
        super().__init__(box, shape_of, sideways=True, beside=False)
        self._shape_of = shape_of
        named = levels.named.get(box, frozenset())
        self._names = [levels.name(row) if row in named else () for row in levels.rows(box)]
        rows = {strides: row for row, strides in enumerate(levels.rows(box))}
        self._level: dict[Item, int] = {}
        for ports, items in ((box.inputs, self.inputs), (box.outputs, self.outputs)):
            for port, item in zip(ports, items, strict=True):
                self._level[item] = rows[levels.of_port(port)]
        for child, item in self.children.items():
            self._level[item] = rows[levels.of(child)]
        self._bands = [_Band() for _ in rows]
        self._line: dict[Item, int] = {}
        self._shift: dict[Item, float] = {}
        self._into: dict[Item, list[_Arrival]] = {}
        for edge in box.edges:
            start = self.inputs[edge.out] if edge.source is None else self.children[edge.source]
            end = self.outputs[edge.into] if edge.target is None else self.children[edge.target]
            self._into.setdefault(end, []).append(_Arrival(edge, start, 0 if edge.source is None else edge.out))
        self.begins = PADDING_X + max(map(line_width, self._names)) + LABEL_GAP if named else 0.0

    def laid(self, head: tuple[float, float]) -> Laid:
        """The geometry. ``head`` is the width and height of the text above the block."""
        items = [*self.inputs, *self.children.values(), *self.outputs]
        lateral = self._lateral(items)
        for item in chain(filter(lateral.__contains__, items), (item for item in items if item not in lateral)):
            self._put(item, item in lateral, lateral)
        self._run_lanes()
        self._stand()
        placing = Placing(self, None, head)
        axis = placing.axis()
        laid = placing.laid()
        laid.levels = [Level(name, top - axis) for name, top in zip(self._names, self._tops, strict=True) if name]
        if len(self.items) > MOST:
            return laid
        return Squeeze(self.box, laid, self._shape_of, self.begins, head[0]).squeezed()

    # Which line

    def _lateral(self, items: Sequence[Item]) -> set[Item]:
        """What stands at its level not only because of what comes up from a coarser one."""
        lateral: set[Item] = set()
        for item in items:
            arrivals, own = self._into.get(item, ()), self._level[item]
            levels = [(self._level[arrival.start], arrival.start) for arrival in arrivals]
            if not levels or any(level < own or (level == own and start in lateral) for level, start in levels):
                lateral.add(item)
        return lateral

    def _put(self, item: Item, straight: bool, lateral: set[Item]) -> None:
        """Puts an item on a line of its level: on that of what flows into it, if nothing is in the way."""
        band, here = self._bands[self._level[item]], (item, 0)
        before = self._before(item, lateral)
        lines = _nearest(0) if straight else _below(0)
        if before is not None:
            line, tensor = self._line[before.start], (before.start, before.port)
            between = range(before.start.row + 1, item.row)
            if band.free(line, between, tensor) and band.free(line, [item.row]):
                band.take(line, between, tensor)
                band.take(line, [item.row], here)
                self._line[item] = line
                self._shift[item] = self._leaves(tensor) - self._enters(item, before)
                return
            lines = _nearest(line) if straight else _below(line)
        self._line[item] = line = next(line for line in lines if band.free(line, [item.row]))
        self._shift[item] = 0.0
        band.take(line, [item.row], here)

    def _before(self, item: Item, lateral: set[Item]) -> _Arrival | None:
        """Which of the edges into an item is to run straight: one at its level."""
        own = self._level[item]
        level = [
            each for each in self._into.get(item, ()) if self._level[each.start] == own and each.start in self._line
        ]
        return min(
            level, key=lambda each: (each.start not in lateral, not each.edge.main, -each.start.row), default=None
        )

    def _leaves(self, tensor: _Tensor) -> float:
        """How far from its line a tensor leaves an item, and runs on."""
        start, port = tensor
        return self._shift[start] + (start.shape.outputs[port] if start.box else 0.0)

    def _enters(self, item: Item, arrival: _Arrival) -> float:
        """How far from an item's own 0 an edge comes in, as others need their places beside it."""
        if item.box is None or arrival.edge.target is None:
            return 0.0
        if item.shape.inputs is not None:
            return item.shape.inputs[arrival.edge.into]
        tensors = {each.edge.into: each for each in self._into[item]}
        own = self._level[item]
        above = sum(self._level[each.start] < own for each in tensors.values())
        reach = item.shape.reach - PORT_GAP / 2
        return min(max(0.0, PORT_GAP * above - reach), reach - PORT_GAP * (len(tensors) - 1 - above))

    def _run_lanes(self) -> None:
        """Gives lines to the lanes that run beside others, the shorter ones nearer."""
        columns: dict[_Tensor, list[Item]] = {}
        for (start, port, row), lane in self._lanes.items():
            level, line = self._level[start], self._line[start]
            tensor = (start, port)
            if self._bands[level].lines.get(line, {}).get(row) == tensor:
                self._set(lane, level, line, tensor)
            else:
                columns.setdefault(tensor, []).append(lane)
        ends: dict[_Tensor, list[Item]] = {}
        for end, arrivals in self._into.items():
            for arrival in arrivals:
                ends.setdefault((arrival.start, arrival.port), []).append(end)
        runs = [(tensor, run) for tensor, lanes in columns.items() for run in _runs(lanes)]
        for tensor, run in sorted(runs, key=lambda each: len(each[1])):
            rows = [lane.row for lane in run]
            level, line = next(
                (level, line)
                for level, line in self._wishes(tensor, [end for end in ends[tensor] if end.row > rows[0]])
                if self._bands[level].free(line, rows)
            )
            self._bands[level].take(line, rows, tensor)
            for lane in run:
                self._set(lane, level, line, tensor)

    def _wishes(self, tensor: _Tensor, ends: Sequence[Item]) -> Iterator[tuple[int, int]]:
        """Where the lanes of a tensor may run, the best first: on its own line, on that of where it leads, or beside."""
        start, _ = tensor
        own = self._level[start]
        yield own, self._line[start]
        for end in ends:
            if self._level[end] != own:
                yield self._level[end], self._line[end]
        down = max((self._level[end] for end in ends), default=own) > own
        yield from ((own, line) for line in (_below(self._line[start]) if down else _above(self._line[start])))

    def _set(self, lane: Item, level: int, line: int, tensor: _Tensor) -> None:
        self._level[lane] = level
        self._line[lane] = line
        self._shift[lane] = self._leaves(tensor) if (level, line) == self._place(tensor[0]) else 0.0

    def _place(self, item: Item) -> tuple[int, int]:
        return self._level[item], self._line[item]

    # Where the lines are

    def _stand(self) -> None:
        """Places the lines, each as far from the one above as what stands on both needs."""
        reach: dict[tuple[int, int], tuple[float, float]] = {}
        for item in self.items:
            above, below = item.shape.left - self._shift[item], item.shape.right + self._shift[item]
            known = reach.get(self._place(item), (0.0, 0.0))
            reach[self._place(item)] = max(known[0], above), max(known[1], below)
        across = 0.0
        self._tops: list[float] = []
        places: dict[tuple[int, int], float] = {}
        for level in range(len(self._bands)):
            for place, line in enumerate(sorted(line for at, line in reach if at == level)):
                above, below = reach[level, line]
                across += above if place else max(above, _NAME)
                places[level, line] = across
                if not place:
                    self._tops.append(across)
                across += below + SEPARATION
            across += _BETWEEN
        for item in self.items:
            item.across = places[self._place(item)] + self._shift[item]


def _nearest(line: int) -> Iterator[int]:
    yield line
    distance = 0
    while True:
        distance += 1
        yield line + distance
        yield line - distance


def _below(line: int) -> Iterator[int]:
    while True:
        yield line
        line += 1


def _above(line: int) -> Iterator[int]:
    while True:
        yield line
        line -= 1


def _runs(lanes: Iterable[Item]) -> Iterator[list[Item]]:
    """Lanes of one tensor, those in neighbouring columns together."""
    run: list[Item] = []
    for lane in sorted(lanes, key=lambda lane: lane.row):
        if run and run[-1].row + 1 != lane.row:
            yield run
            run = []
        run.append(lane)
    if run:
        yield run
