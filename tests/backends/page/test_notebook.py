"""What a notebook shows of a model."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

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
