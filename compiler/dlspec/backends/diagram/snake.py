"""A long block in rows, as a snake: one from left to right, the next back from right to left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from dlspec.backends.diagram.pieces import PADDING, Laid, Route, Shape
from dlspec.backends.diagram.scene import Box

BEND = 14.0
"""How far the edge from row to row runs outside of the rows."""
BETWEEN = 26.0
"""What lies between two rows."""


def in_rows(box: Box, laid: Laid, shape_of: Callable[[Box], Shape], width: float, head: float) -> Laid:
    """The layout of a block that flows from left to right, cut into rows so that it is no longer than ``width``, as far as
    there are places to cut: those that one edge passes. ``head`` is the height of the text above it.
    """
    if laid.shape.length <= width or not laid.cuts or len(box.outputs) > 1:
        return laid
    return _Snake(box, laid, shape_of, width).laid(head)


@dataclass(slots=True)
class _Row:
    """The stretch of the block from ``start`` to ``end`` along its flow; ``passes`` is where, across, the tensor leaves that
    flows on into the next row. ``across`` is where the row's own 0 lies."""

    start: float
    end: float
    passes: float
    across: float = 0.0


class _Snake:
    def __init__(self, box: Box, laid: Laid, shape_of: Callable[[Box], Shape], width: float) -> None:
        self._laid = laid
        self._shape_of = shape_of
        self._inset = BEND if box.kind == "network" else BEND + PADDING
        self._framed = box.kind != "network"
        self._leaves = bool(box.outputs)
        self._rows = self._cut(width - 2 * self._inset)
        self._width = max(row.end - row.start for row in self._rows)
        self._low, self._high = 0.0, 0.0
        for index, row in enumerate(self._rows):
            low, high = self._extent(row)
            row.across = 0.0 if index == 0 else self._high + BETWEEN - low
            self._low, self._high = min(self._low, row.across + low), row.across + high

    def laid(self, head: float) -> Laid:
        own = self._laid
        length = self._width + 2 * self._inset
        bottom = self._high
        if self._leaves and self._flips(len(self._rows) - 1):
            bottom += BEND
        padding = PADDING if self._framed else 0.0
        outputs = [self._out(bottom)] if self._leaves else []
        shape = Shape(head + padding - self._low, bottom + padding, length, own.shape.inputs, outputs)
        places: dict[Box, tuple[float, float]] = {}
        back: set[Box] = set()
        for child, (across, along) in own.places.items():
            row = self._row_at(along)
            places[child] = self._across(row, across), self._along(row, along, self._shape_of(child).length)
            if self._flips(row):
                back.add(child)
        texts = [
            replace(
                text, across=self._across(row, text.across), along=self._along(row, text.along), back=self._flips(row)
            )
            for text in own.texts
            for row in [self._row_at(text.along)]
        ]
        routes = [Route(route.edge, self._route(route, bottom)) for route in own.routes]
        return Laid(shape, places, routes, texts, [], frozenset(back))

    def _cut(self, width: float) -> list[_Row]:
        rows: list[_Row] = []
        start = 0.0
        fits: tuple[float, float] | None = None
        for cut, across in [*self._laid.cuts, (self._laid.shape.length, 0.0)]:
            if cut - start > width and fits is not None:
                rows.append(_Row(start, *fits))
                start = fits[0]
            fits = (cut, across)
        return [*rows, _Row(start, self._laid.shape.length, self._out_across())]

    def _out_across(self) -> float:
        return self._laid.shape.outputs[0] if self._leaves else 0.0

    def _extent(self, row: _Row) -> tuple[float, float]:
        """How far what is in a row reaches across."""
        low: list[float] = [row.passes]
        high: list[float] = [row.passes]
        for child, (across, along) in self._laid.places.items():
            if row.start <= along < row.end:
                shape = self._shape_of(child)
                low.append(across - shape.left)
                high.append(across + shape.right)
        for route in self._laid.routes:
            inside = [across for across, along in route.points if row.start <= along <= row.end]
            low += inside
            high += inside
        return min(low), max(high)

    def _row_at(self, along: float) -> int:
        return next((i for i, row in enumerate(self._rows) if along < row.end), len(self._rows) - 1)

    def _flips(self, row: int) -> bool:
        return row % 2 == 1

    def _across(self, row: int, across: float) -> float:
        return self._rows[row].across + across

    def _along(self, row: int, along: float, length: float = 0.0) -> float:
        """Where something of that length begins, from the left."""
        inside = along - self._rows[row].start
        return self._inset + (self._width - inside - length if self._flips(row) else inside)

    def _side(self, row: int) -> float:
        """Where the edge out of a row bends."""
        return self._inset - BEND if self._flips(row) else self._inset + self._width + BEND

    def _out(self, bottom: float) -> float:
        last = len(self._rows) - 1
        return bottom if self._flips(last) else self._across(last, self._out_across())

    def _route(self, route: Route, bottom: float) -> list[tuple[float, float]]:
        """An edge through the rows, with a bend at the end of each row it leaves."""
        (across, along), *rest = route.points
        row = self._row_at(along)
        bent = [(self._across(row, across), self._along(row, along))]
        if route.edge.source is None:
            bent.insert(0, (across, 0.0))
        for across, along in rest:
            while row < self._row_at(along):
                side = self._side(row)
                bent += [(self._across(row, across), side), (self._across(row + 1, across), side)]
                row += 1
            bent.append((self._across(row, across), self._along(row, along)))
        if route.edge.target is None:
            bent = self._leave(bent, row, bottom)
        return bent

    def _leave(self, bent: list[tuple[float, float]], row: int, bottom: float) -> list[tuple[float, float]]:
        """The end of an edge that leaves the block, at its right: below the last row where that runs to the left."""
        across, end = bent[-1][0], self._width + 2 * self._inset
        if not self._flips(row):
            return [*bent[:-1], (across, end)]
        side = self._side(row)
        return [*bent[:-1], (across, side), (bottom, side), (bottom, end)]
