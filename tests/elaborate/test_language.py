"""What the constructs of the language do to a graph."""

from __future__ import annotations

import pytest
from tests.elaborate.specs import codes_in, graph_of, net

from dlspec.diagnostics import DlspecError

SAME = [
    ("braces", "image -> Conv(8, 3) -> ReLU", "image -> { Conv(8, 3) -> ReLU }"),
    ("composition", "image -> Conv(8, 3) -> ReLU", "f = Conv(8, 3) -> ReLU\nimage -> f"),
    ("repeat", "image -> ReLU -> ReLU -> ReLU", "image -> repeat 3 { ReLU }"),
    ("for", "image -> Conv(4, 1) -> Conv(5, 1)", "image -> for w in [4, 5] { Conv(w, 1) }"),
    ("if", "image -> Conv(4, 1)", "image -> if x_is_image { Conv(4, 1) } else { Conv(5, 1) }"),
    ("else if", "image -> Conv(5, 1)", "image -> if not x_is_image { ReLU } else if x_is_image { Conv(5, 1) } else { Tanh }"),
    ("if without else", "image", "image -> if not x_is_image { Conv(4, 1) }"),
    ("if as a value", "image -> Conv(4, 1)", "f = if x_is_image { Conv(4, 1) } else { ReLU }\nimage -> f"),
    ("a tap", "r = image -> ReLU\ns = r -> Sigmoid\nr -> Tanh", "image -> ReLU as r -> Sigmoid\nr -> Tanh"),
    ("rebinding", "image -> ReLU -> Tanh", "h = image\nh = h -> ReLU\nh = h -> Tanh\nh"),
    ("loops bind names around them", "image -> ReLU -> ReLU", "h = image\nfor i in range(2) { h = h -> ReLU }\nh"),
    ("comprehension", "[image -> Conv(2, 1), image -> Conv(3, 1)] -> Concat", "[image -> Conv(w, 1) for w in [2, 3]] -> Concat"),
    ("several fors", "[image -> Conv(3, 1), image -> Conv(4, 1)] -> Concat", "[image -> Conv(a * b, 1) for a in range(3) if a > 0 for b in [a, 3] if b > 1 if a == 1 or a == b] -> Concat"),
    ("a chain in a comprehension", "a, b, c = image -> Split(3)\n[c, a] -> Concat", "[p for i, p in enumerate(reversed(image -> Split(3))) if i != 1] -> Concat"),
    ("a chain that is looped over", "h = image[:, :1]\na, b, c = image -> Split(3)\nh + a + b + c", "h = image[:, :1]\nfor p in image -> Split(3) { h = h + p }\nh"),
    ("lists in lists", "image -> Conv(4, 3) -> Conv(8, 1)", "image -> for i, [w, (k, [s])] in enumerate([[4, [3, [1]]], [8, [1, [1]]]]) { Conv(w, k, stride=s) }"),
    ("lists in lists, without others", "image -> Conv(4, 3)", "image -> for [w, k] in [[4, 3]] { Conv(w, k) }"),
    ("a list of one", "image -> Conv(4, 3)", "image -> for [w] in [[4]] { Conv(w, 3) }"),
    ("lists in lists with names", "image -> Conv(4, 3)", "a, [b, (c, d)] = [2, [3, [4, 5]]]\nimage -> Conv(c, b)"),
    ("a tensor apart", "t = image -> Permute([1, 0, 2, 3])\nq = t[0]\nk = t[1]\nv = t[2]\nq * k - v", "q, k, v = image -> Permute([1, 0, 2, 3])\nq * k - v"),
    ("torch's order", "scatter(image, argsort(image, 1), 0.5, 1)", "scatter(image, 1, argsort(image, dim=1), 0.5)"),
    ("a start that is a number", "narrow(image, 2, 0, 3)", "narrow(image, start=0, dim=2, length=3)"),
    ("numbers counted from", "image * (3 + 2 * arange(2, \"float\"))[0]", "image * (3 + 2 * arange(0, 2, dtype=\"float\"))[0]"),
    ("a list of positions", "image[:, tensor([2, 0], \"int\")]", "image[:, [2, 0]]"),
    ("lists of positions", "image[:, tensor([[0], [1]], \"int\"), tensor([0, -1], \"int\")]", "image[:, [[0], [1]], [0, -1]]"),
    ("the least number", "masked_fill(image, image > 0, -65504)", "masked_fill(image, image > 0, finfo(\"float16\").min)"),
    ("attention to itself", "[t, t, t] -> MultiheadAttention(2)", "t -> MultiheadAttention(2)"),
    ("attention to another", "[t, 2 * t, t] -> MultiheadAttention(2)", "[t, 2 * t] -> MultiheadAttention(2, value=t)"),
    ("attention without its weights", "y, w = t -> MultiheadAttention(2, need_weights=true)\ny", "t -> MultiheadAttention(2, need_weights=true) -> Identity"),
    ("none for a tensor", "scaled_dot_product_attention(t, t, t, dropout_p=0.5)", "scaled_dot_product_attention(t, t, t, none, 0.5)"),
    ("branches", "[image -> Conv(2, 1), image] -> Concat", "image -> { Conv(2, 1) | Identity } -> Concat"),
    ("the first result flows on", "y, h, c = t -> LSTM(4, batch_first=true)\ny -> Linear(2)", "t -> LSTM(4, batch_first=true) -> Linear(2)"),
    ("the first result under a name", "y, h = t -> GRU(4, batch_first=true)\ny * y", "y = t -> GRU(4, batch_first=true)\ny * y"),
    ("the first result as a tap", "y, h = t -> GRU(4, batch_first=true)\ny + (y -> ReLU)", "t -> GRU(4, batch_first=true) as y -> ReLU -> { y + x }"),
    ("the first result in arithmetic", "y, h = t -> GRU(4, batch_first=true)\nexp(y)[:, 0]", "exp(t -> GRU(4, batch_first=true))[:, 0]"),
    ("the first result in branches", "a, b = t -> GRU(4, batch_first=true)\nc, d = t -> RNN(4, batch_first=true)\n[a, c] -> Add", "t -> Add { GRU(4, batch_first=true) | RNN(4, batch_first=true) }"),
    ("the first result from turn to turn", "t -> GRU(6, batch_first=true) -> GRU(6, batch_first=true)", "t -> repeat 2 { GRU(6, batch_first=true) }"),
    ("all results of braces", "y, h = t -> GRU(4, batch_first=true)\nh", "y, h = t -> { GRU(4, batch_first=true) }\nh"),
    ("all results of turns", "y, h = t -> GRU(6, batch_first=true) -> GRU(6, batch_first=true)\nh", "y, h = t -> repeat 2 { GRU(6, batch_first=true) }\nh"),
    ("all results of a condition", "y, h = t -> GRU(4, batch_first=true)\nh", "y, h = if x_is_image { t -> GRU(4, batch_first=true) } else { t -> RNN(4, batch_first=true) }\nh"),
    ("states flow in", "[t, s] -> GRU(4, batch_first=true)", "t -> GRU(4, batch_first=true, h_0=s)"),
    ("function and layer", "image -> Softmax(1)", "softmax(image, 1)"),
    ("pinned rank", "image -> Conv(2, 1)", "image -> Conv2d(2, 1)"),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right"), [case[1:] for case in SAME], ids=[case[0] for case in SAME])
def test_two_ways_to_write_one_graph(left: str, right: str) -> None:
    signature = "image: float[N, 3, 8, 8], t: float[N, T, 6], s: float[1, N, 4], x_is_image = true"
    one, other = (graph_of(net(body, signature)) for body in (left, right))
    assert one.outputs[0].value.type == other.outputs[0].value.type
    # Identity is a node that changes nothing: a branch that is one differs by it alone.
    operators = [[repr(node.op) for node in graph.nodes if repr(node.op) != "Identity()"] for graph in (one, other)]
    assert operators[0] == operators[1]


def test_x_is_what_flows_into_the_innermost_braces() -> None:
    before = (
        "block B { a = x.channels\n Conv(8, 1) -> { Conv(x.channels + a, 1) } -> repeat 2 { Conv(x.channels * 2, 1) } }"
    )
    graph = graph_of(net("image -> B", before=before))
    assert [node.op.out_channels for node in graph.nodes] == [8, 11, 22, 44]  # type: ignore[attr-defined]


def test_blocks_take_tensors_layers_and_defaults() -> None:
    before = """
    block Join(other: tensor, act: layer = ReLU, width: int = x.channels * 2) {
        [x, other] -> Concat -> Conv(width, 1) -> act
    }"""
    graph = graph_of(net("h = image -> Conv(5, 1)\nh -> Join(image, act=Tanh)", before=before))
    assert [type(node.op).__name__ for node in graph.nodes] == ["Conv", "Concat", "Conv", "Tanh"]
    assert graph.nodes[2].op.out_channels == 10  # type: ignore[attr-defined]


def test_a_symbol_of_a_tensor_parameter_takes_its_size() -> None:
    before = "block Same(y: float[B, C, H, W]) { x + (y -> Conv(C, 1)) -> [B, C, H, W] }"
    assert codes_in(net("image -> Same(image)", before=before)) == []
    assert codes_in(net("image -> Same(image -> MaxPool(2) -> Flatten)", before=before)) == ["DL0202"]


def test_settings_and_sizes() -> None:
    text = net("image -> Conv(width, 1)", "image: float[N, 3, H = 32, W = 32], width = 8")
    assert str(graph_of(text, width=5).outputs[0].value.type) == "float[N, 5, H, W]"
    assert str(graph_of(text, sizes={"H": 7, "N": 2}).outputs[0].value.type) == "float[2, 8, 7, W]"
    assert graph_of(text).symbols == {"N": None, "H": 32, "W": 32}
    for bad in ({"widht": 5}, {"sizes": {"Q": 5}}, {"sizes": {"H": 0}}):
        with pytest.raises(DlspecError):
            graph_of(text, **bad)  # type: ignore[arg-type]


def test_default_applies_to_the_rest_of_its_scope() -> None:
    text = """
    network Before(image: float[N, 3, 8, 8]) -> out { image -> BatchNorm }
    default BatchNorm(eps=1e-3)
    block B { default BatchNorm(momentum=0.2)
        BatchNorm -> BatchNorm(eps=1e-2) }
    network After(image: float[N, 3, 8, 8]) -> out { image -> BatchNorm -> B -> BatchNorm }
    """
    assert [node.op.eps for node in graph_of(text, "Before").nodes] == [1e-5]  # type: ignore[attr-defined]
    after = [(node.op.eps, node.op.momentum) for node in graph_of(text, "After").nodes]  # type: ignore[attr-defined]
    assert after == [(1e-3, 0.1), (1e-3, 0.2), (1e-2, 0.2), (1e-3, 0.1)]


def test_networks_are_layers_of_networks() -> None:
    text = """
    network Encode(image: float[N, D], D_out = 4) -> mu, logvar {
        mu = image -> fc1: Linear(D_out)
        logvar = image -> fc2: Linear(D_out)
    }
    network Net(image: float[N, 6]) -> out {
        mu, logvar = image -> encode: Encode(3)
        mu + exp(0.5 * logvar)
    }
    """
    assert list(graph_of(text).parameters) == [
        "encode.fc1.weight",
        "encode.fc1.bias",
        "encode.fc2.weight",
        "encode.fc2.bias",
    ]


def test_training_outputs_mark_their_nodes() -> None:
    graph = graph_of(
        net("h = image -> Conv(8, 1)\naux = h -> Conv(2, 1)\nout = h -> ReLU", output="out, aux: training")
    )
    assert [(node.name, node.training) for node in graph.nodes] == [("0", False), ("1", True), ("2", False)]


def test_a_setting_can_leave_a_training_output_out() -> None:
    body = "h = image -> Conv(8, 1)\naux = if side { h -> Conv(2, 1) } else { none }\nout = h"
    text = net(body, "image: float[N, 3, 8, 8], side = true", "out, aux: training")
    assert len(graph_of(text).outputs) == 2
    assert [output.name for output in graph_of(text, side=False).outputs] == ["out"]


def test_scopes_remember_blocks_and_repeats() -> None:
    before = "block B(width, act: layer = ReLU) { Conv(width, 1) -> act }"
    graph = graph_of(net("image -> layer1: repeat 2 { B(4) }", before=before))
    (level,) = graph.root.children
    (repeat,) = level.children  # type: ignore[union-attr]
    assert (level.kind, level.path, repeat.kind, repeat.arguments) == ("level", "layer1", "repeat", {"count": 2})  # type: ignore[union-attr]
    blocks = [iteration.children[0] for iteration in repeat.children]  # type: ignore[union-attr]
    assert [(block.declaration, block.path, block.arguments["width"]) for block in blocks] == [  # type: ignore[union-attr]
        ("B", "layer1.0", 4),
        ("B", "layer1.1", 4),
    ]


def test_one_mistake_in_a_block_is_reported_once() -> None:
    before = "block B { Conv(8, 3, pad=1) -> ReLU }"
    assert codes_in(net("image -> repeat 5 { B }", before=before)) == ["DL0303"]


def test_independent_mistakes_are_all_reported() -> None:
    body = "a = image -> Convv(8, 3)\nb = image -> Conv(8, 99)\nc = imag\n[a, b, c] -> Concat"
    assert codes_in(net(body)) == ["DL0301", "DL0203", "DL0302"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("image -> 3", "DL0308"),
        ("image -> sin(image)", "DL0308"),
        ("image -> a: [N, 3, H, W]", "DL0308"),
        ("image -> Conv(8, 3)(8, 3)", "DL0306"),
        ("image -> ReLU { Conv(8, 3) | Identity }", "DL0306"),
        ("image -> [image, image] -> Concat", "DL0308"),
        ("[image, image] -> ReLU", "DL0308"),
        ("3 -> ReLU", "DL0308"),
        ("a, b = image -> Split(3)\na", "DL0305"),
        ("a, b = image -> Permute([1, 0, 2, 3])\na", "DL0305"),
        ("a, [b, c] = [1, [2]]\nimage", "DL0305"),
        ("[b, c], a = [[2], 1]\nimage", "DL0305"),
        ("[a, a], b = [[1, 2], 3]\nimage", "DL0307"),
        ("for a, [b, c] in [[1, 2]] { d = a }\nimage", "DL0305"),
        ("a = [b for b in [1] for c in b]\nimage", "DL0305"),
        ("a = [b for b in [1] if 2 for c in [b]]\nimage", "DL0305"),
        ("a = [c for b in [1] for c in [b] for d in nowhere]\nimage", "DL0302"),
        ("image -> repeat 1.5 { ReLU }", "DL0305"),
        ("image -> repeat 100_000_000 { ReLU }", "DL0407"),
        ("image -> for i in 3 { ReLU }", "DL0305"),
        ("image -> for i in range(100_000_000) { ReLU }", "DL0407"),
        ("image -> if 3 { ReLU }", "DL0305"),
        ("image -> if image > 0 { ReLU }", "DL0305"),
        ("w = 10 ** 10 ** 10\nimage", "DL0305"),
        ("w = 10.0 ** 400\nimage", "DL0305"),
        ("w = 0 ** -1\nimage", "DL0305"),
        ("w = H ** -1\nimage", "DL0305"),
        ("w = H ** 1000000000\nimage", "DL0305"),
        ("w = 2 ** H\nimage", "DL0305"),
        ("w = 1 // 0\nimage", "DL0305"),
        ("w = [1, 2][5]\nimage", "DL0305"),
        ("w = \"a\" + 1\nimage", "DL0305"),
        ("image.foo", "DL0302"),
        ("image -> Conv2d(8, 3) -> Conv1d(8, 3)", "DL0202"),
        ("image -> \"a b\": ReLU", "DL0305"),
        ("image + \"a\"", "DL0305"),
        ("image + true", "DL0207"),
        ("where(image > 0, true, 1.0)", "DL0207"),
        ("where(1, image, 2)", "DL0207"),
        ("where(true, 1, 1.0)", "DL0305"),
        ("default Conv(padding=Conv)\nimage -> Conv(8, 3)", "DL0305"),
        ("shared f = 3\nimage", "DL0308"),
        ("param g: float = 3\nimage * g", "DL0305"),
        ("param g: float[H] = 3\nimage * g", "DL0205"),
        ("param g: float[2] = \"a\"\nimage", "DL0305"),
        ("default Convv(bias=false)\nimage", "DL0301"),
        ("default Conv(bia=false)\nimage", "DL0303"),
        ("image -> {}", "DL0409"),
        ("image[..., 0, ...]", "DL0305"),
        ("[1, 2][...]", "DL0305"),
        ("image[[]]", "DL0305"),
        ("image[:, [0, 1.5]]", "DL0305"),
        ("image[:, [true, false, true]]", "DL0305"),
        ("image[:, [[0], [1, 2]]]", "DL0305"),
        ("image[:, [0, image.batch]]", "DL0305"),
        ("image[:, [2, 3]]", "DL0203"),
        ("image[:, [[0, -4]]]", "DL0203"),
        ("[image, image][[0, 1]]", "DL0305"),
        ("image[image > 0]", "DL0413"),
        ("image[argmax(image, 1):]", "DL0305"),
        ("nonzero(image)", "DL0413"),
        ("unique(image)", "DL0413"),
        ("image * finfo(\"int\").min", "DL0305"),
        ("image * finfo(image.dtype).low", "DL0302"),
        ("image * finfo(image.dtype)", "DL0305"),
        ("gather(image, 1)", "DL0304"),
    ],
)  # fmt: skip
def test_refused(body: str, code: str) -> None:
    assert codes_in(net(body))[0] == code


