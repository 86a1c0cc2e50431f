"""Each construct and the nodes it gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from syntax_tools import parse_text, show

from dlspec.source import Source
from dlspec.syntax import ast
from dlspec.syntax.parser import parse

SKETCHES = sorted((Path(__file__).parents[2] / "specs").glob("*.dlspec"))


def expression(text: str) -> str:
    """The expression of `v = text`, with names and constants as themselves, which keeps what is expected readable."""
    declaration = parse_text(f"v = {text}").declarations[0]
    assert isinstance(declaration, ast.Bind)
    return short(declaration.value)


def short(value: object) -> str:
    if isinstance(value, ast.Name):
        return value.name
    if isinstance(value, ast.Constant):
        return repr(value.value)
    if isinstance(value, ast.Binary):
        return f"({short(value.left)} {value.operator} {short(value.right)})"
    if isinstance(value, ast.Unary):
        return f"({value.operator} {short(value.operand)})"
    if isinstance(value, ast.Chain):
        return f"<{' -> '.join(short(step) for step in value.steps)}>"
    if isinstance(value, ast.Labelled):
        return f"({short(value.label)}: {short(value.layer)})"
    if isinstance(value, ast.Tap):
        return f"({short(value.step)} as {value.name.name})"
    if isinstance(value, ast.List):
        return f"[{', '.join(short(item) for item in value.items)}]"
    if isinstance(value, ast.Argument):
        return short(value.value) if value.name is None else f"{value.name.name}={short(value.value)}"
    if isinstance(value, ast.Call):
        arguments = ", ".join(short(argument) for argument in value.arguments)
        branches = "" if value.branches is None else f" {{{' | '.join(short(branch) for branch in value.branches)}}}"
        return f"{short(value.function)}({arguments}){branches}"
    if isinstance(value, ast.Braces):
        return f"{{{' | '.join(short(branch) for branch in value.branches)}}}"
    if isinstance(value, ast.Body):
        return "; ".join(short(statement) for statement in value.statements)
    if isinstance(value, ast.Evaluate):
        return short(value.value)
    return show(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a -> b -> c", "<a -> b -> c>"),
        ("(a -> b) -> c", "<<a -> b> -> c>"),
        ("a or b and not c == d", "(a or (b and (not (c == d))))"),
        ("a + b * c - d", "((a + (b * c)) - d)"),
        ("a // b % c / d", "(((a // b) % c) / d)"),
        ("-a ** 2", "(- (a ** 2))"),
        ("2 ** -a ** 2", "(2 ** (- (a ** 2)))"),
        ("- -a", "(- (- a))"),
        ("not a in b", "(not (a in b))"),
        ("a - b - c", "((a - b) - c)"),
        ("a <= b", "(a <= b)"),
        ("10_000 + 1e-6 + 2.5", "((10000 + 1e-06) + 2.5)"),
        ("[true, false, none]", "[True, False, None]"),
        ("[]", "[]"),
        ("(a)", "a"),
        ("(a,)", "[a]"),
        ("(0.5, 0.999)", "[0.5, 0.999]"),
        ("[a, b,]", "[a, b]"),
        ("f()", "f()"),
        ("f(a, b=c -> d,)", "f(a, b=<c -> d>)"),
        ("f(in=1, for = 2)", "f(in=1, for=2)"),
        ("F { a | b }", "F() {a | b}"),
        ("F(a) { b }", "F(a) {b}"),
        ("F(a) { b } { c }", "F(a) {b}() {c}"),
        ("{ a -> b }", "{<a -> b>}"),
        ("{ a | b }", "{a | b}"),
        ("{ }", "{}"),
        ("x -> { y } -> z", "<x -> {y} -> z>"),
        ("x -> c: C(1) -> d", "<x -> (c: C(1)) -> d>"),
        ("x -> c: C as h -> d", "<x -> ((c: C) as h) -> d>"),
        ("c: C", "(c: C)"),
        ("x -> [N, 3]", "<x -> [N, 3]>"),
        ("log(1 - (x -> F))", "log((1 - <x -> F>))"),
        ("data + over * times", "(data + (over * times))"),
        ("where(a, b, c)", "where(a, b, c)"),
        ("x.data.default", "Attribute(Attribute(Name('x'), Name('data')), Name('default'))"),
        ("x.repeat", "Attribute(Name('x'), Name('repeat'))"),
        ("x[0]", "Index(Name('x'), [Constant(0)])"),
        (
            "x[:, 1:, ::2, n]",
            "Index(Name('x'), [Slice(None, None, None), Slice(Constant(1), None, None), "
            "Slice(None, None, Constant(2)), Name('n')])",
        ),
        ("x[..., 0]", "Index(Name('x'), [Rest(), Constant(0)])"),
        ("[a for b, c in d]", "Comprehension(Name('a'), [Clause([Name('b'), Name('c')], Name('d'), [])])"),
        (
            "[a for b in c -> d if e if f for [g, (h, i)], j in k]",
            "Comprehension(Name('a'), [Clause([Name('b')], Chain([Name('c'), Name('d')]), [Name('e'), Name('f')]), "
            "Clause([Pattern([Name('g'), Pattern([Name('h'), Name('i')])]), Name('j')], Name('k'), [])])",
        ),
        ("[a for [b] in c]", "Comprehension(Name('a'), [Clause([Pattern([Name('b')])], Name('c'), [])])"),
        ("[a -> b for c in d if e]", None),
        ("repeat n - 1 { a }", None),
        ("for a, b in [(1, 2)] { c }", None),
        ("if a { b }", "If(Name('a'), Body([Evaluate(Name('b'))]), None)"),
        ("f(if a { b } else { c })", None),
    ],
)
def test_expression(text: str, expected: str | None) -> None:
    assert expected is None or expression(text) == expected
    assert expression(text)


def test_comprehension_with_a_chain_and_a_condition() -> None:
    value = parse_text("v = [a -> b for c in d if e]").declarations[0]
    assert show(value) == (
        "Bind([Name('v')], Comprehension(Chain([Name('a'), Name('b')]), [Clause([Name('c')], Name('d'), [Name('e')])]))"
    )


def test_loops_do_not_swallow_their_braces() -> None:
    assert show(body("for a in xs { F }")) == "For([Name('a')], Name('xs'), Body([Evaluate(Name('F'))]))"
    assert show(body("for a, [b, c] in x -> G { F }")) == (
        "For([Name('a'), Pattern([Name('b'), Name('c')])], Chain([Name('x'), Name('G')]), Body([Evaluate(Name('F'))]))"
    )
    assert show(body("repeat n { F }")) == "Repeat(Name('n'), Body([Evaluate(Name('F'))]))"
    assert show(body("repeat (F { a }) { G }")) == (
        "Repeat(Call(Name('F'), [], [Body([Evaluate(Name('a'))])]), Body([Evaluate(Name('G'))]))"
    )


def test_else_if_is_a_body_with_one_if() -> None:
    assert show(body("if a { b } else if c { d } else { e }")) == (
        "If(Name('a'), Body([Evaluate(Name('b'))]), Body([Evaluate(If(Name('c'), "
        "Body([Evaluate(Name('d'))]), Body([Evaluate(Name('e'))])))]))"
    )


def test_strings() -> None:
    assert show(body('"a{i + 1}b{j}"')) == ("String(['a', Binary('+', Name('i'), Constant(1)), 'b', Name('j')])")
    assert show(body(r'"{{}} \"\\\n\t"')) == r"""String(['{} "\\\n\t'])"""
    assert show(body('""')) == "String([])"
    assert show(body('"# {x[0]}"')) == "String(['# ', Index(Name('x'), [Constant(0)])])"


def test_the_spans_within_a_string_are_those_of_the_file() -> None:
    string = body('"ab{i + 1}": F')
    assert isinstance(string, ast.Labelled)
    assert isinstance(string.label, ast.String)
    part = string.label.parts[1]
    assert isinstance(part, ast.Binary)
    assert part.span.text == "i + 1"
    assert part.right.span.text == "1"


def body(statement: str) -> ast.Node:
    block = parse_text(f"block B {{ {statement} }}").declarations[0]
    assert isinstance(block, ast.Block)
    first = block.body.statements[0]
    return first.value if isinstance(first, ast.Evaluate) else first


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = b", "Bind([Name('a')], Name('b'))"),
        ("a, b = c", "Bind([Name('a'), Name('b')], Name('c'))"),
        ("shared f = F(1)", "Shared(Name('f'), Call(Name('F'), [Argument(None, Constant(1))], None))"),
        (
            "param g: float[x.channels, H = 3] = 1.0",
            "Param('param', Name('g'), None, Type('float', [Axis(Attribute(Name('x'), Name('channels')), None), "
            "Axis(Name('H'), Constant(3))]), Constant(1.0))",
        ),
        ("buffer g: float[]", "Param('buffer', Name('g'), None, Type('float', []), None)"),
        ("default F(a=1)", "Default(Name('F'), [Argument(Name('a'), Constant(1))])"),
        ('expect a, "m"', "Expect(Name('a'), String(['m']))"),
        ("expect (a) == b", "Expect(Binary('==', Name('a'), Name('b')), None)"),
        ("data = 3", "Bind([Name('data')], Constant(3))"),
        ("shared, param = x", "Bind([Name('shared'), Name('param')], Name('x'))"),
        ("default -> expect", "Chain([Name('default'), Name('expect')])"),
        ("minimize(x)", None),
    ],
)
def test_statement(text: str, expected: str | None) -> None:
    if expected is not None:
        assert show(body(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "from std.resnet import A, B as C",
            "Import(0, ['std', 'resnet'], [Imported(Name('A'), None), Imported(Name('B'), Name('C'))])",
        ),
        ("from ..train.data import X", "Import(2, ['train', 'data'], [Imported(Name('X'), None)])"),
        ("block F { x }", "Block('block', Name('F'), [], Body([Evaluate(Name('x'))]), '')"),
        ("part F { x }", "Block('part', Name('F'), [], Body([Evaluate(Name('x'))]), '')"),
        ("block F() { }", "Block('block', Name('F'), [], Body([]), '')"),
        (
            "block F(a, b = 1, c: layer, d: int = 2,) { x }",
            "Block('block', Name('F'), [Parameter(Name('a'), None, None), Parameter(Name('b'), None, Constant(1)), "
            "Parameter(Name('c'), Type('layer', None), None), Parameter(Name('d'), Type('int', None), Constant(2))], "
            "Body([Evaluate(Name('x'))]), '')",
        ),
        (
            "network N(x: float[N]) -> y, z: training where N > 1, N < 9 { x }",
            "Network(Name('N'), [Parameter(Name('x'), Type('float', [Axis(Name('N'), None)]), None)], "
            "[Output(Name('y'), False), Output(Name('z'), True)], [Binary('>', Name('N'), Constant(1)), "
            "Binary('<', Name('N'), Constant(9))], Body([Evaluate(Name('x'))]), '')",
        ),
        (
            "train T { data x: float[N] -> F(2)\n -> G; minimize a -> f\n over f, g using A(1)\n times k }",
            "Train(Name('T'), [], [Data(Name('x'), Type('float', [Axis(Name('N'), None)]), "
            "[Call(Name('F'), [Argument(None, Constant(2))], None), Name('G')]), "
            "Update('minimize', Chain([Name('a'), Name('f')]), [Name('f'), Name('g')], "
            "Call(Name('A'), [Argument(None, Constant(1))], None), Name('k'))], '')",
        ),
        ("expect F.params == 3", "Expect(Binary('==', Attribute(Name('F'), Name('params')), Constant(3)), None)"),
        ("a, [b, c] = d", "Bind([Name('a'), Pattern([Name('b'), Name('c')])], Name('d'))"),
        (
            "[a, (b,\n c)],\n d = e",
            "Bind([Pattern([Name('a'), Pattern([Name('b'), Name('c')])]), Name('d')], Name('e'))",
        ),
        ("(a, b) = c", "Bind([Pattern([Name('a'), Name('b')])], Name('c'))"),
        (
            "block A { ([a], b), c = d; [a] -> B\n (a) }",
            "Block('block', Name('A'), [], Body(["
            "Bind([Pattern([Pattern([Name('a')]), Name('b')]), Name('c')], Name('d')), "
            "Evaluate(Chain([List([Name('a')]), Name('B')])), Evaluate(Name('a'))]), '')",
        ),
        ("network A = B", "Variant(Name('A'), Name('B'), '')"),
        (
            "# Why.\nnetwork A =\n  B(1, c=2) { d }",
            "Variant(Name('A'), Call(Name('B'), [Argument(None, Constant(1)), Argument(Name('c'), Constant(2))], "
            "[Body([Evaluate(Name('d'))])]), 'Why.')",
        ),
        ("widths = [1, 2]", "Bind([Name('widths')], List([Constant(1), Constant(2)]))"),
    ],
)
def test_declaration(text: str, expected: str) -> None:
    assert show(parse_text(text).declarations[0]) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb", ["a", "b"]),
        ("a; b;", ["a", "b"]),
        ("a\n-> b\n  # c\n\n-> d", ["<a -> b -> d>"]),
        ("a ->\n b", ["<a -> b>"]),
        ("a\n- b", ["a", "(- b)"]),
        ("a -\n b", ["(a - b)"]),
        ("a\n+ b\nand c", ["((a + b) and c)"]),
        ("a\n[b]", ["a", "[b]"]),
        ("a\n{ b }", ["a", "{b}"]),
        ("f(a,\n\n b\n)", ["f(a, b)"]),
        ("F {\n a\n | b\n |\n c }", ["F() {a | b | c}"]),
        ("a =\n b", ["Bind([Name('a')], Name('b'))"]),
        ("x -> F\n as h\n -> G", ["<x -> (F as h) -> G>"]),
        ("times\nover", ["times", "over"]),
        ("if a { b }\n\nelse { c }", [None]),
        ("for a\n in b\n{ c }", [None]),
        ("f({ a\n b })", ["f({a; b})"]),
        ("a # c -> d\r\nb", ["a", "b"]),
    ],
)
def test_where_lines_end(text: str, expected: list[str | None]) -> None:
    block = parse_text(f"block B {{\n{text}\n}}").declarations[0]
    assert isinstance(block, ast.Block)
    found = [short(statement) for statement in block.body.statements]
    assert len(found) == len(expected)
    assert all(want is None or got == want for got, want in zip(found, expected, strict=True))


def test_comments_that_document() -> None:
    file = parse_text("\n# the file\n# more\n\n#  one\n#two\nblock A { x }\n# no\n\nblock B { x }\nblock C { x }")
    assert file.doc == "the file\nmore"
    assert [d.doc for d in file.declarations if isinstance(d, ast.Block)] == [" one\ntwo", "", ""]


def test_empty_files() -> None:
    for text in ("", "\n", "\ufeff", "# c", " \t\r\n;\n"):
        assert parse_text(text).declarations == ()


def test_byte_order_mark_and_carriage_returns() -> None:
    file = parse_text("\ufeff# c\r\nblock A {\r\n  x\r\n  -> F\r\n}\r\n")
    assert (
        show(file) == "File([Block('block', Name('A'), [], Body([Evaluate(Chain([Name('x'), Name('F')]))]), 'c')], 'c')"
    )


@pytest.mark.parametrize("path", SKETCHES, ids=lambda path: path.name)
def test_every_span_is_its_text(path: Path) -> None:
    """A name's span holds the name, and no node leaves the one around it."""
    source = Source(path.name, path.read_text(encoding="utf-8"))
    todo: list[ast.Node] = [parse(source).check()]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Name):
            assert node.span.text.strip("() \n") == node.name
        for child in children(node):
            assert node.span.start <= child.span.start <= child.span.end <= node.span.end
            todo.append(child)


def children(value: object) -> list[ast.Node]:
    fields = [getattr(value, name) for name in getattr(value, "__dataclass_fields__", {}) if name != "span"]
    flat = [item for field in fields for item in (field if isinstance(field, tuple) else (field,))]  # pyright: ignore
    return [item for item in flat if isinstance(item, ast.Node)]
