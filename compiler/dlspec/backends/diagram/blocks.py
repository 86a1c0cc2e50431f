"""The layout of every block by itself, each distinct one once.

The engine is asked about all blocks of one nesting at a time. It sees sizes and edges, no names, so that a network costs
what its few distinct blocks cost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from dlspec.backends.diagram.alike import Alike
from dlspec.backends.diagram.block_layout import BlockLayout, with_labels
from dlspec.backends.diagram.engine import Engine
from dlspec.backends.diagram.level_layout import LevelLayout
from dlspec.backends.diagram.levels import Levels
from dlspec.backends.diagram.lines import side
from dlspec.backends.diagram.looks import head, line_width, look, shape_line
from dlspec.backends.diagram.pieces import GAP, LABEL_GAP, MARGIN, PADDING, PORT_GAP, STACK, Laid, Shape
from dlspec.backends.diagram.placing import Blocked, Placing
from dlspec.backends.diagram.scene import ENDS, Box

_MOST = 4
"""Beside open boxes room is left for so many tensors that pass."""
_FOR_ENDS = 0.35
"""The part of a line that an input or output may take from the block beside it."""


@dataclass(frozen=True, slots=True, repr=False)
class LaidBlocks:
    """The layouts of open blocks, and the room that boxes take with the texts beside the edges that leave them, by the
    ``numbers`` that boxes have which are drawn alike. A layout has the children and edges of the first of these."""

    numbers: Mapping[Box, int]
    laid: Mapping[int, Laid]
    shapes: Mapping[int, Shape]


def lay_out_blocks(
    tops: Sequence[Box], sideways: bool, engine: Engine, wrap: float | None = None, levels: Levels | None = None
) -> LaidBlocks:
    """The layouts of open boxes and of all open boxes in them; with ``levels`` by those what stands at several, and all
    flows sideways. Raises `EngineError`."""
    boxes = list(dict.fromkeys(box for top in tops for box in top.drawn()))
    rooms = {} if wrap is None else _rooms(boxes, tops, wrap)
    alike = Alike()
    numbers: dict[Box, int] = {}
    heights: dict[int, int] = {}
    for box in reversed(boxes):
        room = levels.seen(box) if levels else rooms.get(box)
        number = numbers[box] = alike.opened(box, numbers, room) if box.open else alike.folded(box)
        if number not in heights:
            inside = [heights[numbers[child]] for child in box.children] if box.open else []
            heights[number] = 1 + max(inside) if inside else 0
    nestings: list[list[Box]] = [[] for _ in range(max(heights.values()) + 1)]
    for number, box in {numbers[box]: box for box in reversed(boxes)}.items():
        nestings[heights[number]].append(box)
    laid: dict[int, Laid] = {}
    shapes = {numbers[box]: with_labels(folded_shape(box, sideways), box.outputs, sideways) for box in nestings[0]}

    def shape_of(box: Box) -> Shape:
        return shapes[numbers[box]]

    for nesting in nestings[1:]:
        apart = [box for box in nesting if levels and levels.apart(box)]
        flowing = [box for box in nesting if box not in apart]
        solved = solve(flowing, shape_of, sideways, engine, rooms) if flowing else {}
        if levels:
            solved |= {box: LevelLayout(box, shape_of, levels).laid(head_size(box)) for box in apart}
        for box, own in solved.items():
            laid[numbers[box]] = own
            shapes[numbers[box]] = own.shape if box in tops else with_labels(own.shape, box.outputs, sideways)
    return LaidBlocks(numbers, laid, shapes)


def lay_out_each(boxes: Sequence[Box], engine: Engine) -> tuple[dict[Box, Laid], dict[Box, Box]]:
    """The layouts of blocks with all that is in them folded, and for each block the one whose layout it shares.

    ``boxes`` are the blocks with what is in them. Raises `EngineError`.
    """
    alike = Alike()
    folded = {box: alike.folded(box) for box in boxes}
    firsts: dict[int, Box] = {}
    opened = {box: firsts.setdefault(alike.opened(box, folded), box) for box in boxes if box.children}
    shapes: dict[int, Shape] = {}
    for box, number in folded.items():
        if number not in shapes:
            shapes[number] = with_labels(folded_shape(box, False), box.outputs, False)
    return solve(list(firsts.values()), lambda box: shapes[folded[box]], False, engine), opened


def _rooms(boxes: Sequence[Box], tops: Sequence[Box], wrap: float) -> dict[Box, float]:
    """How long open boxes may be in a picture that is ``wrap`` wide: as long as what is around them, without what runs and
    stands beside them."""
    rooms = dict.fromkeys(tops, wrap - 2 * MARGIN)
    for box in boxes:
        if box.open:
            inner = rooms[box] - 2 * (side(min(_passing(box), _MOST)) + PADDING * (box.kind != "network"))
            ends = _beside_ends(box)
            for child in box.children:
                beside = ends.get(child, 0.0)
                rooms[child] = inner - _texts(child) - beside * (beside <= inner * _FOR_ENDS)
    return {box: room for box, room in rooms.items() if box.open}


def _passing(box: Box) -> int:
    """How many tensors run beside one another in a box where it has an open one, at most."""
    places: dict[Box | None, int] = {child: place for place, child in enumerate(box.children)}
    ends: dict[tuple[Box | None, int], int] = {}
    for edge in box.edges:
        key = edge.source, edge.out
        ends[key] = max(ends.get(key, 0), places.get(edge.target, len(places)))
    living = [0] * (len(places) + 1)
    for (source, _), end in ends.items():
        for place in range(places.get(source, 0), end):
            living[place] += 1
    return max((living[places[child]] for child in box.children if child.open), default=1)


def _beside_ends(box: Box) -> dict[Box, float]:
    """The room that inputs and outputs of a network take beside open boxes which they flow into or out of."""
    ends: dict[Box, float] = {}
    for edge in box.edges:
        for end, child in ((edge.source, edge.target), (edge.target, edge.source)):
            if end is not None and child is not None and child.open and end.kind in ENDS:
                ends[child] = max(ends.get(child, 0.0), folded_shape(end, True).length + GAP)
    return ends


def _texts(box: Box) -> float:
    """The room of the shapes beside the edges that leave a box, along the flow."""
    return max((line_width(shape_line(port)) + LABEL_GAP for port in box.outputs if port.runs), default=0.0)


def solve(
    boxes: Sequence[Box],
    shape_of: Callable[[Box], Shape],
    sideways: bool,
    engine: Engine,
    rooms: Mapping[Box, float] = MappingProxyType({}),
    beside: bool = True,
) -> dict[Box, Laid]:
    """The layouts of blocks whose children have known shapes, broken into lines where they have ``rooms``. Raises
    `EngineError`."""
    layouts = {box: BlockLayout(box, shape_of, sideways=sideways, beside=beside) for box in boxes}
    laid: dict[Box, Laid] = {}
    blocked: list[Box] = []
    solved = engine.solve([layout.graph() for layout in layouts.values()])
    for (box, layout), points in zip(layouts.items(), solved, strict=True):
        try:
            laid[box] = Placing(layout, points, head_size(box), rooms.get(box)).laid()
        except Blocked:
            blocked.append(box)
    return laid | solve(blocked, shape_of, sideways, engine, rooms, beside=False) if blocked else laid


def head_size(box: Box) -> tuple[float, float]:
    """The width and height of the head of an open box. A network has its title elsewhere."""
    if box.kind == "network":
        return 0.0, 0.0
    title = head(box)
    return title.width, title.height


def folded_shape(box: Box, sideways: bool) -> Shape:
    """The room of a folded box, with what shows behind it if it is repeated."""
    width, height = folded_size(box, sideways)
    across, along = (height, width) if sideways else (width, height)
    stack = STACK if box.count > 1 else 0.0
    return Shape(across / 2, across / 2 + stack, along + stack, None, _outputs(box, sideways), across / 2)


def folded_size(box: Box, sideways: bool) -> tuple[float, float]:
    """Width and height of a folded box, without what shows behind it."""
    shown = look(box)
    ends = PORT_GAP * (len(box.inputs) + 1) if len(box.inputs) > 1 else 0.0
    if len(box.outputs) > 1:
        outputs = _outputs(box, sideways)
        ends = max(ends, 2 * (max(outputs) + PORT_GAP))
    return (shown.width, max(shown.height, ends)) if sideways else (max(shown.width, ends), shown.height)


def _outputs(box: Box, sideways: bool) -> list[float]:
    """Where tensors leave a folded box, from its middle: far enough apart for the shapes beside them."""
    places: list[float] = []
    here = 0.0
    for port in box.outputs:
        places.append(here)
        here += 16.0 if sideways or not port.runs else line_width(shape_line(port)) + 2 * LABEL_GAP + 4
    middle = round(places[-1] / 2) if places else 0.0
    return [place - middle for place in places]
