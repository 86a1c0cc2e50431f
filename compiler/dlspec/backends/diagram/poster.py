"""A poster: the network with all its blocks folded, and below it every distinct block once, opened by one level."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

from dlspec.backends.diagram.engine import Engine
from dlspec.backends.diagram.kinds import argument, step, template
from dlspec.backends.diagram.layout import Drawing, Placed, TooWide, place, place_within, settled
from dlspec.backends.diagram.scene import Box, Scene, fold
from dlspec.ir.scope import Scope

WIDTH = 1200.0
_BETWEEN = 24.0
_NAMED = 3
"""How many of the blocks that a panel stands for it names."""


def lay_out_poster(scene: Scene, width: float | None = None) -> Drawing:
    """Lays out a poster of a width, or of one that fits. Folds the scene. Raises `TooWide` and `EngineError`."""
    if width is None:
        try:
            return lay_out_poster(scene, WIDTH)
        except TooWide as error:
            return lay_out_poster(scene, error.least)
    fold(scene, 1)
    with Engine() as engine:
        root = place_within(scene.root, engine, width)
        blocks = [place(block, "TB", engine) for block in distinct_blocks(scene)]
    left, _, right, lower = root.bounds
    _shelve(blocks, left, lower + 2 * _BETWEEN, max(right - left, width))
    return settled(scene, root, blocks)


def distinct_blocks(scene: Scene) -> Iterator[Box]:
    """Each block once, open: those are one of the same template in whose bodies, and in all that is in them, the same steps
    ran, and that are given the same but for numbers. The first stands for all; its note says for which."""
    groups: dict[Hashable, list[Box]] = {}
    for box, kind in _kinds(scene).items():
        groups.setdefault(kind, []).append(box)
    for first, *others in groups.values():
        paths = [path for box in (first, *others) for path in box.turns or (box.path,)]
        yield replace(first, open=True, count=1, differs=(), inputs=list(first.inputs), note=_instances(paths))


def _instances(paths: Sequence[str]) -> str:
    """How many blocks a panel stands for, and the first of them."""
    times = "once" if len(paths) == 1 else f"{len(paths)} times"
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return f"{times}: {', '.join(paths[:_NAMED])}{more}"


def _kinds(scene: Scene) -> dict[Box, Hashable]:
    """What makes a block another one, of each block."""
    numbers: dict[Hashable, int] = {}
    steps: dict[Box, int] = {}
    kinds: dict[Box, Hashable] = {}
    for box in reversed(list(scene.boxes())):
        # Of the steps that a loop takes several times each counts once.
        inside = dict.fromkeys([(step(child), child.count > 1, steps[child]) for child in box.children])
        steps[box] = numbers.setdefault(tuple(inside), len(numbers))
        if box.kind == "block" and box.children:
            assert box.scope is not None
            kinds[box] = template(box.scope), _given(box.scope), steps[box], len(box.inputs), len(box.outputs)
    return dict(reversed(kinds.items()))


def _given(scope: Scope) -> Hashable:
    """What a block is given, without numbers: those are seen in the boxes and change nothing of how they are joined."""
    return frozenset(
        (name, argument(value)) for name, value in scope.arguments.items()
        if name in scope.given and not (isinstance(value, int | float) and not isinstance(value, bool))
    )  # fmt: skip


def _shelve(blocks: Sequence[Placed], left: float, top: float, width: float) -> None:
    """Puts pictures side by side in rows; what is low stands below the one before it where the row is higher."""
    x, y, height = left, top, 0.0  # of the row
    across, below = 0.0, top  # the width of the last column, and where it ends
    for block in blocks:
        low, high, right, lower = block.bounds
        own, length = right - low, lower - high
        if below + length > y + height or x + own > left + width:
            x, below = x + across + _BETWEEN * (across > 0), y
            across = 0.0
        if x > left and x + own > left + width:
            x, y, height = left, y + height + _BETWEEN, 0.0
            below = y
        block.shift(x - low, below - high)
        below += length + _BETWEEN
        across = max(across, own)
        height = max(height, below - _BETWEEN - y)
