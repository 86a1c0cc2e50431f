"""Of how many nodes attention is below opset 23, which has the operator, and what several of them share."""

from __future__ import annotations

from collections import Counter

import onnx
import pytest

from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes
from dlspec.backends.verify import verify
from dlspec.ir.graph import Graph
from dlspec.pipeline import elaborate, open_source
from dlspec.source import Source

HEADS = "q: float[N, 6, T, 8], k: float[N, 6, S, 8]"
GROUPS = "q: float[N, 6, T, 8], k: float[N, 2, S, 8]"
X = "x: float[N, T, 24]"


def graph_of(text: str) -> Graph:
    program = open_source(Source("net.dlspec", text))
    return elaborate(program, list(program.networks)[-1])


def nodes_of(graph: Graph) -> list[tuple[str, str]]:
    model = onnx.load_from_string(to_bytes(build(graph, opset=22)))
    return [(node.name, node.op_type) for node in model.graph.node]


@pytest.mark.parametrize(
    ("inputs", "call", "count"),
    [
        (HEADS, "scaled_dot_product_attention(q, k, k)", 5),
        (HEADS, "scaled_dot_product_attention(q, k, k, is_causal=true)", 6),
        (f"{HEADS}, m: bool[T, S]", "scaled_dot_product_attention(q, k, k, m)", 7),
        (f"{HEADS}, m: float[T, S]", "scaled_dot_product_attention(q, k, k, m)", 6),
        (GROUPS, "scaled_dot_product_attention(q, k, k, enable_gqa=true)", 7),
        (GROUPS, "scaled_dot_product_attention(q, k, k, is_causal=true, enable_gqa=true)", 8),
        (f"{GROUPS}, m: bool[T, S]", "scaled_dot_product_attention(q, k, k, m, enable_gqa=true)", 9),
        (f"{GROUPS}, m: bool[N, 6, 1, S]", "scaled_dot_product_attention(q, k, k, m, enable_gqa=true)", 9),
        # With the projections: three nodes are a linear map, once for all three and once behind.
        (X, "x -> MultiheadAttention(4, batch_first=true)", 6 + 11),
        (X, "x -> MultiheadAttention(4)", 6 + 11),
        (X, "x -> MultiheadAttention(4, batch_first=true, is_causal=true)", 6 + 12),
    ],
)
def test_nodes_per_attention(inputs: str, call: str, count: int) -> None:
    """What all attentions of a model share, the mask and the sizes, is named after none of them."""
    graph = graph_of(f"network A({inputs}) -> y {{ y = {call} }}")
    (attention,) = [node.name for node in graph.nodes]
    named = [op_type for name, op_type in nodes_of(graph) if name == attention or name.startswith(f"{attention}/")]
    assert len(named) == count


@pytest.mark.parametrize("inputs", [HEADS, GROUPS])
def test_a_causal_mask_is_made_once_for_all_layers(inputs: str) -> None:
    attend = "scaled_dot_product_attention({}, k, k, is_causal=true, enable_gqa=true)"
    graph = graph_of(f"network A({inputs}) -> y {{ h = {attend.format('q')}\n y = {attend.format('h')} }}")
    found = Counter(op_type for _, op_type in nodes_of(graph))
    assert (found["Trilu"], found["Softmax"]) == (1, 2)
    assert verify(graph).faults == []


def test_a_mask_of_known_sizes_is_a_constant() -> None:
    graph = graph_of(
        "network A(q: float[N, 2, 5, 8]) -> y { y = scaled_dot_product_attention(q, q, q, is_causal=true) }"
    )
    assert "Trilu" not in dict(nodes_of(graph)).values()
    assert verify(graph).faults == []
    large = "network A(q: float[1, 1, 600, 4]) -> y { y = scaled_dot_product_attention(q, q, q, is_causal=true) }"
    assert "Trilu" in dict(nodes_of(graph_of(large))).values()
