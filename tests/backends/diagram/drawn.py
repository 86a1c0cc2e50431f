"""Scenes of texts and of shipped specs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from tests.backends.variants import telling

from dlspec.analyses.report import summarise
from dlspec.backends.diagram.building import build_scene
from dlspec.backends.diagram.scene import Box, Scene
from dlspec.pipeline import elaborate, elaborate_partial, open_program, open_source
from dlspec.source import Source

SPECS = Path(__file__).parents[3] / "specs"


@cache
def scenes(path: Path) -> list[Scene]:
    """Of the networks of a spec that stand for all."""
    program = open_program(path)
    graphs = [elaborate(program, name) for name in telling(program)]
    return [build_scene(graph, summarise(graph)) for graph in graphs]


def shipped(spec: str, network: str, **options: Any) -> Scene:
    graph = elaborate(open_program(SPECS / f"{spec}.dlspec"), network)
    return build_scene(graph, summarise(graph), **options)


def scene_of(text: str, network: str = "A", **options: Any) -> Scene:
    graph = elaborate(open_source(Source("a.dlspec", text)), network)
    return build_scene(graph, summarise(graph), **options)


def wrong_scene(text: str, network: str = "A", **options: Any) -> Scene:
    graph, faults, diagnostics = elaborate_partial(open_source(Source("a.dlspec", text)), network)
    assert diagnostics.errors
    return build_scene(graph, summarise(graph), faults=faults, **options)


def named(scene: Scene, path: str) -> Box:
    return scene.find(path)


def hostile_scene(name: str) -> Scene:
    """A scene whose every text is the name; the language itself allows it in strings only."""
    scene = scene_of(
        "block B(width) { Conv(width, 1) -> ReLU }\n"
        "network A(image: float[N, 3, 8, 8]) -> out { image -> b: B(4) -> repeat 3 { B(4) } -> MaxPool(2) }"
    )
    for box in scene.boxes():
        box.title = box.name = name
        box.arguments = (name, f"mode={name}")
        box.differs = (name,)
        box.message = name
    scene.graph.name = name
    return scene
