"""An analysis from before an edit makes the next one quicker, and no other."""

from __future__ import annotations

import gc
import random
import re
from pathlib import Path
from typing import Any

import pytest

from dlspec.editing.analysis import Analysis, analyse
from dlspec.elaborate import network
from dlspec.elaborate.values import BlockLayer
from dlspec.files import DISK, InMemory

SPECS = [
    path
    for path in sorted(DISK.library.glob("*.dlspec"))
    if path.stat().st_size < 4500 and path.read_text(encoding="utf-8").count("\nnetwork ") < 4  # each is looked at
]
UI = sorted((Path(__file__).parents[1] / "ui").glob("*.dlspec"))
STRAY = ["(", ")", "{", "}", "|", "x ", "a = ", "default Conv(bias=false)\n", "block Identity { x }\n", "# more\n", "3"]


def seen(analysis: Analysis) -> list[str]:
    """All that is found, with every place."""
    return [repr(found) for found in analysis.diagnostics]


def edited(text: str, chance: random.Random) -> str:
    """A text after an edit as people make them: a number, a name, a line, a declaration, something typed."""
    declarations = re.split(r"(?m)^(?=block |network |train |expect |from |default )", text)
    at = chance.randrange(len(text) + 1)
    match chance.randrange(7):
        case 0:
            numbers = list(re.finditer(r"\b\d+\b", text)) or [re.match("", text)]
            number = chance.choice(numbers)
            assert number is not None
            return text[: number.start()] + str(chance.choice([0, 1, 2, 3, 64])) + text[number.end() :]
        case 1:
            return text[:at] + "\n# moved\n" * (at == 0 or text[at - 1] == "\n") + text[at:]
        case 2:
            return "# everything moves\n\n" + text
        case 3:
            chance.shuffle(declarations)
            return "".join(each if each.endswith("\n") else each + "\n" for each in declarations)
        case 4:
            declarations.insert(chance.randrange(len(declarations) + 1), chance.choice(declarations))
            return "".join(declarations)
        case 5:
            words = list(re.finditer(r"[A-Za-z_]\w*", text)) or [re.match("", text)]
            word, other = chance.choice(words), chance.choice(words)
            assert word is not None
            assert other is not None
            return text[: word.start()] + other.group() + text[word.end() :]
        case _:
            return text[:at] + chance.choice(STRAY) + text[at + chance.choice([0, 0, 1, 9]) :]


@pytest.mark.parametrize("path", [*SPECS, *UI], ids=lambda path: path.stem)
def test_a_chain_of_edits_finds_what_a_fresh_analysis_finds(path: Path) -> None:
    chance = random.Random(path.stem)
    whole = text = path.read_text(encoding="utf-8")
    analysis = analyse(path, text=text)
    for step in range(5):
        text = whole if step % 4 == 3 else edited(text, chance)
        analysis, fresh = analyse(path, text=text, before=analysis), analyse(path, text=text)
        assert seen(analysis) == seen(fresh), text
        at = analysis.source.position(chance.randrange(len(text) + 1))
        assert repr(analysis.at(*at)) == repr(fresh.at(*at))


FILE = """
from .parts import Body
widths = [4, 8]
default Conv(bias=false)

block Twice(w) { Body(w) -> Body(w) }
block Alone { x -> ReLU }

network One(image: float[N, 3, 32, 32]) -> out { image -> Twice(4) -> Conv(WRONG, 1) }
network Two(image: float[N, 3, 32, 32]) -> out { image -> for w in widths { Twice(w) } }
network Three(image: float[N, 3, 32, 32], classes = 10) -> out { image -> Alone -> Flatten -> Linear(classes) }
network Five = Three(classes=widths[0])
network Four(image: float[N, 3, 32, 32]) -> out { expect Three.params > 0
    image -> Alone }

expect Two.params > 10
expect Three(classes=3).params > 10
"""
PARTS = "block Body(w) { Conv(w, 3) }\n"
WHOLE = ["One", "Two", "Three", "Four", "Five", "Three(classes=3)"]
EDITS = {
    "nothing": ("", "", ["Four"]),
    "a line above": ("\nfrom", "\n\n# here\nfrom", ["Four"]),
    "a network": ("image -> Twice(4)", "image -> Twice(5)", ["One", "Four"]),
    "a block": ("{ Body(w) -> Body(w) }", "{ Body(w) -> ReLU -> Body(w) }", ["One", "Two", "Four"]),
    "a block of a measured network": ("{ x -> ReLU }", "{ x -> Tanh }", ["Three", "Four", "Five", "Three(classes=3)"]),
    "a constant": ("[4, 8]", "[4, 7]", ["Two", "Four", "Five"]),
    "a default": ("bias=false", "bias=true", WHOLE),
    "a name": ("block Alone", "block Aloned", WHOLE),
    "a setting": ("classes=3)", "classes=5)", ["Four", "Three(classes=5)"]),
    "an import": ("w, 3", "w, 5", ["One", "Two", "Four"]),
    "a syntax error": ("image -> Twice(4)", "image -> Twice 4)", ["One", "Four"]),
    "a broken block": ("block Alone {", "block Alone", WHOLE),
    "a broken constant": ("[4, 8]", "[4, 8", ["Two", "Four", "Five"]),
}


