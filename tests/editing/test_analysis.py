"""`dlspec.analyse`: what stands at a place, in each instance, and whatever the text says."""

from __future__ import annotations

import builtins
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from tests.backends.variants import telling

import dlspec
from dlspec.editing.analysis import Analysis, Instance, Place, analyse
from dlspec.elaborate.recorder import MOST, Record, Recorder
from dlspec.elaborate.session import Session
from dlspec.files import DISK, InMemory
from dlspec.ir.node import Value
from dlspec.pipeline import Checks, check, elaborate, elaborate_training, open_source, open_unchecked
from dlspec.source import Source
from dlspec.syntax import ast
from dlspec.syntax.lexer import scan

SPECS = sorted(DISK.library.glob("*.dlspec"))
SMALL = [
    path
    for path in SPECS
    if path.stat().st_size < 2000 and path.read_text(encoding="utf-8").count("\nnetwork ") < 3  # each is looked at
]

NET = """\
from .parts import Body, Widen as Wide

# Two convolutions.
block Twice(width, act: layer = ReLU) {
    inner = width // 2
    repeat 2 { Conv(inner, 3, padding=1) -> act } as last
    -> Conv(width, 1)
}

network Net(image: float[N, 3, H = 32, W = 32], widths = [8, 16]) -> features, probabilities {
    features = image -> for i, w in enumerate(widths) { "stage{i}": Twice(w) }
    pooled = mean(features, [2, 3])
    probabilities = pooled -> head: Linear(10) -> Softmax
}

network Other(image: float[N, 3, H = 32, W = 32]) -> out {
    h = image -> Body(4) -> Wide
    h = h -> ReLU
    h -> Nowhere(3)
}

expect Net.params > 100
pairs = [left * right + c for left, [right] in [[1, [2]]] if left > 0 for c in [right]]
"""
PARTS = "block Body(w) { Conv(w, 3) }\nblock Widen { Conv(2 * x.channels, 1) }\n"
FILES = InMemory({"net.dlspec": NET, "parts.dlspec": PARTS})


def place(analysis: Analysis, text: str, inside: str = "") -> Place:
    """What stands where a text begins, or something in it, which are there once."""
    whole = analysis.source.text
    assert whole.count(text) == 1, text
    at = whole.index(text) + text.index(inside)
    found = analysis.at(*analysis.source.position(at))
    assert found is not None, text
    return found


def line(instance: Instance) -> str:
    """An instance in one line: where, what, from which types to which, and with how many parameters."""
    where = f"{instance.network}:{instance.path}" if instance.path else instance.network
    flow = f"{' '.join(map(str, instance.inputs))} -> {' '.join(map(str, instance.outputs))}" if instance.inputs else ""
    params = str(instance.cost.params) if instance.cost is not None else ""
    return " | ".join(filter(None, (where, instance.kind, instance.text, flow, params)))


