"""What of a scene is written in its picture."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, TypeAlias

from dlspec.backends.diagram.scene import Run, Scene

Hidden: TypeAlias = Literal["counts", "arguments", "shapes", "title"]
Shown: TypeAlias = Literal["shapes", "legend"]
HIDDEN: tuple[Hidden, ...] = ("counts", "arguments", "shapes", "title")
SHOWN: tuple[Shown, ...] = ("shapes", "legend")


def choose_parts(scene: Scene, hide: Collection[Hidden] = (), show: Collection[Shown] = ()) -> None:
    """Hides parts of the texts of a scene, and shows others.

    * hide ``counts``: parameters, MACs and the bars of shares. ``arguments``: of layers and blocks. ``shapes``: beside
      edges, of inputs and of outputs. ``title``: the network's name and totals.
    * show ``shapes``: of what comes into each box and of what leaves it, in the box, and then not beside edges.
      ``legend``: see `legend`.

    Raises ValueError for a part that there is not, or one that is hidden and shown.
    """
    for part, known in [*((part, HIDDEN) for part in hide), *((part, SHOWN) for part in show)]:
        if part not in known:
            raise ValueError(f"there is no part {part!r}: the parts are {', '.join(known)}")
    for part in hide:
        if part in show:
            raise ValueError(f"{part} are both hidden and shown")
    seen = frozenset({"counts", "arguments", "title"} - set(hide) | set(show))
    of_ends = seen - {"arguments"} if "shapes" in hide else seen | {"arguments"}
    for box in scene.boxes():
        box.seen = of_ends if box.kind in ("input", "output") else seen
        if "shapes" in hide or "shapes" in show:
            for port in box.outputs:
                port.runs = port.runs if port.fault else (Run(port.each),) if port.each else ()
