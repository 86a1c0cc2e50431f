"""Bad texts and what is said of them, to the letter."""
# ruff: noqa: E501

from __future__ import annotations

import pytest
from syntax_tools import findings

# The slips of people who know other languages. Each stands in the second line of a block, from its fifth column on.
SLIPS = {
    "Conv(bias=True)": "DL0107 2:15+4 `True` is written `true`",
    "f(None, x.None, True=1)": "DL0107 2:7+4 `None` is written `none`",
    "if x = 3 { A }": "DL0103 2:10+1 expected `{`, but found `=` | to compare, write `==`",
    "x && y": "DL0101 2:7+1 `&` has no meaning here | write `and`",
    "x || y": "DL0103 2:7+1 expected a new line or `}`, but found `|` | a disjunction is written `or`",
    "!x": "DL0101 2:5+1 `!` has no meaning here | write `not`",
    "x ^ 2": "DL0101 2:7+1 `^` has no meaning here | a power is written `**`",
    "'abc'": 'DL0101 2:5+1 `\'` has no meaning here | strings stand in double quotes: "..."',
    "x → y": "DL0101 2:7+1 `→` (U+2192) has no meaning here | write `->`",
    "a => b": "DL0103 2:8+1 expected an expression, but found `>` | write `->`",
    "x += 1": "DL0103 2:8+1 expected an expression, but found `=` | write it out: `a = a + b`",
    "// c": "DL0103 2:5+2 expected a statement or `}`, but found `//` | a comment begins with `#`",
    "return x": "DL0103 2:5+6 `return` is no word of this language | the last expression of a body is its result, without `return`",
    "elif x { }": "DL0103 2:5+4 `elif` is no word of this language | write `else if`",
    "while x { }": "DL0103 2:5+5 `while` is no word of this language | loops run while compiling: `repeat n { ... }` or `for a in list { ... }`",
    "for x in xs: A": "DL0103 2:16+1 expected `->` or `{`, but found `:` | a body stands in braces: `{ ... }`",
    "Conv(3) ReLU": "DL0103 2:13+4 expected `->`, a new line or `}`, but found `ReLU` | a value flows into a layer with `->`: write it between the two",
    "let a = 3": "DL0103 2:5+3 `let` is no word of this language | a value is named with `name = value`, without a word before it",
    "a |b": "DL0103 2:7+1 expected a new line or `}`, but found `|` | branches stand in braces: `Add { a | b }`",
    "x > 1 > 2": "DL0103 2:11+1 expected `->`, a new line or `}`, but found `>` | comparisons do not chain: write `a < b and b < c`",
    "minimize x over y using z": "DL0103 2:5+8 expected a statement or `}`, but found `minimize` | `minimize` stands in the body of a `train`",
    "data x: float": "DL0103 2:5+4 expected a statement or `}`, but found `data` | `data` stands in the body of a `train`",
    "block B { }": "DL0103 2:5+5 expected a statement or `}`, but found `block` | `block` stands at the top level of a file, not within braces",
    "in = 3": "DL0103 2:5+2 expected a statement or `}`, but found `in` | `in` is a reserved word and cannot be a name",
    "Conv[0": "DL0104 2:9+1 this `[` is never closed [3:1 `]` is missing before this]",
    "x \\": "DL0101 2:7+1 `\\` has no meaning here | nothing is needed here: a line goes on by itself inside ( ) and [ ], and where the next begins with `->`",
}
# Brackets. Each stands in the second line of a block, from its fifth column on.
BRACKETS = {
    "Conv(3, 1 -> ReLU\n    BatchNorm": "DL0104 2:9+1 this `(` is never closed [3:5 `)` is missing before this]",
    "Conv(3": "DL0104 2:9+1 this `(` is never closed [3:1 `)` is missing before this]",
    "Conv[3)": "DL0104 2:9+1 this `[` is never closed [2:11 `]` is missing before this]",
    "Conv(3)) -> x": "DL0104 2:12+1 this `)` closes nothing",
    "Add { a": "DL0104 2:9+1 this `{` is never closed",
    "[a,\n    b = 3": "DL0104 2:5+1 this `[` is never closed [3:7 `]` is missing before this]",
}
# Strings and numbers. Each stands in the second line of a block, from its fifth column on.
LITERALS = {
    '"abc': 'DL0102 2:5+4 this string is never closed | it ends on the line where it begins; within it a quote is written \\"',
    '"a{': 'DL0102 2:5+3 this string is never closed | it ends on the line where it begins; within it a quote is written \\"',
    '"a}b"': "DL0102 2:7+1 this `}` closes nothing in the string | a brace itself is written `}}`",
    '"a{b"': "DL0102 2:7+1 this `{` is never closed in the string | a brace itself is written `{{`",
    '"{a b}"': "DL0103 2:9+1 expected `}`, but found `b`",
    '"{}": A': "DL0103 2:7+1 expected an expression, but found `}`",
    '"a\\q"': 'DL0102 2:7+2 `\\q` is no escape | known are `\\"`, `\\\\`, `\\n` and `\\t`',
    '"{f(\\"a\\")}"': "DL0101 2:9+1 `\\` has no meaning here | nothing is needed here: a line goes on by itself inside ( ) and [ ], and where the next begins with `->`",
    "3x": "DL0106 2:5+2 `3x` is no number | digits may be grouped with single underscores, and a name begins with a letter",
    "1__0": "DL0106 2:5+4 `1__0` is no number | digits may be grouped with single underscores, and a name begins with a letter",
    "1e999": "DL0106 2:5+5 this number is too large | the largest is about 1.8e308",
    "0x10": "DL0106 2:5+4 `0x10` is no number | digits may be grouped with single underscores, and a name begins with a letter",
}
# What was expected. Each stands in the second line of a block, from its fifth column on.
EXPECTED = {
    "f(3 4)": "DL0103 2:9+1 expected `,` or `)`, but found `4`",
    "a = 3 +": "DL0103 2:11+1 expected an expression, but found `}` [3:1 `}` stands here]",
    "{ a | }": "DL0103 2:9+1 a branch beside this `|` is empty | a branch that passes its input on is written `Identity`",
    "-> A": "DL0103 2:5+2 expected a statement or `}`, but found `->`",
    "a ->": "DL0103 2:7+2 expected an expression, but found `}` [3:1 `}` stands here]",
    "a = b = c": "DL0103 2:11+1 expected `->`, a new line or `}`, but found `=` | to compare, write `==`",
    "x as 3": "DL0103 2:10+1 expected a name, but found `3`",
    "repeat { A }": "DL0103 2:12+1 expected an expression, but found `{`",
    "f(a=1 b=2)": "DL0103 2:11+1 expected `,` or `)`, but found `b`",
    "a.-3": "DL0103 2:7+1 expected a name or a number, but found `-`",
    "param g float[1]": "DL0103 2:13+5 expected a string or `:`, but found `float`",
    "default A": "DL0103 2:13+1 expected `(`, but found `}` [3:1 `}` stands here]",
    "shared a": "DL0103 2:12+1 expected `=`, but found `}` [3:1 `}` stands here]",
    "expect a, b, c": "DL0103 2:16+1 expected a new line or `}`, but found `,`",
    "[a for b]": "DL0103 2:13+1 expected `in`, but found `]`",
    "f(,)": "DL0103 2:7+1 expected an expression or `)`, but found `,`",
    "x[": "DL0104 2:6+1 this `[` is never closed [3:1 `]` is missing before this]",
    "not": "DL0103 2:5+3 expected an expression, but found `}` [3:1 `}` stands here]",
    "()": "DL0103 2:6+1 expected an expression, but found `)`",
    "f(*a)": "DL0103 2:7+1 expected an expression or `)`, but found `*`",
    "f\n    , 4": "DL0103 3:5+1 expected a statement, but found `,`",
    "a: b: c": "DL0103 2:9+1 expected `->`, a new line or `}`, but found `:`",
    '"{x:3}"': "DL0103 2:8+1 expected `}`, but found `:`",
    "a: b\n    c d": "DL0103 3:7+1 expected `->`, a new line or `}`, but found `d` | a value flows into a layer with `->`: write it between the two",
}
# Whole files.
FILES: dict[str, list[str]] = {
    "x -> A": [
        "DL0103 1:1+1 expected a declaration (`block`, `network`, `train`, `from`, `expect`, `default` or `name = value`), but found `x` | layers and expressions stand in the body of a `block` or a `network`"
    ],
    "def A(x) { x }": [
        "DL0103 1:1+3 `def` is no word of this language | a reusable piece of a network is declared with `block Name(parameters) { ... }`"
    ],
    "class A(nn.Module):\n  pass": [
        "DL0103 1:1+5 `class` is no word of this language | a reusable piece of a network is declared with `block Name(parameters) { ... }`"
    ],
    "blok A { x }": [
        "DL0103 1:1+4 expected a declaration (`block`, `network`, `train`, `from`, `expect`, `default` or `name = value`), but found `blok` | did you mean `block`?"
    ],
    "block a b { }": ["DL0103 1:9+1 expected `{` or `(`, but found `b`"],
    "block 3 { }": ["DL0103 1:7+1 expected a name, but found `3`"],
    "block in { }": ["DL0103 1:7+2 expected a name, but found `in` | `in` is a reserved word"],
    "network A(x: float[N]) { x }": ["DL0103 1:24+1 expected `->`, but found `{`"],
    "network A -> y: foo { x }": [
        "DL0103 1:17+3 `foo` is no mark of an output | a type stands with the inputs; only the mark `training` may follow an output"
    ],
    "network A(x: int) -> y, { x }": ["DL0103 1:25+1 expected a name, but found `{`"],
    "block A {\n[a, 1], b = c\na }": ["DL0103 2:5+1 expected a name, `(` or `[`, but found `1`"],
    "block A {\na[0], b = c\na }": [
        "DL0103 2:5+1 expected a new line or `}`, but found `,` | several results are a list: `[a, b]`"
    ],
    "block A {\n[a, b], c }": [
        "DL0103 2:7+1 expected a new line or `}`, but found `,` | several results are a list: `[a, b]`"
    ],
    "block A {\na, b\n}": [
        "DL0103 2:4+1 expected `,` or `=`, but found `}` | several results are a list: `[a, b]` [3:1 `}` stands here]"
    ],
    "[a, b), c = d": ["DL0104 1:1+1 this `[` is never closed [1:6 `]` is missing before this]"],
    "[a, b], c d = e": ["DL0103 1:11+1 expected `,` or `=`, but found `d`"],
    "a, [b, c) = d": ["DL0104 1:4+1 this `[` is never closed [1:9 `]` is missing before this]"],
    "a = [b for c, in d]": [
        "DL0103 1:15+2 expected a name, `(` or `[`, but found `in` | `in` is a reserved word and cannot be a name"
    ],
    "network A = 3\nblock B { x }": [
        "DL0103 1:13+1 behind the `=` stands a network, with the settings that it is given | write `network A = Network(setting=value)`"
    ],
    "network A = B -> y { y }": [
        "DL0103 1:13+12 behind the `=` stands a network, with the settings that it is given | write `network A = Network(setting=value)`: its inputs, outputs and body are those of the network"
    ],
    "network A B(3)": ["DL0103 1:11+1 expected `->`, `=` or `(`, but found `B`"],
    "network A =\nblock B { x }": ["DL0103 1:11+1 expected an expression, but found `block` [2:1 `block` stands here]"],
    "import a": ["DL0103 1:1+6 `import` is no word of this language | write `from file import Name`"],
    "from a import *": ["DL0103 1:15+1 expected a name, but found `*`"],
    "from . import a": ["DL0103 1:15+1 expected `import`, but found `a`"],
    "from a import": ["DL0103 1:14+0 expected a name, but found the end of the file"],
    "x = 1 y = 2": ["DL0103 1:7+1 expected `->` or a new line, but found `y`"],
    "3": [
        "DL0103 1:1+1 expected a declaration (`block`, `network`, `train`, `from`, `expect`, `default` or `name = value`), but found `3` | layers and expressions stand in the body of a `block` or a `network`"
    ],
    "train T { minimize x using A }": ["DL0103 1:22+5 expected `over`, but found `using`"],
    "block A {": ["DL0104 1:9+1 a `}` is missing after this [1:9 this `{` is never closed]"],
    "block A { x }}": ["DL0104 1:14+1 this `}` closes nothing"],
    "block A {\n  Add {\n    x\n\n}\nblock B { x }\nblock C { f( }\n": [
        "DL0104 5:1+1 a `}` is missing before this [2:7 this `{` is never closed]",
        "DL0104 7:12+1 this `(` is never closed [7:14 `)` is missing before this]",
    ],
    "block A(p)\n    x\n}": ["DL0103 1:10+1 expected `{`, but found `x` [2:5 `x` stands here]"],
    "block A {\n    x -> for a in b\n    a\n}": [
        "DL0103 2:19+1 expected `->` or `{`, but found `a` [3:5 `a` stands here]"
    ],
    "block A {\n    if a\n    if b { c }\n}": ["DL0103 2:8+1 expected `{`, but found `if` [3:5 `if` stands here]"],
    "network A(x: float[N])\nexpect a": ["DL0103 1:22+1 expected `->`, but found `expect` [2:1 `expect` stands here]"],
    # A brace that is missing, or one too many, stands where the indentation says so.
    "    x = 1\n    x -> A\n}": [
        "DL0104 1:5+1 nothing is open that this could stand in | a line that is indented stands in braces: is the line with their `{` missing? [2:5 expected a declaration (`block`, `network`, `train`, `from`, `expect`, `default` or `name = value`), but found `x`]"
    ],
    "block A {\n    x -> B { C }}\n    -> D\n}": [
        "DL0104 2:17+1 this `}` is one too many [1:9 it closes this `{`, by its indentation another] [3:5 expected a new line, but found `->`]"
    ],
    "block A {\n    x\n        B -> C\n    }\n    -> D\n}": [
        "DL0104 2:5+1 a `{` is missing after this, by the indentation of the next line [5:5 expected a new line, but found `->`]"
    ],
    "block A {\n        B -> C\n    }\n    -> D\n}": [
        "DL0104 2:9+1 a `{` is missing before this [4:5 expected a new line, but found `->`]"
    ],
    "block A( { }\nblock B { }": ["DL0104 1:8+1 this `(` is never closed [1:10 `)` is missing before this]"],
    "block True { }": ["DL0107 1:7+4 `True` is written `true`"],
    "é = 3": [
        "DL0101 1:1+1 `é` (U+00E9) has no meaning here | names are made of the letters a to z and A to Z, digits and `_`"
    ],
    "block A { \x00 }": ["DL0101 1:11+1 the invisible character U+0000 must not stand in a spec"],
    "# \u202e": ["DL0101 1:3+1 the invisible character U+202E must not stand in a spec"],
    'block A { "\ud800" }': ["DL0101 1:12+1 the invisible character U+D800 must not stand in a spec"],
    "block A { x y }\nblock B { y z }\nblock C { x } q": [
        "DL0103 1:13+1 expected `->`, a new line or `}`, but found `y` | a value flows into a layer with `->`: write it between the two",
        "DL0103 2:13+1 expected `->`, a new line or `}`, but found `z` | a value flows into a layer with `->`: write it between the two",
        "DL0103 3:15+1 expected a new line, but found `q`",
    ],
    "block A { x y }\nblock A { f(True) }": [
        "DL0103 1:13+1 expected `->`, a new line or `}`, but found `y` | a value flows into a layer with `->`: write it between the two",
        "DL0107 2:13+4 `True` is written `true`",
    ],
}


@pytest.mark.parametrize(
    ("text", "expected"), [*SLIPS.items(), *BRACKETS.items(), *LITERALS.items(), *EXPECTED.items()]
)
def test_in_a_block(text: str, expected: str) -> None:
    assert findings(f"block A {{\n    {text}\n}}") == [expected]


@pytest.mark.parametrize(("text", "expected"), FILES.items())
def test_files(text: str, expected: list[str]) -> None:
    assert findings(text) == expected


def test_as_many_as_can_be_told_apart() -> None:
    """One finding for each declaration, and not more than anybody reads."""
    assert len(findings("block A { x y }\n" * 7)) == 7
    assert len(findings("block A { x y }\n" * 100)) == 20