STAGES = ("Net:stage0", "Net:stage1")
PLACES: dict[tuple[str, str], list[str]] = {
    ("inner = width", ""): ["Net:stage0 | constant | 4", "Net:stage1 | constant | 8"],
    ("width // 2", "//"): ["Net:stage0 | constant | 4", "Net:stage1 | constant | 8"],
    ("width // 2", "2"): ["Net:stage0 | constant | 2", "Net:stage1 | constant | 2"],
    ("(width, act", "width"): ["Net:stage0 | constant | 8", "Net:stage1 | constant | 16"],
    ("act: layer", ""): ["Net:stage0 | layer | ReLU", "Net:stage1 | layer | ReLU"],
    ("Conv(inner, 3, padding=1)", "padding"): ["Net:stage0 | constant | 1", "Net:stage1 | constant | 1"],
    ("Conv(inner, 3, padding=1)", ""): [
        "Net:stage0 | layer | Conv(4, 3, padding=1) | float[N, 3, H, W] -> float[N, 4, H, W] | 112",
        "Net:stage0 | layer | Conv(4, 3, padding=1) | float[N, 4, H, W] -> float[N, 4, H, W] | 148",
        "Net:stage1 | layer | Conv(8, 3, padding=1) | float[N, 8, H, W] -> float[N, 8, H, W] | 584",
    ],
    ("-> act }", "act"): [
        "Net:stage0 | layer | ReLU | float[N, 4, H, W] -> float[N, 4, H, W] | 0",
        "Net:stage1 | layer | ReLU | float[N, 8, H, W] -> float[N, 8, H, W] | 0",
    ],
    ("as last", "last"): [
        "Net:stage0 | tensor | float[N, 4, H, W]", "Net:stage1 | tensor | float[N, 8, H, W]",
    ],
    ("-> Conv(width, 1)", "->"): [
        "Net:stage0 | tensor | float[N, 8, H, W] | 300", "Net:stage1 | tensor | float[N, 16, H, W] | 1312",
    ],
    ("image: float[N, 3, H = 32, W = 32], widths", ""): ["Net | tensor | float[N, 3, H, W]"],
    ("widths = [8", ""): ["Net | constant | [8, 16]"],
    ("-> features, prob", "features"): ["Net | tensor | float[N, 16, H, W]"],
    ("features, probabilities {", "prob"): ["Net | tensor | float[N, 10]"],
    ("i, w in enum", "w in"): ["Net | constant | 8", "Net | constant | 16"],
    ("{i}", "i"): ["Net | constant | 0", "Net | constant | 1"],
    ('"stage', "stage"): [
        "Net | layer | Twice(width=8) | float[N, 3, H, W] -> float[N, 8, H, W] | 300",
        "Net | layer | Twice(width=16) | float[N, 8, H, W] -> float[N, 16, H, W] | 1312",
    ],
    ("Twice(w)", ""): [
        "Net | layer | Twice(width=8) | float[N, 3, H, W] -> float[N, 8, H, W] | 300",
        "Net | layer | Twice(width=16) | float[N, 8, H, W] -> float[N, 16, H, W] | 1312",
    ],
    ("mean(features", ""): ["Net | tensor | float[N, 16] | 0"],
    ("mean(features", "feat"): ["Net | tensor | float[N, 16, H, W]"],
    ("head: Linear", ""): ["Net | layer | Linear(10) | float[N, 16] -> float[N, 10] | 170"],
    ("Softmax", ""): ["Net | layer | Softmax | float[N, 10] -> float[N, 10] | 0"],
    ("Body(4)", ""): ["Other | layer | Body(w=4) | float[N, 3, H, W] -> float[N, 4, H - 2, W - 2] | 112"],
    ("-> Wide\n", "Wide"): ["Other | layer | Widen | float[N, 4, H - 2, W - 2] -> float[N, 8, H - 2, W - 2] | 40"],
    ("h = h ->", ""): ["Other | tensor | float[N, 8, H - 2, W - 2]"],
    ("Nowhere(3)", ""): [],
    ("Net.params", "params"): [" | constant | 1782".removeprefix(" | ")],
    ("block Twice", "Twice"): [],
}  # fmt: skip


@pytest.fixture(scope="module")
def net() -> Analysis:
    return analyse("net.dlspec", files=FILES)


@pytest.mark.parametrize(("where", "expected"), PLACES.items(), ids=lambda value: str(value)[:40])
def test_what_stands_at_a_place(net: Analysis, where: tuple[str, str], expected: list[str]) -> None:
    assert [line(instance) for instance in place(net, *where).instances] == expected


