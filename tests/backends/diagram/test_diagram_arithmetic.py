"""Arithmetic in pictures: one box with the author's text, opened on demand."""

from __future__ import annotations

import pytest
from drawn import scene_of, shipped

from dlspec.analyses.report import summarise
from dlspec.analyses.written import written_op
from dlspec.backends.diagram.looks import look
from dlspec.backends.diagram.page import page_data
from dlspec.backends.diagram.scene import Box, Scene, UnknownPath, fold
from dlspec.backends.diagram.text import mermaid
from dlspec.report import as_table

INPUTS = "x: float[N, 8, 8], y: float[N, 8, 8], z: float[N, 8, 8]"
LONG = ", ".join(map(str, range(1, 65)))
CODE = "x + exp(0.5 * y) * z"

CASES = {
    CODE: [CODE],
    "x + y": ["Add"],
    "tanh(x)": ["Tanh"],
    "2 * x": ["2 * x"],
    "(x + y) * (x - y)": ["(x + y) * (x - y)"],
    "((x + y) * 2)": ["(x + y) * 2"],
    "x[:, :7]": ["x[:, :7]"],
    "x[..., none, -1, ::2]": ["x[..., none, -1, ::2]"],
    "relu(x)[:, :, :7]": ["relu(x)[:, :, :7]"],
    "x[:, argmax(y[0, 0], dim=0)]": ["x[:, argmax(y[0, 0], dim=0)]"],
    "mean(\n        x * x,  # of all \"three\"?\n        [1, 2]\n    )": ["mean(x * x, [1, 2])"],
    "silu(x -> gate: Linear(8)) * (x -> up: Linear(8))": ["Linear", "Linear", "silu(gate) * up"],
    "x + 0.1 * (y -> Linear(8))": ["Linear", "x + 0.1 * Linear"],
    "2 * x + (x * 3 -> Linear(8)) * 4": ["2 * x", "x * 3", "Linear", "2 * x + Linear * 4"],
    "matmul(2 * x, y) / 4": ["2 * x", "matmul", "matmul(2 * x, y) / 4"],
    "stack([2 * a for a in [x, y]], dim=0)": ["stack([2 * a for a in [x, y]], dim=0)"],
    "{ a, b = chunk(x + 1, 2, dim=1)\n    a * 2 * b }": ["chunk(x + 1, 2, dim=1)", "a * 2 * b"],
}  # fmt: skip


def names(scene: Scene) -> list[str]:
    return [box.name for box in scene.root.children if box.kind not in ("input", "output")]


def network(expression: str) -> str:
    body = expression.strip("{} ") if expression.startswith("{") else expression
    return f"network A({INPUTS}) -> out {{\n    {body}\n}}\n"


@pytest.mark.parametrize(("expression", "boxes"), CASES.items(), ids=CASES)
def test_an_expression_is_one_box_but_for_its_layers(expression: str, boxes: list[str]) -> None:
    assert names(scene_of(network(expression))) == boxes


def test_turns_of_a_loop_that_is_unrolled_are_apart() -> None:
    text = network("{ for i in range(3) { x = x * 2 + y }\n    x }")
    (loop,) = [box for box in scene_of(text).root.children if box.kind == "arithmetic"]
    assert (loop.name, loop.count, len(loop.turns)) == ("x * 2 + y", 3, 3)
    assert loop.together.flops == 3 * loop.cost.flops == 3 * 2 * 64
    assert names(scene_of(text, unroll=True)) == ["x * 2 + y"] * 3


def test_it_opens_where_it_is_asked_to() -> None:
    for depth in (1, 2, None):
        assert not arithmetic(scene_of(network(CODE), depth=depth)).open
    box = arithmetic(scene_of(network(CODE), expand=["add"]))
    assert box.open
    assert [child.name for child in box.children] == ["tensor", "Mul", "exp", "Mul", "Add"]
    assert box.cost.flops == sum(child.cost.flops for child in box.children if isinstance(child.cost.flops, int))
    scene = scene_of(network(CODE), expand=["add"])
    fold(scene, None, collapse=["add"])
    assert not arithmetic(scene).open
    with pytest.raises(UnknownPath, match="no block is called `ad`"):
        scene_of(network(CODE), expand=["ad"])


def arithmetic(scene: Scene) -> Box:
    (box,) = [box for box in scene.boxes() if box.kind == "arithmetic"]
    return box


def test_the_text_is_in_every_format() -> None:
    scene = scene_of(network(CODE))
    assert CODE in mermaid(scene)
    assert [span.text for line in look(arithmetic(scene)).lines for span in line] == [CODE]
    (box,) = [each for each in page_data(scene)["boxes"] if each["kind"] == "arithmetic"]
    assert (box["call"], len(box["children"]), box["open"]) == (CODE, 5, False)


def test_a_long_text_breaks_between_words() -> None:
    long = "x + exp(0.5 * y) * normal(x.shape) + y"
    lines = ["".join(span.text for span in line) for line in look(arithmetic(scene_of(network(long)))).lines]
    assert len(lines) > 1
    assert " ".join(lines) == long


def test_the_tree_of_a_summary_has_it() -> None:
    graph = scene_of(network(CODE)).graph
    (line,) = [line for line in as_table([summarise(graph)], tree=True).splitlines() if CODE in line]
    assert line.split()[0] == "add"


def test_long_lists_are_shortened_in_boxes() -> None:
    scene = scene_of(f"network A(x: float[N, 4, 8]) -> out {{ x + tensor([{LONG}][:8]) -> b: B([{LONG}]) }}\n"
                     "block B(of) { Linear(8) }")  # fmt: skip
    boxes = {box.path: box for box in scene.boxes()}
    assert boxes["b"].arguments == ("of=[1, 2, ... 64]",)
    assert boxes["tensor"].arguments[0] == "[1, 2, ... 8]"


def test_a_tensor_taken_apart_has_the_places_of_its_parts() -> None:
    scene = shipped("swin", "SwinTiny")
    indices = [box for box in scene.boxes() if box.path.startswith("features.1.0.attn.index")]
    assert [box.name for box in indices] == [
        "x[:, none]",
        "relative_position_bias_table[relative_position_index]",
        "x[0]",
        "x[1]",
        "x[2]",
        "h[:, :height, :width]",
    ]
    written = ["x[:, none]", "x[i]", "x[0]", "x[1]", "x[2]", "x[:, :H // 4, :W // 4]"]
    assert [written_op(box.nodes[0].op) for box in indices] == written