@pytest.mark.parametrize(("old", "new", "expected"), EDITS.values(), ids=EDITS)
def test_what_an_edit_does_not_touch_is_not_elaborated_again(
    old: str, new: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    elaborated: list[str] = []
    run = network._run  # pyright: ignore[reportPrivateUsage]

    def told(layer: BlockLayer, settings: dict[str, object], *rest: Any) -> object:
        shown = ", ".join(f"{name}={value}" for name, value in settings.items())
        elaborated.append(layer.declaration.name.name + (f"({shown})" if shown else ""))
        return run(layer, settings, *rest)

    before = analyse("main.dlspec", files=InMemory({"main.dlspec": FILE, "parts.dlspec": PARTS}))
    monkeypatch.setattr(network, "_run", told)
    files = InMemory({"main.dlspec": FILE.replace(old, new), "parts.dlspec": PARTS.replace(old, new)})
    after = analyse("main.dlspec", files=files, before=before)
    assert sorted(elaborated) == sorted(expected)
    elaborated.clear()
    assert seen(after) == seen(analyse("main.dlspec", files=files))
    assert len(elaborated) == len(WHOLE)


def test_what_is_kept_does_not_grow() -> None:
    text = "network Net(image: float[N, 3, 32, 32]) -> out { image -> Conv(WIDTH, 3) -> ReLU -> Conv(8, 3) }\n"
    analysis = analyse(text=text.replace("WIDTH", "1"))
    sizes: list[int] = []
    for width in range(2, 40):
        analysis = analyse(text=text.replace("WIDTH", str(width)), before=analysis)
        known = analysis._checks.session.known  # pyright: ignore[reportPrivateUsage]
        tables = (known.made, known.inferred)
        sizes.append(sum(len(each._own) + len(each._older) for each in tables))  # pyright: ignore[reportPrivateUsage]
    assert sizes[0] == sizes[-1] > 0


LEAVES = {
    "networks": (FILE, "repeat 2 { Body(w) }", "repeat 3 { Body(w) }"),
    "an error": (FILE, "Twice(4)", "Twice(4, more=3)"),
    "a syntax error": (FILE, "image -> Alone }", "image -> -> }"),
    "trains": ((DISK.library / "resnet.dlspec").read_text(encoding="utf-8"), "padding=1)\n}", "padding=1 + 0)\n}"),
    "weights": ((DISK.library / "bert.dlspec").read_text(encoding="utf-8"), "dropout = 0.1", "dropout = 0.2"),
    "a scan": ((DISK.library / "selective_scan.dlspec").read_text(encoding="utf-8"), "eps)", "eps )"),
}


@pytest.mark.parametrize(("text", "old", "new"), LEAVES.values(), ids=LEAVES)
def test_what_an_edit_leaves_is_gone_without_the_collector(text: str, old: str, new: str) -> None:
    """The collector would take long every few keys."""
    text = text.replace("Body(w) -> Body(w)", "repeat 2 { Body(w) }")
    assert old in text
    files = InMemory({"parts.dlspec": PARTS})
    analysis = analyse("main.dlspec", text=text, files=files)
    analysis.at(*analysis.source.position(text.rindex("->") - 2))
    gc.collect()
    gc.disable()
    try:
        for edit in [text.replace(old, new), text] * 2:
            analysis = analyse("main.dlspec", text=edit, files=files, before=analysis)
            analysis.at(*analysis.source.position(edit.rindex("->") - 2))
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_what_was_told_and_an_earlier_analysis_stay_whole() -> None:
    text = (DISK.library / "lstm.dlspec").read_text(encoding="utf-8")
    first = analyse(text=text)
    second = analyse(text=text.replace("lr=2e-3", "lr=3e-3"), before=first)
    line, column = first.source.position(text.rindex("logits"))
    place = second.at(line, column)
    told = repr(place)
    del second
    assert place is not None
    assert place.instances
    assert repr(place) == told
    fresh = analyse(text=text)
    assert repr(first.at(line, column)) == repr(fresh.at(line, column))
    assert repr(first.symbols) == repr(fresh.symbols)
