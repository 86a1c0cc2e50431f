"""What cannot be read costs its statement or its declaration, is reported once, and takes nothing else with it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from syntax_tools import show

from dlspec.source import Source
from dlspec.syntax import ast
from dlspec.syntax.lexer import Token, scan
from dlspec.syntax.parser import Parsed, parse

SPECS = sorted((Path(__file__).parents[2] / "specs").glob("*.dlspec"))
BRACKETS = ["(", ")", "[", "]", "{", "}"]
STRAY = [*BRACKETS, "|", "→", '"', "3x", "->  ->", ": :"]


def read(text: str) -> Parsed:
    return parse(Source("test", text))


def outline(node: object) -> str:
    """Bodies as their statements: bound names with `=`, `?` with the lost names for what could not be read."""
    match node:
        case ast.Block() | ast.Network():
            return f"{node.name.name} {{{outline(node.body)}}}"
        case ast.Train():
            return f"{node.name.name} {{{'; '.join(outline(each) for each in node.statements)}}}"
        case ast.Body():
            return "; ".join(outline(each) for each in node.statements)
        case ast.Bind():
            return f"{', '.join(name.name for name in ast.names_of(node.targets))} ="
        case ast.Unreadable():
            return "?" + ",".join(name.name for name in node.names)
        case ast.Shared() | ast.Param() | ast.Data():
            return f"{node.name.name} ="
        case ast.Evaluate(value=ast.Repeat() | ast.For()):
            return f"loop {{{outline(node.value.body)}}}"
        case ast.Evaluate(value=ast.Call(branches=tuple() as branches)):
            return f"call {{{' | '.join(outline(branch) for branch in branches)}}}"
        case ast.Node():
            return type(node).__name__.lower()
        case _:
            raise TypeError(node)


# What stands in a block, and what is left of it.
STATEMENTS = {
    "a = 1\nb = f(2 3)\nc = 4": "a =; ?b; c =",
    "b = f(2\nc = 4\nd = 5": "?b; c =; d =",
    "b = f(2,\n  c d)\ne = 4": "?b; e =",
    "b = [2\n  -> c\nd = 5": "?b; d =",
    "b = f(2))\nc = 4": "?b; c =",
    "b = f 2)\nc = 4": "?b; c =",
    "a, b = f(]\nc = 4": "?a,b; c =",
    "[a, (b, c)], d = f(2 3)\n(e) = 4": "?a,b,c,d; e =",
    "a, [b] = f(2 3)\n[c], e = 4": "?a,b; c, e =",
    "x -> f(1 2)\n-> g(2)\nx -> h": "?; evaluate",
    "x -> f as h g\n-> k\nh": "?h; evaluate",
    "a = b c; d = e": "?a; d =",
    "shared f = = g\nparam p: : int\nf": "?f; ?p; evaluate",
    "if a = 3 { b }\nc = 4": "?; c =",
    "if a { b c } else { d }\ne = 4": "evaluate; e =",
    "repeat 2 {\na = 1 2\nb = 3\n}\nc = 4": "loop {?a; b =}; c =",
    "for a b in c {\nd = 1\n}\ne = 4": "?d; e =",
    "Add { a b | c | d }": "call {? | evaluate | evaluate}",
    "Add { a | for b | in c { d } }": "call {evaluate | ?}",
    "Add {\n  a\n| | b\n}\nc": "call {?}; evaluate",
    "a = f({ b c })\nd = 4": "a =; d =",
    "a = 1e999\nb = \"\\q\"\nc = '1'\nd = 4": "?a; ?b; ?c; d =",
    "let a = 3\nreturn b": "?; ?",
    "a\nb c\nd": "unfinished; ?; evaluate",
    "default F(a\nb = 1": "?F; b =",
    # Braces that do not match cost what follows in the declaration as well.
    "a = 1\nF {\n b\nc = 2\nd = 3": "a =; ?c,d",
    "a = 1\nb = 2\n{ c": "a =; b =; ?",
    "a = { b": "?a",
}


@pytest.mark.parametrize(("body", "expected"), STATEMENTS.items())
def test_statements_around_are_kept(body: str, expected: str) -> None:
    text = f"block A(p = 1) {{\n    {body.replace(chr(10), chr(10) + '    ')}\n}}\n\nblock B {{ x }}\n"
    parsed = read(text)
    assert [outline(each) for each in parsed.file.declarations] == [f"A {{{expected}}}", "B {evaluate}"]
    lost = [node for node in ast.walk(parsed.file) if isinstance(node, ast.Unreadable)]
    for found in parsed.findings:
        # A finding stands in what is lost, or just behind it where something is missing.
        assert any(node.span.start <= found.span.start <= node.span.end + 6 for node in lost) or "e = 4" in body, found


DECLARATIONS = {
    "network A(x: float[N]) { x }\nblock B { x }": ["?A", "B {evaluate}"],
    "block A(p = [1, 2) { x }\nblock B { x }": ["?A", "B {evaluate}"],
    "block A\n    x\n}\nblock B { x }": ["?A", "B {evaluate}"],
    "block A {\n    x }\n    a = 1\n}\nblock B { x }": ["?A", "B {evaluate}"],
    "block A { x } y\nblock B { x }": ["A {evaluate}", "?", "B {evaluate}"],
    "block A { x }}\nblock B { x }": ["A {evaluate}", "?", "B {evaluate}"],
    "a = 1 2\nb = 3\nexpect a ==\ndefault F(c=)\nblock B { x }": ["?a", "b =", "?", "?F", "B {evaluate}"],
    "a = f(\nb = 3\nblock B { x }": ["?a,b", "B {evaluate}"],
    "a = 1 2\n[b, c], d = 3\na, [b] = f(\nblock B { x }": ["?a", "b, c, d =", "?a,b", "B {evaluate}"],
    "block A {\n    F {\n    x\n}\nexpect a == 2\nblock B { x }": ["A {?}", "expect", "B {evaluate}"],
    "block A {\n    x\n    a = {\n}\nb = 2\nnetwork B -> y { x }": ["A {unfinished; ?a}", "b =", "B {evaluate}"],
    "network A = 3\nnetwork B = A(1,)\nblock B { x }": ["?A", "variant", "B {evaluate}"],
    "network A = B(1\nnetwork B = C\nnetwork C =\nblock B { x }": ["?A", "variant", "?C", "B {evaluate}"],
    "blok A { x }\nblock B { x }": ["?", "B {evaluate}"],
    "from a import B,\nblock B { x }": ["?", "B {evaluate}"],
    "train T(a = 1 {\n    data b: float[1]\n    minimize c over d using e\n}\nf = 1": ["?T", "f ="],
    "train T {\n    data b float[1]\n    minimize c d\n        over e using f\n    g = 1\n}": ["T {?b; ?; g =}"],
    "block A { x": ["A {?}"],
    "block A {": ["A {?}"],
    "": [],
}


@pytest.mark.parametrize(("text", "expected"), DECLARATIONS.items())
def test_declarations_around_are_kept(text: str, expected: list[str]) -> None:
    parsed = read(text)
    assert [outline(each) for each in parsed.file.declarations] == expected
    assert len(parsed.findings) == sum(each.count("?") for each in expected)


def damages(text: str, chance: random.Random, count: int) -> list[tuple[str, int]]:
    """Texts in which a bracket is missing or something stands too much, and where."""
    tokens = [token for token in scan(Source("test", text)) if token.kind not in ("NEWLINE", "COMMENT", "END")]
    brackets = [token for token in tokens if token.kind in BRACKETS]

    def damaged(token: Token, stray: str | None) -> tuple[str, int]:
        instead = "" if stray is None else f"{stray} {token.text}"
        return text[: token.start] + instead + text[token.end :], token.start

    return [damaged(chance.choice(brackets), None) for _ in range(count)] + [
        damaged(chance.choice(tokens), stray) for stray in STRAY for _ in range(1 + count // len(STRAY))
    ]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_one_damage_is_one_finding_and_costs_one_declaration(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    whole = read(text).file.declarations
    texts = [show(each) for each in whole]
    broken = 0
    for damaged, at in damages(text, random.Random(path.stem), 12):
        parsed = read(damaged)
        broken += len(parsed.findings)
        if not parsed.findings:
            continue  # still a spec, if another one
        (found,) = parsed.findings
        number = max((n for n, each in enumerate(whole) if each.span.start <= at), default=0)
        begin = whole[number].span.start
        end = whole[number + 1].span.end if number + 1 < len(whole) else len(damaged)
        assert begin <= found.span.start <= end + 10, damaged
        left = {show(each) for each in parsed.file.declarations}
        assert set(texts[:number] + texts[number + 1 :]) <= left, (damaged[max(0, at - 50) : at + 50], found)
    assert broken > 20


@pytest.mark.parametrize("path", SPECS[::12], ids=lambda path: path.stem)
def test_every_beginning_of_a_spec(path: Path) -> None:
    """While a text is typed most of it is read: the declarations before the last line are there as they will be."""
    text = path.read_text(encoding="utf-8")
    whole = [(each.span.end, show(each)) for each in read(text).file.declarations]
    for token in scan(Source("test", text))[::3]:
        parsed = read(text[: token.start])
        assert len(parsed.findings) <= 1
        left = [show(each) for each in parsed.file.declarations]
        assert (
            left[: len(whole)][: sum(end < token.start for end, _ in whole) - 1]
            == [shown for end, shown in whole if end < token.start][:-1]
        )


def test_braces_that_brackets_within_have_closed() -> None:
    parsed = read("block A {\n    a = if b 10 c -> F({) } else { none }\n}\nblock B { x }")
    assert [outline(each) for each in parsed.file.declarations] == ["?A", "B {evaluate}"]