COMPARED = [
    ("Sigmoid == Sigmoid", True),
    ("Sigmoid == Sigmoid()", True),
    ("Sigmoid != Sigmoid", False),
    ("Sigmoid == Tanh", False),
    ("Sigmoid in [Tanh, Sigmoid]", True),
    ("Sigmoid in [Tanh, ReLU]", False),
    ("Conv(8, 3) == Conv(out_channels=8, kernel_size=3, stride=1)", True),
    ("Conv(8, 3) == Conv(8, 5)", False),
    ("Conv(8, 3) == Conv", False),
    ("Conv(8, 3) == Conv2d(8, 3)", True),
    ("Conv1d(8, 3) == Conv2d(8, 3)", False),
    ("Dropout(1) == Dropout(1.0)", True),
    ("Conv(8, 3, weight_init=normal(0, 1)) == Conv(8, 3, weight_init=normal(0, 1))", True),
    ("Conv(8, 3, weight_init=normal(0, 1)) == Conv(8, 3)", False),
    ("Half == Half", True),
    ("Half(4) == Half(width=4, slope=2)", True),
    ("Half(4) == Half(5)", False),
    ("Half(4, act=Sigmoid) == Half(4, act=Tanh)", False),
    ("Half == Linear", False),
    ("[Sigmoid, [3]] == [Sigmoid, [3]]", True),
    ("[Sigmoid] == [Tanh]", False),
    ("chain == chain", True),
    ("once == ReLU", True),
    ("Sigmoid == none", False),
    ("Sigmoid == 3", False),
    ("Half(4) == Half(4, act=ReLU)", "DL0305"),
    ("(ReLU -> Tanh) == (ReLU -> Tanh)", "DL0305"),
    ("chain == ReLU", "DL0305"),
    ("(name: ReLU) in [ReLU]", "DL0305"),
    ("Concat { ReLU | Tanh } == Concat { ReLU | Tanh }", "DL0305"),
    ("Sigmoid < Tanh", "DL0305"),
    ("Reshape([N, H]) == Reshape([N, 3])", "DL0406"),
    ("H in [3, 5]", "DL0406"),
    ("H == 2.0", "DL0406"),
    ("H == 2.5", False),
]


