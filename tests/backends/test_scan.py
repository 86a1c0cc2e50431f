"""Scans: both lowerings against each other and torch's recurrent modules, what they cost, and graphs made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from tests.elaborate.described import copies, described

from dlspec.analyses.cost import cost
from dlspec.analyses.memory import memory
from dlspec.backends.graph_json import graph_json
from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes, to_model_proto
from dlspec.backends.torch.live import to_module
from dlspec.backends.torch.text.source import source
from dlspec.backends.verify import verify
from dlspec.backends.weights import draw_all
from dlspec.elaborate.instances import Instances
from dlspec.ir.edit import copied, edited
from dlspec.ir.evaluation import evaluate
from dlspec.ir.graph import Graph
from dlspec.ir.node import Node
from dlspec.ir.types import DType
from dlspec.ir.verify import BrokenGraph
from dlspec.ops.scan import Scan
from dlspec.passes.fold_batch_norm import fold_batch_norm, folded_weights
from dlspec.passes.noise_inputs import noise_as_inputs
from dlspec.passes.retype import with_dtype
from dlspec.pipeline import elaborate, open_program, open_source
from dlspec.source import Source

FILE = Path(__file__).parent / "scans.dlspec"
PROGRAM = open_program(FILE)
NETWORKS = list(PROGRAM.networks)


def network(name: str, sizes: dict[str, int] | None = None) -> Graph:
    return elaborate(PROGRAM, name, {}, sizes or {})


def graph_of(text: str) -> Graph:
    program = open_source(Source("net.dlspec", text))
    return elaborate(program, list(program.networks)[-1])


def scans_in(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes if node.body is not None]


@pytest.mark.parametrize("name", NETWORKS)
def test_both_lowerings_compute_the_same(name: str) -> None:
    assert verify(network(name)).faults == []
    given = {"N": 2, "B": 2, "T": 5, "S": 5, "H": 4, "W": 2}
    fixed = network(name, {size: given[size] for size in network(name).symbols})
    assert verify(fixed).faults == []


@pytest.mark.parametrize("dtype", [DType.FLOAT16, DType.BFLOAT16])
@pytest.mark.parametrize("name", ["LSTM", "Images"])
def test_half_precision(name: str, dtype: DType) -> None:
    assert verify(network(name), dtype=dtype).faults == []


@pytest.mark.parametrize("name", ["GRU", "Several", "Nested"])
def test_a_newer_opset_computes_the_same(name: str) -> None:
    graph = network(name)
    results: list[list[Any]] = []
    for opset in (22, 24):
        session = onnxruntime.InferenceSession(to_bytes(build(graph, opset=opset)))
        sizes = {"N": 2, "T": 3, "S": 3, "B": 2, "H": 3, "W": 4}
        random = np.random.default_rng(0)
        given = {x.name: [sizes.get(size, size) for size in x.shape] for x in session.get_inputs()}
        results.append(session.run(None, {key: random.normal(size=s).astype("f") for key, s in given.items()}))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_turns_draw_apart() -> None:
    text = "network Noise(x: float[N, T, 2]) -> y { y = scan step in x along 1 { step + normal(step.shape) } }"
    run = onnxruntime.InferenceSession(to_bytes(build(graph_of(text)))).run
    x = np.zeros((1, 4000, 2), np.float32)
    first, second = run(None, {"x": x})[0], run(None, {"x": x})[0]
    module = to_module(graph_of(text)).eval()
    for drawn in (first, second, module(torch.from_numpy(x)).numpy(), first - second):
        np.testing.assert_allclose(drawn.mean(), 0, atol=0.1)
        assert len(np.unique(drawn)) > 7900
    np.testing.assert_allclose([first.std(), second.std()], 1, atol=0.05)


def test_noise_of_turns_lies_along_their_axis() -> None:
    graph = noise_as_inputs(network("Drawn"))
    types = {value.name: str(value.type) for value in graph.inputs}
    assert types == {
        "x": "float[N, T, 3]", "normal": "float[N, T, 3]", "uniform": "float[1, T]", "uniform_2": "float[N, T, 3]"
    }  # fmt: skip
    twice = noise_as_inputs(network("DrawnTwice"))
    assert [str(value.type) for value in twice.inputs] == ["float[N, T, S, 3]", "float[S, T, 3]"]
    random = np.random.default_rng(0)
    given = {name: random.uniform(size=(1, 5) if name == "uniform" else (2, 5, 3)).astype("f") for name in types}
    weights = draw_all(graph)
    ys, last = onnxruntime.InferenceSession(to_bytes(build(graph))).run(None, given)
    h = np.zeros((2, 3))
    for turn in range(5):
        step = given["x"][:, turn] @ weights["0.weight"].T + weights["0.bias"]
        h = 0.5 * h + step + given["normal"][:, turn] * given["uniform"][0, turn]
        np.testing.assert_allclose(ys[:, turn], h * (given["uniform_2"][:, turn] < 1 / (1 + np.exp(-h))), atol=1e-5)
    np.testing.assert_allclose(last, h, atol=1e-5)
    assert verify(graph).faults == []
    assert verify(twice).faults == []


# Against torch.nn


def peer(name: str) -> Any:
    kind = getattr(torch.nn, "RNN" if name.startswith("RNN") or name == "Bidirectional" else name)
    return kind(3, 4, batch_first=True, bidirectional=name == "Bidirectional").double()


def renamed(state: dict[str, Any]) -> dict[str, Any]:
    """The state dict of one of torch's modules under the names of the specs: `l0.ih.weight` for `weight_ih_l0`."""
    made: dict[str, Any] = {}
    for name, tensor in state.items():
        kind, layer, level = name.split("_", 2)
        made[f"{level}.{layer}.{kind}"] = tensor
    return made


