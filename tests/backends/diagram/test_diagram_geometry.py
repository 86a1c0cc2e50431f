"""Pictures of all shipped networks: nothing overlaps, nothing is cut, no edge runs through a box."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn import scenes
from geometry import faults

from dlspec.backends.diagram.layout import Direction, Drawing, TooWide, lay_out
from dlspec.backends.diagram.poster import lay_out_poster
from dlspec.backends.diagram.scene import Scene, fold

SPECS = sorted((Path(__file__).parents[3] / "specs").glob("*.dlspec"))
WAYS: tuple[tuple[int | None, Direction, float | None], ...] = (
    (1, "TB", None), (2, "TB", None), (None, "TB", None), (1, "LR", None), (2, "LR", 1000), (None, "LR", None),
    (None, "LR", 900),
)  # fmt: skip


LARGE = 3000


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
@pytest.mark.parametrize(("depth", "direction", "wrap"), WAYS, ids=lambda value: str(value))
def test_nothing_overlaps_and_nothing_is_cut(
    path: Path, depth: int | None, direction: Direction, wrap: float | None
) -> None:
    for scene in scenes(path):
        if depth is None and direction == "LR" and len(scene.graph.nodes) > LARGE:
            continue  # it is drawn down
        fold(scene, depth)
        drawing = _drawing(scene, direction, wrap)
        found = faults(drawing)
        assert not found, (scene.graph.name, len(found), found[:5])


def _drawing(scene: Scene, direction: Direction, wrap: float | None) -> Drawing:
    """A picture that keeps its width, or the one that its error names."""
    try:
        drawing = lay_out(scene, direction, wrap)
    except TooWide as error:
        wrap = error.least
        drawing = lay_out(scene, direction, wrap)
    assert wrap is None or drawing.width <= wrap, scene.graph.name
    return drawing


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_nothing_overlaps_on_posters(path: Path) -> None:
    for scene in scenes(path):
        found = faults(lay_out_poster(scene))
        assert not found, (scene.graph.name, len(found), found[:5])
