"""An error stands where its cause likely is, with a note where it shows. The line of the cause ends with `# here`, that
of the note with `# shows`; where they are one line, with `# both`."""

from __future__ import annotations

import pytest

from dlspec.pipeline import check_source
from dlspec.source import Source

IMAGE = "image: float[N, 3, H = 32, W = 32]"

CASES = {
    # A value that names only pass on.
    "an argument of a block": """
block Layer(width, stride) { Conv(width, 3, stride=stride, padding=1) }  # shows
network Net(image: float[N, 3, 32, 32]) -> out { image -> Layer(8, 0) }  # here
""",
    "a default": """
block Layer(width, stride = 0) {  # here
    Conv(width, 3, stride=stride, padding=1)  # shows
}
network Net(image: float[N, 3, 32, 32]) -> out { image -> Layer(8) }
""",
    "a default under another name is right": """
block Wave(width, omega = 30.0) { Linear(width) -> { sin(omega * x) } }  # shows
network Net(x: float[N, 8], omega = 20.0) -> out {
    x -> Wave(omega)  # here
}
""",
    "an item of a list": """
network Net(image: float[N, 3, 32, 32]) -> out {
    stages = [[8, 3], [8, 0]]  # here
    image
    -> for width, kernel in stages { Conv(width, kernel, padding=1) }  # shows
}
""",
    "an item of several lists": """
network Net(image: float[N, 3, 32, 32], widths = [8, 0]) -> out {  # here
    image
    -> for i, width in enumerate(widths) { Conv(width, 3) }  # shows
}
""",
    "an item of another length": """
network Net(image: float[N, 3, 32, 32]) -> out {
    stages = [[8, 3], [8]]  # here
    image
    -> for width, kernel in stages { Conv(width, kernel) }  # shows
}
""",
    "an argument of the library": """
from std.resnet import Stem
network Net(x: float[N, 3, 32, 32]) -> out {
    x -> Flatten -> Stem  # both
}
""",
    # Tensors that do not fit.
    "the branch that changes a size": f"""
block Res(width) {{
    Add {{  # shows
        Conv(width, 3, padding=1)
        -> Conv(width, 3)  # here
      | Identity
    }}
}}
network Net({IMAGE}) -> out {{ image -> Conv(8, 1) -> Res(8) }}
""",
    "the kernel that it was given": f"""
block Res(width, kernel) {{
    x + (x -> Conv(width, kernel, padding=1))  # shows
}}
network Net({IMAGE}) -> out {{
    image -> Conv(8, 1)
    -> Res(8, 5)  # here
}}
""",
    "a step of a block that gives both": """
block Both {
    a = x -> Linear(4)
    b = x -> Linear(5)  # here
    [a, b]
}
network Net(x: float[N, 8]) -> out {
    a, b = x -> Both
    a + b -> Linear(4)  # shows
}
""",
    "where axes are lost": f"""
network Net({IMAGE}) -> out {{
    image -> Conv(8, 3)
    -> Flatten  # here
    -> ReLU
    -> Conv(8, 3)  # shows
}}
""",
    "where an open size gets among those that are known": f"""
network Net({IMAGE}) -> out {{
    image -> Conv(8, 3)
    -> Flatten  # here
    -> Linear(10)  # shows
}}
""",
    "a default size": """
network Net(image: float[N, 3, H = 33, W = 32]) -> out {  # here
    image -> Add { Identity | MaxPool(2) -> Upsample(scale_factor=2) }  # shows
}
""",
    "a step that should have kept the size": """
network Net(image: float[N, 3, H = 32, W = 32]) -> out {
    a = image -> Conv(8, 1)
    b = a -> MaxPool(2)
    -> ConvTranspose(8, 3, stride=2)  # here
    [a, b] -> Concat  # shows
}
""",
    "a condition of the signature": """
network Net(image: float[N, 3, H = 32, W = 32]) -> out
    where H % 4 == 0, W % 8 == 0 {  # here
    image -> Conv(16, 8, stride=8) -> [N, 16, H / 8, W / 8]  # shows
}
""",
    "data that are declared otherwise": """
network Net(x: float[N, 8]) -> y { x -> Linear(8) -> Linear(8) }
train Fit {
    data x: float[N, 4]  # here
    shared f = Net
    minimize mean(x -> f) over f using SGD(lr=0.1)  # shows
}
""",
    "a network that gives what another does not take": """
network Make(z: float[N, 4]) -> point {
    z -> Linear(3)  # here
}
network Judge(point: float[N, 2]) -> score { point -> Linear(1) }
network Both(z: float[N, 4]) -> score {
    z -> Make -> Judge  # shows
}
""",
    "the axes of what is compared with classes": """
network Net(image: float[N, 3, 8, 8], label: int[N]) -> loss {
    logits = image -> Linear(10)  # here
    cross_entropy(logits, label)  # shows
}
""",
    # Names.
    "a parameter that nothing uses, where another name is used twice": """
block Two(depth) {  # here
    Conv(width, 3, padding=1)  # shows
    -> Conv(width, 3, padding=1)
}
network Net(image: float[N, 3, 32, 32]) -> out { image -> Two(8) }
""",
    "a tensor with the name of a layer": """
network Net(ReLU: float[N, 3, 32, 32]) -> out {  # here
    image -> Conv(8, 3)  # shows
}
""",
    "a tensor with the name of its size": """
network Net(N: float[N, 8]) -> out {  # here
    image -> Linear(8)  # shows
}
""",
    "a parameter that is not there": """
block Layer(kernel) {  # here
    Conv(width, kernel)  # shows
}
network Net(image: float[N, 3, 32, 32]) -> out { image -> Layer(8, 3) }
""",
    "a parameter that is not there and has a name where it is given": """
block Layer(kernel, stride = 1) {  # here
    Conv(width, kernel, stride=stride)  # shows
}
network Net(image: float[N, 3, 32, 32], width = 8) -> out { image -> Layer(width, 3) }
""",
    "an import that lacks a name": """
from std.resnet import Stem  # here
network Net(image: float[N, 3, 224, 224]) -> out {
    image -> Stem
    -> Bottleneck(64)  # shows
}
""",
    "a name that is given where an output is not": """
network Net(x: float[N, 8]) -> mu, deviation {  # shows
    mu = x -> Linear(4)
    spread = x -> Linear(4)  # here
}
""",
    "an output that is a layer": """
network Net(x: float[N, 8]) -> mu, deviation {  # shows
    mu = x -> Linear(4)
    deviation = Linear(4) -> ReLU  # here
}
""",
    "a name that is given twice": """
network Net(x: float[N, 8]) -> y {
    a, a = x -> Split(2)  # both
    a * b
}
""",
    "a parameter that is given twice": """
block Layer(width, width = 3) { Linear(width) }  # both
network Net(x: float[N, 8]) -> y { x -> Layer(3) }
""",
    # What a body and a train lack.
    "what stands behind a result": """
network Net(x: float[N, 8]) -> y {
    x -> Linear(4)  # shows
    expect x.shape[1] == 8  # here
}
""",
    "a network without weights": """
network Net(x: float[N, 8]) -> y { x -> ReLU }  # here
train Fit {
    data x: float[N, 8]
    shared f = Net
    minimize mean(x -> f) over f using SGD(lr=0.1)  # shows
}
""",
}  # fmt: skip


