"""What a notebook shows of a model."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from browser import Browser

import dlspec
from dlspec.backends.diagram import engine

LENET = Path(__file__).parents[3] / "specs" / "lenet.dlspec"


def test_picture_and_table() -> None:
    pytest.importorskip("pygraphviz", reason="drawing needs Graphviz")
    model = dlspec.load(LENET, "LeNet5")
    shown = model._repr_html_()
    picture = shown[shown.index("<svg") : shown.index("</svg>") + len("</svg>")]
    assert ElementTree.fromstring(picture).tag.endswith("svg")
    assert picture.strip() == model.draw(depth=1).svg().strip()
    assert shown.index("</svg>") < shown.index("<table>")


def test_table_without_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.shutil, "which", lambda _: None)
    monkeypatch.setattr(engine, "find_spec", lambda _: None)
    shown = dlspec.load(LENET, "LeNet5")._repr_html_()
    assert "No picture: drawing needs Graphviz" in shown
    assert "<table>" in shown


@pytest.mark.parametrize("dark", [False, True])
def test_layers_are_folded(chromium: Browser, tmp_path: Path, dark: bool) -> None:
    """161 rows are those of the blocks until one is opened, in the colours of the notebook."""
    pytest.importorskip("pygraphviz", reason="drawing needs Graphviz")
    ink, ground = ("rgb(230, 230, 230)", "rgb(17, 17, 17)") if dark else ("rgb(20, 20, 20)", "rgb(255, 255, 255)")
    shown = dlspec.load(LENET.with_name("resnet.dlspec"), "ResNet50")._repr_html_()
    theme = f'data-jp-theme-light="{"false" if dark else "true"}"'
    chromium.open_text(
        f'<!doctype html><meta charset="utf-8"><body {theme} style="color: {ink}; background: {ground}">' + shown,
        tmp_path / "notebook.html",
    )
    rows = "return [...document.querySelectorAll('.dlspec .row')].filter((row) => row.checkVisibility()).length"
    folded = chromium.run(rows)
    assert folded == 12  # the heads, and what `--depth 1` has
    assert chromium.run("return document.documentElement.scrollHeight") < 1500
    chromium.click(".dlspec summary")
    assert chromium.run(rows) > folded
    colours = chromium.run(
        "return [...document.querySelectorAll('.dlspec span, .dlspec td, .dlspec th')].map((e) => getComputedStyle(e).color)"
    )
    assert set(colours) == {ink}
    assert (chromium.run("return getComputedStyle(document.querySelector('svg')).filter") != "none") == dark
    assert chromium.complaints() == []
