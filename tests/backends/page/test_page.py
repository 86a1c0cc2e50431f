"""The page as a file: what is in it, and what can never be."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from pages import HOSTILE, hostile, scene_of, shipped

from dlspec.backends.diagram.page import page, page_data

TWO = (
    "block B(w) { Conv(w, 3) -> ReLU }\nnetwork A(x: float[N, 3, 32, 32]) -> y { x -> a: B(8) -> b: B(8) -> c: B(16) }"
)


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Elements()
    parser.feed(text)
    return parser.found


def data_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert found
    return json.loads(found[1])


def test_same_scene_gives_same_bytes() -> None:
    assert page(scene_of(TWO)) == page(scene_of(TWO))


def test_equal_blocks_have_one_layout() -> None:
    """Of what is drawn of them the two `B(8)` differ in nothing: the costs that stand in their boxes are theirs."""
    data = page_data(
        scene_of("block B(w) { ReLU -> Tanh }\nnetwork A(x: float[N, 3]) -> y { x -> a: B(8) -> b: B(8) }")
    )
    inner = [box["layout"] for box in data["boxes"] if box["path"] in ("a", "b")]
    assert inner[0] == inner[1]


def test_drawing_leaves_the_scene_as_it_was() -> None:
    scene = scene_of(TWO, depth=1, expand=["b"])
    page(scene)
    assert [box.path for box in scene.boxes() if box.open] == ["", "b"]


def test_nothing_is_asked_for() -> None:
    text = shipped("resnet", "ResNet18")
    for tag, attributes in elements(text):
        assert tag not in ("link", "img", "iframe", "object", "base")
        for name, value in attributes.items():
            assert name not in ("src", "href", "style"), (tag, value)
            assert not name.startswith("on"), (tag, value)
    policy = next(attributes for _, attributes in elements(text) if "http-equiv" in attributes)
    assert str(policy["content"]).startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in text.partition("<style>")[0]
    assert "connect-src" not in text.partition("<style>")[0]


def test_hostile_names_are_text() -> None:
    kind = scene_of(TWO)
    plain, wild = page(kind), page(scene_of(hostile()))
    assert [tag for tag, _ in elements(wild)] == [tag for tag, _ in elements(plain)]
    for text, box in zip(HOSTILE, (box for box in data_of(wild)["boxes"] if box["name"] == "B"), strict=True):
        assert text in box["call"].replace('\\"', '"')
        assert text in "".join(part for line in box["info"]["source"]["lines"] for part in line[1:])
    inside = wild.partition('id="data">')[2].partition("</script>")[0]
    assert not set("<>&") & set(inside)


def test_boxes_tell_what_the_summary_does() -> None:
    scene = scene_of(TWO)
    boxes = {box["path"]: box for box in page_data(scene)["boxes"]}
    for row in scene.summary.rows(scopes=True):
        assert (boxes[row.path]["params"], boxes[row.path]["macs"]) == (row.cost.params, row.cost.macs)


def test_panel_has_formula_weights_and_source() -> None:
    info = next(box["info"] for box in page_data(scene_of(TWO))["boxes"] if box["path"] == "a.0")
    assert info["formula"] == ["axes 2, 3: floor((32 + 2*0 - 1*(3-1) - 1)/1) + 1 = 30"]
    assert info["weights"] == [("a.0.weight", "[8, 3, 3, 3]", "216"), ("a.0.bias", "[8]", "8")]
    assert info["source"] == {"where": "test.dlspec:1", "lines": [(1, "block B(w) { ", "Conv(w, 3)", " -> ReLU }")]}
    assert info["field"] == [("x, axes 2, 3", "3, moving by 1, first from 0")]
    assert ("kernel_size", "3") in info["arguments"]


def test_open_sizes_are_shown_as_symbols() -> None:
    text = "network A(x: float[N, 3, H, W]) -> y { x -> a: Conv(8, 3, stride=2) }"
    box = next(box for box in page_data(scene_of(text))["boxes"] if box["path"] == "a")
    assert box["macs"] is None
    assert box["info"]["formula"][0] == "axis 2: floor((H + 2*0 - 1*(3-1) - 1)/2) + 1 = (H - 1) // 2"


@pytest.mark.parametrize("network", ["ResNet50", "ResNet152"])
def test_page_stays_small(network: str) -> None:
    assert len(shipped("resnet", network)) < 1_500_000
