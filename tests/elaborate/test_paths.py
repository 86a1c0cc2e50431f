"""Weights and nodes are named after the source, as `nn.Sequential` and `nn.Module` would name them."""

from __future__ import annotations

import pytest
from tests.elaborate.specs import codes_in, found_in, graph_of, net

PARTS = """
part Padded(width, kernel = 1) { x -> Pad(kernel // 2) -> Conv(width, kernel, bias=false) }
part Part(width) { Padded(width) -> bn: BatchNorm(affine=true, track_running_stats=false) -> if width > 99 { ReLU } }
part Gated(width) {
    gate = x -> Linear(x.features, bias=false)
    x * gate -> Linear(width, bias=false)
}
part Scaled(width) {
    param g: float[1] = 1.0
    x * g -> Linear(width, bias=false)
}
part Outer(width) { conv: Padded(width, 3) -> Linear(width, bias=false) }
"""
BASIC = "block Basic(width) { conv1: Conv(width, 3, padding=1, bias=false) -> ReLU -> Conv(width, 1, bias=false) }"

SIGNATURE = "image: float[N, 3, 3, 3]"
PATHS = [
    ("unlabelled layers by position", "image -> Conv(8, 3) -> ReLU -> Conv(8, 1)", ["0.weight", "0.bias", "2.weight", "2.bias"]),
    ("labelled layers keep their place", "image -> a: Linear(2, bias=false) -> Linear(2, bias=false)", ["a.weight", "1.weight"]),
    ("functions take no position", "image -> { sin(x) + 1 } -> Linear(2, bias=false)", ["0.weight"]),
    ("shape steps take no position", "image -> [N, 3, 3, 3] -> Linear(2, bias=false)", ["0.weight"]),
    ("a block opens a level", "image -> Basic(4)", ["0.conv1.weight", "0.2.weight"]),
    ("a label names the block's level", "image -> b: Basic(4)", ["b.conv1.weight", "b.2.weight"]),
    ("labelled braces open a level", "image -> f: { Linear(2, bias=false) -> ReLU -> Linear(2, bias=false) }", ["f.0.weight", "f.2.weight"]),
    ("braces are transparent", "image -> { Linear(2, bias=false) -> ReLU } -> Linear(2, bias=false)", ["0.weight", "2.weight"]),
    ("repeat is transparent", "image -> repeat 2 { Linear(2, bias=false) -> ReLU }", ["0.weight", "2.weight"]),
    ("a labelled repeat opens a level", "image -> r: repeat 2 { Basic(4) }", ["r.0.conv1.weight", "r.0.2.weight", "r.1.conv1.weight", "r.1.2.weight"]),
    ("for and if are transparent", "image -> for w in [2, 3] { if w == 2 { Linear(w, bias=false) } else { ReLU -> Linear(w, bias=false) } }", ["0.weight", "2.weight"]),
    ("labels with expressions", 'image -> for i in range(2) { "l{i + 1}": Linear(2, bias=false) }', ["l1.weight", "l2.weight"]),
    ("labels with dots share a level", 'image -> "a.0": Linear(3, bias=false) -> "b.0": Linear(3, bias=false) -> "a.1": Linear(3, bias=false)', ["a.0.weight", "b.0.weight", "a.1.weight"]),
    ("a label with dots takes one position", 'image -> "a.b.c": Linear(3, bias=false) -> "a.b.d": Linear(3, bias=false) -> Linear(2, bias=false)', ["a.b.c.weight", "a.b.d.weight", "1.weight"]),
    ("a level entered again counts on", 'image -> "a.b": { Linear(3, bias=false) } -> "a.c": { Linear(3, bias=false) }', ["a.b.0.weight", "a.c.0.weight"]),
    ("dots in a shared block", 'shared f = { "a.0": Linear(3, bias=false) -> "a.1": Linear(3, bias=false) }\nimage -> f -> f', ["f.a.0.weight", "f.a.1.weight"]),
    ("branches count in the chain around them", "image -> Add { Linear(3, bias=false) | Identity } -> Linear(2, bias=false)", ["0.weight", "3.weight"]),
    ("a labelled Add opens a level", "image -> add: Add { Linear(3, bias=false) | p: Linear(3, bias=false) }", ["add.0.weight", "add.p.weight"]),
    ("two chains of a level count on", "a = image -> Linear(2, bias=false)\nb = image -> Linear(2, bias=false)\na + b", ["0.weight", "1.weight"]),
    ("shared layers have one path", "shared f = Linear(3, bias=false)\nimage -> f -> f", ["f.weight"]),
    ("a shared block too", "shared f = Basic(3)\nimage -> f -> Linear(3, bias=false) -> f", ["f.conv1.weight", "f.2.weight", "0.weight"]),
    ("shared braces too", "shared f = { Linear(3, bias=false) -> ReLU }\nimage -> f -> f", ["f.0.weight"]),
    ("params have their own names", "param g: float[3, 1, 1] = 1.0\nbuffer s: float[1] = 2\nimage * g * s", ["g", "s"]),
    ("params have other names", 'for i in range(2) { param w "cell.weight_l{i}": float[3, 1, 1] = 1.0\nimage = image * w }\nimage * 2', ["cell.weight_l0", "cell.weight_l1"]),
    ("weights that nothing uses", 'param _ "old.head": float[3]\nimage * 2', ["old.head"]),
    ("labels with other signs", 'image -> "3x3/reduce:a": Linear(2, bias=false) -> "x@1:y+z#0.kernel:0": Linear(3, bias=false)', ["3x3/reduce:a.weight", "x@1:y+z#0.kernel:0.weight"]),
    ("labels with hyphens", 'image -> "block1-0": Linear(2, bias=false) -> "b-c.d-e": Linear(3, bias=false)', ["block1-0.weight", "b-c.d-e.weight"]),
    ("a part opens no level", "image -> Part(4) -> Linear(3, bias=false)", ["1.weight", "bn.weight", "bn.bias", "3.weight"]),
    ("the label of a part is that of its one layer", "image -> a: Padded(4)", ["a.weight"]),
    ("a label opens a level for several", "image -> a: Part(4)", ["a.1.weight", "a.bn.weight", "a.bn.bias"]),
    ("a layer beside the chain of a part", "image -> a: Gated(4)", ["a.0.weight", "a.1.weight"]),
    ("a weight beside the chain of a part", "image -> a: Scaled(4)", ["a.g", "a.0.weight"]),
    ("a part in a part", "image -> stem: { Outer(4) }", ["stem.conv.weight", "stem.2.weight"]),
    ("a shared part", "shared f = Padded(3)\nimage -> f -> f", ["f.weight"]),
    ("a part in a loop", "image -> repeat 2 { Padded(3) }", ["1.weight", "3.weight"]),
    ("a condition hands its label on", "image -> a: if true { Linear(2, bias=false) } else { Linear(3) }", ["a.weight"]),
    ("and through another", "image -> a: if true { if false { Linear(4) } else { Linear(2, bias=false) } }", ["a.weight"]),
    ("to one layer only", "image -> a: if true { ReLU -> Linear(2, bias=false) }", ["a.1.weight"]),
    ("norms have their buffers", "image -> bn: BatchNorm", ["bn.weight", "bn.bias", "bn.running_mean", "bn.running_var", "bn.num_batches_tracked"]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "paths"), [case[1:] for case in PATHS], ids=[case[0] for case in PATHS])
