"""`network A = B(settings)`: a network that is another with other defaults."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.elaborate.specs import codes_in, found_in, graph_of

from dlspec.backends.torch import source
from dlspec.editing.analysis import analyse
from dlspec.files import InMemory
from dlspec.pipeline import elaborate, open_source
from dlspec.source import Source

BASE = """
network Base(x: float[N, 4, H = size], unit: layer, widths: list, size = 8, bias = true) -> y {
    x -> for i, width in enumerate(widths) { "level{i}": unit(width) } -> Conv(2, 1, bias=bias)
}
block Plain(width) { Conv(width, 1) }
block Twice(width) { Conv(width, 1) -> ReLU -> Conv(width, 1) }
"""


def settings(unit: str, widths: list[int], weights: int, size: int = 8, bias: bool = True) -> dict[str, object]:
    return {"unit": unit, "widths": widths, "size": size, "bias": bias, "weights": weights}


SAME = {
    "by position": ("network V = Base(Plain, [3, 5])", settings("Plain", [3, 5], 6)),
    "by name, in any order": ("network V = Base(widths=[3], unit=Twice)", settings("Twice", [3], 6)),
    "constants, wherever they stand": (
        "network V = Base(Plain, w)\nk = 4\nw = [3, k + 1]",
        settings("Plain", [3, 5], 6),
    ),
    "a variant of one that stands behind it": (
        "network V = W([7], bias=false)\nnetwork W = Base(Plain)",
        settings("Plain", [7], 3, bias=False),
    ),
    "no arguments": ("network W = Base(Plain, [3])\nnetwork V = W", settings("Plain", [3], 4)),
    "what is given comes by name then": (
        "network W = Base(Plain, [3])\nnetwork V = W(16, unit=Twice)",
        settings("Twice", [3], 6, size=16),
    ),
    "braces as a layer": ("network V = Base(widths=[3]) { Twice(3) }", None),
    "defaults of the name that is written": (
        "default Base(size=3, bias=false)\nnetwork V = Base(Plain, [3], bias=true)",
        settings("Plain", [3], 4, size=3),
    ),
    "a default behind it": (
        "network V = Base(Plain, [3])\ndefault Base(size=3)\nnetwork W = Base(Plain, [4])",
        settings("Plain", [3], 4),
    ),
}


@pytest.mark.parametrize(("text", "expected"), SAME.values(), ids=SAME)
def test_what_a_variant_is(text: str, expected: dict[str, object] | None) -> None:
    if expected is None:
        assert codes_in(BASE + text) == ["DL0306"]  # a block that is complete takes no width
        return
    graph = graph_of(BASE + text, "V")
    unit = str(graph.settings["unit"]).removeprefix("the layer ").strip("`")
    assert {**graph.settings, "unit": unit, "weights": len(graph.parameters)} == expected


def test_braces_are_a_layer_of_a_variant() -> None:
    text = "network Body(x: float[N, 4], f: layer) -> y { x -> f -> f }\nnetwork V = Body { Linear(8) -> ReLU }\n"
    assert [type(node.op).__name__ for node in graph_of(text, "V").nodes] == ["Linear", "ReLU"] * 2


def test_its_settings_stay_settings() -> None:
    text = BASE + "network V = Base(Plain, [3])\n"
    assert graph_of(text, "V", widths=[3, 5]).settings["widths"] == [3, 5]
    assert graph_of(text, "V", size=2).symbols["H"] == 2
    assert codes_in(text + "expect V(bias=false).params == 21\nexpect V.params == 23\n") == []
    assert (
        codes_in(text + "network Net(x: float[N, 4, 3]) -> y { x -> V(bias=false) }\nexpect Net.params == 21\n") == []
    )


def test_networks_that_need_settings_are_checked_in_what_they_become() -> None:
    wrong = BASE.replace("Conv(2, 1", "Cnv(2, 1")
    assert codes_in(BASE) == ["DL0304"]
    assert codes_in(BASE + "network V = Base(Plain, [3])") == []
    assert codes_in(BASE + "network Other(x: float[N, 4, 3]) -> y { x -> Base(Plain, [3]) }") == []
    assert codes_in(BASE + "expect Base(Plain, [3]).params == 23") == []
    assert codes_in(wrong + "network V = Base(Plain, [3])") == ["DL0301"]
    assert codes_in(BASE + "network V = Base(Plain)") == ["DL0304"]
    assert codes_in("network A(x: float[N], f: layer) -> y { x -> A(f) }") == ["DL0304"]
    (found,) = found_in(BASE)
    assert "`network Name = Base(unit=..., widths=...)`" in found.hint


REFUSED = {
    "network V = V()": "DL0402 V = V",
    "network V = W\nnetwork W = U(k=2)\nnetwork U = V": "DL0402 V = W = U = V",
    "network U = V\nnetwork V = W\nnetwork W = V": "DL0402 V = W = V",
    "network V = Base(Plain, [3], biass=false)": "DL0303 `Base` has no argument `biass` | did you mean `bias`?",
    "network V = Base(x=3)": "DL0303 `Base` has no argument `x` | it takes unit",
    "network V = Base(Plain, [3], 3, true, 4)": "DL0306 `Base` takes 4 arguments",
    "network U = Base(Plain, [3])\nnetwork V = U(3, true, 4)": "DL0306 `U` takes 4 arguments | `unit=...`",
    "network V = Base(Plain, unit=Plain)": "DL0303 `unit` is given twice",
    "network V = Base([3], Plain)": "DL0305 `unit` is a layer, not the list [3]",
    "network V = Base(Plain, k)": "DL0302 there is no `k` here",
    "network V = Bse(Plain)": "DL0301 there is no layer `Bse` | did you mean `Base`?",
    "network V = Plain(3)": "DL0308 a variant is of a network, and this is the block `Plain` | network V(x: float[N, 3, H, W])",
    "network V = Conv(3, 3)": "DL0308 a variant is of a network, and this is the layer `Conv`",
    "M = Base(Plain)\nnetwork V = M([3])": "DL0308 what `M = ...` gives a name",
    "train T { }\nnetwork V = T": "DL0308 a variant is of a network, and this is the train `T`",
    "network V = 3": "DL0103 behind the `=` stands a network | write `network V = Network(setting=value)`",
    "network V = Base(Plain, [3]) -> z { z }": "DL0103 behind the `=` stands a network | its inputs, outputs and body",
    "network V = Base(Plain, [3])\nblock V { ReLU }": "DL0307 `V` is declared twice",
}


@pytest.mark.parametrize(("text", "expected"), REFUSED.items(), ids=REFUSED)
def test_refused(text: str, expected: str) -> None:
    uses = "\nexpect Base(Plain, [3]).params == 23\n"
    code, *said = expected.partition(" | ")[0].split(" ", 1)
    found = [each for each in found_in(BASE + text + uses) if each.code == code]
    assert len(found) == 1
    assert said[0] in found[0].message
    assert expected.partition(" | ")[2] in found[0].hint
    assert found[0].span.line > BASE.count("\n")


def test_one_that_is_wrong_says_in_which() -> None:
    (found,) = found_in(BASE + "network V = Base(Plain, [3], 8)\nnetwork U = V(widths=[0])")
    assert found.trace[0].text.startswith("in U(unit=Plain, widths=[0]")


def test_a_long_row_of_variants() -> None:
    rows = [f"network A{i} = A{i - 1}" for i in range(1, 3000)]
    text = "network A0(x: float[N, 4], k = 3) -> y { x -> Linear(k) }\n"
    program = open_source(Source("row", text + "\n".join(reversed(rows))))
    assert elaborate(program, "A2999", {"k": 4}).outputs[0].value.type.shape[1] == 4


IMPORTED = InMemory(
    {
        "lib.dlspec": BASE + "wide = [30]\nnetwork Wide = Base(Plain, wide)\n",
        "net.dlspec": "from .lib import Base, Wide, Twice\nwide = [3]\nnetwork V = Base(Twice, wide)\nnetwork U = Wide(size=4)\n",
    }
)


def test_each_file_sees_its_own_names() -> None:
    path = Path("net.dlspec")
    program = open_source(Source("net.dlspec", IMPORTED.read(path), path), IMPORTED)
    assert list(program.networks) == ["V", "U"]
    assert elaborate(program, "V").settings["widths"] == [3]
    assert elaborate(program, "U").settings["widths"] == [30]
    assert elaborate(program, "U").symbols["H"] == 4


def test_what_stands_in_a_variant() -> None:
    analysis = analyse("net.dlspec", files=IMPORTED)
    assert not analysis.diagnostics
    assert [(symbol.kind, symbol.name) for symbol in analysis.symbols if symbol.kind == "network"] == [
        ("network", "V"), ("network", "U"),
    ]  # fmt: skip
    lines = analysis.source.text.splitlines()
    base = analysis.at(3, lines[2].index("Base") + 1)
    twice = analysis.at(3, lines[2].index("Twice") + 1)
    wide = analysis.at(4, lines[3].index("Wide") + 1)
    assert base is not None
    assert twice is not None
    assert wide is not None
    assert [str(place.definition) for place in (base, twice)] == ["lib.dlspec:2:9", "lib.dlspec:6:7"]
    assert [(each.kind, each.text) for each in base.instances] == [("layer", "Base(unit=Twice, widths=[3])")]
    assert (
        wide.instances[0].signature
        == "Wide(x: float[N, 4, H = size], unit: layer = Plain, widths: list = wide, size = 8, bias = true)"
    )


def test_the_inputs_of_a_network_that_needs_settings() -> None:
    analysis = analyse(text=BASE + "network V = Base(Plain, [3])\n")
    place = analysis.at(2, "network Base(x".index("x") + 1)
    assert place is not None
    assert [(each.network, each.text) for each in place.instances] == [("V", "float[N, 4, H]")]


def test_its_class_has_its_name_and_its_defaults() -> None:
    text = (
        BASE
        + "# What V is for.\nnetwork V = Base(Twice, [3, 5], bias=false)\nnetwork W(x: float[N, 4, 8]) -> y { x -> V -> { x -> Conv(4, 1) } -> V(bias=true) }\n"
    )
    made = source([graph_of(text, "V"), graph_of(text, "W")])
    assert 'class V(nn.ModuleDict):\n    """What V is for.' in made
    assert "def __init__(self, widths: tuple[int, ...] = (3, 5), bias: bool = False) -> None:" in made
    assert "V2(), nn.Conv1d(2, 4, 1), V2(bias=True)" in made  # inside another network its widths are what they are
    assert "Base" not in made
