"""Volumes, signs, kernels and arrows as marks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dlspec.backends.diagram.looks import SIZES, Span, line_height, line_width
from dlspec.backends.diagram.metrics import clean, shortened
from dlspec.backends.diagram.paint import Fill, Mark, Rect, Stroke, arrow, coloured
from dlspec.backends.diagram.scene import Box
from dlspec.backends.diagram.sketch import Point, Words
from dlspec.backends.diagram.theme import Theme, mix

if TYPE_CHECKING:
    from dlspec.backends.diagram.volumes import Volume, Wire

_SMALLEST = 5.0
"""The side of the smallest kernel."""

_WIDEST = 22
"""Characters in a line of a label."""


def short(text: str) -> str:
    return shortened(clean(text), _WIDEST)


def paint_volumes(
    title: Sequence[Words], volumes: Sequence[Volume], wires: Sequence[Wire], theme: Theme
) -> Iterator[tuple[Box | None, tuple[Mark, ...]]]:
    """All that is painted, a box's own marks together: from left to right, so that what is nearer lies over the rest."""
    yield None, tuple(coloured(words, theme) for words in title)
    for volume in sorted(volumes, key=lambda volume: (volume.lane, volume.x)):
        yield volume.feature.box, (*_body(volume, theme), *_label(volume, theme))
    for wire in wires:
        yield None, tuple(_kernel(wire, theme) if wire.kernel else _line(wire, theme))


def _body(volume: Volume, theme: Theme) -> Iterator[Mark]:
    feature = volume.feature
    family = feature.box.family
    fill, border = theme.fill(family), theme.fault if feature.box.kind == "fault" else theme.border(family)
    x, y, width, height, slant = volume.x, volume.y, volume.width, volume.height, volume.slant
    if feature.sign:
        yield Rect(x, y, width, height, fill, border, 1.0, round=height / 2)
        line = (Span(short(feature.sign), "name"),)
        yield coloured(Words(line, x + (width - line_width(line)) / 2, y, height / 2 + 4.3, "middle"), theme)
        return
    right, back = x + width, x + width + slant
    front = mix(fill, border, 0.12)
    if feature.count > 1:
        yield Fill(
            (
                (x + 4, y - slant - 4),
                (back + 4, y - slant - 4),
                (back + 4, y + height - slant - 4),
                (right, y + height),
            ),
            fill,
            border,
        )
    top = (x, y), (x + slant, y - slant), (back, y - slant), (right, y)
    side = (right, y), (back, y - slant), (back, y + height - slant), (right, y + height)
    yield Fill(top, mix(fill, theme.background, 0.45), border)
    yield Fill(side, mix(fill, border, 0.35), border)
    yield Fill(((x, y), (right, y), (right, y + height), (x, y + height)), front, border)


def _label(volume: Volume, theme: Theme) -> Iterator[Mark]:
    middle, y = (volume.x + volume.right) / 2 + volume.aside, volume.y + volume.height + 5
    for line in volume.lines:
        size = max(SIZES[span.style] for span in line)
        yield coloured(Words(line, middle - line_width(line) / 2, y, size, "middle"), theme)
        y += line_height(line)


def _line(wire: Wire, theme: Theme) -> Iterator[Mark]:
    colour = theme.fault if wire.target.feature.box.kind == "fault" else theme.line
    *points, last = wire.points
    (x, y), (px, py) = last, points[-1]
    length = abs(x - px) + abs(y - py)
    cut = min(5.0, length)
    short = (x - cut * (x - px) / length, y - cut * (y - py) / length) if length else last
    yield Stroke((*points, short), colour, 1.2, wire.target.feature.training)
    yield Fill(arrow(wire.points), colour)


def _kernel(wire: Wire, theme: Theme) -> Iterator[Mark]:
    """What one position of the target sees on the side of its source: a patch there, and lines to the position."""
    source, target = wire.source, wire.target
    patch = _patch(source, target.feature.window)
    tip: Point = target.x, target.middle
    dark = theme.border(target.feature.box.family)
    yield Fill(patch, theme.fill(target.feature.box.family), dark)
    for corner in patch:
        yield Stroke((corner, tip), dark, 0.7)
    yield Rect(tip[0] - 1.6, tip[1] - 1.6, 3.2, 3.2, dark, round=1.6)


def _patch(volume: Volume, window: tuple[int, ...]) -> tuple[Point, ...]:
    """A window in the middle of the side of a volume; of a sequence as wide as the side."""
    sizes = volume.feature.space[-2:]
    shares = [min(1.0, seen / size) for seen, size in zip(window[-2:], sizes, strict=False)] or [1.0]
    high = min(volume.height, max(_SMALLEST, volume.height * shares[0]))
    deep = volume.slant if len(sizes) < 2 else min(volume.slant, max(_SMALLEST * 0.7, volume.slant * shares[-1]))
    x = volume.x + volume.width + (volume.slant - deep) / 2
    y = volume.middle - high / 2 + deep / 2
    return (x, y), (x + deep, y - deep), (x + deep, y - deep + high), (x, y + high)
