"""Pictures of the width that they have on paper, with text that can be read there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import ceil, inf

from dlspec.backends.diagram.engine import EngineError
from dlspec.backends.diagram.layout import Drawing, TooWide
from dlspec.backends.diagram.legend import lay_out_legend
from dlspec.backends.diagram.length import Length
from dlspec.backends.diagram.looks import SIZES
from dlspec.backends.diagram.paint import Figure
from dlspec.backends.diagram.pieces import MARGIN
from dlspec.backends.diagram.scene import Scene, fold

SMALLEST = 6.0
"""Points: text that is smaller cannot be read."""
LARGEST = 10.0
"""Points: no text becomes larger, what is short stands in the middle."""
_WORTH = 2.0
"""The first layout may be so many times as high as the lowest one."""
PAGE = 9 * 72.0
"""Points: the height of a page, which a picture has whose depth is not given."""


class Unreadable(EngineError):
    """No picture of the width that is asked for could be read."""

    def __init__(self, name: str, width: Length, hint: str) -> None:
        super().__init__(f"{name} is not readable when it is {width} wide", hint, "DL0608")


def on_paper(
    scene: Scene, width: Length, layouts: Callable[[float], Iterator[Drawing]], choose_depth: bool = True
) -> Drawing:
    """The deepest picture of a scene that is so wide, whose text has `SMALLEST` and that is no higher than a `PAGE`. The
    scene stays as far open as it is drawn.

    ``layouts`` gives its layouts of so many pixels, none where it is not deep enough. The first is taken that is about as
    low as any. Without ``choose_depth`` the scene is drawn as it is, however high. Raises `Unreadable`.
    """
    least = SMALLEST / _smallest(scene)
    highest = PAGE if choose_depth else inf
    best: Drawing | None = None
    depth = deepest = 1
    while not choose_depth or _opens(scene, depth):
        found = [_printed(drawing, width, highest) for drawing in layouts(width.points / least)]
        fitting = [drawing for drawing in found if drawing.scale > least - 1e-6]
        if found and not fitting and best is None:
            raise Unreadable(scene.root.name, width, _needs(found, width, least, highest))
        if fitting:
            lowest = min(drawing.paper_height for drawing in fitting)
            best = next(drawing for drawing in fitting if drawing.paper_height <= lowest * _WORTH)
            deepest = depth
        if (found and not fitting) or not choose_depth:
            break
        depth += 1
    assert best is not None, "nothing was laid out at any depth"
    if choose_depth:
        fold(scene, deepest, *scene.folded[1:])
    return best


def figure_on_paper(name: str, width: Length, figure_of: Callable[[float], Figure]) -> Figure:
    """A figure that is so wide and whose text has `SMALLEST`. ``figure_of`` gives it so many pixels wide at most. Raises
    `Unreadable`."""
    least = SMALLEST / SIZES["small"]
    try:
        figure = figure_of(width.points / least)
    except TooWide as error:
        enough = _up(width.of(error.least * least))
        raise Unreadable(
            name, width, f"its text has {SMALLEST:g} pt in {enough}: take that or a smaller --depth"
        ) from None
    room = float(ceil(max(figure.width, width.points / LARGEST * max(SIZES.values())) - 1e-6))
    return replace(figure, width=room, scale=width.points / room, paper=width)


def _opens(scene: Scene, depth: int) -> bool:
    """Folds a scene at another depth. Whether more is open then."""
    before = {box for box in scene.boxes() if box.open}
    fold(scene, depth, *scene.folded[1:])
    return depth == 1 or before != {box for box in scene.boxes() if box.open}


def _needs(found: list[Drawing], width: Length, least: float, highest: float) -> str:
    """What would fit: of a drawing that is wide enough it is the page that is too low."""
    less = "or leave something out with --hide"
    if high := [drawing.height * least for drawing in found if drawing.paper_height > highest - 0.01]:
        return f"it is {_up(width.of(min(high)))} high: give a --depth to have it so, take a larger --width, {less}"
    enough = _up(width.of(min(width.points * least / drawing.scale for drawing in found)))
    return f"its text has {SMALLEST:g} pt in {enough}: take that, a smaller --depth, {less}"


def _up(length: Length) -> Length:
    return replace(length, value=ceil(length.value * 100) / 100)


def _smallest(scene: Scene) -> float:
    """The size of the smallest text."""
    seen = scene.root.seen
    return SIZES["small"] if seen & {"counts", "legend"} else SIZES["shape"]


def _printed(drawing: Drawing, width: Length, highest: float) -> Drawing:
    """The drawing on paper, as large as that allows, in the middle where it is narrow."""
    room = _room(drawing, width, highest)
    if drawing.legend is not None and room > drawing.width:
        # Its legend has all the room: the lower it is the larger is the drawing, and so once more for what that leaves.
        for _ in range(2):
            drawing = _with_legend(drawing, _room(drawing, width, highest))
        room = _room(drawing, width, highest)
    for placed in (drawing.root, *drawing.others):
        placed.shift((room - drawing.width) / 2, 0.0)
    return replace(drawing, width=room, scale=width.points / room, paper=width)


def _room(drawing: Drawing, width: Length, highest: float) -> float:
    """How many pixels wide it is on paper: whole ones, as of every picture."""
    scale = min(width.points / drawing.width, highest / drawing.height, LARGEST / max(SIZES.values()))
    return float(ceil(width.points / scale - 1e-6))


def _with_legend(drawing: Drawing, room: float) -> Drawing:
    assert drawing.legend is not None
    legend = lay_out_legend(drawing.scene, MARGIN, drawing.legend.y, room - 2 * MARGIN)
    return replace(drawing, legend=legend, height=drawing.height - drawing.legend.height + legend.height)