@pytest.mark.parametrize("name", ["RNN", "RNNBackwards", "LSTM", "GRU", "Bidirectional"])
def test_a_cell_is_that_of_torch(name: str) -> None:
    torch.manual_seed(0)
    theirs = peer(name)
    ours = to_module(with_dtype(network(name), DType.FLOAT64))
    ours.load_state_dict(renamed(theirs.state_dict()))
    for shape in ((1, 1, 3), (2, 7, 3)):
        x, y = (torch.from_numpy(np.random.default_rng(1).normal(size=shape)).requires_grad_() for _ in range(2))
        turn: Callable[[Any], Any] = (lambda t: t.flip(1)) if name == "RNNBackwards" else (lambda t: t)
        expected, last = theirs(turn(x))
        expected = turn(expected)
        made = ours(y)
        outputs = made if isinstance(made, tuple) else (made,)
        torch.testing.assert_close(outputs[0], expected)
        for state, other in zip(outputs[1:], last if isinstance(last, tuple) else (last,), strict=False):
            torch.testing.assert_close(state, other[0])
        expected.square().sum().backward()
        outputs[0].square().sum().backward()
        torch.testing.assert_close(y.grad, x.grad)


def test_what_it_costs() -> None:
    graph = network("LSTM")
    total = cost(graph, {}).total
    assert (total.params, str(total.macs)) == (4 * 4 * (3 + 4 + 2), "112 * N * T")
    by_hand = 2 * 112 + 2 * 16 + 16 + 3 * 4 + 4 + 2 * 4 + 4 + 4 + 4
    assert evaluate(total.flops, {"N": 1, "T": 1}) <= by_hand + 16
    assert evaluate(total.flops, {"N": 2, "T": 9}) == 18 * evaluate(total.flops, {"N": 1, "T": 1})
    nested = network("Nested")
    assert str(cost(nested, {}).total.macs) == "16 * H * N * W"
    # What is stacked, the input, the state, and what one turn makes.
    peak = memory(network("States"), {"N": 1, "T": 10}).peak
    assert peak == 4 * (80 + 8 + 8)
    stacked = memory(network("Swapped"), {"N": 1, "T": 100}).peak
    assert isinstance(stacked, int)
    assert 4 * (400 + 400 + 8) <= stacked <= 4 * (400 + 400 + 16)


# The graph


def test_a_scan_is_one_node_with_a_body() -> None:
    graph = network("Several")
    first, second = scans_in(graph)
    assert isinstance(first.op, Scan)
    assert first.body is not None
    assert [node.name for node in first.body.nodes] == ["index", "mul", "add"]
    assert [value.name for value in first.body.given] == ["scan.a", "scan.b", "scan.h"]
    assert [str(value.type) for value in first.outputs] == ["float[N, 3]", "float[N, T, 3]"]
    assert str(first.body.turns) == "T"
    assert second.body is not None
    assert second.body.captured == []
    assert [str(condition) for condition in graph.conditions] == ["B == N", "S == T"]
    assert first in graph.outermost
    assert not {*first.body.nodes} & {*graph.outermost}


def test_captured_tensors_stand_outside() -> None:
    (node,) = scans_in(network("Everything"))
    assert node.body is not None
    assert [value.name for value in node.body.captured] == ["0"]


@pytest.mark.parametrize("name", NETWORKS)
def test_copies_are_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = network(name)
    graph.verify()
    for made in (copied(graph), copied(graph, graph.outputs), with_dtype(graph, DType.FLOAT64)):
        made.verify()
        assert [len(n.body.nodes) for n in scans_in(made) if n.body] == [
            len(n.body.nodes) for n in scans_in(graph) if n.body
        ]
        assert not {*made.nodes} & {*graph.nodes}
        assert not {v for n in scans_in(made) if n.body for v in n.body.given} & {
            v for n in scans_in(graph) if n.body for v in n.body.given
        }
    with monkeypatch.context() as patch:
        patch.setattr(Instances, "enabled", False)
        plain = network(name)
    assert copies(plain) == 0
    assert described(graph) == described(plain)
    assert repr([(n.name, n.body and n.body.given) for n in graph.nodes]) == repr(
        [(n.name, n.body and n.body.given) for n in plain.nodes]
    )


