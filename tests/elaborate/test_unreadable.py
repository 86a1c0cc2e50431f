"""A text with a syntax error is checked all the same: what is wrong elsewhere is found, and nothing is made up."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.elaborate.specs import found_in

from dlspec.diagnostics import DlspecError
from dlspec.files import DISK, InMemory
from dlspec.pipeline import check, check_source, open_source
from dlspec.source import Source
from dlspec.syntax import ast
from dlspec.syntax.lexer import scan
from dlspec.syntax.parser import parse

STRAY = [")", "]", "[", "{", "}", "|", "→", '"']
PLANTED = "planted = x -> NoSuchLayer(3)\n    "


def codes(text: str, path: Path | None = None) -> list[str]:
    return [found.code for found in check_source(Source("inline.dlspec", text, path))]


def bodies(text: str) -> list[tuple[int, int, int]]:
    """Where each block and network of a text starts, its body starts and it ends."""
    file = parse(Source("test", text)).check()
    return [
        (each.span.start, each.body.statements[0].span.start, each.span.end)
        for each in file.declarations
        if isinstance(each, ast.Block | ast.Network) and each.body.span.text.count("\n") > 1
    ]


# Small enough to be checked often, and with bodies to damage.
SPECS = [
    path
    for path in sorted(DISK.library.glob("*.dlspec"))
    if path.stat().st_size < 4000 and bodies(path.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_what_is_wrong_elsewhere_is_found_too(path: Path) -> None:
    """A statement of one declaration is damaged; an unknown layer in another is found, and else only the damage."""
    text, chance = path.read_text(encoding="utf-8"), random.Random(path.stem)
    places = bodies(text)
    networks = [each for each in places if text.startswith("network", each[0])]
    tokens = [token for token in scan(Source("test", text)) if token.kind not in ("NEWLINE", "COMMENT", "END")]
    for _ in range(6):
        begin, first, end = chance.choice(places)
        others = [each for each in networks if each[0] != begin]
        token = chance.choice([token for token in tokens if first < token.start < end - 1])
        edits = [(token.start, f"{chance.choice(STRAY)} ")]
        if others:
            edits.append((chance.choice(others)[1], PLANTED.replace("x ->", "1 ->")))
        damaged = text
        for at, inserted in sorted(edits, reverse=True):
            damaged = damaged[:at] + inserted + damaged[at:]
        syntax = len(parse(Source("test", damaged)).findings)
        assert syntax <= 1
        found = codes(damaged, path)
        assert found[syntax:] == ["DL0301"] * len(others[:1]) or not syntax, damaged
        assert all(code.startswith("DL01") for code in found[:syntax])


NET = "network Net(image: float[N, 3, 8, 8]) -> out { image -> BODY }\n"
QUIET = {
    "a block": "block B { x y }\n" + NET.replace("BODY", "B"),
    "a block that declares nothing": "block B x }\n" + NET.replace("BODY", "B -> B(2)"),
    "a constant": "w = 3 4\n" + NET.replace("BODY", "Conv(w, 3)"),
    "a name of another language": "let w = 3\n" + NET.replace("BODY", "Conv(w, 3)"),
    "an import": "from std.resnet import Stem,\n" + NET.replace("BODY", "Stem"),
    "a default": "default Conv(kernel_size=)\n" + NET.replace("BODY", "Conv(8)"),
    "a network": "network Other(x: float[N]) y { x }\nexpect Other.params == 3\n",
    "part of what is counted": NET.replace("BODY", "Conv(4, 3)\n w = 3 4\n image -> Conv(5, 3)")
    + "expect Net.params == 3",
    "a statement": NET.replace("BODY", "ReLU as a b\n a -> Conv(4, 3)"),
    "a binding": NET.replace("BODY", "ReLU as a\n a, b = (a ->\n a -> Conv(b, 3) -> Linear(b)"),
    "a binding of a name that was bound": NET.replace("BODY", "ReLU as h\n h = h -> Flatten Tanh\n h -> [N, 192]"),
    "a misplaced word": NET.replace("BODY", "ReLU as a\n let b = 3\n a -> Conv(b, 3)"),
    "a result": "network Net(image: float[N, 3, 8, 8]) -> a, b {\n a = image -> ReLU\n b = image -> -> ReLU\n}\n",
    "the end of a body": "network Net(image: float[N, 3, 8, 8]) -> a, b {\n a = image -> ReLU\n",
    "the beginning of a statement": NET.replace("BODY", "ReLU\n) -> Tanh\n image"),
    "what uses a tensor": NET.replace("BODY", "ReLU as a\n b = a -> ReLU\n c = b d\n a"),
    "a shared layer": NET.replace("BODY", "ReLU as a\n shared f = Conv(3 3)\n a -> f -> f"),
    "a weight": NET.replace("BODY", "ReLU as a\n param w float[3]\n a * w"),
    "a loop": NET.replace("BODY", "ReLU as a\n for i [1, 2] { a = a -> Conv(i, 1) }\n a"),
    "one branch": NET.replace("BODY", "Concat { Conv(3 1) | MaxPool(2) } -> Flatten -> Linear(3)"),
    "data": "train T {\n data a float[N, 3]\n shared f = Linear(1)\n minimize mean(a -> f) over f using Adam\n}\n",
    "a network that is trained": "train T {\n data a: float[N, 3]\n shared f = = Linear(1)\n minimize mean(a -> f) over f using Adam\n}\n",
    "an update": "train T {\n data a: float[N, 3]\n shared f = Linear(1)\n minimize mean(a -> f) ovr f using Adam\n}\n",
    "the only network of a train": "block B { x y }\ntrain T {\n data a: float[N, 3]\n shared f = B\n minimize mean(a -> f) over f using Adam\n}\n",
    "a capital": NET.replace("BODY", "Conv(4, 3, bias=True)"),
}


@pytest.mark.parametrize("text", QUIET.values(), ids=QUIET)
def test_what_follows_from_a_syntax_error_is_not_reported(text: str) -> None:
    (found,) = found_in(text)
    assert found.code.startswith("DL01")


LOUD = {
    "DL0301": "block B { a = b c\n x -> Nothing }\n" + NET.replace("BODY", "B"),
    "DL0302": NET.replace("BODY", "Conv(4, 3) as a\n b = a c\n a -> Conv(width, 3)"),
    "DL0203": "block B { a = b c\n x -> Conv(4, 9) }\n" + NET.replace("BODY", "B"),
    "DL0401": NET.replace("BODY", "Conv(4, 3)") + "a = b c\nexpect Net.params == 3\n",
    "DL0303": "a = b c\n" + NET.replace("BODY", "Conv(4, 3, strid=2) -> a"),
    "DL0404": "a = b c\nfrom std.nothing import A\n" + NET.replace("BODY", "A"),
    "DL0705": "train T {\n data a: float[N, 3]\n b = = c\n minimize mean(a -> Linear(1)) over d using Adam\n}\n",
}


@pytest.mark.parametrize(("code", "text"), LOUD.items(), ids=LOUD)
def test_what_does_not_follow_is_reported(code: str, text: str) -> None:
    syntax, found = codes(text)
    assert (syntax[:4], found) == ("DL01", code)


def test_files_with_errors_are_imported_as_far_as_they_go() -> None:
    files = InMemory({
        "parts.dlspec": "block Good { x -> ReLU }\nblock Bad { x y }\nblock Worse x }\nblock Wrong { x -> Nothing }\n",
        "main.dlspec": "from .parts import Good, Bad, Worse, Wrong, None_such\n"
        + NET.replace("BODY", "Good -> Wrong") + NET.replace("Net", "Net2").replace("BODY", "Bad -> Worse -> Good(3)"),
    })  # fmt: skip
    found = [(each.code, each.span.source.name, each.span.text) for each in check("main.dlspec", files)]
    assert found == [
        ("DL0103", "parts.dlspec", "y"), ("DL0103", "parts.dlspec", "x"), ("DL0405", "main.dlspec", "None_such"),
        ("DL0301", "parts.dlspec", "Nothing"), ("DL0306", "main.dlspec", "3"),
    ]  # fmt: skip


def test_nothing_is_made_of_a_text_with_a_syntax_error() -> None:
    with pytest.raises(DlspecError, match="DL0103"):
        open_source(Source("inline.dlspec", "a = 1 2\n" + NET.replace("BODY", "ReLU")))


def test_the_same_error_in_two_networks_counts_for_both() -> None:
    text = "block B { x -> Nothing }\n" + NET.replace("BODY", "B") + NET.replace("BODY", "B").replace("Net", "Net2")
    assert codes(text + "expect Net.params == 3\nexpect Net2.params == 3\n") == ["DL0301"]