@pytest.mark.parametrize("text", CASES.values(), ids=CASES)
def test_the_first_error_is_at_the_cause(text: str) -> None:
    found = check_source(Source("spec", text)).errors[0]
    marks = {
        mark: n
        for n, line in enumerate(text.split("\n"), 1)
        for mark in ("here", "shows", "both")
        if mark in line.partition("#")[2]
    }
    assert found.span.line == marks.get("here", marks.get("both")), found
    if "shows" in marks:
        assert marks["shows"] in [note.span.line for note in found.notes if note.span.source.name == "spec"], found


RIGHT = {
    "a use is misspelled": """
network Net(image: float[N, 3, 32, 32]) -> out {
    h = image -> Conv(8, 3)
    imag -> Conv(8, 3)  # here
}
""",
    "a layer that is not there": """
network Net(image: float[N, 3, 32, 32], classes = 10) -> out {
    image -> Convolve(8, 3)  # here
}
""",
    "a layer that takes no such number": """
network Net(x: float[N, 8], classes = 10) -> out {
    x -> Dropout(classes)  # here
}
""",
}


def test_a_block_does_not_see_what_a_network_takes() -> None:
    text = "block Attend(heads) { Linear(width) }\nnetwork Net(x: float[N, 8], width = 8) -> y { x -> Attend(2) }\n"
    (found,) = check_source(Source("spec", text)).errors
    assert (found.code, found.hint) == ("DL0302", "`width` is a parameter of `Net`: add it to those of `Attend`")


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT)
def test_an_error_stays_where_it_shows(text: str) -> None:
    found = check_source(Source("spec", text)).errors[0]
    (line,) = [n for n, line in enumerate(text.split("\n"), 1) if line.endswith("# here")]
    assert found.span.line == line, found
