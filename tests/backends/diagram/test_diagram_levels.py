"""Pictures by resolution: what flows at one stride stands in one row, skips run straight across."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
from drawn import SPECS, scene_of, scenes, shipped
from geometry import Area, area, faults

import dlspec
from dlspec.backends.diagram.engine import EngineError
from dlspec.backends.diagram.layout import Drawing, Placed, lay_out
from dlspec.backends.diagram.levels import Levels, NoLevels
from dlspec.backends.diagram.metrics import TIMES
from dlspec.backends.diagram.picture import Picture
from dlspec.backends.diagram.scene import Scene, fold

# A high-resolution network: parallel rows that exchange what they see.
HRNET = """
block Fuse(low: tensor) {
    Add { Identity | low -> Conv(8, 1) -> Upsample(scale_factor=2) }
}

network A(image: float[N, 3, H = 32, W = 32]) -> mask {
    a1 = image -> Conv(8, 3, padding=1)
    b1 = a1 -> Conv(16, 3, stride=2, padding=1)
    a2 = a1 -> Conv(8, 3, padding=1) -> Fuse(b1)
    b2 = b1 -> Conv(16, 3, padding=1) as low
    c2 = low -> Conv(32, 3, stride=2, padding=1)
    a3 = a2 -> Conv(8, 3, padding=1) -> Fuse(b2)
    b3 = [b2 -> Conv(16, 3, padding=1), c2 -> Upsample(scale_factor=2)] -> Concat
    [a3, b3 -> Upsample(scale_factor=2)] -> Concat -> Conv(2, 1)
}
"""

SOUND = """
block Down(width) { Conv(width, 15, stride=4, padding=7) -> ReLU }
block Up(skip: tensor) { [x -> Upsample(scale_factor=4), skip] -> Concat -> Conv(skip.channels, 5, padding=2) }

