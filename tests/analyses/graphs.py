"""Graphs for the tests of the analyses, from texts and from the shipped specs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dlspec.ir.graph import Graph
from dlspec.ir.node import Node
from dlspec.pipeline import elaborate, open_program, open_source
from dlspec.source import Source

SPECS = Path(__file__).parents[2] / "specs"


def graph_of(text: str, sizes: Mapping[str, int] | None = None) -> Graph:
    program = open_source(Source("test.dlspec", text))
    return elaborate(program, next(iter(program.networks)), {}, sizes or {})


def shipped(file: str, network: str, sizes: Mapping[str, int] | None = None) -> Graph:
    return elaborate(open_program(SPECS / f"{file}.dlspec"), network, {}, sizes or {})


def node(graph: Graph, name: str) -> Node:
    return next(node for node in graph.nodes if node.name == name)
