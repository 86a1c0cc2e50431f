"""Names that would mean something else than their author thinks."""

from __future__ import annotations

from tests.elaborate.specs import codes_in, found_in, graph_of, net

X = "x: float[N, 4, 8, 8]"


def test_a_layer_that_is_inside_itself() -> None:
    for body in ("f = Conv(4, 1) -> f\n x -> f", "f = ReLU -> { x -> f }\n x -> f"):
        (found,) = found_in(net(body, X))
        assert (found.code, "inside" in found.message) == ("DL0402", True)
    kept = "g = Identity\n f = ReLU -> g\n g = Tanh -> f\n x -> f"
    assert [type(node.op).__name__ for node in graph_of(net(kept, X)).nodes] == ["ReLU", "Identity"]


def test_a_layer_that_stops_using_itself() -> None:
    body = "f = { if x.channels > 1 { Conv(x.channels // 2, 1) -> f } else { x } }\n x -> f"
    assert [node.outputs[0].type.shape[1] for node in graph_of(net(body, X)).nodes] == [2, 1]


def test_a_name_that_is_bound_again_keeps_what_it_was_in_its_own_value() -> None:
    body = "f = Conv(4, 1)\n for i in range(300) { f = f -> ReLU }\n x -> f"
    assert [type(node.op).__name__ for node in graph_of(net(body, X)).nodes] == ["Conv", *["ReLU"] * 300]


def test_a_tap_in_a_file_has_nothing_to_name() -> None:
    for step in ("ReLU as y", "ReLU as y -> Tanh", "a: ReLU as y"):
        before = f"f = {step}\nblock B {{ x -> f }}\n"
        assert codes_in(net("x -> B", X, before=before)) == ["DL0308"]
    assert codes_in(net("x -> f", X, before="f = { x -> ReLU as y -> Add { y | Tanh } }\n")) == []


def test_a_default_size_that_does_not_fit_is_said_of_each_need() -> None:
    skip = "x -> Add {{ Identity | MaxPool({0}) -> Upsample(scale_factor={0}) }}"
    text = net(f"a = {skip.format(2)}\n b = {skip.format(4)}\n a + b", "x: float[N, 4, H = 9, W = 8]")
    found = found_in(text)
    assert [(each.code, each.span.line, each.notes[0].span.line) for each in found] == [
        ("DL0201", 2, 3), ("DL0201", 2, 4)
    ]  # fmt: skip


def test_a_train_that_is_bound() -> None:
    text = """network Net(x: float[N, 8]) -> y { x -> Linear(4) }
train = Fit(a=1) {
    data x: float[N, 8]
    shared f = Net
    minimize mean(x -> f) over f using SGD(lr=1e-2)
}
"""
    (found,) = found_in(text)
    assert (found.code, found.span.line, "`train Fit { ... }`" in found.hint) == ("DL0103", 2, True)
