"""What pictures show: boxes with their costs, repeats, what differs, what is shared, which way is straight."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest
from drawn import SPECS, scene_of, shipped

from dlspec.analyses.cost import Cost, sum_of
from dlspec.analyses.report import summarise
from dlspec.backends.diagram.building import build_scene
from dlspec.backends.diagram.scene import Box, Edge, UnknownPath, fold
from dlspec.pipeline import elaborate, open_program
from dlspec.report import as_table

_UNREADABLE = r'\[\["|&[a-z]+;|\n|"slice"'
"""What no label has: the fields of an index, escaped markup, lines."""

LOOP = """
network A(image: float[N, 3, H = 32, W = 32]) -> out {
    image -> stem: Conv(16, 3, padding=1) -> body: { repeat 6 { Conv(16, 3, padding=1) -> ReLU } } -> MaxPool(2)
}
"""


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.dlspec")), ids=lambda path: path.stem)
def test_costs_are_those_of_the_summary_at_every_depth(path: Path) -> None:
    program = open_program(path)
    for name in program.networks:
        graph = elaborate(program, name)
        summary = summarise(graph)
        scene = build_scene(graph, summary)
        for depth in (1, 2, 3, 4, None):
            fold(scene, depth)
            rows: dict[str, list[Cost]] = defaultdict(list)
            for row in summary.rows(depth):
                rows[row.path].append(row.cost)
            boxes: dict[tuple[str, ...], list[Box]] = defaultdict(list)
            for box in scene.root.drawn():
                if not box.open and box.kind in ("op", "block", "arithmetic"):
                    for part in box.children if box.kind == "arithmetic" else (box,):
                        boxes[part.turns or (part.path,)].append(part)
            assert {path for turns in boxes for path in turns} == set(rows), (name, depth)
            for turns, alike in boxes.items():
                nodes = [summary.costs.nodes[node] for box in alike for each in box.walk() for node in each.nodes]
                assert sum_of(nodes) == sum_of([cost for path in turns for cost in rows[path]]), (name, depth, turns)
                if len(turns) > 1 and len(alike) == 1:
                    _same_in_each(alike[0], [sum_of(rows[path]) for path in turns])
        assert scene.root.cost == summary.costs.total
        for box in scene.boxes():
            assert not re.search(_UNREADABLE, " ".join((box.title, box.name, *box.arguments))), (name, box.id)
            if box.children:
                assert box.cost == sum_of([child.together for child in box.children])


def _same_in_each(box: Box, turns: list[Cost]) -> None:
    """What stands in a box is true of every turn; of weights that turns share it is of the first."""
    assert box.cost == turns[0]
    assert {(cost.macs, cost.flops) for cost in turns} == {(box.cost.macs, box.cost.flops)}
    assert {cost.params for cost in turns} <= {box.cost.params, 0}
    assert box.together in (sum_of(turns[: box.count]), sum_of(turns))


def test_a_repeat_is_one_box_with_its_count() -> None:
    scene = scene_of(LOOP)
    loop = scene.find("body").children[0]
    assert (loop.kind, loop.count, [child.name for child in loop.children]) == ("repeat", 6, ["Conv", "ReLU"])
    assert loop.children[0].turns == ("body.0", "body.2", "body.4", "body.6", "body.8", "body.10")
    assert loop.children[0].cost.params == 16 * 16 * 9 + 16 == loop.cost.params
    assert loop.together.params == 6 * loop.cost.params
    assert [(e.source, e.target) for e in loop.edges] == [
        (None, loop.children[0]), (loop.children[0], loop.children[1]), (loop.children[1], None),
    ]  # fmt: skip


def test_a_loop_of_one_block_is_that_block() -> None:
    scene = shipped("resnet", "ResNet50")
    first, others = scene.find("layer3").children
    assert (first.name, first.count, others.name, others.count) == ("Bottleneck", 1, "Bottleneck", 5)
    assert others.turns == tuple(f"layer3.{i}" for i in range(1, 6))
    assert first.differs == ("stride=2", "downsample: Shortcut")
    assert scene.find("layer3.4") is others
    assert scene.find("layer1").children[0].differs == ("downsample: Shortcut",)


@pytest.mark.parametrize(
    ("body", "counts"),
    [
        ("repeat 3 { Conv(8, 1) -> ReLU }", [3]),
        ("repeat 3 { Conv(4, 1) -> ReLU }", [1, 1, 2]),  # what flows in is to be the same
        ("repeat 3 { MaxPool(2) }", [1, 1, 1]),  # but not what flows out
        ("for w in [8, 8, 4] { Conv(w, 1) }", [2, 1]),
        ("for w in [4, 8, 8, 8] { Conv(w, 1) -> ReLU }", [1, 1, 1, 1, 2]),
        (
            "{\n ys = []\n z = x -> repeat 2 {\n y = x -> Conv(8, 1)\n ys = ys + [y]\n y\n }\n ys + [z] -> Concat\n}",
            [1, 1, 1],
        ),
    ],
)
def test_only_equal_turns_are_one(body: str, counts: list[int]) -> None:
    scene = scene_of(f"network A(image: float[N, 8, H = 32, W = 32]) -> out {{\n image -> {body}\n}}")
    boxes = [box for box in scene.root.children if box.kind not in ("input", "output")]
    assert [box.count for box in boxes] == counts


_KEPT = "h = x\n ys = []\n for i in range(4) { h = h -> Conv(8, 1)\n ys = ys + [h] }\n"
_CONV, _ADD, _TAKES = ["Conv"], ["Add"], "for y in ys[:3] { h = (h + y) -> Conv(8, 1) }\n h"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("[h + ys[1], h]", [(_CONV, 2, []), (_CONV, 2, []), (_ADD, 1, [])]),
        ("lerp(ys[0], ys[1], ys[2]) -> Split(2)", [(_CONV, 1, [])] * 4 + [(["lerp"], 1, []), (["Split"], 1, [])]),
        ("[h, stack(ys)]", [(_CONV, 4, ["", "each turn's"]), (["Stack"], 1, [])]),
        (
            "x = ys + [h] -> Concat\n [x, x]",  # of the last turn there are two
            [(_CONV, 3, ["", "each turn's"]), (_CONV, 1, []), (["Concat"], 1, [])],
        ),
        (
            f"{_TAKES.replace('ys[:3]', 'reversed(ys[:3])')} -> Split(2)",  # the last turn gives its own to the first only
            [
                (_CONV, 3, ["", "each turn's, last first:"]), (_CONV, 1, []), (["Add", "Conv"], 3, [""]),
                (["Split"], 1, []),
            ],
        ),
        (
            f"{_TAKES.replace('ys[:3]', '[ys[1], ys[2], ys[0]]')} -> Split(2)",
            [
                (_CONV, 3, ["", "each turn's, in another order:"]), (_CONV, 1, []), (["Add", "Conv"], 3, [""]),
                (["Split"], 1, []),
            ],
        ),
        (
            "for y in [x, h] { h = (h + 2 * y) -> Conv(8, 1) }\n h -> Split(2)",  # from different boxes
            [(_CONV, 4, []), (_ADD, 1, []), (_CONV, 1, []), (_ADD, 1, []), (_CONV, 1, []), (["Split"], 1, [])],
        ),
        ("for i in range(3) { h = h + x[:, i, none] }\n h -> Split(2)", [(_CONV, 4, []), (_ADD, 3, []), (["Split"], 1, [])]),
    ],
)  # fmt: skip
def test_turns_are_one_whose_tensors_all_go_the_same_way(
    body: str, expected: list[tuple[list[str], int, list[str]]]
) -> None:
    scene = scene_of(
        f"block B {{ {_KEPT}{body} }}\nnetwork A(x: float[N, 8, 32, 32]) -> one, two {{ one, two = x -> b: B }}"
    )
    found = [
        (
            [child.name for child in box.children if box.kind == "repeat"]
            or [box.children[-1].name if box.children else box.name],
            box.count,
            sorted(port.each for port in box.outputs) if box.kind == "repeat" else [],
        )
        for box in scene.find("b").children
    ]
    assert found == expected
    for box in scene.boxes():
        assert len(box.inputs) == len(
            {edge.into for around in scene.boxes() for edge in around.edges if edge.target is box}
        )


def test_steps_under_labels_with_dots_are_blocks_of_their_own() -> None:
    scene = scene_of(
        "block Down(width) { Conv(width, 3) -> ReLU }\n"
        'network A(x: float[N, 3, 32, 32]) -> out { x -> for w in [8, 16] { "stages.{w}.down": Down(w) } '
        '-> "head.fc.last": Conv(2, 1) }',
        depth=1,
    )
    shown = [
        (box.path, box.title, box.name, box.arguments) for box in scene.root.drawn() if box.kind in ("op", "block")
    ]
    assert shown == [
        ("stages.8.down", "stages.8.down", "Down", ("width=8",)),
        ("stages.16.down", "stages.16.down", "Down", ("width=16",)),
        ("head.fc.last", "head.fc.last", "Conv", ("2", "1")),
    ]
    assert [row.path for row in scene.summary.rows(1)] == [path for path, *_ in shown]
    tree = as_table([scene.summary], depth=1, tree=True)
    assert [line.split()[0] for line in tree.splitlines()[2:5]] == [path for path, *_ in shown]


def test_shapes_are_written_where_they_change_with_the_changed_axes_bold() -> None:
    scene = scene_of(LOOP)
    runs = {box.path or box.id: box.outputs[0].runs for box in scene.boxes() if box.outputs and box.kind == "op"}
    assert "".join(run.text for run in runs["stem"]) == "[N, 16, 32, 32]"
    assert [run.text for run in runs["stem"] if run.bold] == ["16"]
    assert runs["body.0"] == runs["body.1"] == ()
    assert [run.text for run in runs["2"] if run.bold] == ["16", "16"]


def test_symbolic_shapes() -> None:
    graph = elaborate(open_program(SPECS / "unet.dlspec"), "UNet")
    scene = build_scene(graph, summarise(graph, symbolic=True), depth=1)
    assert "".join(run.text for run in scene.find("down2").outputs[0].runs) == "[N, 256, H // 4, W // 4]"
    assert scene.find("down2").share is None


def main_path(box: Box) -> list[str]:
    edges = {edge.source: edge for edge in box.edges if edge.main}
    edge: Edge | None = edges.get(None) or next(edges[child] for child in box.children if child in edges)
    names: list[str] = []
    while edge is not None and edge.target is not None:
        names.append(edge.target.title or edge.target.name)
        edge = edges.get(edge.target)
    return names


def test_the_main_path_is_the_longest() -> None:
    block = shipped("resnet", "ResNet50").find("layer1.1")
    assert main_path(block) == ["conv1", "bn1", "ReLU", "conv2", "bn2", "ReLU", "conv3", "bn3", "Add", "ReLU"]
    assert [(edge.source, edge.into) for edge in block.edges if edge.source is None and not edge.main] == [(None, 1)]


def test_shared_layers_have_a_mark_in_common() -> None:
    scene = scene_of(
        "block B { Conv(3, 1) -> ReLU }\n"
        "network A(one: float[N, 3, 8, 8], two: float[N, 3, 8, 8]) -> out {\n"
        "    shared f = Conv(4, 3)\n    shared g = B\n"
        "    a = one -> g -> f\n    b = two -> g -> f\n    a + b\n}"
    )
    marks = [(box.name, box.shared) for box in scene.root.children if box.kind in ("op", "block")]
    assert marks == [("B", "A"), ("Conv", "B"), ("B", "A"), ("Conv", "B"), ("Add", "")]
    assert sum(box.cost.params for box in scene.root.children) == scene.summary.totals["params"]


def test_what_only_training_needs_is_marked() -> None:
    scene = shipped("googlenet", "GoogLeNet", depth=1)
    assert {box.path for box in scene.root.children if box.training} == {"aux1", "aux2"}
    assert {edge.target.path for edge in scene.root.edges if edge.training and edge.target} == {"aux1", "aux2"}
    assert not scene.find("inception4a").training


def test_a_turn_is_opened_by_its_path() -> None:
    graph = elaborate(open_program(SPECS / "resnet.dlspec"), "ResNet50")
    summary = summarise(graph)
    scene = build_scene(graph, summary, depth=1, expand=["layer3.3"])
    assert [(box.count, box.open) for box in scene.find("layer3").children] == [
        (1, False),
        (2, False),
        (1, True),
        (2, False),
    ]
    scene = build_scene(graph, summary, unroll=True)
    assert {box.count for box in scene.boxes()} == {1}
    assert len(scene.find("layer3").children) == 6
    scene = scene_of(LOOP)
    scene = build_scene(scene.graph, scene.summary, expand=["body.4"])
    assert [box.count for box in scene.find("body").children] == [2, 1, 1, 3]
    with pytest.raises(UnknownPath):
        build_scene(scene.graph, scene.summary, expand=["stem"])


def test_opening_and_folding() -> None:
    scene = shipped("resnet", "ResNet50", depth=1)
    assert not scene.find("layer1").open
    fold(scene, 1, expand=["layer1.2"])
    assert scene.find("layer1").open
    assert scene.find("layer1.1").open
    assert not scene.find("layer1.0").open
    fold(scene, None, collapse=["layer2"])
    assert not scene.find("layer2").open
    assert scene.find("layer3.0.downsample").open
    with pytest.raises(UnknownPath) as caught:
        fold(scene, 1, expand=["layer9"])
    assert "layer1" in caught.value.known


def test_the_same_spec_gives_the_same_scene() -> None:
    def described(box: Box) -> object:
        ends = [(e.source and e.source.id, e.out, e.target and e.target.id, e.into, e.main) for e in box.edges]
        return box.id, box.title, box.cost, ends, [described(child) for child in box.children]

    one, other = shipped("googlenet", "GoogLeNet"), shipped("googlenet", "GoogLeNet")
    assert described(one.root) == described(other.root)
    assert len({box.id for box in one.boxes()}) == sum(1 for _ in one.boxes())
