"""Pictures in lines: they keep the width that is asked for or say which would do, and no edge takes a long way."""

from __future__ import annotations

from itertools import pairwise

import pytest
from drawn import scene_of, shipped
from geometry import faults

from dlspec.backends.diagram.layout import Drawing, TooWide, lay_out
from dlspec.backends.diagram.poster import lay_out_poster

CASES = (
    ("resnet", "ResNet34", 1, 350), ("resnet", "ResNet34", 2, 900), ("resnet", "ResNet34", None, 600),
    ("resnet", "ResNet34", None, 1100), ("resnet", "ResNet50", 2, 500), ("densenet", "DenseNet121", 2, 1200),
    ("densenet", "DenseNet121", 2, 500), ("vgg", "VGG16", 1, 1100), ("vgg", "VGG16", 2, 1200), ("vgg", "VGG16", 2, 320),
    ("googlenet", "GoogLeNet", 1, 500), ("googlenet", "GoogLeNet", 2, 1100),
    ("inception_module", "InceptionModule", None, 700),
)  # fmt: skip
UP = 150
"""So many pixels an edge may run back up: to the middle of what it enters, not over the height of a stage."""


def _upward(drawing: Drawing) -> float:
    """How far an edge runs up at once, at most."""
    return max(
        y - y2 for placed in drawing.root.walk() for way in placed.sketch.ways for (_, y), (_, y2) in pairwise(way.points)
    )  # fmt: skip


@pytest.mark.parametrize(("spec", "network", "depth", "width"), CASES)
def test_a_width_is_kept_or_one_is_named_that_is(spec: str, network: str, depth: int | None, width: int) -> None:
    scene = shipped(spec, network, depth=depth)
    try:
        drawing = lay_out(scene, "LR", width)
    except TooWide as error:
        least, hint = error.least, error.hint
        drawing = lay_out(scene, "LR", least)
        found = f"need {least} pixels" in hint and width < least
        width = least if found else 0
    assert drawing.width <= width
    assert not faults(drawing), faults(drawing)[:3]
    assert _upward(drawing) <= UP


@pytest.mark.parametrize(("spec", "network", "depth"), [("vgg", "VGG16", 2), ("densenet", "DenseNet121", 2)])
def test_the_input_stands_beside_a_block_of_several_lines(spec: str, network: str, depth: int) -> None:
    image, block, *_ = lay_out(shipped(spec, network, depth=depth), "LR", 900).root.children
    assert block.sketch.height > 300
    assert block.y < image.y < block.y + block.sketch.height


def test_what_passes_many_rows_runs_close_below_each_line() -> None:
    """Not below what is highest in any of them."""
    steps = " -> ".join(["ReLU"] * 36)
    branches = " | ".join(["Conv(3, 1)"] * 6)
    scene = scene_of(
        f"network A(x: float[N, 3, 8, 8]) -> y {{\n y = x -> {steps} -> Add {{ {branches} }} -> {steps}\n x + y\n}}"
    )
    drawing = lay_out(scene, "LR", 700)
    assert not faults(drawing)
    tops = sorted({placed.y for placed in drawing.root.children if placed.box.name == "ReLU"})
    assert len(tops) > 6
    assert sum(below - above > 100 for above, below in pairwise(tops)) == 2, "above and below the branches"


def test_what_is_low_on_a_poster_stands_in_columns() -> None:
    drawing = lay_out_poster(shipped("mobilenet_v2", "MobileNetV2"))
    assert not faults(drawing)
    tallest = max(panel.sketch.height for panel in drawing.others)
    assert drawing.height < tallest + 200
    assert len({panel.bounds[0] for panel in drawing.others}) < len(drawing.others)
