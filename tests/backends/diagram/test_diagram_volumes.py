"""Volumes: what stands for a network, in sizes that say something, nowhere over another, in every format."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET

import pytest
from drawn import SPECS, hostile_scene, scene_of, shipped, wrong_scene
from hostile import HOSTILE
from test_diagram_tikz import check_forms

import dlspec
from dlspec.backends.diagram.engine import EngineError
from dlspec.backends.diagram.features import features_of
from dlspec.backends.diagram.paper import Unreadable
from dlspec.backends.diagram.picture import Picture
from dlspec.backends.diagram.scene import Scene
from dlspec.backends.diagram.svg import svg
from dlspec.backends.diagram.tikz import tikz
from dlspec.backends.diagram.volumes import _Plan, lay_out_volumes  # pyright: ignore[reportPrivateUsage]

PRE = "network A(image: float[N, 3, 32, 32]) -> y { image -> "


def volumes(spec: str, network: str, **options: int) -> Scene:
    return shipped(spec, network, unroll=True, **options)


def sizes(scene: Scene) -> list[str]:
    return [feature.size for feature in features_of(scene)]


def test_alexnet_is_what_the_figure_shows() -> None:
    found = features_of(volumes("alexnet", "AlexNet"))
    assert [feature.size for feature in found] == [
        "3@224\u00d7224", "64@55\u00d755", "64@27\u00d727", "192@27\u00d727", "192@13\u00d713", "384@13\u00d713",
        "256@13\u00d713", "256@13\u00d713", "256@6\u00d76", "256@6\u00d76", "4096", "4096", "1000",
    ]  # fmt: skip
    assert found[1].words == ["Conv 11\u00d711", "stride 4"]
    assert (found[1].after, found[1].window, found[2].window) == (["ReLU"], (11, 11), (3, 3))
    assert found[-1].ends == ["logits"]


@pytest.mark.parametrize(("body", "found"), [
    ("Conv(4, 3) -> BatchNorm -> ReLU -> Dropout", ["3@32x32", "4@30x30"]),
    ("Flatten -> Linear(7) -> ReLU", ["3@32x32", "7"]),
    ("Add { Identity | Conv(3, 3, padding=1) } -> ReLU", ["3@32x32", "3@32x32", "+"]),
    ("Concat { Conv(4, 1) | Conv(5, 1) }", ["3@32x32", "4@32x32", "5@32x32", "9@32x32"]),
    ("Add { BatchNorm -> ReLU -> Conv(3, 1) | Identity }", ["3@32x32", "BatchNorm, ReLU: 3@32x32", "+"]),
    ("repeat 3 { Conv(4, 3) -> ReLU }", ["3@32x32", "4@30x30", "4@28x28", "4@26x26"]),
])  # fmt: skip
def test_small_steps_are_named_and_no_more(body: str, found: list[str]) -> None:
    made = [
        ", ".join(f.before) + ": " * bool(f.before) + (f.sign or f.size).replace("\u00d7", "x")
        for f in features_of(scene_of(f"{PRE}{body} }}", unroll=True))
    ]
    assert made == found


def test_sequences_volumes_and_folded_blocks() -> None:
    text = "network A(x: float[N, 10, 8]) -> y { x -> Linear(16) -> ReLU }"
    first, second = features_of(scene_of(text))
    assert (first.size, second.size, second.channels, second.space) == ("8@10", "16@10", 16, (10,))
    text = "network A(x: float[N, 2, 8, 6, 4]) -> y { x -> Conv(16, 3, padding=1) }"
    assert sizes(scene_of(text)) == ["2@8\u00d76\u00d74", "16@8\u00d76\u00d74"]
    text = f"block B(width) {{ Conv(width, 1) -> ReLU }}\n{PRE}B(3) -> repeat 3 {{ B(3) -> B(4) }} -> repeat 2 {{ B(4) }} }}"
    assert [(f.box.name, f.count, f.channels) for f in features_of(scene_of(text, unroll=True, depth=1))] == [
        ("input", 1, 3), ("B", 2, 3), ("B", 1, 4), ("B", 1, 3), ("B", 1, 4), ("B", 1, 3), ("B", 1, 4), ("B", 2, 4),
    ]  # fmt: skip


def test_what_is_hopeless_is_refused_with_what_to_do() -> None:
    scene = volumes("resnet", "ResNet152")
    was = [box.open for box in scene.boxes()]
    with pytest.raises(EngineError, match="volumes are more than") as error:
        features_of(scene)
    assert error.value.hint.startswith("--depth 2 has ")
    assert [box.open for box in scene.boxes()] == was
    with pytest.raises(EngineError, match="H, W") as error:
        features_of(scene_of("network A(image: float[N, 3, H, W]) -> y { image -> Conv(4, 3) }"))
    assert "--size H=" in error.value.hint


@pytest.mark.parametrize(("spec", "network", "depth", "wrap"), [
    ("lenet", "LeNet5", None, None), ("vgg", "VGG16", None, None), ("unet", "UNet", 1, None),
    ("inception_module", "InceptionModule", None, None), ("googlenet", "GoogLeNet", 1, None),
    ("resnet", "ResNet18", None, None), ("vae", "VAE", None, None), ("lenet", "LeNet5", None, 300),
    ("vgg", "VGG16", None, 700), ("vgg", "VGG16", None, 450), ("googlenet", "GoogLeNet", 1, 800),
    ("resnet", "ResNet18", None, 900), ("unet", "UNet", 1, 900),
])  # fmt: skip
def test_nothing_stands_over_another(spec: str, network: str, depth: int | None, wrap: float | None) -> None:
    """Volumes may hide the side of the one before them, and no more; labels stand apart; lines meet no label."""
    plan = _Plan(shipped(spec, network, depth=depth, unroll=True), wrap)
    assert wrap is None or (plan.extent[0] <= wrap and (spec == "unet" or plan.volumes[-1].row > 0))
    for one, other in itertools.combinations(plan.volumes, 2):
        assert one.x + one.width <= other.x or other.x + other.width <= one.x or one.lane != other.lane
    labels: list[tuple[float, float, float, float]] = []
    for v in plan.volumes:
        middle, bottom = (v.x + v.right) / 2 + v.aside, v.y + v.height
        if v.lines:
            labels.append((middle - v.label / 2, bottom, middle + v.label / 2, bottom + v.below))
    for one, other in itertools.combinations(labels, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    for wire in plan.wires:
        for (x, y), (x2, y2) in itertools.pairwise(wire.points):
            for left, top, right, bottom in labels:
                assert max(x, x2) <= left or min(x, x2) >= right or max(y, y2) <= top or min(y, y2) >= bottom
    width, height = plan.extent
    for left, _, right, bottom in labels:
        assert left >= 0
        assert right <= width
        assert bottom <= height
    assert all(0 <= x <= width and 0 <= y <= height for wire in plan.wires for x, y in wire.points)


def test_skips_run_inside_each_other() -> None:
    plan = _Plan(shipped("unet", "UNet", depth=1, unroll=True))
    tops = sorted(
        (min(y for _, y in w.points), w.target.column - w.source.column) for w in plan.wires if len(w.points) == 4
    )
    assert [length for _, length in tops] == [8, 6, 4, 2]


def test_a_fault_is_drawn() -> None:
    scene = wrong_scene(f"{PRE}Conv(4, 3) -> Linear(7, foo=2) }}")
    assert features_of(scene)[-1].box.kind == "fault"
    assert "Linear" in svg(lay_out_volumes(scene))


@pytest.mark.parametrize("ending", [".svg", ".png", ".pdf", ".tex"])
def test_every_format_has_them(ending: str) -> None:
    pytest.importorskip("resvg_py")
    one, other = (Picture(volumes("lenet", "LeNet5"), style="volumes").content(ending) for _ in range(2))
    assert one == other
    assert one != Picture(volumes("lenet", "LeNet5")).content(ending)


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: repr(name[:14]))
def test_hostile_names_are_text(name: str) -> None:
    figure = lay_out_volumes(hostile_scene(name))
    check_forms(tikz(figure))
    ET.fromstring(svg(figure))
    assert len(svg(figure)) < 60_000


def test_in_python() -> None:
    model = dlspec.load(SPECS / "lenet.dlspec", "LeNet5")
    assert "6@28\u00d728" in model.draw(style="volumes").svg()
    paper = model.draw(style="volumes", width="3.3in").svg()
    assert 'width="3.3in"' in paper
    scale = 3.3 * 72 / float(ET.fromstring(paper).attrib["viewBox"].split()[2])
    assert 9.5 * scale >= 6
    with pytest.raises(Unreadable, match="LeNet5 is not readable when it is 0") as raised:
        model.draw(style="volumes", width="0.5in").svg()
    found = re.search(r"6 pt in ([0-9.]+in)", raised.value.hint)
    assert found is not None
    assert model.draw(style="volumes", width=found[1]).svg()
    with pytest.raises(ValueError, match="rows"):
        model.draw(style="volumes", poster=True)
