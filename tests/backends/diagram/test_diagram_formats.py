"""The files: real text, nothing injected, the same bytes for the same picture, in every theme and direction."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from drawn import SPECS, hostile_scene, scene_of, shipped
from geometry import faults
from hostile import HOSTILE

import dlspec
from dlspec.backends.diagram import fonts
from dlspec.backends.diagram.digraph import digraph
from dlspec.backends.diagram.engine import EngineError
from dlspec.backends.diagram.layout import lay_out
from dlspec.backends.diagram.looks import BOLD, SIZES
from dlspec.backends.diagram.metrics import TIMES, text_width
from dlspec.backends.diagram.picture import FORMATS, Picture
from dlspec.backends.diagram.svg import svg
from dlspec.backends.diagram.text import mermaid
from dlspec.backends.diagram.theme import HUES, THEMES

SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = {"svg", "title", "desc", "g", "rect", "path", "polygon", "text", "tspan"}


def texts(document: str) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(document).iter(f"{SVG}text")]


def test_svg_has_the_text_as_text() -> None:
    found = texts(svg(lay_out(shipped("resnet", "ResNet50", depth=2))))
    for text in (
        "conv1  Conv 64, 7",
        "stride=2, padding=3, bias=false",
        "25,557,032 params · 4.089 GMACs",
        "[N, 64, 112, 112]",
    ):
        assert text in found
    assert f"Bottleneck  {TIMES}5" in found
    assert "with downsample: Shortcut" in found


@pytest.mark.parametrize("ending", FORMATS)
def test_the_same_picture_has_the_same_bytes(ending: str) -> None:
    one, other = (Picture(shipped("squeezenet", "SqueezeNet1_0", depth=2)).content(ending) for _ in range(2))
    assert one == other
    assert len(one) > 1000


@pytest.mark.parametrize("theme", THEMES)
def test_themes_have_enough_contrast(theme: Any) -> None:
    colours = THEMES[theme]

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        high, low = sorted((luminance(one), luminance(other)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for ground in (*map(colours.fill, HUES), colours.ground(0), colours.ground(1), colours.background):
        assert contrast(colours.text, ground) >= 4.5, ground
        assert contrast(colours.muted, ground) >= 3.0, ground
    assert f'fill="{colours.background}"' in svg(lay_out(shipped("lenet", "LeNet5")), theme)


def test_what_is_rasterized_has_nothing_nested() -> None:
    """Groups 400 deep inside each other ended the process."""
    drawing = lay_out(shipped("resnet", "ResNet50", depth=2))
    assert "<g>" in svg(drawing)
    assert "<g>" not in svg(drawing, tips=False)
    assert texts(svg(drawing, tips=False))


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: repr(name[:14]))
def test_hostile_names_are_text_in_svg(name: str) -> None:
    drawing = lay_out(hostile_scene(name))
    assert not faults(drawing)
    document = svg(drawing)
    root = ET.fromstring(document)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= ELEMENTS
    geometry = r"x|y|width|height|rx|d|points|viewBox|text\w+|length\w+|\{.*\}space"
    allowed = rf"{geometry}|fill|stroke(-\w+)?|id|role|font-\w+|aria-\w+"
    for element in root.iter():
        for key in element.attrib:
            assert re.fullmatch(allowed, key), key
    assert "http" not in document.replace("http://www.w3.org/2000/svg", "", 1)
    assert len(document) < 60_000


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: repr(name[:14]))
def test_hostile_names_are_text_in_dot(name: str) -> None:
    agraph = pytest.importorskip("pygraphviz").AGraph
    read = agraph(string=digraph(hostile_scene(name)).source)
    assert set(read.nodes()) == {"n_input_image", "n_b_0", "n_b_1", "n_1_0", "n_1_1", "n_4", "n_output_out"}
    assert [sub.name for sub in read.subgraphs()] == ["cluster_n_b", "cluster_n_1"]
    assert set(read.get_node("n_4").attr) == {"label", "fillcolor"} | set(read.get_node("n_b_0").attr)


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: repr(name[:14]))
def test_hostile_names_are_text_in_mermaid(name: str) -> None:
    lines = mermaid(hostile_scene(name)).splitlines()
    text = r'"[^"<>`&\\%{}|]*(<br>[^"<>`&\\%{}|]*)*"'
    forms = (
        r"flowchart TB", rf" *n_\w+(\[{text}\]|\(\[{text}\]\))", rf" *subgraph n_\w+\[{text}\]", r" *end",
        rf" *n_\w+ -->(\|{text}\|)? n_\w+", r" *classDef \w+ [\w:#,]+", r" *class [\w,]+ \w+",
    )  # fmt: skip
    for line in lines:
        assert any(re.fullmatch(form, line) for form in forms), line


def test_dot_and_mermaid_show_what_is_drawn() -> None:
    scene = shipped("resnet", "ResNet50", depth=2)
    text = digraph(scene).source
    assert "subgraph cluster_n_layer1 {" in text
    assert 'n_layer1_0 -> n_layer1_1 [taillabel=" [N, 256, 56, 56]" weight=10]' in text
    flow = mermaid(scene, "LR")
    assert flow.startswith("flowchart LR\n")
    assert 'n_layer1_0 -->|"[N, 256, 56, 56]"| n_layer1_1' in flow
    assert "n_2 --> n_3" in flow


def test_graphs_of_other_packages() -> None:
    """What a person gets in Python, to change or to compute with."""
    graphviz = pytest.importorskip("graphviz")
    model = dlspec.load(SPECS / "resnet.dlspec", "ResNet18")
    made = model.to_graphviz(depth=1, expand=["layer1.0"])
    assert isinstance(made, graphviz.Digraph)
    assert "subgraph cluster_n_layer1_0 {" in made.source
    made.attr("node", fontname="Courier")
    assert "Courier" in made.source
    net = model.to_networkx()
    assert len(net) == len(model.graph.nodes) + 1
    conv = net.nodes["conv1"]
    assert conv["op"] == "Conv(64, 7, stride=2, padding=3, bias=false)"
    assert conv["params"] == 9408
    assert re.search(r"resnet\.dlspec:\d+:\d+$", conv["source"])
    assert sum(each.get("params", 0) for _, each in net.nodes(data=True)) == 11_689_512
    assert net.edges["image", "conv1"] == {"tensor": "image", "type": "float[N, 3, H, W]"}
    networkx = pytest.importorskip("networkx")
    assert "\n".join(networkx.generate_graphml(net)).count("<node") == len(net)  # all attributes are plain


def test_mermaid_marks_training() -> None:
    flow = mermaid(shipped("googlenet", "GoogLeNet", depth=1))
    assert 'n_inception4a -.->|"[N, 512, 14, 14]"| n_aux1' in flow
    assert 'n_inception4a -->|"[N, 512, 14, 14]"| n_inception4b' in flow


def test_png_and_pdf() -> None:
    pytest.importorskip("resvg_py")
    image = pytest.importorskip("PIL.Image")
    picture = Picture(shipped("lenet", "LeNet5"))
    made = image.open(io.BytesIO(picture.content(".png")))
    drawing = lay_out(picture.scene)
    assert made.size == (round(2 * drawing.width), round(2 * drawing.height))
    assert len(made.convert("RGB").getcolors(1 << 20)) > 20
    pdf = picture.content(".pdf")
    assert pdf.startswith(b"%PDF-")
    assert pdf.count(b"/FontFile2") == pdf.count(b"/BaseFont") == 2  # all are embedded


@pytest.mark.parametrize(
    ("letter", "ending", "here", "message"),
    [
        ("ü", ".png", "", ""),
        ("ü", ".pdf", "", ""),
        ("ш", ".png", "ш", ""),
        ("ш", ".png", "", "no font here has `ш` (U+0448)"),
        ("高", ".pdf", "高", "Bitstream Vera Sans, the font of a PDF, lacks `高` (U+9AD8)"),
    ],
)
def test_no_letter_is_an_empty_box(
    monkeypatch: pytest.MonkeyPatch, letter: str, ending: str, here: str, message: str
) -> None:
    """Whatever fonts this machine has: those of the test have the letters that are ``here``."""
    pytest.importorskip("resvg_py")
    vera = fonts._is_drawn
    monkeypatch.setattr(fonts, "_is_drawn", lambda sign, system: sign in here if system else vera(sign, False))
    text = f'x -> Rearrange("n c {letter} w -> n c w {letter}")'
    picture = Picture(scene_of(f"network A(x: float[N, 3, 8, 8]) -> y {{ {text} }}"))
    if not message:
        assert picture.content(ending)
        return
    with pytest.raises(EngineError) as raised:
        picture.content(ending)
    assert (str(raised.value), raised.value.code) == (message, "DL0612")
    assert letter.encode() in picture.content(".svg")


def test_widths_are_those_of_the_font() -> None:
    ttf = pytest.importorskip("reportlab.pdfbase.ttfonts")
    for style in SIZES:
        bold = style in BOLD
        font = ttf.TTFontFile(fonts.font_files()[bold])
        for character in "abcXYZ019[],=._-()\N{MULTIPLICATION SIGN}… ":
            assert text_width(character, 1000, bold) == pytest.approx(font.charWidths[ord(character)], abs=1)
        for character in "·äßø":
            assert text_width(character, 1000, bold) >= 0.75 * font.charWidths[ord(character)]
