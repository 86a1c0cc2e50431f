"""Pictures of all shipped networks: nothing overlaps, nothing is cut, no edge runs through a box."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn import scene_of, scenes, shipped
from geometry import faults

from dlspec.backends.diagram.layout import Direction, Drawing, TooWide, lay_out
from dlspec.backends.diagram.poster import lay_out_poster
from dlspec.backends.diagram.scene import Scene, fold

SPECS = sorted((Path(__file__).parents[3] / "specs").glob("*.dlspec"))
WAYS: tuple[tuple[int | None, Direction, float | None], ...] = (
    (None, "TB", None), (None, "LR", 900), (1, "TB", None), (1, "LR", None), (2, "TB", None), (2, "LR", 1000),
    (None, "LR", None),
)  # fmt: skip
DRAWN = [
    (path, *way)
    for number, path in enumerate(SPECS)
    for place, way in enumerate(WAYS)
    if place in (0, 1, 2 + number % 5)
]
"""Each at full depth in both directions, and in one of the other ways."""

LARGE = 800


@pytest.mark.parametrize(
    ("path", "depth", "direction", "wrap"), DRAWN, ids=lambda value: getattr(value, "stem", str(value))
)
def test_nothing_overlaps_and_nothing_is_cut(
    path: Path, depth: int | None, direction: Direction, wrap: float | None
) -> None:
    for scene in scenes(path):
        if depth != 1 and direction == "LR" and len(scene.graph.nodes) > LARGE:
            continue  # its lines are those of depth 1, and it is drawn down
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


@pytest.mark.parametrize(
    ("spec", "network", "path"),
    [
        ("inception_module", "InceptionModule", "0"),
        ("googlenet", "GoogLeNet", "inception3a"),
        ("inception_v3", "InceptionV3", "Mixed_5b"),
    ],
)
def test_a_concat_of_branches_stands_below_their_middle(spec: str, network: str, path: str) -> None:
    drawing = lay_out(shipped(spec, network, depth=1, expand=[path]))
    block = next(placed for placed in drawing.root.walk() if placed.box.path == path)
    join = next(child for child in block.children if child.box.name == "Concat")
    ends = {way.edge.into: way.points[0][0] for way in block.sketch.ways if way.edge.target is join.box}
    ends = [ends[into] for into in sorted(ends)]
    middle = block.x + (ends[(len(ends) - 1) // 2] + ends[len(ends) // 2]) / 2
    assert len(ends) > 2
    assert ends == sorted(ends), "branches stand in the order written"
    assert abs(join.x + join.sketch.width / 2 - middle) < 2


@pytest.mark.parametrize(("end", "ties"), [("p + q", 1), ("(p -> ReLU) + a + q", 0)])
def test_ties_of_shared_layers_cross_no_edge(end: str, ties: int) -> None:
    """In the second an edge runs down between the two."""
    text = f"shared f = Linear(4)\n p = a -> f\n q = b -> f\n {end}"
    drawing = lay_out(scene_of(f"network A(a: float[N, 4], b: float[N, 4]) -> y {{ {text} }}"))
    assert len(drawing.root.sketch.ties) == ties