DEFINITIONS = {
    ("Conv(inner, 3", "inner"): "net.dlspec:5:5",
    ("inner = width", ""): "net.dlspec:5:5",
    ("width // 2", ""): "net.dlspec:4:13",
    ("-> act }", "act"): "net.dlspec:4:20",
    ("Twice(w)", ""): "net.dlspec:4:7",
    ("Twice(w)", "w)"): "net.dlspec:11:32",
    ("i, w in enum", "w in"): "net.dlspec:11:32",
    ("enumerate(widths)", "widths"): "net.dlspec:10:49",
    ("mean(features", "feat"): "net.dlspec:11:5",
    ("-> features, prob", "feat"): "net.dlspec:11:5",
    ("H = 32, W = 32]) -> out", ""): "net.dlspec:16:34",
    ("-> out", "out"): "net.dlspec:16:54",
    ("Body(4)", ""): "parts.dlspec:1:7",
    ("-> Wide\n", "Wide"): "parts.dlspec:2:7",
    ("as Wide\n", "Wide"): "parts.dlspec:2:7",
    ("import Body", "Body"): "parts.dlspec:1:7",
    ("h = h ->", "h ->"): "net.dlspec:17:5",
    ("h -> Nowhere", ""): "net.dlspec:18:5",
    ("Net.params", ""): "net.dlspec:10:9",
    ("left * right", ""): "net.dlspec:23:31",
    ("left * right", "right"): "net.dlspec:23:38",
    ("left > 0", ""): "net.dlspec:23:31",
    ("c in [right]", "right"): "net.dlspec:23:38",
    ("left, [right]", "right"): "net.dlspec:23:38",
    ("Softmax", ""): None,
    ("Nowhere", ""): None,
    ("head: L", ""): None,
}


@pytest.mark.parametrize(("where", "expected"), DEFINITIONS.items(), ids=lambda value: str(value)[:40])
def test_where_a_name_was_defined(net: Analysis, where: tuple[str, str], expected: str | None) -> None:
    found = place(net, *where).definition
    assert (None if found is None else str(found)) == expected


def test_slices_and_states_of_a_scan() -> None:
    analysis = analyse(
        text="""network Net(x: float[N, T, 8]) -> ys {
    ys = scan token in x along 1 with h = x[:, 0] { h = tanh(h + token); h }
}"""
    )
    assert analysis.diagnostics == ()
    found = [place(analysis, "tanh(h + token)", word) for word in ("token", "h +")]
    assert [line(each.instances[0]) for each in found] == ["Net | tensor | float[N, 8]"] * 2
    assert [str(each.definition) for each in found] == ["text:2:15", "text:2:39"]


def test_signatures_and_their_docs(net: Analysis) -> None:
    softmax, twice, mean = (place(net, text).instances[0] for text in ("Softmax", "Twice(w)", "mean(features"))
    assert softmax.signature.startswith("Softmax(dim")
    assert (twice.signature, twice.doc) == ("Twice(width, act: layer = ReLU)", "Two convolutions.")
    assert mean.signature.startswith("mean(x, ")
    assert softmax.doc.startswith("exp(x) divided by its sum")
    assert mean.doc.startswith("The mean")


def test_what_is_neither_tensor_nor_layer_nor_constant() -> None:
    analysis = analyse(
        text="""train T {
    data image: float[N, 4]
    shared net = freeze(Linear(2))
    shared judge = Linear(1)
    noise = Normal(image, 1.0)
    begin = uniform(0.1, 0.2)
    rate = Adam(lr=1e-2, schedule=StepLR(10))
    minimize mean(image -> judge) over judge using rate
}"""
    )
    assert analysis.diagnostics == ()
    shown = [
        line(place(analysis, text).instances[0]) for text in ("net =", "noise", "begin", "rate =", "StepLR", "image:")
    ]
    assert shown == [
        "T | layer | Linear(out_features=2)", "T | other | Normal of float[N, 4]", "T | constant | uniform(a=0.1, b=0.2)",
        "T | other | Adam(lr=0.01)", "T | other | StepLR(10)", "T | tensor | float[N, 4]",
    ]  # fmt: skip


def test_places_where_nothing_stands(net: Analysis) -> None:
    assert [net.at(*at) for at in ((0, 1), (1, 0), (2, 1), (3, 5), (999, 1), (5, 999), (6, 1), (22, 3))] == [None] * 8


