"""Which boxes are drawn alike, and so are laid out once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from dlspec.backends.diagram.scene import Box


class Alike:
    """Numbers for boxes: those have the same of which all that is seen is the same."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}

    def folded(self, box: Box) -> int:
        return self._number(_text(box))

    def opened(self, box: Box, children: Mapping[Box, int], room: Hashable = None) -> int:
        """The number of an open box whose ``children`` have theirs, laid out in a ``room``."""
        places: dict[Box | None, int] = {child: place for place, child in enumerate(box.children)}
        places[None] = -1
        edges = tuple(
            [(places[e.source], e.out, places[e.target], e.into, e.main, e.training, e.fault) for e in box.edges]
        )
        return self._number((_text(box), tuple([children[child] for child in box.children]), edges, room))

    def _number(self, seen: Hashable) -> int:
        return self._numbers.setdefault(seen, len(self._numbers))


def _text(box: Box) -> Hashable:
    """What is seen of a box but for what is in it."""
    path = "" if box.title or box.name else box.path
    heading = path, box.title, box.name, box.arguments, box.count, box.shared, box.differs
    costs = box.cost.params, box.cost.macs, box.together.params, box.together.macs, box.share
    ends = len(box.inputs), tuple([(port.runs, port.fault) for port in box.outputs])
    shapes = tuple([str(port.type) for port in (*box.inputs, *box.outputs)]) if "shapes" in box.seen else ()
    return box.kind, box.family, heading, costs, ends, box.training, box.message, box.note, box.returns, shapes