def test_paths(body: str, paths: list[str]) -> None:
    assert list(graph_of(net(body, SIGNATURE, before=BASIC + PARTS)).parameters) == paths


def test_node_names_are_unique_and_tell_the_use() -> None:
    graph = graph_of(net("shared f = Conv(3, 1)\nimage -> f -> f -> { x * 2 } -> { x * 3 }"))
    names = [node.name for node in graph.nodes]
    assert len(set(names)) == len(names)
    assert names[:2] == ["f", "f~2"]


def test_values_of_one_name_in_different_levels_do_not_collide() -> None:
    before = "block A { param g: float[1] = 1\n x * g }"
    assert list(graph_of(net("image -> A -> A", before=before)).parameters) == ["0.g", "1.g"]


@pytest.mark.parametrize(
    "body",
    [
        "image -> a: Linear(3) -> a: Linear(3)",
        "image -> repeat 2 { a: Linear(3) }",
        'image -> a: Linear(3) -> "{1 - 1}": ReLU -> for i in [1] { "{i + 1}": ReLU } -> 5',
        "param g: float[1] = 1\nparam g: float[1] = 1\nimage * g",
        "shared f = Linear(3)\nimage -> f: ReLU",
        "shared f = Linear(3)\nimage -> g: f",
        'image -> "a.b": Linear(3) -> "a.b": Linear(3)',
        'image -> "a.b": Linear(3) -> a: Linear(3)',
        'image -> a: Linear(3) -> "a.b": Linear(3)',
    ],
)
def test_a_name_is_given_once(body: str) -> None:
    assert codes_in(net(body, SIGNATURE))[0] in ("DL0307", "DL0308")


@pytest.mark.parametrize("label", ["a-", "-a", ":a", "a~2", "é", "a..b", ".a", "a.", "a b", ""])
def test_a_label_is_a_name_or_a_number(label: str) -> None:
    (found,) = found_in(net(f'image -> "{label}": Linear(3)', SIGNATURE))
    assert (found.code, found.hint) == (
        "DL0305",
        "a name or a number, in which there may be - : / + @ #, or several with dots between",
    )


def test_a_shared_layer_sees_one_shape_of_weights() -> None:
    assert codes_in(net("shared f = Conv(8, 1)\nimage -> f -> f")) == ["DL0201"]