def test_symbols(net: Analysis) -> None:
    assert [(each.kind, each.name, each.place.text, each.span.line, each.doc) for each in net.symbols] == [
        ("block", "Twice", "Twice", 4, "Two convolutions."), ("network", "Net", "Net", 10, ""),
        ("network", "Other", "Other", 16, ""), ("constant", "pairs", "pairs", 23, ""),
    ]  # fmt: skip
    constants = analyse(text="a, b = [1, 2]\ntrain T { }\nblock B { x y }\nblock x }").symbols
    assert [(each.kind, each.name) for each in constants] == [
        ("constant", "a"), ("constant", "b"), ("train", "T"), ("block", "B"),
    ]  # fmt: skip


BROKEN = [
    (
        "image -> Body(4) -> Wide",
        "image -> Body(4 4) -> Wide",
        "h -> Nowhere",
        ["Net", "mean(features", "float[N, 16]"],
    ),
    ("block Twice(width,", "block Twice(width", "Body(4)", ["Other", "-> Wide\n", "float[N, 8, H - 2, W - 2]"]),
    ("    h = h -> ReLU", "    h = h -> ReLU)", "Body(4)", ["Other", "Body(4)", "Body(w=4)"]),
    ("-> head: Linear(10)", "-> head: Linear(10, 11, 12, 13)", "Body(4)", ["Net", "mean(features", "float[N, 16]"]),
]


@pytest.mark.parametrize(("old", "new", "still", "expected"), BROKEN, ids=[case[1].strip() for case in BROKEN])
def test_texts_with_errors(old: str, new: str, still: str, expected: list[str]) -> None:
    """What is before an error, beside it and in other declarations is known all the same."""
    analysis = analyse("net.dlspec", text=NET.replace(old, new), files=FILES)
    assert {found.severity for found in analysis.diagnostics} == {dlspec_error}
    network, where, shown = expected
    assert [(each.network, each.text) for each in place(analysis, where).instances][:1] == [(network, shown)]
    assert place(analysis, still) is not None


dlspec_error = next(iter(check("net.dlspec", FILES))).severity


def tensors(record: Record) -> list[Value]:
    values = [record.value, record.result]
    return [
        each for value in values for each in (value if isinstance(value, list) else [value]) if isinstance(each, Value)
    ]


CROWDED = ("nvae", "regnet", "hdenseunet", "dpn", "llama", "swin")
"""Of some of their expressions there are more instances than are kept."""


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_records_are_what_the_graphs_hold(path: Path, compared: Callable[[str, int], None]) -> None:
    """Each tensor of an expression has the type that it has in the graph, and every layer and weight is one's result."""
    source = Source(path.name, path.read_text(encoding="utf-8"), path)
    recorder = Recorder()
    opened = open_unchecked(source, session=Session(recorder=recorder))
    assert not opened.check(Checks(recorder=recorder)).errors
    modules = [opened.module]
    for module in modules:
        modules += [other for other, _ in module.imports.values() if other not in modules]
    nodes = {node: None for module in modules for node in walk_with_names(module.file)}
    records = [record for node in nodes for record in recorder.of(node)]
    assert any(len(recorder.of(node)) >= MOST for node in nodes) == (path.stem in CROWDED)

    program = open_source(source)
    graphs = [elaborate(program, name) for name in telling(program)]
    graphs += [elaborate_training(program, name).graph for name in program.trains]
    number = 0
    for graph in graphs:
        recorded = next(each for each in recorder.graphs if each.name == graph.name)
        types = {value.name: value.type for node in graph.nodes for value in node.gives}
        types |= {value.name: value.type for value in graph.inputs}
        found = [value for record in records if record.graph is recorded for value in tensors(record)]
        assert found
        for value in found:
            assert types[value.name] == value.type, value.span
        number += len(found)
        if path.stem not in CROWDED:
            told = {value.producer.name for value in found if value.producer is not None}
            written = [node.name for node in graph.nodes if node.origin.form in ("layer", "weight")]
            assert [name for name in written if name not in told] == []
    if graphs:
        compared("types of recorded tensors with those of the graph", number)


