"""The distributions of what is drawn, in ONNX Runtime. Each figure is compared within five standard errors."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from harness import Array, Input, as_type, onnx_session, run_onnx, single_node_graph
from test_symbolic_fields import H, N, W, graph_of

from dlspec.ir.op import Op
from dlspec.ops.random import Bernoulli, Multinomial, Normal, Uniform
from dlspec.passes.fixed_draws import with_fixed_draws
from dlspec.passes.noise_inputs import noise_as_inputs

COUNT = 200_000


def drawn(op: Op, *inputs: Array) -> Array:
    types = tuple(as_type(Input(array.shape, array.dtype.name)) for array in inputs)
    return run_onnx(onnx_session(single_node_graph(op, types), {}), inputs)[0].astype(np.float64)


def assert_moments(values: Array, mean: float, std: float, kurtosis: float) -> None:
    count = values.size
    assert abs(values.mean() - mean) < 5 * std / sqrt(count)
    assert abs(values.std() - std) < 5 * std * sqrt((kurtosis - 1) / (4 * count))


@pytest.mark.parametrize("dtype", ["float", "float64", "float16"])
def test_normal(dtype: str) -> None:
    values = drawn(Normal((COUNT // 2, 2), 3, 0.5, dtype))
    assert_moments(values, 3, 0.5, kurtosis=3)
    assert np.mean(np.abs(values - 3) < 0.5) == pytest.approx(0.6827, abs=0.01)


@pytest.mark.parametrize("dtype", ["float", "float64"])
def test_uniform(dtype: str) -> None:
    values = drawn(Uniform((COUNT,), -1, 3, dtype))
    assert values.min() >= -1
    assert values.max() <= 3
    assert_moments(values, 1, 4 / sqrt(12), kurtosis=1.8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bernoulli(dtype: type) -> None:
    values = drawn(Bernoulli(), np.repeat(np.asarray([0, 0.2, 0.7, 1], dtype), COUNT).reshape(4, COUNT))
    assert set(np.unique(values)) == {0, 1}
    assert values[0].max() == 0
    assert values[3].min() == 1
    for row, p in ((1, 0.2), (2, 0.7)):
        assert abs(values[row].mean() - p) < 5 * sqrt(p * (1 - p) / COUNT)


WEIGHTS = np.asarray([2, 0, 1, 5], np.float32)


def of_weights(op: Multinomial, way: str) -> Array:
    """Draws by the operator itself, or by that with noise as an input, as objectives have it."""
    weights = np.tile(WEIGHTS, (COUNT // 10, 1))
    if way == "drawn":
        return drawn(op, weights)
    graph = noise_as_inputs(single_node_graph(op, (as_type(Input(weights.shape)),)))
    noise = graph.inputs[1].type.shape
    given = np.random.default_rng(3).uniform(0, 1, [int(str(size)) for size in noise]).astype(np.float32)
    session = onnx_session(graph, {})
    return next(iter(session.run({"input0": weights, graph.inputs[1].name: given}).values())).astype(np.float64)


@pytest.mark.parametrize("way", ["drawn", "noise"])
def test_multinomial(way: str) -> None:
    shares = WEIGHTS / WEIGHTS.sum()
    again = of_weights(Multinomial(3, replacement=True), way)
    apart = of_weights(Multinomial(2), way)
    count = len(again)
    for number, share in enumerate(shares):
        for column in (*again.T, apart[:, 0]):
            assert abs(np.mean(column == number) - share) <= 5 * sqrt(share * (1 - share) / count)
    assert (apart[:, 0] != apart[:, 1]).all()
    # The second is drawn of the others: 2 / 3 of those behind a 3 are a 0.
    behind = apart[apart[:, 0] == 3, 1]
    assert abs(np.mean(behind == 0) - 2 / 3) < 5 * sqrt(2 / 9 / len(behind))


def test_the_likeliest_stands_for_what_is_drawn() -> None:
    for op, expected in ((Multinomial(2), [3, 0]), (Multinomial(3, replacement=True), [3, 3, 3])):
        fixed = with_fixed_draws(single_node_graph(op, (as_type(Input((4,))),)))
        assert run_onnx(onnx_session(fixed, {}), [WEIGHTS])[0].tolist() == expected


@pytest.mark.parametrize(
    ("op", "mean", "std"), [(Normal((N, H, W), 1, 2), 1, 2), (Uniform((N, H, W), 0, 6), 3, sqrt(3))]
)
def test_sizes_in_symbols(op: Op, mean: float, std: float) -> None:
    session = onnx_session(graph_of(op), {})
    values = run_onnx(session, [np.zeros((8, 4, 160, 150), np.float32)])[0]
    assert values.shape == (8, 160, 150)
    assert_moments(values.astype(np.float64), mean, std, kurtosis=3)


def test_draws_differ() -> None:
    session = onnx_session(single_node_graph(Normal((100,)), ()), {})
    first, second = run_onnx(session, []), run_onnx(session, [])
    assert not np.array_equal(first[0], second[0])
