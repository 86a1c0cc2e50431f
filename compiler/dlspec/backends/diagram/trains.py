"""A `train` as a scene: its networks, marked with what becomes of their weights, and its objectives as updates."""

from __future__ import annotations

from collections.abc import Collection

from dlspec.analyses.report import Summary
from dlspec.analyses.training_report import TrainingSummary
from dlspec.backends.diagram.building import build_scene
from dlspec.backends.diagram.scene import Box, Scene
from dlspec.objectives.training import Network, Training, Update


def build_training_scene(
    training: Training,
    summary: Summary,
    *,
    depth: int | None = None,
    expand: Collection[str] = (),
    collapse: Collection[str] = (),
    unroll: bool = False,
) -> Scene:
    """The scene of a train whose graph is counted; as `build_scene`. Raises `UnknownPath`."""
    scene = build_scene(training.graph, summary, depth=depth, expand=expand, collapse=collapse, unroll=unroll)
    described = TrainingSummary(training)
    updates = {update.name: (number, update) for number, update in enumerate(training.updates, 1)}
    for box in scene.root.children:
        if box.kind == "output":
            _update(box, *updates[box.path], described)
        elif box.path in training.networks:
            box.note = _note(training.networks[box.path], training, described)
            for inner in box.walk():
                if inner.path in training.frozen:
                    inner.note = "frozen"
    return scene


def _update(box: Box, number: int, update: Update, described: TrainingSummary) -> None:
    box.kind = box.family = "update"
    box.title, box.name = str(number), update.direction
    box.span = update.span
    times = [f"times {update.times}"] if update.times > 1 else []
    box.arguments = (f"over {', '.join(described.over(update))}", *described.using_parts(update), *times)


def _note(network: Network, training: Training, described: TrainingSummary) -> str:
    numbers = [str(n) for n, update in enumerate(training.updates, 1) if network.name in update.networks]
    return f"trained by {', '.join(numbers)}" if numbers else described.state(network)