def walk_with_names(file: ast.File) -> Iterator[ast.Node]:
    """All nodes of a file, those of names that are bound as well."""
    for node in ast.walk(file):
        yield node
        yield from (getattr(node, "targets", None) or ())
        name = getattr(node, "name", None)
        if isinstance(name, ast.Name):
            yield name


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
def test_every_beginning_of_a_text(path: Path) -> None:
    """A text that is typed token by token is answered at every token, with no more than a finding of syntax or two."""
    text = path.read_text(encoding="utf-8")
    chance = random.Random(path.stem)
    for token in scan(Source("test", text))[:: 1 + len(text) // 400]:
        began = time.process_time()
        analysis = analyse(path, text=text[: token.start])
        assert sum(found.code.startswith("DL01") for found in analysis.diagnostics) <= 1
        last = analysis.source.position(max(0, token.start - 1))
        for at in (last, (chance.randint(1, last[0]), chance.randint(1, 80))):
            analysis.at(*at)
        assert time.process_time() - began < 20


@pytest.mark.parametrize("seed", range(8))
def test_damaged_texts(seed: int) -> None:
    chance = random.Random(seed)
    path = chance.choice(SMALL)
    text = path.read_text(encoding="utf-8")
    for _ in range(6):
        damaged = text
        for _ in range(chance.randint(1, 5)):
            at = chance.randrange(len(damaged))
            stray = chance.choice([*'(){}[]|,=:."é\0\n', "->", " as x ", " if ", "\ud800"])
            damaged = damaged[:at] + stray + damaged[at + chance.choice([0, 0, 1, 5]) :]
        analysis = analyse(path, text=damaged)
        places = [analysis.source.position(chance.randrange(len(damaged))) for _ in range(20)]
        found = [analysis.at(*at) for at in places]
        again = analyse(path, text=damaged)
        assert [str(each) for each in again.diagnostics] == [str(each) for each in analysis.diagnostics]
        assert str([again.at(*at) for at in places]) == str(found)


def test_nothing_but_its_files_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = {f"std/{path.name}": path.read_text(encoding="utf-8") for path in SPECS}
    files = InMemory(shipped | {"net.dlspec": NET, "parts.dlspec": PARTS})
    analyse("std.lenet", files=files).at(1, 1)  # what is read once, the grammar, is read

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("the disk is touched")

    for name in (
        "open",
        "read_text",
        "read_bytes",
        "resolve",
        "absolute",
        "is_file",
        "is_dir",
        "exists",
        "stat",
        "glob",
    ):
        monkeypatch.setattr(Path, name, refuse)
    monkeypatch.setattr(builtins, "open", refuse)
    assert analyse("std.se_resnet", files=files).diagnostics == ()
    assert [found.code for found in analyse("net.dlspec", files=files).diagnostics] == ["DL0301"]
    assert place(analyse("net.dlspec", files=files), "Body(4)").instances
    assert [found.code for found in analyse(text="from .net import Net", files=files).diagnostics] == ["DL0404"]


def test_diagnostics_are_those_of_check() -> None:
    for path in sorted((Path(__file__).parents[1] / "ui").glob("*.dlspec")):
        assert [str(found) for found in analyse(path).diagnostics] == [str(found) for found in check(path)]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        analyse(tmp_path / "nowhere.dlspec")
    (tmp_path / "bytes.dlspec").write_bytes(b"\xff\xfe")
    analysis = analyse(tmp_path / "bytes.dlspec")
    assert [found.code for found in analysis.diagnostics] == ["DL0606"]
    assert (analysis.symbols, analysis.at(1, 1)) == ((), None)


def test_expressions_with_many_instances_are_remembered_in_part() -> None:
    text = "network Net(x: float[N, 2, 8]) -> y { x -> repeat 1500 { Conv(2, 1) } }"
    assert len(place(analyse(text=text), "Conv(2, 1)").instances) == 1
    recorder = Recorder()
    opened = open_unchecked(Source("inline", text), session=Session(recorder=recorder))
    opened.check(Checks(recorder=recorder))
    assert max(len(recorder.of(node)) for node in ast.walk(opened.module.file)) == MOST


def test_it_is_what_the_package_exports() -> None:
    assert dlspec.analyse is analyse
    assert isinstance(dlspec.analyse(text=""), dlspec.Analysis)
