"""How the error of a fit falls with the units and the samples, and what it takes in more dimensions."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
from catalogue import graph_of, program
from test_numerics import outputs_of

from dlspec.backends.torch.live import to_training
from dlspec.pipeline import elaborate_training

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


def points(count: int, dimension: int, seed: int) -> Array:
    return np.random.default_rng(seed).uniform(-1, 1, (count, dimension)).astype(np.float32)


def waves(x: Array, count: int) -> Array:
    return np.prod(np.sqrt(2) * np.sin(np.pi * count * x), 1, keepdims=True)


def error(samples: int, dimension: int = 1, width: int = 32, count: int = 1) -> float:
    """The mean squared error at other points than those it was fitted to."""
    settings = {"dimension": dimension, "width": width, "waves": count}
    model, trainer = to_training(elaborate_training(program("approximation"), "Fit", settings), seed=0)
    given = torch.from_numpy(points(samples, dimension, 1))
    for _ in range(600):
        trainer.update_model(given)
    held_out = points(4096, dimension, 2)
    with torch.no_grad():
        fitted: Array = model.get_submodule("model")(torch.from_numpy(held_out)).numpy()
    return float(np.mean((fitted - waves(held_out, count)) ** 2))


def test_more_units_fit_better() -> None:
    few, some, many = (error(256, width=width, count=3) for width in (2, 8, 64))
    assert few < 0.8
    assert some < 0.1
    assert many < 0.03
    assert few > 5 * some > 10 * many


def test_samples_and_units_are_wanted_in_more_dimensions() -> None:
    line, plane, space = (error(64, dimension) for dimension in (1, 2, 3))
    assert line < plane / 10 < space / 100
    assert error(256, 3) < space / 10
    line, plane, space = (error(1024, dimension, width=4) for dimension in (1, 2, 3))
    assert line < plane / 3 < space / 6
    assert error(1024, 3) < space / 10


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_grid_is_off_by_half_a_cell(dimension: int) -> None:
    cells = 20
    middles = (np.arange(cells) + 0.5) * 2 / cells - 1
    axes = np.meshgrid(*[middles] * dimension, indexing="ij")[::-1]  # the first axis turns first
    entries = waves(np.stack([axis.ravel() for axis in axes], 1), 1).astype(np.float32)
    graph = graph_of("approximation:Grid", {"dimension": dimension, "cells": cells})
    x = points(1000, dimension, 3)
    (found,) = outputs_of(graph, {"samples.weight": entries}, {"x": x})
    slope = np.sqrt(2) ** dimension * np.pi
    off = np.abs(found - waves(x, 1)).max()
    assert 0.2 * slope / cells < off <= slope * dimension / cells
