"""Pictures of all shipped networks: nothing overlaps, nothing is cut, no edge runs through a box."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn import scenes
from geometry import faults

from dlspec.backends.diagram.layout import Direction, lay_out
from dlspec.backends.diagram.poster import lay_out_poster
from dlspec.backends.diagram.scene import fold

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
        found = faults(lay_out(scene, direction, wrap))
        assert not found, (scene.graph.name, len(found), found[:5])


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_nothing_overlaps_on_posters(path: Path) -> None:
    for scene in scenes(path):
        found = faults(lay_out_poster(scene))
        assert not found, (scene.graph.name, len(found), found[:5])
