"""The objectives of trains as graphs of data and noise: in ONNX Runtime as the generated trainer computes them."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from train_snippets import SIZES, TRAINS, training

from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes, to_model_proto
from dlspec.backends.runtime import Session, make_inputs
from dlspec.backends.torch.classes.grouping import objective_names
from dlspec.backends.torch.live import to_training
from dlspec.backends.torch.python.names import variable
from dlspec.backends.verify import telling, verify
from dlspec.objectives.training import STEP, Training
from dlspec.passes.noise_inputs import draws, noise_as_inputs, noise_ranges
from dlspec.passes.objective import objective, objectives

NOISE = """
train Noisy {
    data x: float[N, 3]
    data normal_2: float[N, 3]
    shared net = Net
    a = normal([N, 3])
    b = uniform([4], -2.0, 3.0)
    c = bernoulli(sigmoid(x)) * normal([3], 1.0, 2.0)
    unused = normal([7])
    minimize mean((a -> net) + c) + mean(b) over net using SGD(lr=0.1)
    minimize mean(x -> net) + mean(normal_2) over net using SGD(lr=0.1)
}
"""


def weights_of(made: Training) -> dict[str, Any]:
    return {path: telling(parameter, 0) for path, parameter in made.graph.parameters.items()}


def fix_draws(monkeypatch: pytest.MonkeyPatch, noise: list[Any]) -> None:
    """Lets PyTorch draw these arrays, in this order; ones where they are less than the probability."""
    left = [torch.from_numpy(array) for array in noise]
    monkeypatch.setattr(torch, "randn", lambda *_, **__: left.pop(0))
    monkeypatch.setattr(torch, "rand", lambda *_, **__: left.pop(0))
    monkeypatch.setattr(torch, "bernoulli", lambda p: (left.pop(0) < p).to(p.dtype))


@pytest.mark.parametrize("text", TRAINS.values(), ids=TRAINS)
def test_values_are_those_of_the_trainer(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = training(text)
    weights = weights_of(made)
    model = to_training(made, weights)[0].eval()
    for update in made.updates:
        graph = objectives(made, update.name)
        session = Session(to_bytes(build(graph, weights={path: weights[path] for path in graph.parameters})))
        inputs = make_inputs(graph, SIZES, 3, noise_ranges(made.graph))
        if STEP in inputs:
            inputs[STEP] = np.array(3)
        (found,) = session.run(inputs).values()
        method = getattr(model, objective_names(made)[update.name])
        data = {variable(name): array for name, array in (make_inputs(made.graph, SIZES) | inputs).items()}
        given = [torch.from_numpy(data[name]) for name in inspect.signature(method).parameters]
        with monkeypatch.context() as patched:
            drawn = {name: node for name, node in draws(made.graph).items() if name in inputs}
            # In a scan, the first axis of the noise has a place for each turn.
            fix_draws(
                patched, [a for name in drawn for a in (inputs[name] if drawn[name].scope.inside else [inputs[name]])]
            )
            expected = method(*given).detach()
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("text", [*TRAINS.values(), NOISE], ids=[*TRAINS, "noise"])
def test_both_lowerings_agree(text: str) -> None:
    made = training(text)
    report = verify(objectives(made), ranges=noise_ranges(made.graph))
    assert report.faults == []
    assert {row.output for row in report.rows} == {update.name for update in made.updates}


def test_draws_become_inputs() -> None:
    made = training(NOISE)
    graph = noise_as_inputs(made.graph)
    assert [str(value) for value in graph.inputs] == [
        "%x: float[N, 3]",
        "%normal_2: float[N, 3]",
        "%normal: float[N, 3]",
        "%uniform: float[4]",
        "%uniform_2: float[N, 3]",
        "%normal_3: float[3]",
    ]
    assert not any(node.op.random for node in graph.needed(output.value for output in graph.outputs))
    assert noise_ranges(made.graph) == {"uniform": (-2.0, 3.0), "uniform_2": (0.0, 1.0)}
    assert sum(node.op.random for node in made.graph.nodes) == 5


def test_one_objective_needs_its_own_inputs_alone() -> None:
    made = training(TRAINS["gan"])
    graph = noise_as_inputs(made.graph)
    judge, generate = objective(graph, "judge"), objective(graph, "generate")
    assert [value.name for value in judge.inputs] == ["real", "normal"]
    assert [value.name for value in generate.inputs] == ["normal"]
    assert list(judge.parameters) == list(made.graph.parameters)
    assert len(objective(made.graph, "generate").inputs) == 1  # its noise is as large as the data
    with pytest.raises(KeyError):
        objective(graph, "other")


def test_an_output_is_told_from_a_weight_of_its_name() -> None:
    made = training("""
train Mean {
    data x: float[N, 3]
    param centre: float[3] = 0.5
    minimize mean((x - centre) ** 2) over centre using SGD(lr=0.1)
}
""")
    model = to_model_proto(objectives(made))
    onnx.checker.check_model(model, full_check=True)
    assert [output.name for output in model.graph.output] == ["centre_objective"]


def test_models_are_whole() -> None:
    for text in TRAINS.values():
        onnx.checker.check_model(to_model_proto(objectives(training(text))), full_check=True)
