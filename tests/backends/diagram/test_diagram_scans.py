"""Scans in pictures: a box with one turn, and the way back of its states."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from dlspec.analyses.report import summarise
from dlspec.backends.diagram.building import build_scene
from dlspec.backends.diagram.digraph import digraph
from dlspec.backends.diagram.layout import Placed, lay_out
from dlspec.backends.diagram.scene import Box, Scene
from dlspec.backends.diagram.svg import svg
from dlspec.backends.diagram.text import mermaid
from dlspec.pipeline import elaborate, elaborate_partial, open_program, open_source
from dlspec.source import Source

PROGRAM = open_program(Path(__file__).parent.parent / "scans.dlspec")


def scene_of(name: str) -> Scene:
    graph = elaborate(PROGRAM, name)
    return build_scene(graph, summarise(graph))


def scans(scene: Scene) -> list[Box]:
    return [box for box in scene.boxes() if box.kind == "scan" and box.children]


def test_a_turn_is_in_a_box() -> None:
    (box,) = scans(scene_of("RNN"))
    assert (box.name, box.arguments, box.returns) == ("scan", ("T turns",), True)
    begin, *_, end = box.children
    assert [child.name for child in box.children] == ["token, h", "Linear", "Linear", "tanh(ih + hh)", "stack"]
    assert [str(port.type) for port in begin.outputs] == ["float[N, 3]", "float[N, 4]"]
    assert [str(port.type) for port in end.outputs] == ["float[N, 4]", "float[N, T, 4]"]
    assert str(box.cost.macs) == "28 * T"
    assert [edge.target for edge in box.edges if edge.source is None] == [begin, begin]


def test_without_states_nothing_goes_back() -> None:
    (box,) = scans(scene_of("Mapped"))
    assert not box.returns
    assert "-.->" not in mermaid(scene_of("Mapped"))


def test_text_has_the_way_back() -> None:
    assert mermaid(scene_of("Nested")).count("-.->") == 2
    assert digraph(scene_of("Nested")).source.count("constraint=false") == 2


@pytest.mark.parametrize("direction", ["TB", "LR"])
@pytest.mark.parametrize("name", list(PROGRAM.networks))
def test_the_way_back_meets_no_box(name: str, direction: str) -> None:
    scene = scene_of(name)
    drawing = lay_out(scene, direction)  # type: ignore[arg-type]
    assert svg(drawing)
    ways = 0
    for placed in drawing.root.walk():
        for points in placed.sketch.returns:
            ways += 1
            for (x, y), (x2, y2) in pairwise(points):
                assert x == x2 or y == y2
                left, right, upper, lower = min(x, x2), max(x, x2), min(y, y2), max(y, y2)
                assert 0 < left <= right < placed.sketch.width
                assert placed.sketch.head < upper <= lower < placed.sketch.height
                for child in placed.children:
                    assert not _inside(placed, child, left, right, upper, lower), child.box
    assert ways == sum(box.returns for box in scene.root.drawn() if box.open)


def _inside(around: Placed, box: Placed, left: float, right: float, upper: float, lower: float) -> bool:
    x, y = box.x - around.x, box.y - around.y
    inner = x + 0.01, x + box.sketch.width - 0.01, y + 0.01, y + box.sketch.height - 0.01
    return inner[0] < right and left < inner[1] and inner[2] < lower and upper < inner[3]


def test_what_could_be_built_of_a_scan_is_drawn() -> None:
    text = """network Net(x: float[N, T, 8]) -> ys {
        ys = scan token in x along 1 with h = x[:, 0] { h = token -> Linear(4) -> Conv(3, 3); h }
    }"""
    graph, faults, _ = elaborate_partial(open_source(Source("net.dlspec", text)), "Net")
    scene = build_scene(graph, summarise(graph), faults=faults)
    names = [box.name for box in scene.boxes()]
    assert names[:1] == ["Net"]
    assert {"token, h", "Linear"} <= set(names)
    assert svg(lay_out(scene))
