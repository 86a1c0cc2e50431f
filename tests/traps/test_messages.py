"""Messages are in the words of the language, whatever is wrong: no reprs of Python, no addresses, and short."""

from __future__ import annotations

import re
from itertools import cycle

import pytest
from tests.elaborate.specs import found_in, net

from dlspec.diagnostics import Diagnostic
from dlspec.elaborate import foreign
from dlspec.ops import FUNCTIONS, LAYERS

BEFORE = "block B(w = 3) { Conv(w, 1) }\nnetwork Encode(x: float[N, 4]) -> y { x -> Linear(4) }\n"
PYTHON = re.compile(
    r"object at 0x|<class|<function|DType\.|namespace|POISON|Ellipsis|"
    r"\b(Value|Deferred|\w+Layer|Span|Env|Source|Expr|Ratio|Init|TensorType|Name|Call|Chain|Written)\("
)
LONGEST = 300
WRONG = [
    "h", "[h, h]", "[h, Conv(4, 1) -> ReLU]", "Conv", "Conv(4, 3)", "ReLU -> Tanh", "{ x -> ReLU }", "B", "Encode", "f",
    "[Conv(4, 1), ReLU -> Tanh]", "normal(0, 1)", "zeros([2])", "zeros()", "Normal(h, 1.0)", '"text"', "true", "none", "[]",
    "[[1], [2, 3]]", "1.5", "-3", "H", "H / 4", "range(500)", "range(H)", "max", "padding: 1", "x.shape", "h[:, 0:h]",
]  # fmt: skip


def found(expression: str) -> list[Diagnostic]:
    body = f"h = x -> Conv(4, 1)\n shared f = Conv(4, 1)\n {expression}"
    return found_in(net(body, "x: float[N, 4, H = 16, W = 16]", before=BEFORE))


def check(expressions: list[str]) -> int:
    count = 0
    for expression in expressions:
        for each in found(expression):
            count += 1
            for text in (each.message, each.hint, each.label, *(note.text for note in each.notes)):
                assert not PYTHON.search(text), f"{expression}: {text}"
                assert len(text) <= LONGEST, f"{expression}: {text}"
    return count


def test_every_value_that_is_wrong_in_every_kind_of_field() -> None:
    fields = {f.kind: (name, op, f) for name, (op, _) in reversed(LAYERS.items()) for f in op.fields}
    expressions: list[str] = []
    for name, op, field in fields.values():
        others = "".join(f", {f.name}=3" for f in op.fields if f.required and f is not field)
        expressions += [f"h -> {name}({field.name}={value}{others})" for value in WRONG]
    assert check(expressions) > 200


def test_a_wrong_value_in_every_field_of_every_operator() -> None:
    values, expressions = cycle(WRONG), list[str]()
    for name, op in {op: name for name, (op, _) in LAYERS.items()}.items():
        expressions += [f"h -> {op}({next(values)})"]
        for field in name.fields:
            others = "".join(f", {f.name}=3" for f in name.fields if f.required and f is not field)
            expressions += [f"h -> {op}({field.name}={next(values)}{others})"]
    for name, op in FUNCTIONS.items():
        expressions += [f"{name}({next(values)})", f"{name}(h, {next(values)})"]
        expressions += [f"{name}(h, {field.name}={next(values)})" for field in op.fields]
    assert check(expressions) > 500


SAID = {
    "Concat(h)": "write `h -> Concat`, or `concat(h)`",
    "Concat(x, x -> Conv(4, 1))": "write `[x, x -> Conv(4, 1)] -> Concat`",
    "h -> Conv(8, 3, stride=padding: 1)": "an argument is given with `=`: `padding=1`",
    "q, k, v = h\n q": "part another axis: `-> Split(3)`",
    "q, k, v = [[h, h], h]\n q": "has the form `[q, k], v`",
    "[q, k], v = [h, [h, h]]\n q": "has the form `q, [k, v]`",
    "q, (k, v) = h\n q": "part another axis: `-> Split(2)`",
    "[a, b], c = [h -> Split(4), h]\n a": "has the form `[_, _, _, _], _`",
    "h -> for i in range(H) { ReLU }": "give it a number in the signature",
    "h[:, 0:h]": "`narrow(x, dim, start, length)`",
    "full(h)": 'full(shape, value, dtype="float32")',
    "h -> Flatten -> Linear(120)": "pool the sizes away first",
    'h -> MaxPool(3, padding="same", ceil_mode=true)': "leave `ceil_mode` out",
    "h -> LSTMCell(8)": "a cell is a step of a layer",
    "h -> SimpleRNN(8)": "it is called `RNN`",
    "h -> Bidirectional": "`LSTM(64, bidirectional=true)`",
    "h -> LSTM(64, 128)": "the size of the input is left out: `LSTM(128)`",
    "h -> Conv2D(8, 3)": "it is called `Conv`",
    "h -> MaxPooling2D(2)": "it is called `MaxPool`",
    "h -> Dense(10)": "it is called `Linear`",
    "h -> BatchNormalization": "it is called `BatchNorm`",
    "h -> nn.Conv2d(4, 8, 3)": "names stand without a prefix",
    "h -> self.conv1": "a body has no `self`",
    "h -> Lienar(3)": "did you mean `Linear`",
    "h -> ReLu": "did you mean `ReLU`",
    "h -> maxpool(2)": "did you mean `MaxPool`",
    "h -> Foo": "`dlspec ops` lists them",
    "h -> Fit": "`dlspec ops` lists them",
}


@pytest.mark.parametrize(("expression", "hint"), SAID.items(), ids=SAID)
def test_a_hint_says_what_to_write(expression: str, hint: str) -> None:
    assert hint in found(expression)[0].hint


def test_what_is_known_by_other_names_exists() -> None:
    for name in [*foreign._CALLED, *foreign._WRITTEN, *foreign._LOSSES, "Conv2D", "MaxPooling3D", "Conv2DTranspose"]:
        hint = foreign.foreign(name)
        assert hint, name
        assert name not in {*LAYERS, *FUNCTIONS}
        for called in re.findall(r"`(\w+)`", hint):
            assert called in {*LAYERS, *FUNCTIONS, "for", "shared", "self", "expect", "param"}, hint
        for layer in re.findall(r"\b([A-Z]\w+)\(", hint):
            assert layer in LAYERS or layer == "Net", hint


def test_zeros_and_ones_are_initialisers() -> None:
    assert found("h -> Conv(4, 1, weight_init=ones(), bias_init=zeros())") == []
    assert found("zeros(4)")[0].code == "DL0305"
