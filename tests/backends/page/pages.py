"""Pages for the tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from dlspec.analyses.report import summarise
from dlspec.backends.diagram.building import build_scene
from dlspec.backends.diagram.page import page
from dlspec.backends.diagram.scene import Scene
from dlspec.pipeline import elaborate, open_program, open_source
from dlspec.source import Source

SPECS = Path(__file__).parents[3] / "specs"

pytest.importorskip("pygraphviz", reason="drawing needs Graphviz")

HOSTILE = [
    "</script><script>document.title = 1</script>",
    "<img src=x onerror=alert(1)>",
    "<!--", "]]>", "&lt;b&gt;", "\"'`$x", "javascript:alert(1)", "é 漢字 😀", "x" * 300,
]  # fmt: skip


def scene_of(text: str, **options: Any) -> Scene:
    program = open_source(Source("test.dlspec", text))
    graph = elaborate(program, next(iter(program.networks)))
    return build_scene(graph, summarise(graph), **options)


@cache
def shipped(file: str, network: str, depth: int | None = 1) -> str:
    graph = elaborate(open_program(SPECS / f"{file}.dlspec"), network)
    return page(build_scene(graph, summarise(graph), depth=depth))


def hostile() -> str:
    """A network whose arguments, comments and source are what no page likes to have in it."""
    calls = [f"-> B({_literal(text)})  # {text}" for text in HOSTILE]
    return (
        "block B(note) { ReLU }\nnetwork A(x: float[N, 4, 8, 8]) -> y {\n    x\n    " + "\n    ".join(calls) + "\n}\n"
    )


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