network A(sound: float[N, 1, T = 4096]) -> clean {
    a = sound -> Conv(8, 5, padding=2)
    b = a -> Down(16)
    c = b -> Down(32)
    c -> Down(64) -> Up(c) -> Up(b) -> Up(a) -> Conv(1, 1)
}
"""

PLAIN = "network A(image: float[N, 3, H = 32, W = 32]) -> y { image -> Conv(8, 3, padding=1) -> ReLU }"


def drawn(scene: Scene) -> Drawing:
    return lay_out(scene, levels=Levels(scene))


def rows(placed: Placed, levels: Levels) -> list[list[Area]]:
    """The boxes in an open one by level, the finest first."""
    found: dict[object, list[Area]] = defaultdict(list)
    for child in placed.children:
        found[levels.of(child.box)].append(area(child))
    return [found[row] for row in levels.rows(placed.box)]


def by_path(drawing: Drawing) -> dict[str, Area]:
    return {placed.box.path: area(placed) for placed in drawing.root.walk() if placed.box.path}


def assert_in_rows(drawing: Drawing, levels: Levels) -> int:
    """Levels stand below each other, in every block that has several. Returns how many do."""
    apart = [placed for placed in drawing.root.walk() if placed.box.open and levels.apart(placed.box)]
    for placed in apart:
        filled = [row for row in rows(placed, levels) if row]
        for above, below in pairwise(filled):
            assert max(one.bottom for one in above) < min(one.top for one in below), placed.box.id
    return len(apart)


def straight(drawing: Drawing, source: str, target: str) -> bool:
    """Whether an edge of the network runs in one line."""
    ways = [
        way for way in drawing.root.sketch.ways
        if way.edge.source and way.edge.target and (way.edge.source.path, way.edge.target.path) == (source, target)
    ]  # fmt: skip
    assert len(ways) == 1
    return len({y for _, y in ways[0].points}) == 1


@pytest.mark.parametrize(
    ("spec", "depth", "blocks"),
    [
        ("unet", 1, 2), ("unet", 2, 8), ("unet3d", 2, 2), ("nnunet", 1, 4), ("unetpp", 1, 2), ("feature_pyramid", 2, 3),
        ("dcgan", 2, 2), ("ddpm", 1, 1), ("retinanet", 2, 1), ("yolov8", 2, 1), ("resnet", 1, 1), ("lenet", 1, 1),
    ],
)  # fmt: skip
def test_equal_strides_stand_in_one_row(spec: str, depth: int, blocks: int) -> None:
    apart = 0
    for scene in scenes(SPECS / f"{spec}.dlspec"):
        fold(scene, depth)
        drawing = drawn(scene)
        assert not faults(drawing), (scene.graph.name, faults(drawing)[:5])
        apart += assert_in_rows(drawing, Levels(scene))
    assert apart >= blocks


def test_a_unet_is_a_u() -> None:
    drawing = drawn(shipped("unet", "UNet", depth=1))
    place = by_path(drawing)
    down = [place[name] for name in ("inc", "down1", "down2", "down3", "down4")]
    up = [place[name] for name in ("down4", "up1", "up2", "up3", "up4")]
    for one, other in pairwise(down):
        assert one.bottom < other.top
        assert one.left < other.left < one.right, "a stair takes half a box a step"
    for one, other in pairwise(up):
        assert one.top > other.bottom
        assert one.left < other.left
    for source, target in (("inc", "up4"), ("down1", "up3"), ("down2", "up2"), ("down3", "up1")):
        assert straight(drawing, source, target)
    assert drawing.width < 1800


@pytest.mark.parametrize(
    ("network", "skips"),
    [("NNUNet2D", 7), ("NNUNet3D", 5), ("NNUNetAnisotropic", 5)],
)
def test_skips_of_two_and_three_dimensions_run_straight(network: str, skips: int) -> None:
    drawing = drawn(shipped("nnunet", network, depth=1))
    across = [
        way for way in drawing.root.sketch.ways
        if way.edge.source and way.edge.target and way.edge.target.name == "Concat"
        and way.edge.source.path.startswith("encoder") and len({y for _, y in way.points}) == 1
    ]  # fmt: skip
    assert len(across) == skips


@pytest.mark.parametrize(
    ("spec", "network", "encoder", "decoder", "steps"),
    [("unet3d", "UNet3D", "encoders", "decoders", 4), ("unet", "UNetOriginal", "down_path", "up_path", 5)],
)
def test_an_encoder_and_its_decoder_are_one_u(spec: str, network: str, encoder: str, decoder: str, steps: int) -> None:
    """Their frames would be two stairs, with skips around both."""
    scene = shipped(spec, network, depth=2)
    drawing = drawn(scene)
    assert not faults(drawing)
    assert {placed.box.path for placed in drawing.root.walk()}.isdisjoint({encoder, decoder})
    place = by_path(drawing)
    stair = [place[f"{encoder}.{step}"] for step in range(steps)]
    stair += [place[f"{decoder}.{step}"] for step in range(steps - 1)]
    for one, other in pairwise(stair):
        assert one.left < other.left
    for step in range(steps - 1):
        assert straight(drawing, f"{encoder}.{step}", f"{decoder}.{steps - 2 - step}")
        assert f"{encoder}.{step}" in {placed.box.title for placed in drawing.root.walk()}
    kept = {edge.type.shape for edge in scene.root.edges}
    assert kept <= {edge.type.shape for edge in drawing.root.box.edges}


def test_what_a_frame_passes_on_comes_from_before_it() -> None:
    scene = scene_of(
        "block Down { y = x -> Conv(8, 3, stride=2, padding=1)\n [x, y, y -> Conv(8, 3, stride=2, padding=1)] }\n"
        "block Up { c, b, a = x\n d = (c -> Upsample(scale_factor=2)) + b\n (d -> Upsample(scale_factor=2)) + a }\n"
        "network A(image: float[N, 8, H = 32, W = 32]) -> y {\n a, b, c = image -> down: Down\n [c, b, a] -> up: Up\n}"
    )
    drawing = drawn(scene)
    assert not faults(drawing)
    assert ("input:image", "up.add~2") in {
        (edge.source.id, edge.target.id) for edge in drawing.root.box.edges if edge.source and edge.target
    }
    assert len(drawing.root.box.edges) == 9


def test_of_one_dimension() -> None:
    scene = scene_of(SOUND, depth=1)
    levels, drawing = Levels(scene), drawn(scene)
    assert [len(row) for row in rows(drawing.root, levels)] == [5, 2, 2, 1]
    assert not faults(drawing)
    names = {"".join(span.text for span in words.line) for words in drawing.root.sketch.shapes}
    assert {"T", "T/4", "T/16", "T/64"} <= names


def test_a_recursive_unet_is_us_in_one_another() -> None:
    scene = shipped("unet", "UNetRecursive3D")
    levels, drawing = Levels(scene), drawn(scene)
    assert not faults(drawing)
    assert assert_in_rows(drawing, levels) == 3
    nested = [placed for placed in drawing.root.walk() if placed.box.name == "Level"]
    for outer, inner in pairwise(nested):
        finest, coarser = rows(outer, levels)
        assert area(inner) in coarser
        join = next(area(child) for child in outer.children if child.box.name == "Concat")
        assert join in finest
        assert join.left > area(inner).left


def test_a_pyramid_is_two_stairs() -> None:
    drawing = drawn(shipped("feature_pyramid", "ResNet50FPN", depth=2))
    place = by_path(drawing)
    stages = [place[f"body.layer{number}"] for number in (1, 2, 3, 4)]
    for one, other in pairwise(stages):
        assert one.bottom < other.top
        assert one.left < other.left
    pyramid = next(placed for placed in drawing.root.walk() if placed.box.path == "fpn")
    sums = [area(child) for child in pyramid.children if child.box.name == "Add"]
    assert len(sums) == 3
    for one, other in pairwise(sums):
        assert one.top > other.bottom
        assert one.left < other.left


def test_a_generator_is_a_stair_and_its_critic_another() -> None:
    drawing = drawn(shipped("dcgan", "Generator"))
    steps = [area(p) for p in drawing.root.walk() if p.box.name == "ConvTranspose"]
    assert len(steps) == 5
    for one, other in pairwise(steps):
        assert other.bottom < one.top
        assert one.left < other.left
    drawing = drawn(shipped("dcgan", "Discriminator"))
    steps = [area(p) for p in drawing.root.walk() if p.box.name == "Conv"]
    for one, other in pairwise(steps):
        assert one.bottom < other.top
        assert one.left < other.left


def test_parallel_rows() -> None:
    scene = scene_of(HRNET, depth=1)
    drawing = drawn(scene)
    assert not faults(drawing)
    assert assert_in_rows(drawing, Levels(scene)) == 1
    assert Levels(scene).skipping


def test_the_same_bytes_every_time() -> None:
    one, other = (Picture(shipped("unetpp", "UNetPlusPlus", depth=1)).svg() for _ in range(2))
    assert one == other
    assert f"H/2 {TIMES} W/2" in one


@pytest.mark.parametrize(
    ("spec", "network", "depth", "by_levels"),
    [
        ("unet", "UNet", 1, True), ("unet", "UNet", 2, True), ("unet", "UNetRecursive", 2, True),
        ("unet3d", "UNet3D", 2, True),
        ("unetpp", "UNetPlusPlus", 1, True), ("nnunet", "NNUNet2D", 1, True), ("feature_pyramid", "FPN", 2, True),
        ("ddpm", "DDPMCifar10", 1, True), ("yolov8", "YOLOv8n", 2, True), ("unet", "UNet", None, False),
        ("feature_pyramid", "FPN", 1, False), ("resnet", "ResNet18", 1, False), ("dcgan", "Generator", 2, False),
        ("deeplab_v3", "DeepLabV3ResNet50", 1, False), ("se_resnet", "SEResNet50", 3, False),
        ("stylegan", "OfficialGenerator", 1, False), ("swin", "SwinTiny", 1, False),
        ("autoencoder_kl", "AutoencoderKLTiny", 1, False),
    ],
)  # fmt: skip
def test_it_is_chosen_for_skips_over_resolutions(spec: str, network: str, depth: int | None, by_levels: bool) -> None:
    scene = shipped(spec, network, depth=depth)
    chosen, flow = (Picture(scene, layout=layout).svg() for layout in (None, "flow"))
    assert (chosen != flow) == by_levels
    assert Picture(scene, "TB").svg() == flow


def test_a_network_of_one_resolution_has_no_levels() -> None:
    with pytest.raises(NoLevels, match="the network has one resolution"):
        Picture(scene_of(PLAIN), layout="levels")
    with pytest.raises(NoLevels, match="nothing that is open stands at several"):
        Picture(shipped("feature_pyramid", "FPN", depth=1), layout="levels")


def test_a_model_takes_the_same(tmp_path: Path) -> None:
    model = dlspec.load(str(SPECS / "unet.dlspec"), "UNet")
    assert model.draw(depth=1).svg() == model.draw(depth=1, layout="levels").svg()
    assert model.draw(depth=1, layout="flow").svg() == model.draw(depth=1, direction="TB").svg()
    assert model.draw(expand=["up1"], depth=1).svg().count("ConvTranspose") >= 1


def test_a_width_on_paper_is_that_of_levels_where_they_are_asked_for() -> None:
    """The depth is chosen among those that have levels: folded the network has none."""
    model = dlspec.load(str(SPECS / "unet3d.dlspec"), "UNet3D")
    picture = model.draw(width="16in", layout="levels").svg()
    assert "D/8" in picture
    assert 'width="16in"' in picture
    assert "D/8" not in model.draw(width="7in").svg()
    with pytest.raises(EngineError, match="UNet3D is not readable when it is 7in wide") as raised:
        model.draw(width="7in", layout="levels").svg()
    assert "15.28in" in raised.value.hint
