"""Graphs and findings of specs written inline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlspec.diagnostics import Diagnostic
from dlspec.ir.graph import Graph
from dlspec.pipeline import check_source, elaborate, open_source
from dlspec.source import Source


def graph_of(text: str, network: str | None = None, sizes: Mapping[str, int] | None = None, **settings: Any) -> Graph:
    """The graph of a network of a text: of the last one where no name is given."""
    program = open_source(Source("inline.dlspec", text))
    return elaborate(program, network or list(program.networks)[-1], settings, sizes)


def found_in(text: str) -> list[Diagnostic]:
    return list(check_source(Source("inline.dlspec", text)))


def codes_in(text: str) -> list[str]:
    return [diagnostic.code for diagnostic in found_in(text)]


def net(body: str, signature: str = "image: float[N, 3, H = 32, W = 32]", output: str = "out", before: str = "") -> str:
    """A file with one network around a body."""
    return f"{before}\nnetwork Net({signature}) -> {output} {{\n{body}\n}}\n"
