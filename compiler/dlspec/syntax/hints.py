"""What was likely meant where the parser met a token it cannot use: the slips of people who know other languages."""

from __future__ import annotations

import re

from dlspec.diagnostics import Diagnostic, did_you_mean
from dlspec.source import Source, Span
from dlspec.syntax.layout import DECLARATIONS, ENDS_OPERAND, OPENS_STATEMENT, RESERVED, Layout
from dlspec.syntax.lexer import Token

PYTHON_CONSTANTS = {"True": "true", "False": "false", "None": "none"}

BLOCK = "a reusable piece of a network is declared with `block Name(parameters) { ... }`"
BINDING = "a value is named with `name = value`, without a word before it"
ELSE_IF = dict.fromkeys(("elif", "elseif", "elsif"), "write `else if`")
FOREIGN = {
    **dict.fromkeys(("def", "class", "layer", "func", "function", "fn", "fun", "module", "macro"), BLOCK),
    **dict.fromkeys(("model", "net", "graph"), "write `network Name(inputs) -> outputs { ... }`"),
    **dict.fromkeys(("let", "var", "const", "val", "auto"), BINDING),
    **ELSE_IF,
    "import": "write `from file import Name`",
    "return": "the last expression of a body is its result, without `return`",
    "while": "loops run while compiling: `repeat n { ... }` or `for a in list { ... }`",
    "lambda": "an anonymous layer is written `{ ... }`; its input is `x`",
    "assert": 'write `expect condition, "message"`',
}
NO_DECLARATION = "layers and expressions stand in the body of a `block` or a `network`"
RESULTS = "several results are a list: `[a, b]`"
COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})
STARTS_LAYER = frozenset({"NAME", "INT", "FLOAT", "STRING", "repeat", "for", "if"})


def misspelt(source: Source, raw: list[Token]) -> list[Diagnostic]:
    """Python's spelling of the constants, which would be read as names."""
    if not re.search(r"\b(?:True|False|None)\b", source.text):
        return []
    return [
        Diagnostic("DL0107", f"`{token.text}` is written `{PYTHON_CONSTANTS[token.text]}`", token_span(source, token))
        for number, token in enumerate(raw)
        if token.kind == "NAME" and token.text in PYTHON_CONSTANTS
        if raw[number + 1].kind != "=" and (number == 0 or raw[number - 1].kind != ".")
    ]


def bound_train(source: Source, raw: list[Token]) -> Diagnostic | None:
    """`train = Fit(...) { ... }`, which would be read as a name for a layer with branches."""
    kinds = [token.kind for token in raw[:3]]
    if kinds != ["NAME", "=", "NAME"] or raw[0].text != "train" or not any(token.kind == "{" for token in raw):
        return None
    message, hint = (
        "expected a name, but found `=`",
        f"a train is declared with `train {raw[2].text} {{ ... }}`, without `=`",
    )
    return Diagnostic("DL0103", message, token_span(source, raw[1]), hint=hint)


def token_span(source: Source, token: Token) -> Span:
    return Span(source, token.start, token.end)


def starts_statement(layout: Layout, token: Token) -> bool:
    """Whether a token, one of the last the layout gave, is the first of its statement or follows a `}`."""
    number = layout.index
    while layout.raw[number].start != token.start:
        number -= 1
    return number == 0 or layout.raw[number - 1].kind in ("NEWLINE", ";", "{", "|", "}")


def hint_at_top_level(word: Token, token: Token) -> str:
    """For a word that begins a line of the file and nothing else, and the token after it."""
    hint = did_you_mean(word.text, [*sorted(DECLARATIONS), "expect", "default"])
    return hint if hint and token.kind in ("NAME", "{") else NO_DECLARATION


def hint(layout: Layout, token: Token, kinds: set[str], bracket: str) -> str:
    """What was likely meant, or an empty text. `kinds` could stand here, `bracket` is the innermost open one."""
    before, after = layout.previous, layout.raw[min(layout.index + 1, len(layout.raw) - 1)]
    kind, last = token.kind, before.kind if before is not None else "NEWLINE"
    if kind == "NAME" and token.text in ELSE_IF:
        return ELSE_IF[token.text]
    if kind == "=" and last in ("+", "-", "*", "/", "//", "%"):
        return f"write it out: `a = a {last} b`"
    if kind == "=" and "==" in kinds:
        return "to compare, write `==`"
    if kind == "," and last in ENDS_OPERAND and bracket == "{" and not layout.levels[-1].statement:
        return RESULTS
    if kind == ">" and last == "=":
        return "write `->`"
    if kind == ":" and "BODY" in kinds:
        return "a body stands in braces: `{ ... }`"
    if kind in COMPARISONS and last in ENDS_OPERAND:
        return "comparisons do not chain: write `a < b and b < c`"
    if kind == "|":
        written_or = after.kind == "|" and after.start == token.end
        return "a disjunction is written `or`" if written_or else "branches stand in braces: `Add { a | b }`"
    if kind == "//" and last in OPENS_STATEMENT:
        return "a comment begins with `#`"
    if kind in ("data", "minimize", "maximize"):
        return f"`{kind}` stands in the body of a `train`"
    if kind in DECLARATIONS and bracket:
        return f"`{kind}` stands at the top level of a file, not within braces"
    if kind in RESERVED and "NAME" in kinds and (after.kind in ("=", ":") or "INT" not in kinds):
        return f"`{token.text}` is a reserved word and cannot be a name"
    if "block" in kinds:
        return NO_DECLARATION
    if kind in STARTS_LAYER and "->" in kinds and "over" not in kinds and last in ENDS_OPERAND and bracket == "{":
        return "a value flows into a layer with `->`: write it between the two"
    return ""
