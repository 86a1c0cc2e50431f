"""Where the children of one block stand, and how its edges run.

Everything here is in two directions, whichever way the picture flows: *along* the flow, from 0 where a block begins, and
*across* it, from 0 at the line of the tensor that comes in first. Rows of boxes follow each other along the flow; an edge
that passes a row has a place of its own in it, its lane, so no edge meets a box. Graphviz says in which order and where
across the flow the boxes and lanes of the rows stand; the channels between the rows are ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeAlias

from dlspec.backends.diagram.arrivals import spread
from dlspec.backends.diagram.channels import Crossing, assign_tracks
from dlspec.backends.diagram.engine import Points
from dlspec.backends.diagram.looks import Line, line_height, line_width, shape_line
from dlspec.backends.diagram.pieces import (
    ARROW,
    BEFORE_TRACKS,
    GAP,
    LABEL_GAP,
    LANE,
    LONG,
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
from dlspec.backends.diagram.scene import Box, Edge, Port

# Where a step turns, along; and where it changes over to another track, across and along.
_Track: TypeAlias = tuple[float, tuple[float, float] | None]


class Blocked(Exception):
    """A box that stands beside several rows is in the way of an edge."""


class BlockLayout:
    """One block to be laid out: first its graph for the engine, then its geometry."""

    def __init__(self, box: Box, shape_of: Callable[[Box], Shape], *, sideways: bool, beside: bool = True) -> None:
        """``sideways`` where the flow is from left to right: text is then along the flow, not across it. ``beside`` lets a
        long box stand beside several rows."""
        self._box = box
        self._sideways = sideways
        self._items: list[Item] = []
        self._steps: list[Step] = []
        self._ways: dict[Edge, list[Step]] = {}
        self._labels: dict[tuple[Box, int], Line] = {}
        for edge in box.edges:
            if edge.source is not None and edge.source.outputs[edge.out].runs:
                self._labels[edge.source, edge.out] = shape_line(edge.source.outputs[edge.out])
        rows = self._rows()
        self._children = {child: self._item(rows[child], shape_of(child), child) for child in box.children}
        self._inputs = [self._item(0, _line_shape()) for _ in box.inputs]
        last = max(rows.values(), default=0) + 1
        self._outputs = [self._item(last, self._result_shape(port)) for port in box.outputs]
        if beside:
            self._stand_beside(rows, last)
        self._lanes: dict[tuple[Item, int, int], Item] = {}
        self._outside: dict[
            tuple[Item, int], Item
        ] = {}  # the lanes outside of the rows, by where their tensors come from
        self._known: dict[tuple[Item, int, Item, int | None], Step] = {}
        for edge in self._in_order():
            self._lead(edge)

    # Rows and lanes

    def _rows(self) -> dict[Box, int]:
        """The row of each child: behind all that flows into it; what nothing flows into stands right before its use."""
        into: dict[Box, list[Edge]] = {}
        used: dict[Box, list[Box]] = {}
        for edge in self._box.edges:
            if edge.target is not None:
                into.setdefault(edge.target, []).append(edge)
                if edge.source is not None:
                    used.setdefault(edge.source, []).append(edge.target)
        first = 1 if self._box.inputs else 0
        rows: dict[Box, int] = {}
        for child in self._box.children:
            sources = [rows[edge.source] if edge.source is not None else 0 for edge in into.get(child, ())]
            rows[child] = 1 + max(sources) if sources else first
        for child in self._box.children:
            if child not in into and child in used:
                rows[child] = max(min(rows[user] for user in used[child]) - 1, 0)
        return rows

    def _stand_beside(self, rows: dict[Box, int], last: int) -> None:
        """Spreads boxes over as many rows as they are long, where nothing needs them earlier."""
        until = dict.fromkeys(self._box.children, last)
        for edge in self._box.edges:
            if edge.source is not None and edge.target is not None:
                until[edge.source] = min(until[edge.source], rows[edge.target])
        lengths = [0.0] * (last + 1)
        for child, item in self._children.items():
            if until[child] == item.row + 1:
                lengths[item.row] = max(lengths[item.row], item.shape.length)
        for child, item in self._children.items():
            row, room = item.row, lengths[item.row]
            while room < item.shape.length and row + 1 < until[child]:
                row += 1
                room += GAP + lengths[row]
                part = Shape(item.shape.left, item.shape.right, 0.0, None, item.shape.outputs)
                item.parts.append(self._item(row, part, child))

    def _item(self, row: int, shape: Shape, box: Box | None = None) -> Item:
        item = Item(row, shape, box)
        self._items.append(item)
        return item

    def _result_shape(self, port: Port) -> Shape:
        """Where several tensors leave the block, their shapes stand beside them outside."""
        shape = _line_shape()
        return with_labels(shape, [port], self._sideways) if len(self._box.outputs) > 1 else shape

    def _in_order(self) -> list[Edge]:
        """The edges, those into one box in the order of its operands."""
        into: dict[Box | None, list[Edge]] = {}
        for edge in self._box.edges:
            into.setdefault(edge.target, []).append(edge)
        targets = [*self._box.children, None]
        return [edge for target in targets for edge in sorted(into.get(target, ()), key=lambda edge: edge.into)]

    def _lead(self, edge: Edge) -> None:
        """Gives an edge its way from row to row; edges of one tensor share it as far as they can."""
        start = self._inputs[edge.out] if edge.source is None else self._children[edge.source]
        end = self._outputs[edge.into] if edge.target is None else self._children[edge.target]
        into = None if edge.target is None else edge.into
        port = edge.out if edge.source is not None else 0
        way: list[Step] = []
        start = here = start.last
        for row in range(start.row + 1, end.row):
            lane = self._lane(start, port, row, end.row - 1)
            way.append(self._step(row - 1, here, port if here is start else 0, lane, None, edge.main))
            here = lane
            if lane.until >= row:
                break
        way.append(self._step(end.row - 1, here, port if here is start else 0, end, into, edge.main))
        self._ways[edge] = way

    def _lane(self, start: Item, port: int, row: int, until: int) -> Item:
        """The lane that a tensor takes in a row, on its way to the row behind ``until``."""
        lane = self._lanes.get((start, port, row))
        if lane is not None:
            return lane
        outside = self._outside.get((start, port))
        if outside is None and until - start.row <= LONG:
            lane = self._lanes[start, port, row] = self._item(row, _line_shape())
            return lane
        if outside is None:
            outside = self._outside[start, port] = self._item(row, _line_shape())
        outside.until = max(outside.until, until)
        return outside

    def _step(self, row: int, start: Item, port: int, end: Item, into: int | None, main: bool) -> Step:
        key = (start, port, end, into)
        step = self._known.get(key)
        if step is None:
            step = self._known[key] = Step(row, start, port, end, into, main)
            self._steps.append(step)
        step.main = step.main or main
        return step

    # The engine

    def graph(self) -> str:
        """The rows as a graph in the DOT language. Blocks of the same structure and sizes give the same text."""
        numbers = {item: index for index, item in enumerate(self._items) if item.until < 0}
        steps = [step for step in self._steps if step.start in numbers and step.end in numbers]
        joins = Counter(step.end for step in steps)
        forks = Counter(step.start for step in steps)
        # Every edge leads from one row to the next, so that any tree of edges gives the rows: that search may end at once.
        once = 1.5 / len(numbers)
        lines = [
            f"digraph {{ nodesep={SEPARATION / 72:.4f}; ranksep=0.1; splines=false; nslimit=4; nslimit1={once:.6f};"
        ]
        lines.append('node [shape=box, fixedsize=true, label="", height=0.1];')
        for item, index in numbers.items():
            width = 2 * max(item.shape.left, item.shape.right)
            order = ", ordering=in" if joins[item] > 1 else ""
            lines.append(f"{index} [width={max(width, 1) / 72:.4f}{order}];")
        for step in steps:
            alone = joins[step.end] == forks[step.start] == 1  # a branch runs straight where nothing else comes in
            weight = 50 if step.main else 12 if alone else 2
            lines.append(f"{numbers[step.start]} -> {numbers[step.end]} [weight={weight}];")
        for item in numbers:
            for one, other in pairwise([item, *item.parts]):
                lines.append(f"{numbers[one]} -> {numbers[other]} [weight=2000];")
        for above, item in self._anchors(list(numbers), steps):
            lines.append(f"{numbers[above]} -> {numbers[item]} [weight=1];")
        return "\n".join([*lines, "}"])

    def _anchors(self, items: list[Item], steps: list[Step]) -> Iterator[tuple[Item, Item]]:
        """Edges for the engine only, which hold what hangs together with nothing in the first row in its own rows."""
        group: dict[Item, list[Item]] = {item: [item] for item in items}
        joined = [(step.start, step.end) for step in steps]
        joined += [pair for item in items for pair in pairwise([item, *item.parts])]
        for one, other in joined:
            if group[one] is not group[other]:
                small, large = sorted((group[one], group[other]), key=len)
                large += small
                for item in small:
                    group[item] = large
        seen: set[int] = set()
        first = {item.row: item for item in reversed(items)}
        for item in sorted(items, key=lambda item: item.row):
            if id(group[item]) not in seen:
                seen.add(id(group[item]))
                if item.row:
                    yield first[item.row - 1], item

    def _run_outside(self) -> None:
        """Places the lanes outside of the rows, the shorter ones further in."""
        edge = max(item.across + item.shape.right for item in self._items if item.until < 0)
        columns: list[list[Item]] = []
        for lane in sorted(self._outside.values(), key=lambda lane: lane.until - lane.row):
            free = (c for c in columns if all(lane.until < one.row - 1 or one.until + 1 < lane.row for one in c))
            column = next(free, None)
            if column is None:
                columns.append(column := [])
            column.append(lane)
            lane.across = edge + SEPARATION + LANE * columns.index(column)

    # Geometry

    def lay_out(self, points: Points, head: tuple[float, float]) -> Laid:
        """The geometry, with the engine's answer. ``head`` is the width and height of the text above the block.

        Raises `Blocked` where a box that stands beside several rows is in the way of an edge.
        """
        head_width, head_height = head
        for index, item in enumerate(self._items):
            if item.until < 0:
                item.across = round(points[str(index)][0])
        if self._outside:
            self._run_outside()
        if any(part.across != item.across for item in self._items for part in item.parts):
            raise Blocked
        axis = self._axis()
        for item in self._items:
            item.across -= axis
        self._arrive()
        last = max(item.row for item in self._items)
        waiting: list[Item] = []
        cuts: list[tuple[float, float]] = []
        tracks: dict[Step, _Track] = {}
        by_row: list[list[Item]] = [[] for _ in range(last + 1)]
        for item in self._items:
            by_row[item.row].append(item)
        leaving: list[list[Step]] = [[] for _ in range(last + 1)]
        for step in self._steps:
            leaving[step.row].append(step)
        passing: list[list[float]] = [[] for _ in range(last + 1)]
        for lane in self._outside.values():
            for row in range(lane.row, lane.until):
                passing[row].append(lane.across)
        along = 0.0 if self._sideways else head_height
        for row, items in enumerate(by_row):
            length = max((item.shape.length for item in items if not item.parts), default=0.0)
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
            if row < last:
                along = self._channel(leaving[row], waiting, passing[row], along, tracks)
                through = [*map(_arrival, leaving[row]), *passing[row]]
                if len(through) == 1 and not waiting:
                    cuts.append((along - ARROW * 0.8, through[0]))
        left = max((item.shape.left - item.across for item in self._items), default=0.0)
        right = max((item.shape.right + item.across for item in self._items), default=0.0)
        if self._box.kind != "network":
            left, right = left + PADDING, right + PADDING
        if not self._sideways and left + right < head_width:
            more = head_width - left - right
            left, right = left + more // 2, right + more - more // 2
        length = along
        if self._sideways:
            left, length = left + head_height, max(along, head_width)
        if not self._outputs and self._box.kind != "network":
            length += PADDING
        shape = Shape(left, right, length, [i.across for i in self._inputs], [i.across for i in self._outputs])
        for item in self._outputs:
            item.along = length
        return Laid(
            shape,
            {child: (item.across, item.along) for child, item in self._children.items()},
            [Route(edge, self._route(way, tracks)) for edge, way in self._ways.items()],
            list(self._texts()),
            cuts,
        )

    def _axis(self) -> float:
        """Where the block's first tensor comes in; in a network, where its main path begins."""
        if self._inputs:
            return self._inputs[0].across
        main = next((step for step in self._steps if step.main), None)
        return main.start.across if main is not None else self._items[0].across if self._items else 0.0

    def _arrive(self) -> None:
        """Where edges meet the boxes they enter: right below where they come from, if that is within the box."""
        into: dict[Item, list[Step]] = {}
        for step in self._steps:
            into.setdefault(step.end, []).append(step)
        for item, steps in into.items():
            if item.box is None:
                item.arrivals = [item.across]
            elif item.shape.inputs is not None:
                item.arrivals = [item.across + offset for offset in item.shape.inputs]
            else:
                item.arrivals = spread(item, steps)

    def _channel(
        self, steps: list[Step], beside: list[Item], passing: list[float], along: float, tracks: dict[Step, _Track]
    ) -> float:
        """Places what runs across the flow behind a row, ``beside`` boxes that go on, with lanes ``passing``. Returns where
        the next row begins."""
        ends = {(step.start.box, step.port) for step in steps if step.start.box is not None}
        labelled = [self._labels[end] for end in ends if end in self._labels]
        if labelled:
            along += max(line_width(line) if self._sideways else line_height(line) for line in labelled) + LABEL_GAP
        groups: dict[tuple[Item, int], list[Step]] = {}
        for step in steps:
            groups.setdefault((step.start, step.port), []).append(step)
        crossings = [
            Crossing(start.leaves(port), [_arrival(step) for step in group]) for (start, port), group in groups.items()
        ]
        for item in beside:
            if any(
                c.low < item.across + item.shape.right and item.across - item.shape.left < c.high for c in crossings
            ):
                raise Blocked
        count = assign_tracks(crossings, passing)
        first = along + BEFORE_TRACKS
        for crossing, group in zip(crossings, groups.values(), strict=True):
            if crossing.track is not None:
                second = None if crossing.second is None else (crossing.middle, first + crossing.second * TRACK)
                tracks |= dict.fromkeys(group, (first + crossing.track * TRACK, second))
        if count:
            return along + BEFORE_TRACKS + (count - 1) * TRACK + ARROW
        return along + (ARROW if labelled else GAP)

    def _route(self, way: list[Step], tracks: dict[Step, _Track]) -> list[tuple[float, float]]:
        first = way[0]
        here = first.start.leaves(first.port)
        points = [(here, first.start.along + first.start.shape.length)]
        for step in way:
            there = _arrival(step)
            if there != here:
                track, second = tracks[step]
                points.append((here, track))
                if second is not None:
                    middle, track = second
                    points += [(middle, points[-1][1]), (middle, track)]
                points.append((there, track))
                here = there
        points.append((here, way[-1].end.along))
        return points

    def _texts(self) -> Iterator[Text]:
        for (child, port), line in self._labels.items():
            item = self._children[child]
            yield Text(line, item.leaves(port), item.along + item.shape.length)


def with_labels(shape: Shape, ports: Sequence[Port], sideways: bool) -> Shape:
    """A shape with room for the texts beside the edges that leave it."""
    lines = [shape_line(port) for port in ports if port.runs]
    if not lines:
        return shape
    if sideways:
        above = max(map(line_height, lines)) + LABEL_GAP - min(shape.outputs)
        return replace(shape, left=max(shape.left, above))
    beside = max(shape.outputs) + LABEL_GAP + max(map(line_width, lines))
    return replace(shape, right=max(shape.right, beside))


def _line_shape() -> Shape:
    """The room of an edge that passes a row, or of a port."""
    return Shape(LANE / 2, LANE / 2, 0.0, None, [0.0])


def _arrival(step: Step) -> float:
    return step.end.arrivals[step.into if step.into is not None and step.end.box is not None else 0]
