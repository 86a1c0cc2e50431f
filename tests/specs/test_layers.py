"""Records of layers of torch alone, by the spec that calls them so, and of a pyramid whose normalisation is frozen."""

from __future__ import annotations

import json
from typing import Any

import fill
import numpy as np
import pytest
import torch
from catalogue import TRUTH, graph_of, sizes_for
from references import Weight
from test_numerics import assert_fingerprint, filled_weights, outputs_of

from dlspec.analyses.cost import cost
from dlspec.backends.torch.live import to_module
from dlspec.ir.graph import Graph
from dlspec.pipeline import elaborate, open_source
from dlspec.source import Source

_X = "x: float[N, T, 10]"
_BOTH = "num_layers=2, batch_first=true, bidirectional=true"
SPECS = {
    "torch_lstm_2l": (_X, "y, h, c = x -> part: LSTM(16, num_layers=2, batch_first=true)"),
    "torch_lstm_2l_bi": (_X, f"y, h, c = x -> part: LSTM(16, {_BOTH})"),
    "torch_lstm_2l_bi_proj": (_X, f"y, h, c = x -> part: LSTM(16, {_BOTH}, proj_size=6)"),
    "torch_lstm_2l_state": (
        "x: float[T, N, 10], h0: float[2, N, 16], c0: float[2, N, 16]",
        "y, h, c = [x, h0, c0] -> part: LSTM(16, num_layers=2)",
    ),
    "torch_gru_2l_bi": (_X, f"y, h = x -> part: GRU(16, {_BOTH})"),
    "torch_rnn_tanh_2l_bi": (_X, f"y, h = x -> part: RNN(16, {_BOTH})"),
    "torch_rnn_relu_2l_nobias": (
        _X,
        'y, h = x -> part: RNN(16, num_layers=2, bias=false, batch_first=true, nonlinearity="relu")',
    ),
    "torch_mha_kdim_bias_kv": (
        "q: float[N, L, 32], k: float[N, S, 20], v: float[N, S, 24]",
        "y, w = [q, k, v] -> part: MultiheadAttention(4, add_bias_kv=true, add_zero_attn=true, batch_first=true, "
        "need_weights=true, average_attn_weights=false)",
    ),
}
FIGURES = json.loads((TRUTH / "figures.json").read_text(encoding="utf-8"))


def truth(record: str) -> Any:
    return json.loads((TRUTH / f"{record}.json").read_text(encoding="utf-8"))


def layer(record: str) -> Graph:
    inputs, call = SPECS[record]
    outputs = call.partition(" = ")[0]
    return elaborate(open_source(Source("net.dlspec", f"network Net({inputs}) -> {outputs} {{ {call} }}")), "Net")


@pytest.mark.parametrize("record", SPECS)
def test_a_layer_has_the_figures_and_names_of_torchs(record: str) -> None:
    graph, figures = layer(record), FIGURES[record]
    total = cost(graph, sizes_for(graph, figures["input_shapes"])).total
    assert (total.params, total.macs) == (figures["params"], figures["macs"])
    ours = [Weight(path.removeprefix("part."), w.shape, w.dtype.label, w.kind) for path, w in graph.parameters.items()]
    assert ours == [Weight(key, tuple(shape), *kinds) for key, shape, *kinds in truth(record)["state"]]


@pytest.mark.parametrize("record", [record for record in SPECS if "fingerprint" in truth(record)])
def test_a_layer_computes_what_torchs_does(record: str) -> None:
    """In ONNX at the default opset and in PyTorch; sizes are open."""
    graph, fingerprint = layer(record), truth(record)["fingerprint"]
    weights = filled_weights(graph)
    shapes = fingerprint["input_shapes"]
    given = [np.asarray(fill.network_input(index, tuple(shape)), np.float32) for index, shape in enumerate(shapes)]
    module = to_module(graph, weights).eval()
    inputs = {value.name: array for value, array in zip(graph.inputs, given, strict=True)}
    with torch.no_grad():
        theirs = module(*map(torch.from_numpy, given))
    for ours, eager, expected in zip(outputs_of(graph, weights, inputs), theirs, fingerprint["outputs"], strict=True):
        assert_fingerprint(ours, expected)
        assert_fingerprint(eager.numpy(), expected)


def test_a_pyramid_over_frozen_normalisation() -> None:
    """torchvision's default: what BatchNorm learns is a buffer there, of ones and zeros, and steps are not counted."""
    record = "tv_resnet50_fpn_backbone"
    figures, state, fingerprint = FIGURES[record], truth(record)["state"], truth(record)["fingerprint"]
    graph = graph_of("feature_pyramid:ResNet50FPN")
    sizes = sizes_for(graph, figures["input_shapes"])
    total = cost(graph, sizes).total
    frozen = {key for key, _, _, kind in state if kind == "buffer" and not key.rpartition(".")[2].startswith("running")}
    learned = sum(graph.parameters[key].elements for key in frozen)
    assert (total.params - learned, total.macs) == (figures["params"], figures["macs"])
    shapes = {
        path: weight.shape for path, weight in graph.parameters.items() if not path.endswith("num_batches_tracked")
    }
    assert shapes == {key: tuple(shape) for key, shape, *_ in state}
    weights = filled_weights(graph, [key for key, *_ in state])
    for path in graph.parameters.keys() - weights.keys():
        weights[path] = np.zeros(graph.parameters[path].shape, graph.parameters[path].dtype.label)
    for key in frozen:
        weights[key] = np.full_like(weights[key], key.endswith("weight"))
    image = np.asarray(fill.network_input(0, tuple(figures["input_shapes"][0])), np.float32)
    for found, expected in zip(outputs_of(graph, weights, {"image": image}), fingerprint["outputs"], strict=True):
        assert_fingerprint(found, expected)
