"""Arguments that may be left out, and lists of tensors."""

from __future__ import annotations

import pytest
from tests.elaborate.specs import graph_of, net

BLOCK = """block Shifted(by = none) {
    if by == none { x } else { x + by }
}"""


@pytest.mark.parametrize(("call", "nodes"), [("Shifted", 0), ("Shifted(image)", 1), ("Shifted(none)", 0)])
def test_a_tensor_is_not_none(call: str, nodes: int) -> None:
    graph = graph_of(net(f"image -> {call}", before=BLOCK))
    assert len(graph.nodes) == nodes


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("image == none", False),
        ("none == image", False),
        ("image != none", True),
        ("none == none", True),
        ("1 != none", True),
    ],
)
def test_comparisons_with_none(condition: str, holds: bool) -> None:
    graph = graph_of(net(f"image -> if {condition} {{ ReLU }}"))
    assert len(graph.nodes) == holds


@pytest.mark.parametrize(
    "total",
    [
        "for i, t in enumerate(parts) { y = y + i * t }",
        "for t in reversed(parts) { y = y + t }",
        "for t, k in zip(parts, [1, 2]) { y = y + k * t }",
        "for i in range(len(parts)) { y = y + parts[i] }",
    ],
)
def test_lists_of_tensors(total: str) -> None:
    graph = graph_of(net(f"parts = [image, image * 2]\ny = image\n{total}\ny"))
    assert sum(type(node.op).__name__ == "Add" for node in graph.nodes) == 2
