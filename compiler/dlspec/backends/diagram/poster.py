"""A poster: the network with all its blocks folded, and below it every distinct block once, opened by one level."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

from dlspec.backends.diagram.engine import Engine
from dlspec.backends.diagram.kinds import step, template
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
    """Each block once, open: those are one of the same template in whose bodies the same steps ran, whatever sizes they
    have. The first stands for all."""
    seen: set[Hashable] = set()
    for box in scene.boxes():
        if box.kind == "block" and box.children:
            kind = _kind(box)
            if kind not in seen:
                seen.add(kind)
                yield replace(box, open=True, count=1, differs=(), inputs=list(box.inputs))


def _kind(box: Box) -> Hashable:
    """What makes a block another one."""
    assert box.scope is not None
    return template(box.scope), _steps(box), len(box.inputs), len(box.outputs)


def _steps(box: Box) -> Hashable:
    """The steps that are seen in an open box; of those that a loop takes several times each once."""
    inside = [(step(child), child.count > 1, _steps(child) if child.kind == "repeat" else ()) for child in box.children]
    return tuple(dict.fromkeys(inside))


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
