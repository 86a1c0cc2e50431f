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

from dlspec.backends.diagram.looks import Line, line_height, line_width, shape_line
from dlspec.backends.diagram.pieces import GAP, LABEL_GAP, LANE, LONG, SEPARATION, Item, Shape, Step
from dlspec.backends.diagram.scene import Box, Edge, Port

_FEW = 2
"""What joins no more tensors than this stands on the main path."""


class BlockLayout:
    """One block to be laid out: what stands in which row, and the graph for the engine. `placing` has its geometry.

    ``longest``: an edge that passes more rows than this runs outside of all of them. ``begins``: the room before the first
    row of what flows sideways.
    """

    longest: float = LONG
    begins: float = 0.0

    def __init__(self, box: Box, shape_of: Callable[[Box], Shape], *, sideways: bool, beside: bool = True) -> None:
        """``sideways`` where the flow is from left to right: text is then along the flow, not across it. ``beside`` lets a
        long box stand beside several rows."""
        self.box = box
        self.sideways = sideways
        self.items: list[Item] = []
        self.steps: list[Step] = []
        self.leaving: dict[int, list[Step]] = {}  # by the row that they leave
        self.ways: dict[Edge, list[Step]] = {}
        self.labels: dict[tuple[Box, int], Line] = {}
        for edge in box.edges:
            if edge.source is not None and edge.source.outputs[edge.out].runs:
                self.labels[edge.source, edge.out] = shape_line(edge.source.outputs[edge.out])
        rows = self._rows()
        self.children = {child: self._item(rows[child], shape_of(child), child) for child in box.children}
        self.inputs = [self._item(0, _line_shape()) for _ in box.inputs]
        last = max(rows.values(), default=0) + 1
        self.outputs = [self._item(last, self._result_shape(port)) for port in box.outputs]
        if beside:
            self._stand_beside(rows, last)
        self._lanes: dict[tuple[Item, int, int], Item] = {}
        self.outside: dict[
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
        for edge in self.box.edges:
            if edge.target is not None:
                into.setdefault(edge.target, []).append(edge)
                if edge.source is not None:
                    used.setdefault(edge.source, []).append(edge.target)
        first = 1 if self.box.inputs else 0
        rows: dict[Box, int] = {}
        for child in self.box.children:
            sources = [rows[edge.source] if edge.source is not None else 0 for edge in into.get(child, ())]
            rows[child] = 1 + max(sources) if sources else first
        for child in self.box.children:
            if child not in into and child in used:
                rows[child] = max(min(rows[user] for user in used[child]) - 1, 0)
        return rows

    def _stand_beside(self, rows: dict[Box, int], last: int) -> None:
        """Spreads boxes over as many rows as they are long, where nothing needs them earlier."""
        until = dict.fromkeys(self.box.children, last)
        for edge in self.box.edges:
            if edge.source is not None and edge.target is not None:
                until[edge.source] = min(until[edge.source], rows[edge.target])
        lengths = [0.0] * (last + 1)
        for child, item in self.children.items():
            if until[child] == item.row + 1:
                lengths[item.row] = max(lengths[item.row], item.shape.length)
        for child, item in self.children.items():
            row, room = item.row, lengths[item.row]
            while room < item.shape.length and row + 1 < until[child]:
                row += 1
                room += GAP + lengths[row]
                part = Shape(item.shape.left, item.shape.right, 0.0, None, item.shape.outputs)
                item.parts.append(self._item(row, part, child))

    def _item(self, row: int, shape: Shape, box: Box | None = None) -> Item:
        item = Item(row, shape, box)
        self.items.append(item)
        return item

    def _result_shape(self, port: Port) -> Shape:
        """Where several tensors leave the block, their shapes stand beside them outside."""
        shape = _line_shape()
        return with_labels(shape, [port], self.sideways) if len(self.box.outputs) > 1 else shape

    def _in_order(self) -> list[Edge]:
        """The edges, those into one box in the order of its operands."""
        into: dict[Box | None, list[Edge]] = {}
        for edge in self.box.edges:
            into.setdefault(edge.target, []).append(edge)
        targets = [*self.box.children, None]
        return [edge for target in targets for edge in sorted(into.get(target, ()), key=lambda edge: edge.into)]

    def _lead(self, edge: Edge) -> None:
        """Gives an edge its way from row to row; edges of one tensor share it as far as they can."""
        start = self.inputs[edge.out] if edge.source is None else self.children[edge.source]
        end = self.outputs[edge.into] if edge.target is None else self.children[edge.target]
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
        self.ways[edge] = way

    def _lane(self, start: Item, port: int, row: int, until: int) -> Item:
        """The lane that a tensor takes in a row, on its way to the row behind ``until``."""
        lane = self._lanes.get((start, port, row))
        if lane is not None:
            return lane
        outside = self.outside.get((start, port))
        if outside is None and until - start.row <= self.longest:
            lane = self._lanes[start, port, row] = self._item(row, _line_shape())
            return lane
        if outside is None:
            outside = self.outside[start, port] = self._item(row, _line_shape())
        outside.until = max(outside.until, until)
        return outside

    def _step(self, row: int, start: Item, port: int, end: Item, into: int | None, main: bool) -> Step:
        key = (start, port, end, into)
        step = self._known.get(key)
        if step is None:
            step = self._known[key] = Step(row, start, port, end, into, main)
            self.steps.append(step)
            self.leaving.setdefault(row, []).append(step)
        step.main = step.main or main
        return step

    # The engine

    def graph(self) -> str:
        """The rows as a graph in the DOT language. Blocks of the same structure and sizes give the same text."""
        numbers = {item: index for index, item in enumerate(self.items) if item.until < 0}
        steps = [step for step in self.steps if step.start in numbers and step.end in numbers]
        joins = Counter(step.end for step in steps)
        forks = Counter(step.start for step in steps)
        # What joins or feeds several branches stands in the middle of them, not on the main path; skips are no branches.
        uses = Counter((edge.source, edge.out) for edge in self.box.edges)
        skips = {lane for (start, port, _), lane in self._lanes.items() if uses[start.box, port] > 1}
        skipping = Counter(step.end for step in steps if step.start in skips)
        folded = {item for item in numbers if item.shape.inputs is None and len(item.shape.outputs) == 1}
        joining = {item for item in folded if joins[item] > _FEW and 2 * skipping[item] <= joins[item]}
        passed = {step.start for step in steps if step.end.box is None}
        forking = {item for item in folded - passed if forks[item] > _FEW}
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
            weight = 2 if step.end in joining or step.start in forking else 50 if step.main else 12 if alone else 2
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
