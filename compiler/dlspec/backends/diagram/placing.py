"""Where the boxes of a block stand and how its edges run, once the engine has said what stands beside what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from dlspec.backends.diagram.arrivals import spread
from dlspec.backends.diagram.block_layout import BlockLayout
from dlspec.backends.diagram.channels import Crossing, assign_tracks
from dlspec.backends.diagram.engine import Points
from dlspec.backends.diagram.lines import BEND, Lines, Row, break_lines
from dlspec.backends.diagram.looks import line_height, line_width
from dlspec.backends.diagram.pieces import (
    ARROW,
    BEFORE_TRACKS,
    GAP,
    LABEL_GAP,
    LANE,
    PADDING,
    SEPARATION,
    TRACK,
    Item,
    Laid,
    Route,
    Shape,
    Step,
    Text,
)

BETWEEN = 26.0
"""What lies between two lines, where one tensor runs."""
_LOW = 60.0
"""A block whose tensor leaves it this much lower than it came in is one of several lines."""


class Blocked(Exception):
    """A box that stands beside several rows is in the way of an edge, or of the end of a line."""


@dataclass(slots=True)
class _Channel:
    """What is behind a row: how long it is, of that the texts, where steps turn from its beginning on, and what leaves the
    row: of each tensor the place, across, and the lane outside of the rows that it takes or the port that it leaves."""

    room: float
    texts: float
    tracks: dict[Step, list[tuple[float, float]]]
    leaving: list[tuple[float, Item, int]]


@dataclass(slots=True)
class _Turn:
    """The end of a line: where tensors run down at its end, back below it, and down before the next, by their place from the
    top."""

    right: float
    below: float
    left: float
    places: dict[tuple[Item, int], int] = field(default_factory=dict[tuple[Item, int], int])


class Placing:
    """The geometry of one block. ``head`` is the width and height of the text above it. Where there is ``room`` for so much
    along the flow, a longer block is broken into lines. Without ``points`` the items know their places across."""

    def __init__(
        self, plan: BlockLayout, points: Points | None, head: tuple[float, float], room: float | None = None
    ) -> None:
        self._plan = plan
        self._items = plan.items
        self._head = head
        self._room = room
        self._framed = plan.box.kind != "network"
        self._rows = max(item.row for item in self._items) + 1
        self._turns: dict[int, _Turn] = {}
        self._long = [item for item in self._items if item.parts]
        for index, item in enumerate(self._items):
            if points is not None and item.until < 0:
                item.across = round(points[str(index)][0])

    def laid(self) -> Laid:
        """The layout. Raises `Blocked` where a box that stands beside several rows is in the way."""
        plan = self._plan
        if plan.outside:
            self._run_outside()
        if any(part.across != item.across for item in self._long for part in item.parts):
            raise Blocked
        axis = self.axis()
        for item in self._items:
            item.across -= axis
        self._arrive()
        self._by_row: list[list[Item]] = [[] for _ in range(self._rows)]
        for item in self._items:
            self._by_row[item.row].append(item)
        self._channels = [self._channel(row) for row in range(self._rows - 1)]
        self._shifts = [0.0] * self._rows
        self._rises = [0.0] * self._rows  # how much nearer lanes outside of the rows are to those of its line
        self._starts = [0.0] * self._rows
        length = self._in_one_line()
        inner = self._inner_rows()
        if self._room is not None and length > self._room and len(inner) > 1:
            if self._long:
                raise Blocked
            return self._in_lines(inner)
        left = max((item.shape.left - item.across for item in self._items), default=0.0)
        right = max((item.shape.right + item.across for item in self._items), default=0.0)
        if self._framed:
            left, right = left + PADDING, right + PADDING
        width, height = self._head
        if not plan.sideways and left + right < width:
            more = width - left - right
            left, right = left + more // 2, right + more - more // 2
        if plan.sideways:
            left, length = left + height, max(length, width)
        if not plan.outputs and self._framed:
            length += PADDING
        return self._finished(left, right, length)

    def _finished(self, left: float, right: float, length: float) -> Laid:
        plan = self._plan
        outputs = [item.across + self._shifts[item.row] for item in plan.outputs]
        for item in plan.outputs:
            item.along = length
        shape = Shape(left, right, length, [item.across for item in plan.inputs], outputs)
        return Laid(
            shape,
            {child: (item.across + self._shifts[item.row], item.along) for child, item in plan.children.items()},
            [Route(edge, self._route(way)) for edge, way in plan.ways.items()],
            list(self._texts()),
        )

    # Across the flow

    def _run_outside(self) -> None:
        """Places the lanes outside of the rows, the shorter ones further in."""
        edge = self._edge(self._items)
        columns: list[list[Item]] = []
        for lane in sorted(self._plan.outside.values(), key=lambda lane: lane.until - lane.row):
            free = (c for c in columns if all(lane.until < one.row - 1 or one.until + 1 < lane.row for one in c))
            column = next(free, None)
            if column is None:
                columns.append(column := [])
            column.append(lane)
            lane.across = edge + SEPARATION + LANE * columns.index(column)

    def _edge(self, items: Iterable[Item]) -> float:
        """Where the rows of items end, without what runs outside."""
        return max((item.across + item.shape.right for item in items if item.until < 0), default=0.0)

    def axis(self) -> float:
        """Where the block's first tensor comes in; in a network, where its main path begins."""
        if self._plan.inputs:
            return self._plan.inputs[0].across
        main = next((step for step in self._plan.steps if step.main), None)
        return main.start.across if main is not None else self._items[0].across if self._items else 0.0

    def _arrive(self) -> None:
        """Where edges meet the boxes they enter: right below where they come from, if that is within the box."""
        into: dict[Item, list[Step]] = {}
        for step in self._plan.steps:
            into.setdefault(step.end, []).append(step)
        for item, steps in into.items():
            if item.box is None:
                item.arrivals = [item.across]
            elif item.shape.inputs is not None:
                item.arrivals = [item.across + offset for offset in item.shape.inputs]
            else:
                item.arrivals = spread(item, steps)

    # Along the flow

    def _channel(self, row: int) -> _Channel:
        """What runs across the flow behind a row, beside boxes that go on. Raises `Blocked`."""
        sideways, labels = self._plan.sideways, self._plan.labels
        groups: dict[tuple[Item, int], list[Step]] = {}
        for step in self._plan.leaving.get(row, []):
            groups.setdefault((step.start, step.port), []).append(step)
        passing = [lane for lane in self._plan.outside.values() if lane.row <= row < lane.until]
        labelled = [labels[item.box, port] for item, port in groups if item.box and (item.box, port) in labels]
        texts = max((line_width(line) if sideways else line_height(line) for line in labelled), default=-LABEL_GAP)
        texts += LABEL_GAP
        crossings = [
            Crossing(start.leaves(port), [_arrival(step) for step in group]) for (start, port), group in groups.items()
        ]
        for item in self._long:
            if item.row <= row < item.last.row:
                low, high = item.across - item.shape.left, item.across + item.shape.right
                if any(each.low < high and low < each.high for each in crossings):
                    raise Blocked
        count = assign_tracks(crossings, [lane.across for lane in passing])
        first = texts + BEFORE_TRACKS
        tracks: dict[Step, list[tuple[float, float]]] = {}
        for crossing, group in zip(crossings, groups.values(), strict=True):
            if crossing.track is not None:
                turns = [(crossing.start, first + crossing.track * TRACK)]
                if crossing.second is not None:
                    turns.append((crossing.middle, first + crossing.second * TRACK))
                tracks |= dict.fromkeys(group, turns)
        room = texts + (ARROW if labelled else GAP)
        if count:
            room = first + (count - 1) * TRACK + ARROW
        leaving = [(start.leaves(port), start, port) for start, port in groups]
        return _Channel(room, texts, tracks, leaving + [(lane.across, lane, 0) for lane in passing])

    def _in_one_line(self) -> float:
        """Places the rows behind each other. Returns how long that is."""
        along = self._plan.begins if self._plan.sideways else self._head[1]
        waiting: list[Item] = []
        for row, items in enumerate(self._by_row):
            self._starts[row] = along
            length = self._length(row)
            for item in items:
                item.along = along + (0.0 if item.parts else (length - item.shape.length) / 2)
            waiting += [item for item in items if item.parts]
            ending = [item for item in waiting if item.last.row == row]
            length = max([length, *(item.along + item.shape.length - along for item in ending)])
            for item in ending:
                item.along += (along + length - item.along - item.shape.length) / 2
                item.last.along = item.along + item.shape.length
            waiting = [item for item in waiting if item.last.row > row]
            along += length
            if row + 1 < self._rows:
                self._starts[row] = along
                along += self._channels[row].room
        return along

    def _length(self, row: int) -> float:
        return max((item.shape.length for item in self._by_row[row] if not item.parts), default=0.0)

    # Lines

    def _inner_rows(self) -> range:
        """The rows but for those that have the ports of the block alone."""
        first = int(all(item.box is None for item in self._by_row[0]))
        return range(first, self._rows - bool(self._plan.outputs))

    def _in_lines(self, inner: range) -> Laid:
        before = self._channels[0].room if inner.start else 0.0
        behind = self._channels[-1].room if inner.stop < self._rows else PADDING * self._framed
        assert self._room is not None
        lines = break_lines([self._row(row, inner) for row in inner], self._room, self._framed, before, behind)
        starts = [inner.start + start for start in lines.starts]
        end = self._along_lines(starts, inner, lines)
        low, high = self._across_lines(starts, inner)
        for turn in self._turns.values():
            high = max(high, turn.below + TRACK * (len(turn.places) - 1))
        padding = PADDING * self._framed
        return self._finished(padding - low + self._head[1], high + padding, max(end, self._head[0]))

    def _row(self, row: int, inner: range) -> Row:
        if row + 1 >= self._rows:
            return Row(self._length(row), 0.0, 0.0, 0)
        channel = self._channels[row]
        passing = len(channel.leaving) if row + 1 < inner.stop else 0
        must = passing > 1 and any(_low(item) > _LOW for item in self._by_row[row])
        return Row(self._length(row), channel.room, channel.texts, passing, must)

    def _along_lines(self, starts: list[int], inner: range, lines: Lines) -> float:
        """Places rows along the lines. Returns where the block ends."""
        end = 0.0
        along = 0.0
        for row in inner:
            if row in starts:
                along = lines.before
            length = self._length(row)
            for item in self._by_row[row]:
                item.along = along + (length - item.shape.length) / 2
            along += length
            self._starts[row] = along
            if row + 1 in starts:
                along += self._channels[row].texts
                ordered = sorted(self._channels[row].leaving, key=lambda each: each[0])
                places = {(item, port): place for place, (_, item, port) in enumerate(ordered)}
                self._turns[row] = _Turn(along + BEND, 0.0, lines.before - BEND, places)
                end = max(end, along)
            elif row + 1 < inner.stop:
                along += self._channels[row].room
        for item in self._plan.inputs:
            item.along = 0.0
        if inner.start:
            self._starts[0] = lines.before - self._channels[0].room
        return max(end, along) + lines.behind

    def _across_lines(self, starts: list[int], inner: range) -> tuple[float, float]:
        """Places the lines below each other, in a line what follows a block of several lines where its tensor leaves it.
        Returns how far all reach to both sides."""
        lowest, high = 0.0, 0.0
        for start, stop in pairwise([*starts, self._rows]):
            shifts = [0.0]
            for row in range(start, stop - 1):
                shifts.append(shifts[-1] + self._descent(row, inner))
            if start == starts[0]:
                start, shifts = 0, [0.0] * (start > 0) + shifts
            edges = [self._edge(self._by_row[row]) for row in range(start, stop)]
            self._rises[start:stop] = [self._edge(self._items) - max(edges)] * (stop - start)
            ends = [self._reach(row, shift) for row, shift in zip(range(start, stop), shifts, strict=True)]
            low = min(each[0] for each in ends)
            offset = 0.0
            if start:
                turn = self._turns[start - 1]
                turn.below = high + BETWEEN / 2
                offset = high + BETWEEN + TRACK * (len(turn.places) - 1) - low
            else:
                lowest = low
            high = offset + max(each[1] for each in ends)
            self._shifts[start:stop] = [offset + shift for shift in shifts]
        return lowest, high

    def _descent(self, row: int, inner: range) -> float:
        """How much lower what follows a row stands, so that the one tensor that leaves it runs straight."""
        steps = self._plan.leaving.get(row, [])
        if len(self._channels[row].leaving) != 1 or not steps or _low(steps[0].start) <= _LOW or row not in inner:
            return 0.0
        return steps[0].start.leaves(steps[0].port) - _arrival(steps[0])

    def _reach(self, row: int, shift: float) -> tuple[float, float]:
        """How far what is in a row reaches to both sides."""
        items = [item for item in self._by_row[row] if item.until < 0]
        low = [item.across - item.shape.left for item in items]
        high = [item.across + item.shape.right for item in items]
        for lane in self._plan.outside.values():
            if lane.row <= row <= lane.until:
                high.append(lane.across - self._rises[row] + LANE / 2)
        return min(low, default=0.0) + shift, max(high, default=0.0) + shift

    # Edges

    def _route(self, way: list[Step]) -> list[tuple[float, float]]:
        """The corners of an edge."""
        first, last = way[0], way[-1]
        start = first.start.last
        points = [
            (first.start.leaves(first.port) + self._shifts[start.row], first.start.along + first.start.shape.length)
        ]
        for step in way:
            if step.start.until >= 0:
                for row in range(step.start.row, step.start.until):
                    here, there = (self._at(step.start, each, step.start.across) for each in (row, row + 1))
                    points += self._turn(row, step.start, 0, here, there)
            points += self._bends(step)
        return [*points, (_arrival(last) + self._shifts[last.end.row], last.end.along)]

    def _bends(self, step: Step) -> list[tuple[float, float]]:
        """The corners between where a step leaves a row and where it comes to the next."""
        row = step.row
        here = self._at(step.start, row, step.start.leaves(step.port))
        there = self._at(step.end, row + 1, _arrival(step))
        if row in self._turns:
            return self._turn(row, step.start, step.port, here, there)
        shift, along = self._shifts[row], self._starts[row]
        tracks = self._channels[row].tracks.get(step, [])
        if here == there or not tracks or self._shifts[row + 1] != shift:
            return []
        across = [here, *(place + shift for place, _ in tracks[1:]), there]
        turns = zip(pairwise(across), tracks, strict=True)
        return [(place, along + track) for ends, (_, track) in turns for place in ends]

    def _at(self, item: Item, row: int, across: float) -> float:
        """Where a place of an item is in a row that may be of several lines."""
        return across + self._shifts[row] - self._rises[row] * (item.until >= 0)

    def _turn(self, row: int, item: Item, port: int, here: float, there: float) -> list[tuple[float, float]]:
        """The corners of a tensor that passes the end of a line, if one ends there: those in the same order do not cross."""
        turn = self._turns.get(row)
        if turn is None:
            return []
        place = turn.places[item, port]
        back = (len(turn.places) - 1 - place) * TRACK
        right, below, left = turn.right + back, turn.below + back, turn.left - place * TRACK
        return [(here, right), (below, right), (below, left), (there, left)]

    def _texts(self) -> Iterator[Text]:
        for (child, port), line in self._plan.labels.items():
            item = self._plan.children[child]
            across = item.leaves(port) + self._shifts[item.last.row]
            yield Text(line, across, item.along + item.shape.length)


def _low(item: Item) -> float:
    """How much lower than it came in the tensor leaves that leaves a block last."""
    return (
        max(item.shape.outputs, default=0.0) - max(item.shape.inputs or (0.0,)) if item.box and item.box.open else 0.0
    )


def _arrival(step: Step) -> float:
    return step.end.arrivals[step.into if step.into is not None and step.end.box is not None else 0]
