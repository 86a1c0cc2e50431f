"""Pictures of trains: objectives as updates, and networks with what becomes of their weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from geometry import faults

from dlspec.analyses.report import summarise
from dlspec.backends.diagram.building import build_scene
from dlspec.backends.diagram.layout import lay_out
from dlspec.backends.diagram.scene import Scene
from dlspec.backends.diagram.text import mermaid
from dlspec.backends.diagram.trains import build_training_scene
from dlspec.pipeline import Program, elaborate, elaborate_training, open_program, open_source
from dlspec.report import facts
from dlspec.source import Source

SPECS = {path.stem: open_program(path) for path in sorted((Path(__file__).parents[3] / "specs").glob("*.dlspec"))}
TRAINS = [f"{spec}:{train}" for spec, program in SPECS.items() for train in program.trains]

TEXT = """
network Net(x: float[N, 4]) -> y { x -> Linear(4) }
train T {
    data x: float[N, 4]
    shared f = Net
    shared g = Net
    shared fixed = freeze(Net)
    shared slow = moving_average(f, decay=0.9)
    y = x -> f
    minimize mean((y - (x -> fixed)) ** 2) + mean((y - (x -> slow)) ** 2)
        over f using Adam(lr=0.5, schedule=StepLR(10), clip_grad_norm=1) times 3
    maximize mean(y -> g) over g, f using SGD
}
"""


def scene_of(program: Program, train: str) -> Scene:
    made = elaborate_training(program, train)
    return build_training_scene(made, summarise(made.graph), depth=1)


def test_updates_and_networks() -> None:
    scene = scene_of(open_source(Source("t.dlspec", TEXT)), "T")
    updates = [box for box in scene.root.children if box.kind == "update"]
    assert [(box.title, box.name, box.arguments) for box in updates] == [
        ("1", "minimize", ("over f", "using Adam", "lr=0.5", "StepLR(10)", "clip_grad_norm=1", "times 3")),
        ("2", "maximize", ("over g, f", "using SGD")),
    ]
    notes = {box.path: box.note for box in scene.root.children if box.note}
    assert notes == {"f": "trained by 1, 2", "g": "trained by 2", "fixed": "frozen", "slow": "average of f, decay 0.9"}
    text = mermaid(scene)
    assert "1 minimize" in text
    assert "over g, f" in text


def test_parts_that_are_frozen_or_have_rates_of_their_own() -> None:
    text = """
    network Net(x: float[N, 4]) -> y { x -> stem: { Linear(4) -> Tanh } -> body: freeze({ Linear(4) }) -> head: Linear(4) }
    train T {
        data x: float[N, 4]
        shared f = Net
        freeze(f.stem)
        minimize mean(x -> f) over f.head(lr=0.5) using SGD
    }
    """
    program = open_source(Source("t.dlspec", text))
    scene = scene_of(program, "T")
    (update,) = [box for box in scene.root.children if box.kind == "update"]
    assert update.arguments == ("over f.head(lr=0.5)", "using SGD")
    notes = {box.path: box.note for box in scene.root.walk() if box.note}
    assert notes == {"f": "trained by 1", "f.stem": "frozen", "f.body": "frozen"}
    network = elaborate(program, "Net")
    summary = summarise(network)
    assert {box.path: box.note for box in build_scene(network, summary).root.walk() if box.note} == {"body": "frozen"}
    assert summary.totals["trainable_params"] == 40
    assert dict(facts(summary))["Params"].endswith(", 20 of them frozen")


@pytest.mark.parametrize("train", TRAINS)
def test_nothing_overlaps_and_nothing_is_cut(train: str) -> None:
    spec, _, name = train.partition(":")
    found = faults(lay_out(scene_of(SPECS[spec], name)))
    assert not found, found[:5]
