"""Which boxes are one: by templates, arguments and content, never by names."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from drawn import SPECS, scene_of, scenes, shipped

from dlspec.analyses.written import written_value
from dlspec.backends.diagram.engine import Engine
from dlspec.backends.diagram.layout import lay_out
from dlspec.backends.diagram.looks import head, look, shape_line
from dlspec.backends.diagram.poster import distinct_blocks
from dlspec.backends.diagram.scene import Box
from dlspec.elaborate.values import has_tensor
from dlspec.ir.graph import Graph
from dlspec.ir.node import Node
from dlspec.ir.scope import Scope

PATHS = pytest.mark.parametrize("path", sorted(SPECS.glob("*.dlspec")), ids=lambda path: path.stem)


def scopes(graph: Graph) -> dict[str, list[Scope]]:
    """The blocks and levels with nodes in them, by path."""
    found: dict[str, list[Scope]] = {}

    def look_into(scope: Scope) -> bool:
        inside = [isinstance(child, Node) or look_into(child) for child in scope.children]
        if any(inside) and scope.folds and scope.parent is not None:
            found.setdefault(scope.path, []).append(scope)
        return any(inside)

    look_into(graph.root)
    return found


def given(scope: Scope) -> dict[str, str]:
    return {name: written_value(scope.arguments[name]) for name in scope.given if not has_tensor(scope.arguments[name])}


@PATHS
def test_what_is_one_box_has_one_template_and_equal_arguments(path: Path) -> None:
    for scene in scenes(path):
        by_path = scopes(scene.graph)
        for box in scene.boxes():
            if box.kind == "block" and box.turns:
                kinds = [
                    (scope.template, given(scope), scope.origin.step) for turn in box.turns for scope in by_path[turn]
                ]
                assert all(kind == kinds[0] for kind in kinds), (scene.graph.name, box.id)
                assert kinds[0][0] is (box.scope and box.scope.template)


@PATHS
def test_every_node_and_every_instance_is_drawn_once(path: Path) -> None:
    for scene in scenes(path):
        nodes = Counter(node for box in scene.boxes() for node in box.nodes)
        assert nodes == Counter(scene.graph.nodes), scene.graph.name
        instances = Counter(turn for box in scene.boxes() if box.kind == "block" for turn in box.turns or (box.path,))
        by_path = scopes(scene.graph)
        assert instances.keys() == by_path.keys(), scene.graph.name
        for name, count in instances.items():  # a level that dots in labels enter again is one path in several turns
            assert count <= len(by_path[name]), (scene.graph.name, name)


@PATHS
def test_a_sketch_shows_what_each_of_its_boxes_says(path: Path) -> None:
    for scene in scenes(path):
        for placed in lay_out(scene).root.walk():
            box, sketch = placed.box, placed.sketch
            assert sketch.look == (head(box) if box.open else look(box)), (scene.graph.name, box.id)
            if box.open:
                edges = [(way.edge.out, way.edge.into, way.edge.training) for way in sketch.ways]
                assert sorted(edges) == sorted((edge.out, edge.into, edge.training) for edge in box.edges)
                shapes = {shape_line(port) for child in box.children for port in child.outputs if port.runs}
                assert {words.line for words in sketch.shapes} == shapes


UNROLLED = """
block B { Conv(8, 3, padding=1) -> ReLU }
network A(image: float[N, 8, 32, 32]) -> out {
    ys = []
    for i in range(40) {
        image = image -> B
        ys = ys + [image]
    }
    ys -> Concat
}
"""


def test_each_distinct_block_is_laid_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    solve = Engine.solve
    monkeypatch.setattr(Engine, "solve", lambda engine, graphs: asked.append(len(graphs)) or solve(engine, graphs))
    drawing = lay_out(scene_of(UNROLLED, unroll=True))
    blocks = [placed for placed in drawing.root.walk() if placed.box.name == "B"]
    assert len(blocks) == 40
    assert len({placed.sketch for placed in blocks}) == 1
    assert sum(asked) == 2  # the block and the network


TWINS = """
block P(at = 0) { Conv(8, 1) -> ReLU }
block Q { Conv(8, 1) -> ReLU }
block Holds(unit) { unit }
"""


@pytest.mark.parametrize(
    ("turn", "counts"),
    [
        ("P(3)", [4]),
        ("P(i)", [1, 1, 1, 1]),  # given other values, whatever becomes of them
        ("P(i // 2)", [2, 2]),
        ("if i < 2 { P } else { P(0) }", [2, 2]),  # given, and by default
        ("if i < 2 { P } else { Q }", [2, 2]),
        ("Holds(if i < 3 { P } else { Q })", [3, 1]),
        ("Holds(P(i // 3))", [3, 1]),
        ('if i < 2 { "a{i}": { Conv(8, 1) -> ReLU } } else { "a{i}": { Conv(8, 1) -> ReLU } }', [2, 2]),
        ('"a{i}": { Conv(8, 1) -> ReLU }', [4]),
    ],
)
def test_turns_are_equal_by_template_and_arguments(turn: str, counts: list[int]) -> None:
    text = f"{TWINS}network A(image: float[N, 8, 32, 32]) -> out {{ image -> for i in range(4) {{ {turn} }} }}"
    boxes = [box for box in scene_of(text).root.children if box.kind not in ("input", "output")]
    assert [box.count for box in boxes] == counts


def seen(box: Box) -> tuple[object, ...]:
    """A block with all that is in it, without numbers."""
    assert box.scope is not None
    inside = [seen(child) if child.scope else child.name for child in box.children]
    return box.scope.template, tuple(dict.fromkeys(inside)), len(box.inputs), len(box.outputs)


@PATHS
def test_a_poster_has_each_distinct_block(path: Path) -> None:
    for scene in scenes(path):
        panels = list(distinct_blocks(scene))
        blocks = Counter(seen(box) for box in scene.boxes() for _ in box.turns or (0,) if box.kind == "block")
        assert {seen(box) for box in panels} == set(blocks), scene.graph.name
        stands_for = Counter[object]()
        for box in panels:
            count = box.note.partition(":")[0]
            stands_for[seen(box)] += 1 if count == "once" else int(count.removesuffix(" times"))
        assert stands_for == blocks, scene.graph.name


def test_a_poster_shows_both_forms_of_a_step_with_a_condition() -> None:
    blocks = list(distinct_blocks(shipped("mobilenet_v2", "MobileNetV2")))
    convs = [[child.name for child in block.children] for block in blocks if block.title == "conv"]
    filtered = ["ConvNormReLU6", "Conv", "BatchNorm"]
    assert convs == [filtered, ["ConvNormReLU6", *filtered]]
    dense = [block for block in distinct_blocks(shipped("densenet", "DenseNet121")) if block.name == "DenseBlock"]
    assert len(dense) == 1  # one loop, of 6, 12, 24 and 16 turns
    scene = scene_of(
        "block B(deep) { if deep { Conv(8, 1) } -> Conv(8, 1) }\n"
        "network A(image: float[N, 8, 8, 8]) -> out { image -> B(false) -> B(true) -> B(true) }"
    )
    assert [len(block.children) for block in distinct_blocks(scene)] == [1, 2]


def test_titles_are_the_labels_that_are_given() -> None:
    scene = scene_of(
        "network A(image: float[N, 3, 8, 8]) -> out {\n"
        '    image -> conv: Conv(4, 1) -> ReLU -> "7": { sigmoid(x) -> relu: ReLU } -> "deep.conv": Conv(4, 1)\n}'
    )
    titles = [(box.path, box.title) for box in scene.boxes() if box.kind in ("op", "block")]
    assert titles == [
        ("conv", "conv"), ("1", ""), ("7", "7"), ("7.sigmoid", ""), ("7.relu", "relu"),
        ("deep.conv", "deep.conv"),
    ]  # fmt: skip