@pytest.mark.parametrize(("condition", "holds"), COMPARED, ids=[condition for condition, _ in COMPARED])
def test_layers_compare_by_operator_and_arguments(condition: str, holds: bool | str) -> None:
    before = "block Half(width, act: layer = ReLU, slope = 2) { Linear(width) -> act }"
    body = f"""
    chain = ReLU -> Tanh
    shared once = ReLU
    same = ({condition})
    image -> chain -> once -> if same {{ Conv(2, 1) }} else {{ Conv(3, 1) }}"""
    text = net(body, "image: float[N, 3, H, W]", before=before)
    if isinstance(holds, str):
        assert codes_in(text) == [holds]
    else:
        assert graph_of(text).nodes[-1].op.out_channels == (2 if holds else 3)  # type: ignore[attr-defined]


NUMBERS = [
    ("where(x > 0, 1.0, -1.0)", "float[N, 4]"),
    ("where(x > 0, 1, -1)", "int[N, 4]"),
    ("where(x > 0, 1, 2.5)", "float[N, 4]"),
    ("where(x > 0, N, 3)", "int[N, 4]"),
    ("where(x > 0, true, false)", "bool[N, 4]"),
    ("where(d > 0, 1, d)", "float64[N, 4]"),
    ("where(true, x, 2)", "float[N, 4]"),
]


@pytest.mark.parametrize(("expression", "type_"), NUMBERS)
def test_numbers_have_the_type_of_what_they_stand_beside(expression: str, type_: str) -> None:
    graph = graph_of(net(expression, "x: float[N, 4], d: float64[N, 4]"))
    assert str(graph.outputs[0].value.type) == type_


def test_numbers_that_are_equal_and_not_the_same_are_kept_apart() -> None:
    graph = graph_of(net("[x, tensor([-0.0]), tensor([0.0])] -> Concat(0)", "x: float[N]"))
    assert [repr(node.op) for node in graph.nodes[:2]] == ["Const(value=(-0.0,))", "Const(value=(0.0,))"]
    assert graph.nodes[0].op != graph.nodes[1].op
