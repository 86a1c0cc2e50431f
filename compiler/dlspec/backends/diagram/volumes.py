"""`--style volumes`: feature maps as boxes in perspective, one behind the other, as figures of LeNet and AlexNet have them.

A column for each step and a lane for each branch: the longest path is in the first. What leaves its lane, or passes over
something, runs between columns and lanes, where nothing stands. To keep a width the columns are broken into rows, where one
tensor alone goes on.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil, log2, sqrt

from dlspec.backends.diagram.features import Feature, features_of
from dlspec.backends.diagram.layout import TooWide
from dlspec.backends.diagram.looks import Line, Span, head, line_height, line_width
from dlspec.backends.diagram.metrics import TIMES
from dlspec.backends.diagram.paint import Figure, Mark
from dlspec.backends.diagram.pieces import MARGIN
from dlspec.backends.diagram.scene import Box, Scene
from dlspec.backends.diagram.sketch import Point, Words
from dlspec.backends.diagram.theme import Theme
from dlspec.backends.diagram.volume_paint import paint_volumes, short

TALLEST = 120.0
"""The side of the largest face in pixels. Others are as the square root of their size, so that 7 of 224 can be seen."""
_SLANT = 0.32
"""How much of a length that leads away from the reader is seen, to the right and up."""
_GAP, _SIGN, _TRACK = 16.0, 20.0, 9.0


@dataclass(slots=True, eq=False, repr=False)
class Volume:
    """A feature with its place: ``x`` and ``y`` are the upper left corner of its front, which is ``width`` wide and
    ``height`` high; the side and the top lead ``slant`` to the right and up. ``lines`` is its label, ``aside`` of its
    middle. ``ends`` are those of the room between the columns beside it."""

    feature: Feature
    width: float
    height: float
    slant: float
    lines: list[Line]
    column: int = 0
    row: int = 0
    lane: int = 0
    x: float = 0.0
    y: float = 0.0
    aside: float = 0.0
    ends: tuple[float, float] = (0.0, 0.0)

    @property
    def right(self) -> float:
        return self.x + self.width + self.slant

    @property
    def top(self) -> float:
        return self.y - self.slant

    @property
    def middle(self) -> float:
        """Where lines come in and leave, across the flow."""
        return (self.top + self.y + self.height) / 2

    @property
    def label(self) -> float:
        """The width of its text."""
        return max(map(line_width, self.lines), default=0.0)

    @property
    def below(self) -> float:
        """The height of its text."""
        return sum(map(line_height, self.lines)) + 5 * bool(self.lines)


@dataclass(slots=True)
class _Lane:
    """Volumes that stand in a row: ``up`` and ``down`` are the ends of what is in it, from its middle. ``taken`` are
    stretches of columns."""

    taken: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    up: float = 0.0
    down: float = 0.0
    middle: float = 0.0


@dataclass(slots=True)
class Wire:
    """A tensor from one volume to another, through points. ``kernel`` where it is drawn as what a position sees instead."""

    source: Volume
    target: Volume
    points: list[Point]
    kernel: bool = False


def lay_out_volumes(scene: Scene, wrap: float | None = None) -> Figure:
    """Lays out the volumes of what is open in a scene, ``wrap`` pixels wide at most. Raises `EngineError` for too many and
    for open sizes, and `TooWide`."""
    plan = _Plan(scene, wrap)
    return Figure(scene, plan.extent[0], plan.extent[1], plan.marks)


class _Plan:
    """Places the volumes of a scene."""

    def __init__(self, scene: Scene, wrap: float | None = None) -> None:
        features = features_of(scene)
        largest = max((size for f in features for size in f.space[-2:]), default=1)
        self.volumes = [_shape(feature, largest) for feature in features]
        self._of = {volume.feature: volume for volume in self.volumes}
        self._title = head(scene.root)
        self._pairs = [(self._of[source], volume) for volume in self.volumes for source in volume.feature.inputs]
        self._put_in_columns()
        self._lanes = self._put_in_lanes()
        if len(self._lanes) > 2:
            for volume in self.volumes:
                volume.width, volume.height, volume.slant = _sizes(volume.feature, largest, TALLEST / 2)
        self._spread()
        if wrap is not None:
            self._break(scene.root.name, wrap)
        self._arcs = self._stack_arcs()
        self._drop()
        self.wires = [self._wire(*pair) for pair in self._pairs]
        xs = [v.right for v in self.volumes] + [(v.x + v.right + v.label) / 2 + v.aside for v in self.volumes]
        bottom = max((lane.middle + lane.down for lane in self._lanes), default=0.0)
        width = max(max(xs, default=0.0), MARGIN + self._title.width)
        self.extent = float(round(width + MARGIN)), float(round(bottom + MARGIN))

    def _sources(self, volume: Volume) -> list[Volume]:
        return [self._of[source] for source in volume.feature.inputs]

    def _put_in_columns(self) -> None:
        targets: dict[Volume, list[Volume]] = {}
        for source, target in self._pairs:
            targets.setdefault(source, []).append(target)
        for volume in self.volumes:
            volume.column = max((source.column + 1 for source in self._sources(volume)), default=0)
        for volume in reversed(self.volumes):  # what nothing holds back stands right before what it is for
            if not volume.feature.inputs and volume in targets:
                volume.column = max(min(target.column for target in targets[volume]) - 1, 0)

    def _put_in_lanes(self) -> list[_Lane]:
        """The longest path first, then each further path in the first lane with room for it."""
        long: dict[Volume, int] = {}
        for volume in self.volumes:
            long[volume] = 1 + max((long[source] for source in self._sources(volume)), default=0)
        ends = [v for v in self.volumes if v.feature.ends and not v.feature.training] or self.volumes
        path: list[Volume] = []
        volume = max(ends, key=lambda v: long[v]) if ends else None
        while volume is not None:
            path.append(volume)
            volume = max(self._sources(volume), key=lambda v: long[v], default=None)
        lanes = [_Lane()]
        placed = set(path)
        for start in self.volumes:
            if start in placed:
                continue
            chain = [start]
            placed.add(start)
            while True:
                after = [v for s, v in self._pairs if s is chain[-1] and v not in placed]
                if not after:
                    break
                chain.append(min(after, key=lambda v: v.column))
                placed.add(chain[-1])
            left = min([start.column, *(source.column + 1 for source in self._sources(start))])
            right = max([chain[-1].column, *(v.column - 1 for s, v in self._pairs if s is chain[-1])])
            free = [n for n, lane in enumerate(lanes) if n and all(b < left or right < a for a, b in lane.taken)]
            if not free:
                lanes.append(_Lane())
            number = free[0] if free else len(lanes) - 1
            lanes[number].taken.append((left, right))
            for member in chain:
                member.lane = number
        return lanes

    def _spread(self) -> None:
        """Gives columns their places from left to right."""
        columns: dict[int, list[Volume]] = {}
        for volume in self.volumes:
            columns.setdefault(volume.column, []).append(volume)
        x = MARGIN
        for run in self._runs([columns[column] for column in sorted(columns)]):
            if len(run) == 1:
                width = max(max(v.width + v.slant, v.label) for v in run[0])
                for volume in run[0]:
                    volume.x = x + (width - volume.width - volume.slant) / 2
            else:
                (first,), *_ = run
                steps = [v.width + v.slant * 0.75 + 10 for (v,) in run]
                whole = sum(steps) - 10 + first.slant * 0.25
                _share(run)
                width = max(whole, *(v.label for (v,) in run))
                at = x + (width - whole) / 2
                for (volume,), step in zip(run, steps, strict=True):
                    volume.x = at
                    at += step
                middle = next(v for (v,) in run if v.lines)
                middle.aside = (run[0][0].x + run[-1][0].right) / 2 - (middle.x + middle.right) / 2
            for column in run:
                for volume in column:
                    volume.ends = x - _GAP / 2, x + width + _GAP / 2
            x += width + _GAP

    def _runs(self, columns: list[list[Volume]]) -> Iterator[list[list[Volume]]]:
        """Columns, those together that follow each other and say the same."""
        run: list[list[Volume]] = []
        for column in columns:
            if run and len(column) == len(run[-1]) == 1:
                (volume,), (before,) = column, run[-1]
                alike = volume.lines and _text(before) == _text(volume)
                if alike and volume.lane == before.lane and volume.feature.inputs == [before.feature]:
                    run.append(column)
                    continue
            if run:
                yield run
            run = [column]
        if run:
            yield run

    def _break(self, name: str, wrap: float) -> None:
        """Breaks the columns into rows that are no wider, each with lanes of its own."""
        starts = self._row_starts(name, wrap)
        lanes = len(self._lanes)
        begins = [next(v.ends[0] for v in self.volumes if v.column == start) for start in starts]
        for volume in self.volumes:
            volume.row = bisect_right(starts, volume.column) - 1
            back = begins[volume.row] - begins[0]
            volume.x -= back
            volume.ends = volume.ends[0] - back, volume.ends[1] - back
            volume.lane += volume.row * lanes
        self._lanes = [_Lane() for _ in range(len(starts) * lanes)]

    def _row_starts(self, name: str, wrap: float) -> list[int]:
        """The first columns of rows. Raises `TooWide`."""
        ends = {volume.column: volume.ends for volume in self.volumes}
        columns = sorted(ends)
        passing = {c: len({s for s, t in self._pairs if s.column < c <= t.column}) for c in columns}
        may = [columns[0], *(c for b, c in pairwise(columns) if passing[c] == 1 and ends[b] != ends[c])]
        lasts = [b for b, c in pairwise(columns) if c in may] + columns[-1:]
        room = wrap - 2 * MARGIN + _GAP
        starts = may[:1]
        for first, last in zip(may, lasts, strict=True):
            if ends[last][1] - ends[starts[-1]][0] > room and first != starts[-1]:
                starts.append(first)
        widest = max(ends[last][1] - ends[first][0] for first, last in zip(may, lasts, strict=True))
        if widest > room:
            raise TooWide(name, wrap, ceil(widest + wrap - room))
        return starts

    def _stack_arcs(self) -> dict[tuple[Volume, Volume], float]:
        """Skips within a lane, and how far above its middle each runs: those inside others are lower."""
        skips = [
            (s, t) for s, t in self._pairs
            if s.lane == t.lane and any(v.lane == s.lane and s.column < v.column < t.column for v in self.volumes)
        ]  # fmt: skip
        heights: dict[tuple[Volume, Volume], float] = {}
        for s, t in sorted(skips, key=lambda pair: pair[1].column - pair[0].column):
            below = [
                height + _TRACK for (a, b), height in heights.items()
                if a.lane == s.lane and a.column < t.column and s.column < b.column
            ]  # fmt: skip
            tops = [
                (v.height + v.slant) / 2 + 16 for v in self.volumes
                if v.lane == s.lane and s.column <= v.column <= t.column
            ]  # fmt: skip
            heights[s, t] = max(*tops, *below)
        return heights

    def _drop(self) -> None:
        """Gives lanes their places from above, and so volumes."""
        y = MARGIN + sum(map(line_height, self._title.lines)) + 14
        for number, lane in enumerate(self._lanes):
            members = [v for v in self.volumes if v.lane == number]
            if not members:
                continue
            lane.up = max((v.height + v.slant) / 2 for v in members)
            arcs = [height for (source, _), height in self._arcs.items() if source.lane == number]
            lane.up = max(lane.up, *arcs) + 8 if arcs else lane.up + 4
            lane.down = max((v.height + v.slant) / 2 + v.below for v in members) + 10
            corridor = sum(1 for s, t in self._pairs if s.lane != t.lane and t.lane == number and number) and 10.0
            lane.middle = y + corridor + lane.up
            y = lane.middle + lane.down + 12
            for volume in members:
                volume.y = lane.middle - (volume.height + volume.slant) / 2 + volume.slant

    def _wire(self, source: Volume, target: Volume) -> Wire:
        start = source.right - source.slant / 2, source.middle
        end = target.x, start[1] if source.lane == target.lane else target.middle
        if (source, target) in self._arcs:
            high = self._lanes[source.lane].middle - self._arcs[source, target]
            out = source.x + source.slant + source.width * 0.6
            into = target.x + target.slant + target.width * 0.4
            return Wire(source, target, [(out, source.top), (out, high), (into, high), (into, target.top)])
        if source.lane == target.lane:
            return Wire(source, target, [start, end], source.feature.sign == "" and bool(target.feature.window))
        leave, come = source.ends[1], target.ends[0]
        if source.row != target.row:
            return Wire(source, target, [start, (leave, start[1]), *self._from_above(target, leave)])
        if source.lane < target.lane:  # a branch begins: down behind its source, and along its own lane
            clear = not self._between(target.lane, source.column, target.column)
            if clear:
                return Wire(source, target, [start, (leave, start[1]), (leave, end[1]), end])
        elif not self._between(source.lane, source.column, target.column):
            return Wire(source, target, [start, (come, start[1]), (come, end[1]), end])
        lane = self._lanes[max(source.lane, target.lane)]
        high = lane.middle - lane.up - 5
        return Wire(source, target, [start, (leave, start[1]), (leave, high), (come, high), (come, end[1]), end])

    def _from_above(self, target: Volume, leave: float) -> list[Point]:
        """The way of what comes from the row before, between both: into the first of a row and what stands below others from
        the left, into a further one from above."""
        lane = self._lanes[min(v.lane for v in self.volumes if v.row == target.row)]
        high = lane.middle - lane.up - 5
        first = min(v.column for v in self.volumes if v.row == target.row)
        if target.column == first or self._lanes[target.lane] is not lane:
            come = target.ends[0]
            return [(leave, high), (come, high), (come, target.middle), (target.x, target.middle)]
        into = target.x + target.slant + target.width * 0.4
        return [(leave, high), (into, high), (into, target.top)]

    def _between(self, lane: int, first: int, last: int) -> bool:
        return any(v.lane == lane and first < v.column < last for v in self.volumes)

    def marks(self, theme: Theme) -> Iterator[tuple[Box | None, tuple[Mark, ...]]]:
        return paint_volumes(self._titled(), self.volumes, self.wires, theme)

    def _titled(self) -> Sequence[Words]:
        y, words = MARGIN, list[Words]()
        for line in self._title.lines:
            words.append(Words(line, MARGIN, y, line_height(line)))
            y += line_height(line)
        return words


def _share(run: list[list[Volume]]) -> None:
    """Leaves one label to all, which says how many they are."""
    (first,), *_ = run
    lines: list[Line] = [(Span(f"{len(run)} {TIMES} ", "accent"), *first.lines[0]), *first.lines[1:]]
    for (volume,) in run:
        volume.lines = []
    run[(len(run) - 1) // 2][0].lines = lines


def _text(volume: Volume) -> list[str]:
    return ["".join(span.text for span in line) for line in volume.lines]


def _shape(feature: Feature, largest: int) -> Volume:
    return Volume(feature, *_sizes(feature, largest, TALLEST), _label(feature))


def _sizes(feature: Feature, largest: int, tallest: float) -> tuple[float, float, float]:
    """Width, height and slant in pixels: faces as the square root, depth and vectors as the logarithm."""
    if feature.sign:
        return max(_SIGN, line_width((Span(short(feature.sign), "name"),)) + 10), _SIGN, 0.0
    if feature.box.kind == "fault":
        return 26.0, 46.0, 8.0
    deep = 5 + 4.5 * log2(max(feature.channels, 1))
    if not feature.space:
        return 9.0, 8 + 8.5 * log2(max(feature.channels, 1)), 4.0
    sides = [max(8.0, tallest * sqrt(size / largest)) for size in feature.space[-2:]]
    return deep, sides[0], 4.0 if len(sides) == 1 else max(4.0, sides[1] * _SLANT)


def _label(feature: Feature) -> list[Line]:
    """What stands below: the size, the author's name, what made it, and the steps behind it."""
    box = feature.box
    lines: list[Line] = []
    if feature.size and not feature.sign:
        lines.append((Span(feature.size, "changed"),))
    if box.kind == "fault":
        lines.append((Span(short(box.name), "fault"),))
    elif box.title:
        lines.append((Span(short(box.title), "shape"),))
    lines += [(Span(short(text), "shape"),) for text in (feature.words if box.kind != "fault" else [])]
    lines += [(Span(short(text), "small"),) for text in _packed(feature.after)]
    lines += [(Span(short(text), "accent"),) for text in dict.fromkeys(feature.ends) if text]
    return lines


def _packed(names: Sequence[str]) -> list[str]:
    """Names in as few lines as hold them."""
    lines: list[str] = []
    for name in names:
        if lines and len(lines[-1]) + len(name) < 16:
            lines[-1] += f", {name}"
        else:
            lines.append(name)
    return lines
