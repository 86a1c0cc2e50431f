"""The shipped networks, and their graphs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.backends.variants import telling

from dlspec.ir.evaluation import evaluate
from dlspec.ir.graph import Graph
from dlspec.ir.types import TensorType
from dlspec.pipeline import Program, elaborate, open_program, open_source
from dlspec.source import Source

TRUTH = Path(__file__).parent / "truth"
SPECS = Path(__file__).parents[2] / "specs"
FILES = sorted(SPECS.glob("*.dlspec"))


@cache
def program(stem: str) -> Program:
    return open_program(SPECS / f"{stem}.dlspec")


def networks() -> list[str]:
    """Every network of every shipped file, as ``file:Network``."""
    return [f"{path.stem}:{name}" for path in FILES for name in program(path.stem).networks]


@cache
def shown() -> list[str]:
    """Those that tell something of their own, or all where ``ALL_NETWORKS`` is set in the environment."""
    if os.environ.get("ALL_NETWORKS"):
        return networks()
    return [f"{path.stem}:{name}" for path in FILES for name in telling(program(path.stem))]


@cache
def _program_in_float64(stem: str) -> Program:
    path = SPECS / f"{stem}.dlspec"
    return open_source(Source(path.name, path.read_text(encoding="utf-8").replace(": float[", ": float64["), path))


def graph_of(
    network: str,
    settings: Mapping[str, Any] | None = None,
    sizes: Mapping[str, int] | None = None,
    double: bool = False,
) -> Graph:
    stem, _, name = network.partition(":")
    return elaborate(_program_in_float64(stem) if double else program(stem), name, settings, sizes)


def sizes_for(graph: Graph, shapes: Iterable[Iterable[int]]) -> dict[str, int]:
    """The numbers that the symbols of a graph stand for when its inputs have these shapes."""
    sizes: dict[str, int] = {}
    for value, shape in zip(graph.inputs, shapes, strict=True):
        for dim, size in zip(value.type.shape, shape, strict=True):
            if isinstance(dim, int):
                assert dim == size, f"{value} is not {list(shape)}"
            else:
                assert str(dim) in graph.symbols
                assert sizes.setdefault(str(dim), size) == size
    return sizes


def shape_at(type: TensorType, sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(evaluate(dim, sizes) for dim in type.shape)
