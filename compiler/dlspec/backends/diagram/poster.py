"""A poster: the network with all its blocks folded, and below it every distinct block once, opened by one level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from dlspec.backends.diagram.engine import Engine
from dlspec.backends.diagram.layout import Drawing, Placed, place, settled
from dlspec.backends.diagram.scene import Box, Scene, fold

WIDTH = 1200.0
_BETWEEN = 24.0


def lay_out_poster(scene: Scene, width: float = WIDTH) -> Drawing:
    """Lays out a poster that is about ``width`` wide. Folds the scene. Raises `EngineError`."""
    fold(scene, 1)
    with Engine() as engine:
        root = place(scene.root, "LR", engine, width)
        blocks = [place(block, "TB", engine) for block in distinct_blocks(scene)]
    left, _, right, lower = root.bounds
    _shelve(blocks, left, lower + 2 * _BETWEEN, max(right - left, width))
    return settled(scene, root, blocks)


def distinct_blocks(scene: Scene) -> Iterator[Box]:
    """Each block once, open: those with the same name and the same children are one, whatever sizes they have. The first
    stands for all."""
    seen: set[Any] = set()
    for box in scene.boxes():
        key = _structure(box)
        if box.kind == "block" and box.children and key not in seen:
            seen.add(key)
            yield replace(box, open=True, count=1, differs=(), inputs=list(box.inputs))


def _structure(box: Box) -> Any:
    """What makes a block another one: its children but for numbers at the end of their names, each run of equal ones once,
    and how many tensors go in and out."""
    children = [(child.kind, child.title.rstrip("0123456789"), child.name, child.count > 1) for child in box.children]
    runs = [child for child, _ in groupby(children)]
    return box.name or box.title, tuple(runs), len(box.inputs), len(box.outputs)


def _shelve(blocks: Sequence[Placed], left: float, top: float, width: float) -> None:
    """Puts pictures side by side in rows."""
    x, y, height = left, top, 0.0
    for block in blocks:
        low, high, right, lower = block.bounds
        if x > left and x + right - low > left + width:
            x, y, height = left, y + height + _BETWEEN, 0.0
        block.shift(x - low, y - high)
        x += right - low + _BETWEEN
        height = max(height, lower - high)
