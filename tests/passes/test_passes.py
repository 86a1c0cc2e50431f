"""Every pass over every shipped network and train: it gives a sound graph and leaves the one it is given as it is."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
from tests.backends.variants import telling

from dlspec import passes
from dlspec.ir.graph import Graph
from dlspec.ir.types import DType
from dlspec.passes.between import between
from dlspec.passes.fixed_draws import with_fixed_draws
from dlspec.passes.fold_batch_norm import fold_batch_norm
from dlspec.passes.gradients import differentiated
from dlspec.passes.noise_inputs import noise_as_inputs
from dlspec.passes.objective import objective
from dlspec.passes.retype import with_dtype
from dlspec.passes.training_outputs import as_inference
from dlspec.pipeline import elaborate, elaborate_training, open_program

PASSES: dict[str, Callable[[Graph], Graph]] = {
    "with_fixed_draws": lambda graph: with_fixed_draws(graph, 1),
    "fold_batch_norm": fold_batch_norm,
    "differentiated": differentiated,
    "noise_as_inputs": noise_as_inputs,
    "objective": lambda graph: objective(graph, graph.outputs[-1].name),
    "with_dtype": lambda graph: with_dtype(graph, DType.BFLOAT16),  # float16 does not hold some numbers of the specs
    "as_inference": as_inference,
    "between": lambda graph: between(graph, {}, {"made": graph.outputs[0].value}),
}
FILES = sorted(Path(__file__).parents[2].glob("specs/*.dlspec"))


def as_it_is(graph: Graph) -> list[tuple[object, ...]]:
    nodes = [(node, node.op, node.inputs, node.weights, node.outputs, node.training) for node in graph.nodes]
    return [
        *nodes,
        *((output.name, output.value, output.training) for output in graph.outputs),
        *graph.parameters.items(),
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_graphs_are_sound_and_stay_as_they_are(path: Path) -> None:
    program = open_program(path)
    graphs = [elaborate(program, name) for name in telling(program)]
    graphs += [elaborate_training(program, name).graph for name in program.trains]
    for graph in graphs:
        before = as_it_is(graph)
        for run in PASSES.values():
            assert run(graph).outputs  # verified, as all that a pass makes
        graph.verify()
        assert as_it_is(graph) == before


def test_every_pass_is_among_them_and_verified() -> None:
    found: dict[str, Any] = {}
    for module in iter_modules(passes.__path__, "dlspec.passes."):
        members = vars(import_module(module.name)).items()
        own = [(name, each) for name, each in members if getattr(each, "__module__", "") == module.name]
        found |= {n: each for n, each in own if getattr(each, "__annotations__", {}).get("return") == "Graph"}
    assert found.keys() == PASSES.keys() | {"objectives"}  # which are the graphs of a train
    assert [name for name, function in found.items() if not hasattr(function, "__wrapped__")] == []