def test_blocks_with_scans_are_copied() -> None:
    assert copies(network("Repeated")) > 0


def test_the_view_for_algorithms_has_no_circle() -> None:
    import networkx as nx

    for name in NETWORKS:
        assert nx.is_directed_acyclic_graph(network(name).to_networkx())


def test_batch_norm_in_a_body_is_folded() -> None:
    graph = network("Images")
    folded = fold_batch_norm(graph)
    assert "1.weight" in graph.parameters
    assert list(folded.parameters) == ["0.weight", "0.bias"]
    weights = draw_all(graph, 3)
    one = to_module(graph, weights).eval()
    other = to_module(folded, folded_weights(graph, weights)).eval()
    x = torch.randn(2, 3, 3, 4, 4)
    torch.testing.assert_close(one(x), other(x), rtol=1e-4, atol=1e-5)


def test_a_result_that_is_stacked_keeps_its_batch_norm() -> None:
    text = """network Net(x: float[N, T, 4]) -> a, b {
        a, b = scan token in x along 1 { y = token -> Linear(4); [y, y -> BatchNorm] }
    }"""
    assert "1.weight" in fold_batch_norm(graph_of(text)).parameters


def test_json_has_the_body_in_its_node() -> None:
    made = graph_json(network("Nested"))
    (outer,) = [node for node in made["nodes"] if node["op"] == "Scan"]
    (inner,) = [node for node in outer["body"]["nodes"] if node["op"] == "Scan"]
    assert [tensor["name"] for tensor in outer["body"]["given"]] == ["scan~2.row", "scan~2.above"]
    assert outer["inputs"] == ["x", "zeros"]
    assert [node["op"] for node in inner["body"]["nodes"]] == ["Linear", "Add", "Tanh"]
    assert outer["body"]["results"] == [inner["outputs"][0]["name"], inner["outputs"][1]["name"]]


@pytest.mark.parametrize(
    ("fault", "change"),
    [
        ("has a body that is not its own", lambda n: setattr(n.body.scope, "body", None)),
        ("does not know that", lambda n: setattr(n.body.states[0], "producer", None)),
        ("from a body that it is not in", lambda n: n.body.states[0].uses.append(n.inputs[1].producer)),
        ("which is made in a body", lambda n: n.body.nodes[0].outputs[0].uses.append(n.inputs[1].producer)),
        ("gives its body", lambda n: setattr(n.body, "slices", ())),
    ],
)
def test_a_broken_body_is_found(fault: str, change: Callable[[Any], object]) -> None:
    graph = network("Swapped")
    change(scans_in(graph)[0])
    with pytest.raises(BrokenGraph, match=fault):
        graph.verify()


def test_a_rule_may_put_nodes_into_a_body() -> None:
    from dlspec.ops.activation import ReLU, Tanh

    graph = network("RNN")
    made = edited(graph, lambda edit, node: edit.keep(node, ReLU()) if isinstance(node.op, Tanh) else edit.keep(node))
    made.verify()
    assert [type(n.op).__name__ for n in scans_in(made)[0].body.nodes][-1] == "ReLU"  # type: ignore[union-attr]


# PyTorch source

LOOP = """
        outputs = []
        for token in x.unbind(1):
            x = self.ih(token)
            x += self.hh(h)
            h = torch.tanh(x)
            outputs.append(h)
"""


def test_a_loop_as_a_person_would_write_it() -> None:
    assert LOOP in source(network("RNN"))


def test_states_that_change_places() -> None:
    text = source(network("Swapped"))
    assert "            a, b = a2, a\n" in text
    assert "reversed(x.unbind(1)), reversed(y.unbind(1))" in source(network("Several"))
    assert "torch.stack(outputs[::-1], dim=1)" in source(network("Several"))


def test_nothing_that_later_turns_read_is_overwritten() -> None:
    text = source(network("Everything"))
    assert "F.relu(gate)" in text
    assert "F.relu(gate, inplace=True)" not in text


def test_blocks_with_scans_are_one_class() -> None:
    text = source(network("Twice"))
    assert text.count("(nn.Module)") == 2
    assert text.count("torch.stack") == 1


def test_the_model_is_valid() -> None:
    import onnx

    for name in ("Bidirectional", "Nested", "Everything"):
        model = to_model_proto(network(name))
        onnx.checker.check_model(model, full_check=True)
        assert "Scan" in {node.op_type for node in model.graph.node}
