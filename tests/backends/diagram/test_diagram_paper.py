"""Pictures on paper: of the width that is asked for, readable, and with the parts that are asked for."""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ET

import pytest
from drawn import scene_of, shipped
from geometry import faults

import dlspec
from dlspec.backends.diagram.engine import EngineError
from dlspec.backends.diagram.layout import Drawing, lay_out
from dlspec.backends.diagram.length import Length
from dlspec.backends.diagram.looks import SIZES
from dlspec.backends.diagram.paper import PAGE, SMALLEST, Unreadable
from dlspec.backends.diagram.picture import Picture
from dlspec.backends.diagram.raster import png
from dlspec.backends.diagram.shown import choose_parts
from dlspec.backends.diagram.svg import svg

SVG = "{http://www.w3.org/2000/svg}"
DEEP = """\
block B(width) { Add { Conv(width, 3, padding=1) -> ReLU | Identity } }
network A(image: float[N, 8, 32, 32]) -> out {
    image -> b: B(8) -> MaxPool(2) -> c: B(8) -> MaxPool(2) -> Flatten -> fc: Linear(10)
}
"""


@pytest.mark.parametrize("width", ["3.3in", "7in", "16cm", "84mm", "240pt", "800px"])
@pytest.mark.parametrize(("spec", "network"), [("resnet", "ResNet50"), ("vgg", "VGG16"), ("lenet", "LeNet5")])
def test_a_picture_has_its_width_and_can_be_read(spec: str, network: str, width: str) -> None:
    picture = Picture(shipped(spec, network), width=Length.parse(width))
    root = ET.fromstring(picture.svg())
    points = Length.parse(width).points
    assert root.attrib["width"] == width
    assert Length.parse(root.attrib["height"]).points <= PAGE
    scale = points / float(root.attrib["viewBox"].split()[2])
    sizes = [float(span.attrib["font-size"]) for span in root.iter() if "font-size" in span.attrib]
    assert sizes
    assert min(sizes) * scale >= SMALLEST - 0.01
    assert max(sizes) * scale <= 10.01
    assert not faults(picture._drawing)


def test_a_legend_takes_the_room_beside_a_narrow_picture() -> None:
    """As narrow as the column above it, it was so high that the column did not fit a page, and one box a line was drawn."""
    scene = shipped("resnet", "ResNet50")
    choose_parts(scene, show=("legend",))
    drawing = Picture(scene, width=Length.parse("3.3in"))._drawing
    assert isinstance(drawing, Drawing)
    assert all(len({x for x, _ in way.points}) == 1 for way in drawing.root.sketch.ways)
    assert drawing.paper_height <= PAGE
    assert drawing.legend is not None
    for item in drawing.legend.items:
        assert drawing.legend.x + item.words.x + item.words.width <= drawing.width
        assert drawing.legend.y + item.y < drawing.height


def test_the_files_have_the_width_too() -> None:
    def content(ending: str, width: str) -> bytes:
        return Picture(scene_of(DEEP), width=Length.parse(width)).content(ending)

    box = re.search(rb"MediaBox \[ 0 0 ([0-9.]+) ", content(".pdf", "3.3in"))
    assert box is not None
    assert float(box[1]) == pytest.approx(3.3 * 72)
    made = content(".png", "3.3in")
    assert struct.unpack(">I", made[16:20]) == (990,)
    assert made[37:50] == b"pHYs" + struct.pack(">IIB", 11811, 11811, 1)
    assert struct.unpack(">I", content(".png", "800px")[16:20]) == (800,)
    assert b"scale=" in content(".tex", "3.3in")


def test_the_deepest_that_fits_is_drawn_and_a_given_depth_is_kept() -> None:
    def opened(width: str, depth: int | None = None) -> int:
        picture = Picture(scene_of(DEEP, depth=depth), width=Length.parse(width))
        picture.svg()
        return sum(box.open for box in picture.scene.boxes())

    assert opened("7in") == 3
    assert opened("7in", depth=1) == 1
    assert opened("1.9in") == 1
    with pytest.raises(Unreadable) as raised:
        opened("1.9in", depth=2)
    assert raised.value.code == "DL0608"
    found = re.search(r"6 pt in ([0-9.]+in)", raised.value.hint)
    assert found is not None
    assert opened(found[1], depth=2) == 3


@pytest.mark.parametrize("text", ["3.3", "in", "0in", "-3in", "3 in", "3furlong", "999999in", "\u0661in", ""])
def test_what_is_no_length(text: str) -> None:
    with pytest.raises(ValueError, match=r"3\.3in"):
        Length.parse(text)


PARTS = {"counts": "params", "arguments": "padding=1", "shapes": "[N, 8, 16, 16]", "title": "A"}


def _texts(*, hide: tuple[str, ...] = (), show: tuple[str, ...] = (), depth: int | None = None) -> list[str]:
    scene = scene_of(DEEP, depth=depth)
    choose_parts(scene, hide, show)  # pyright: ignore[reportArgumentType]
    drawing = lay_out(scene)
    assert not faults(drawing)
    return ["".join(text.itertext()) for text in ET.fromstring(svg(drawing, tips=False)).iter(f"{SVG}text")]


@pytest.mark.parametrize("part", PARTS)
def test_what_is_hidden_is_not_there(part: str) -> None:
    for each, sign in PARTS.items():
        there = any(sign == text if each == "title" else sign in text for text in _texts(hide=(part,)))
        assert there == (each != part), (each, part)


def test_shapes_in_boxes() -> None:
    found = _texts(show=("shapes",), depth=1)
    assert "in [N, 8, 32, 32]" in found
    assert "out [N, 8, 16, 16]" in found
    assert found.count("[N, 8, 32, 32]") == 1  # of the block that keeps it, none beside an edge
    assert "float[N, 8, 32, 32]" in found


def test_the_legend_has_what_is_there() -> None:
    found = _texts(show=("legend",))
    for text in ("convolution", "linear layer", "share of the MACs", "[N, 64]  an axis that changes"):
        assert text in found
    assert "normalization" not in found
    assert "block, folded" not in found
    assert "block, folded" in _texts(show=("legend",), depth=1)
    assert "share of the MACs" not in _texts(show=("legend",), hide=("counts",))


def test_a_large_png_is_refused() -> None:
    drawing = lay_out(scene_of(DEEP))
    with pytest.raises(EngineError, match="the PNG would have") as raised:
        png(drawing, scale=16_100 / drawing.height)
    assert raised.value.code == "DL0609"
    assert "--depth" in raised.value.hint


def test_in_python() -> None:
    model = dlspec.load("std.lenet", "LeNet5")
    assert 'width="3.3in"' in model.draw(width="3.3in", hide=["counts"], show=["legend"]).svg()
    for options in (
        {"width": "3.3in", "wrap": 600},
        {"width": "3"},
        {"hide": ["counst"]},
        {"hide": ["shapes"], "show": ["shapes"]},
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            model.draw(**options)  # pyright: ignore[reportArgumentType]
    assert min(SIZES.values()) == SIZES["small"]
