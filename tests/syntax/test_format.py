from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from programs import Programs, careless_text
from syntax_tools import parse_text, show

from dlspec.diagnostics import DlspecError
from dlspec.source import Source
from dlspec.syntax.format import WIDTH, format_source

SPECS = sorted((Path(__file__).parents[2] / "specs").glob("*.dlspec"))
COMMENT = re.compile(r"# (?:note|top|end|a|b)\r?$", re.MULTILINE)


def format_text(text: str) -> str:
    return format_source(Source("test", text))


@given(st.integers(0, 2**32))
@example(91706)  # a line in the header of a scan begins with `default`
@example(160333)  # a block that is called `data` is called with a label
@example(22213)  # a line of arguments begins with `(bias =`
@settings(max_examples=300, deadline=None)
def test_formatting_keeps_the_program_and_is_idempotent(seed: int) -> None:
    text = careless_text(Programs(seed).program(), seed)
    once = format_text(text)
    assert show(parse_text(once)) == show(parse_text(text))
    assert format_text(once) == once
    assert len(COMMENT.findall(once)) == len(COMMENT.findall(text))
    assert not re.search(r"[ \t\r]$|\n\n\n", once, re.MULTILINE)
    assert not once or (once[0] != "\n" and once[-1] == "\n" and once[-2:] != "\n\n")


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_the_shipped_specs_are_formatted(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert format_text(text) == text


def test_a_text_that_does_not_parse() -> None:
    with pytest.raises(DlspecError):
        format_text("block A {")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("\ufeff\n\n", ""),
        ("# a", "# a\n"),
        (
            "block A {\ny = scan t in x along 1 with h = [0] {\nh = t\nh\n}\ny\n}",
            "block A {\n    y = scan t in x along 1 with h = [0] {\n        h = t\n        h\n    }\n    y\n}\n",
        ),
        ("x=1;y  =  2\n\n\n\nz = -1", "x = 1\ny = 2\n\nz = -1\n"),
        ("a = b-1**-2//c", "a = b - 1 ** -2 // c\n"),
        ("a = f( x = 1 ,y=- 2 ) [ 0,1 : 2 ] . b", "a = f(x=1, y=-2)[0, 1:2].b\n"),
        ("a = x[:,:,1 : , : -1 ]", "a = x[:, :, 1:, :-1]\n"),
        ("a = x[ ...,0 ] + x[ 0,... ]", "a = x[..., 0] + x[0, ...]\n"),
        ("a = [ - 1,(2,) ]", "a = [-1, (2,)]\n"),
        ("a = not(b)and c in(d)", "a = not (b) and c in (d)\n"),
        ("from  . a . b import C  as D,E", "from .a.b import C as D, E\n"),
        (
            "a,[b,( c,d )]=[x for  y,[z,w]in v->F if c if d for(q,r)in y]",
            "a, [b, (c, d)] = [x for y, [z, w] in v -> F if c if d for (q, r) in y]\n",
        ),
        ("[ a,( b,c ) ],d=[[1,[2,3]],4]", "[a, (b, c)], d = [[1, [2, 3]], 4]\n"),
        ("block A {\n( a,b ) = x\n->B\n[a]}", "block A {\n    (a, b) = x\n        -> B\n    [a]\n}\n"),
        ("network  A=B", "network A = B\n"),
        ("network A =\nB( 3,c = [1] )", "network A = B(3, c=[1])\n"),
        ("block A(){x}", "block A() { x }\n"),
        ("block A(a=1,b : int=2){}", "block A(a = 1, b: int = 2) { }\n"),
        ("block A { x; y }", "block A { x; y }\n"),
        ("block A { x\ny }", "block A {\n    x\n    y\n}\n"),
        ("block A\n{\n\nx\n\n}", "block A {\n    x\n}\n"),
        ("block A {\nif a { b }\nelse { c }\n}", "block A {\n    if a { b } else { c }\n}\n"),
        ("block A {\nx ->\n B -> C\n}", "block A {\n    x\n    -> B -> C\n}\n"),
        ("block A {\ny = x\n-> B\n}", "block A {\n    y = x\n        -> B\n}\n"),
        ("block A {\nAdd { a |\n b -> c }\n}", "block A {\n    Add {\n        a\n      | b -> c\n    }\n}\n"),
        ("block A { # why\nx # what\n\n# end\n}", "block A {  # why\n    x  # what\n\n    # end\n}\n"),
        ("block A {\nx # one\n# two\n-> B\n}", "block A {\n    x  # one\n    # two\n    -> B\n}\n"),
        ("block A {\nx -> # one\nB\n}", "block A {\n    x  # one\n    -> B\n}\n"),
        ("a = f(\n1,\n  2, # two\n)", "a = f(\n    1,\n    2,  # two\n)\n"),
        ('a = "{ i+1 }"', 'a = "{ i+1 }"\n'),
        (
            "train T {\nminimize a over b using\nC times 3\n}",
            "train T {\n    minimize a over b using\n        C times 3\n}\n",
        ),
    ],
)
def test_format(text: str, expected: str) -> None:
    assert format_text(text) == expected
    assert format_text(expected) == expected


def test_what_is_too_long_for_its_line() -> None:
    step = "Conv(" + "w" * 50 + ")"
    assert format_text(f"block A {{ {step} -> {step} -> {step} }}") == (
        f"block A {{\n    {step} -> {step}\n    -> {step}\n}}\n"
    )
    assert format_text(f"block A {{\n  x -> F {{ {step} | {step} }} -> G\n}}") == (
        f"block A {{\n    x -> F {{\n        {step}\n      | {step}\n    }} -> G\n}}\n"
    )


@given(st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_no_line_is_longer_than_its_longest_step(seed: int) -> None:
    """A chain between braces is broken wherever that helps."""
    steps = [f"F{'x' * (seed >> shift & 63)}" for shift in range(0, 30, 3)]
    once = format_text("block A { " + " -> ".join(steps) + " }")
    assert max(len(line) for line in once.splitlines()) <= WIDTH
    assert format_text(once) == once
