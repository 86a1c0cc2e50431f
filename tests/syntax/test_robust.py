"""No text crashes the parser or takes it long."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from syntax_tools import findings, parse_text

from dlspec.diagnostics import Diagnostic, DlspecError
from dlspec.source import Source
from dlspec.syntax.limits import NESTING
from dlspec.syntax.parser import MOST_ERRORS, parse

SPECS = sorted((Path(__file__).parents[2] / "specs").glob("*.dlspec"))
MANY = 100_000

LARGE = {
    "open brackets": "block A { x" + "(" * 10_000,
    "open braces": "block A " + "{" * 10_000,
    "nested lists": "a = " + "[" * 10_000 + "]" * 10_000,
    "closing brackets": "}" * MANY,
    "long chain": "block A { x" + " -> A" * MANY + "}",
    "many statements": "block A {\n" + "x -> A(1)\n" * 50_000 + "}",
    "many declarations": "block A { x }\n" * 20_000,
    "long list": "a = [" + "1," * MANY + "]",
    "minus signs": "a = " + "- " * MANY + "1",
    "nots": "a = " + "not " * MANY + "1",
    "powers": "a = " + "2**" * MANY + "1",
    "sum": "a = " + "2+" * MANY + "1",
    "attributes": "a = x" + ".b" * MANY,
    "indices": "a = x" + "[0]" * MANY,
    "calls": "a = x" + "(0)" * MANY,
    "else if": "block A { " + "if a { } else " * MANY + "{ } }",
    "headers": "a = b {" * 20_000,
    "clauses": "a = [b " + "for b in c " * 20_000 + "]",
    "conditions": "a = [b for b in c " + "if b " * 20_000 + "]",
    "names in brackets": "a, " + "[" * 10_000 + "b" + "]" * 10_000 + " = c",
    "variants": "".join(f"network A{n} = A{n + 1}\n" for n in range(10_000)),
    "open string": 'a = "' + '\\"' * MANY,
    "open interpolations": 'a = "' + "{" * (MANY - 1) + '"',
    "interpolations": 'a = "' + "{a}" * 20_000 + '"',
    "quotes": "a = " + '"' * 10_001,
    "digits": "a = " + "1" * MANY,
    "grouped digits": "a = " + "1_" * MANY,
    "blank lines": "\n" * 1_000_000,
    "comments": "# a\n" * MANY,
    "blanks": " " * 1_000_000 + "a",
    "errors": "block A { x y }\n" * 20_000,
    "unclosed": "block A { (\n" * 20_000,
    "odd characters": "€" * MANY,
    "control characters": "\0" * MANY,
}


def diagnostics_of(text: str) -> tuple[Diagnostic, ...]:
    """What is wrong with a text; whatever cannot be parsed has something wrong."""
    try:
        parse(Source("test", text)).check()
    except DlspecError as error:
        return error.diagnostics or pytest.fail("an error without a diagnostic")
    return ()


@pytest.mark.parametrize("name", LARGE)
def test_large_texts_take_seconds(name: str) -> None:
    began = time.process_time()
    assert len(diagnostics_of(LARGE[name])) <= MOST_ERRORS
    assert time.process_time() - began < 30


def test_how_deep_a_spec_may_nest() -> None:
    """Brackets and expressions are counted, whichever reaches the bound first."""
    assert parse_text("a = " + "(" * NESTING + "1" + ")" * NESTING)
    assert findings("a = " + "(" * (NESTING + 1) + "1" + ")" * (NESTING + 1)) == [
        f"DL0105 1:{5 + NESTING}+1 this is nested more than {NESTING} deep"
        " | name a part of it, or make it a block, and use the name"
    ]
    assert parse_text("a = " + "1 + " * (NESTING - 1) + "1")
    assert findings("a = " + "1 + " * NESTING + "1") == [
        f"DL0105 1:5+1 this is nested more than {NESTING} deep"
        " | name a part of it, or make it a block, and use the name"
    ]
    assert parse_text("block A { x" + " -> F" * 1000 + " }")


def assert_well_behaved(text: str) -> None:
    for d in diagnostics_of(text):
        assert 0 <= d.span.start <= d.span.end <= len(text)
        assert d.message
    assert findings(text) == findings(text)


@pytest.mark.parametrize("seed", range(30))
def test_damaged_specs(seed: int) -> None:
    """Characters and stretches taken out, put in or doubled somewhere in a real spec."""
    chance = random.Random(seed)
    for _ in range(20):
        text = chance.choice(SPECS).read_text(encoding="utf-8")[:3000]
        for _ in range(chance.randint(1, 4)):
            start = chance.randrange(len(text) + 1)
            end = min(len(text), start + chance.choice([0, 0, 1, 1, 5, 100]))
            inserted = chance.choice(
                [*'(){}[]"->|,=:;#\\\n\0é', "\ud800", " if ", " else ", "block B ", "1e9999", "{x", ""]
            )
            text = text[:start] + inserted + text[end:]
        assert_well_behaved(text)


@pytest.mark.parametrize("seed", range(20))
def test_random_tokens(seed: int) -> None:
    chance = random.Random(seed)
    tokens = [
        "block",
        "A",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "->",
        "|",
        ",",
        "=",
        ":",
        ".",
        "-",
        "not",
        "if",
        "else",
        "for",
    ]
    tokens += [
        "in",
        "x",
        "1",
        '"{a}"',
        "\n",
        ";",
        "minimize",
        "over",
        "using",
        "where",
        "network",
        "from",
        "import",
        "as",
    ]
    for _ in range(100):
        assert_well_behaved(" ".join(chance.choices(tokens, k=chance.randint(1, 40))))
