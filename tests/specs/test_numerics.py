"""What the lowered networks compute in ONNX Runtime, against torchvision and timm with the same weights and against the
recorded outputs of the other reference implementations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import prod, sqrt
from typing import Any, TypeAlias

import fill
import numpy as np
import pytest
import torch
from by_hand import BY_HAND, SMALL
from catalogue import graph_of, sizes_for
from light import LIGHT
from oracle import reference_model, results_of, with_tables
from references import REFERENCES, Reference
from without_record import WITHOUT_RECORD

from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes
from dlspec.backends.runtime import make_inputs, run
from dlspec.backends.weights import draw
from dlspec.ir.graph import Graph
from dlspec.ir.node import Parameter
from dlspec.passes.fixed_draws import with_fixed_draws

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Compared: TypeAlias = Callable[[str, int], None]

WITH_MODEL = [reference for reference in REFERENCES if reference.small]
FINGERPRINTED = [
    reference
    for reference in REFERENCES
    if not reference.has_model and not reference.training and "fingerprint" in reference.truth
    # d2l's LeNet has a sigmoid where ours, as the paper, has tanh.
    and reference.record != "d2l_lenet"
]  # fmt: skip


def outputs_of(
    graph: Graph, weights: Mapping[str, Array], inputs: Mapping[str, Array], opset: int | None = None
) -> list[Array]:
    results = run(to_bytes(build(graph, weights=weights, opset=opset), threads=1), inputs)
    return [results[output.name] for output in graph.outputs if not output.training]


def filled_weights(graph: Graph, order: Iterable[str] = ()) -> dict[str, Array]:
    """Those of the fingerprints. ``order`` has the names of the weights as the reference declares them, where the graph
    does not have that order, or not all of them."""
    weights: dict[str, Array] = {}
    for position, path in enumerate(order or graph.parameters):
        if path not in graph.parameters:
            continue
        weight = graph.parameters[path]
        values = fill.weight(position, path, weight.shape, weight.kind)
        weights[path] = np.asarray(draw(weight, 0) if values is None else values, weight.dtype.label)
    return weights


def random_weight(parameter: Parameter, generator: np.random.Generator, gain: float = 2.0) -> Array:
    """Weights under which activations neither vanish nor explode, so that a fault anywhere changes the output; and
    statistics of BatchNorm that are not those of one that does nothing."""
    leaf = parameter.path.rpartition(".")[2]
    if not parameter.dtype.is_float:
        return np.zeros(parameter.shape, parameter.dtype.label)
    if len(parameter.shape) > 1:
        fan_in = parameter.elements // parameter.shape[0]
        values = generator.standard_normal(parameter.shape, np.float32)
        values *= np.float32(sqrt(gain / fan_in))
        return values.astype(parameter.dtype.label, copy=False)
    low, high = (0.5, 1.5) if leaf in ("weight", "running_var") else (-0.1, 0.1)
    return generator.uniform(low, high, parameter.shape).astype(parameter.dtype.label)


def assert_equal_outputs(found: Array, expected: Array) -> None:
    """rtol 1e-3 and atol 1e-4, in units of the outputs' standard deviation: what networks with random weights give may
    be so small that any answer is within 1e-4 of it, or so large that rounding is not."""
    unit = float(expected.std())
    assert found.shape == expected.shape
    assert 0 < unit < np.inf
    np.testing.assert_allclose(found / unit, expected / unit, rtol=1e-3, atol=1e-4, equal_nan=False)


@pytest.mark.parametrize("reference", WITH_MODEL, ids=str)
def test_equals_the_model(reference: Reference, compared: Compared) -> None:
    graph = reference.graph({**reference.small, "N": 1})
    generator = np.random.default_rng(2)
    weights = {path: random_weight(each, generator, reference.gain) for path, each in graph.parameters.items()}
    inputs = make_inputs(graph, {})
    model = reference_model(reference)
    state = model.state_dict()  # MNASNet looks at the version that comes with it
    state.update({path: torch.from_numpy(array) for path, array in weights.items()})
    assert state.keys() == weights.keys()
    model.load_state_dict(state, assign=True)
    with_tables(model)
    model.double()  # torch's own rounding of MobileNetV3Large is more than what is allowed here
    expected = results_of(model, *(torch.from_numpy(each).double() for each in inputs.values()))
    for found, tensor in zip(outputs_of(graph, weights, inputs), expected, strict=True):
        assert_equal_outputs(found, tensor.numpy())
        compared("torchvision" if reference.torchvision else "timm", found.size)


ATTENTIVE = [r for r in FINGERPRINTED if r.record.startswith("hf_") and "tiny" in r.record]
"""In whose networks ONNX has operators of its own from opset 23."""
OPSETS = [*((r, None) for r in FINGERPRINTED), *((r, 24) for r in ATTENTIVE)]


@pytest.mark.parametrize(("reference", "opset"), OPSETS, ids=str)
def test_equals_the_fingerprint(reference: Reference, opset: int | None, compared: Compared) -> None:
    fingerprint = reference.truth["fingerprint"]
    shapes = fingerprint["input_shapes"]
    graph = with_fixed_draws(reference.graph_to_run(sizes_for(reference.graph(), shapes)))
    weights = filled_weights(graph, [weight.key for weight in reference.published])
    known = reference.truth.get("inputs", [{}] * len(shapes))
    inputs = {
        value.name: np.asarray(fill.given(index, tuple(shape), own, reference.unit), value.type.dtype.label)
        for index, (value, shape, own) in enumerate(zip(graph.inputs, shapes, known, strict=True))
    }
    outputs = outputs_of(graph, weights, inputs, opset)
    assert len(outputs) == len(fingerprint["outputs"])
    for found, expected in zip(outputs, fingerprint["outputs"], strict=True):
        assert_fingerprint(found, expected)
        compared("recorded fingerprints", found.size)


def assert_fingerprint(found: Array, expected: Mapping[str, Any]) -> None:
    """The reference ran in float64, ours in float32 where it can. A rounding is 6e-8 of a value; a network of 30
    layers, with sums of up to 10^6 terms that ONNX Runtime adds one by one (the means of a GroupNorm), may lose 1e-4 of
    the size that the outputs have, which is their root mean square."""
    assert list(found.shape) == expected["shape"]
    flat = found.astype(np.float64).ravel()
    size = sqrt(expected["sq_sum"] / flat.size)
    middle = flat.size // 2
    assert size > 0
    np.testing.assert_allclose(flat[:4], expected["first"], rtol=0, atol=1e-4 * size, equal_nan=False)
    np.testing.assert_allclose(flat[middle : middle + 4], expected["mid"], rtol=0, atol=1e-4 * size, equal_nan=False)
    assert flat.sum() == pytest.approx(expected["sum"], rel=0, abs=1e-4 * expected["abs_sum"])
    assert np.abs(flat).sum() == pytest.approx(expected["abs_sum"], rel=1e-4)
    assert (flat**2).sum() == pytest.approx(expected["sq_sum"], rel=1e-4)


@pytest.mark.parametrize("network", BY_HAND)
def test_equals_pytorch_by_hand(network: str, compared: Compared) -> None:
    graph = with_fixed_draws(graph_of(network, LIGHT.get(network)))
    torch.manual_seed(0)
    module = BY_HAND[network]().eval()
    kept = {path: draw(weight, 0) for path, weight in graph.parameters.items() if weight.kind == "buffer"}
    assert module.state_dict().keys() <= graph.parameters.keys() | graph.aliases.keys()
    weights = kept | {key: tensor.numpy() for key, tensor in module.state_dict().items()}
    inputs = make_inputs(graph, SMALL.get(network, {"N": 2}))
    with torch.no_grad():
        results = module(*map(torch.from_numpy, inputs.values()))
    expected = results if isinstance(results, tuple) else (results,)
    for found, tensor in zip(outputs_of(graph, weights, inputs), expected, strict=True):
        assert_equal_outputs(found, tensor.numpy())
        compared("PyTorch modules written by hand", found.size)


TESTED_APART = {"approximation", "costs", "hnet", "latent", "nvae"}
"""Families with a test file or expectations of their own, and no record of what they compute."""


def test_every_family_is_compared() -> None:
    compared = {reference.network for reference in (*WITH_MODEL, *FINGERPRINTED)} | BY_HAND.keys()
    families = {reference.network.partition(":")[0] for reference in REFERENCES}
    families |= {network.partition(":")[0] for network in WITHOUT_RECORD}
    assert {network.partition(":")[0] for network in compared} == families - TESTED_APART


def test_recursive_unet_computes_what_the_unrolled_one_does(compared: Compared) -> None:
    """The two name and order their weights differently; in the order of use they are the same layers."""
    sizes = {"N": 1, "H": 32, "W": 48}
    unrolled, recursive = graph_of("unet:UNet", sizes=sizes), graph_of("unet:UNetRecursive", sizes=sizes)
    inputs = make_inputs(unrolled, {})
    generator = np.random.default_rng(5)
    weights = {path: random_weight(parameter, generator) for path, parameter in unrolled.parameters.items()}
    renamed = dict(zip(_in_use(recursive), (weights[path] for path in _in_use(unrolled)), strict=True))
    (expected,), (found,) = outputs_of(unrolled, weights, inputs), outputs_of(recursive, renamed, inputs)
    assert_equal_outputs(found, expected)
    compared("two forms of U-Net", found.size)


def _in_use(graph: Graph) -> list[str]:
    return [weight.path for node in graph.nodes for weight in node.weights]


def test_dense_and_convolutional_gates_are_the_same(compared: Compared) -> None:
    """moskomule's SE-ResNet, of which no outputs are recorded, against timm's with the biases of its gates at zero."""
    sizes = {"N": 1, "H": 64, "W": 65}
    dense = graph_of("se_resnet:SEResNet50", sizes=sizes)
    convolutional = graph_of("se_resnet:SEResNet50_timm", sizes=sizes)
    weights = filled_weights(dense)
    renamed: dict[str, Array] = {}
    for path, parameter in convolutional.parameters.items():
        source = path.replace("se.fc1.", "se.fc.0.").replace("se.fc2.", "se.fc.2.")
        array = weights[source] if source in weights else np.zeros(parameter.shape, np.float32)
        renamed[path] = array.reshape(parameter.shape)
    inputs = make_inputs(dense, {})
    (expected,), (found,) = outputs_of(convolutional, renamed, inputs), outputs_of(dense, weights, inputs)
    assert_equal_outputs(found, expected)
    compared("two forms of SE-ResNet-50", found.size)


@pytest.mark.parametrize("shape", [(4,), (3, 2), (2, 3, 5, 5)])
def test_filled_weights_are_as_wide_as_they_say(shape: tuple[int, ...]) -> None:
    values = fill.weight(7, "layer.weight", shape, "param")
    assert values is not None
    low, high = (0.75, 1.25) if len(shape) == 1 else (-sqrt(3 / prod(shape[1:])), sqrt(3 / prod(shape[1:])))
    assert values.dtype == np.float32
    assert low <= values.min() < values.max() <= high
