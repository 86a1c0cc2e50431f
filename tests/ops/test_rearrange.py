"""`rearrange` over random patterns, against what the notation means, element by element."""

from __future__ import annotations

import random
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pytest
from harness import Array, infer, onnx_session, run_onnx, run_torch, single_node_graph

from dlspec.backends.torch.live import to_module
from dlspec.ir.dims import symbol
from dlspec.ir.types import DType, TensorType
from dlspec.ops.rearrange import Rearrange

Groups = list[list[str]]


def pattern(draw: random.Random) -> tuple[Groups, Groups, dict[str, int]]:
    """Names in groups before and after, and the length of each."""
    names = draw.sample(["b", "c", "h", "w", "head", "p1", "x_y"], draw.randint(1, 5))
    lengths = {name: draw.randint(1, 4) for name in names}
    return grouped(draw, names), grouped(draw, draw.sample(names, len(names))), lengths


def grouped(draw: random.Random, names: list[str]) -> Groups:
    groups: Groups = []
    for name in names:
        if groups and groups[-1] and draw.random() < 0.4:
            groups[-1].append(name)
        else:
            groups += [[]] * (draw.random() < 0.15)
            groups.append([name])
    return groups


def text(groups: Groups, draw: random.Random) -> str:
    return " ".join(
        group[0] if len(group) == 1 else f"({' '.join(group)})" if group else draw.choice(("1", "()"))
        for group in groups
    )


def shape(groups: Groups, lengths: dict[str, int]) -> tuple[int, ...]:
    return tuple(prod(lengths[name] for name in group) for group in groups)


def meant(x: Array, before: Groups, after: Groups, lengths: dict[str, int]) -> Array:
    """Each element at the place that its names give it; the last of those that are joined counts fastest."""

    def place(groups: Groups, at: dict[str, int]) -> tuple[int, ...]:
        places: list[int] = []
        for group in groups:
            index = 0
            for name in group:
                index = index * lengths[name] + at[name]
            places.append(index)
        return tuple(places)

    y = np.empty(shape(after, lengths), x.dtype)
    for indices in product(*(range(length) for length in lengths.values())):
        at = dict(zip(lengths, indices, strict=True))
        y[place(after, at)] = x[place(before, at)]
    return y


def given(before: Groups, lengths: dict[str, int], draw: random.Random) -> dict[str, int]:
    """The lengths that must be told, and some that need not."""
    told: dict[str, int] = {}
    for group in before:
        open_one = draw.choice([*group, ""]) if group else ""
        told |= {name: lengths[name] for name in group if name != open_one}
    return told


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("symbolic", [False, True])
def test_random_patterns(seed: int, symbolic: bool) -> None:
    draw = random.Random(seed)
    before, after, lengths = pattern(draw)
    told = given(before, lengths, draw)
    op = Rearrange(f"{text(before, draw)} -> {text(after, draw)}", tuple(told.items()))
    sizes = shape(before, lengths)
    x = np.random.default_rng(seed).standard_normal(sizes).astype(np.float32)
    dims: tuple[Any, ...] = tuple(symbol(f"S{axis}") for axis in range(len(sizes))) if symbolic else sizes
    types = (TensorType(DType.FLOAT32, dims),)
    expected = meant(x, before, after, lengths)
    if not symbolic:
        assert infer(op, types)[0][0].shape == expected.shape
    graph = single_node_graph(op, types)
    (from_onnx,) = run_onnx(onnx_session(graph, {}), [x])
    (from_torch,) = run_torch(to_module(graph, {}), [x])
    np.testing.assert_array_equal(from_onnx, expected, strict=True)
    np.testing.assert_array_equal(from_torch, expected, strict=True)
