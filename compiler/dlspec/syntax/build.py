"""Makes the nodes of the AST, bottom up: the parser calls a method here for each rule it reduces.

A method has the name of a rule or alias of the grammar and takes the rule's symbols: tokens, and what other
methods gave for the rules below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise, zip_longest
from typing import Any

from dlspec.diagnostics import Diagnostic
from dlspec.source import Source, Span
from dlspec.syntax import ast
from dlspec.syntax.comments import doc_above
from dlspec.syntax.layout import SyntaxFault
from dlspec.syntax.lexer import Token
from dlspec.syntax.limits import NESTING, too_deep
from dlspec.syntax.strings import string_parts

Children = Sequence[Any]
CONSTANTS = {"true": True, "false": False, "none": None}
MISSPELT = {"True": True, "False": False, "None": None}
"""What `hints.misspelt` finds, which is clear all the same."""


def nodes(children: Children) -> tuple[Any, ...]:
    """What is no token: the elements of a list without its brackets and commas."""
    return tuple(child for child in children if child.__class__ is not Token)


def parameters_of(children: Children) -> tuple[ast.Parameter, ...]:
    """What follows the name of a declaration, if it is no token or body."""
    return children[2] if children[2].__class__ is tuple else ()


def after(text: str, children: Children) -> Any:
    """What follows a word or sign of the rule, if it is there."""
    for token, following in pairwise(children):
        if token.__class__ is Token and token.kind == text:
            return following
    return None


def statements(found: tuple[Any, ...]) -> tuple[Any, ...]:
    """The statements of a body."""
    if not any(statement.__class__ is ast.Unreadable for statement in found):
        return found
    return tuple(
        ast.Unfinished(statement.span, statement.value)
        if statement.__class__ is ast.Evaluate and following.__class__ is ast.Unreadable
        else statement
        for statement, following in zip_longest(found, found[1:])
    )


class AstBuilder:
    def __init__(self, source: Source, parse_interpolation: Callable[[int, int], ast.Expression]) -> None:
        self.source = source
        self.parse_interpolation = parse_interpolation

    def span(self, children: Children) -> Span:
        first, last = children[0], children[-1]
        start = first.start if first.__class__ is Token else first.span.start
        end = last.end if last.__class__ is Token else last.span.end
        return Span(self.source, start, end)

    def token_name(self, token: Token) -> ast.Name:
        return ast.Name(Span(self.source, token.start, token.end), token.text)

    def names(self, children: Children) -> tuple[ast.Name, ...]:
        return tuple(self.token_name(child) for child in children if child.__class__ is Token and child.kind == "NAME")

    def doc(self, children: Children) -> str:
        return doc_above(self.source, children[0].start)

    # Declarations ----------------------------------------------------------------------------------------------------

    def file(self, children: Children) -> tuple[ast.Declaration, ...]:
        return nodes(children)

    def interpolation(self, children: Children) -> ast.Expression:
        return children[0]

    def import_(self, children: Children) -> ast.Import:
        path = tuple(child.text for child in children if child.__class__ is Token and child.kind == "NAME")
        imported = tuple(child for child in children if isinstance(child, ast.Imported))
        return ast.Import(self.span(children), children[1], path, imported)

    def level(self, children: Children) -> int:
        return sum(len(dots.text) for dots in children)

    def imported(self, children: Children) -> ast.Imported:
        name, *alias = self.names(children)
        return ast.Imported(self.span(children), name, alias[0] if alias else None)

    def block(self, children: Children) -> ast.Block:
        parameters = parameters_of(children)
        return ast.Block(
            self.span(children), children[0].text, self.token_name(children[1]), parameters, children[-1],
            self.doc(children),
        )  # fmt: skip

    def network(self, children: Children) -> ast.Network:
        span, name = self.span(children), self.token_name(children[1])
        parameters = parameters_of(children)
        outputs = after("->", children)
        where: tuple[ast.Expression, ...] = children[-2] if children[-2] is not outputs else ()
        return ast.Network(span, name, parameters, outputs, where, children[-1], self.doc(children))

    def variant(self, children: Children) -> ast.Variant:
        value = children[3]
        base = value.function if isinstance(value, ast.Call) else value
        if not isinstance(base, ast.Name):
            hint = f"write `network {children[1].text} = Network(setting=value)`"
            message = "behind the `=` stands a network, with the settings that it is given"
            if isinstance(value, ast.Chain):
                hint = f"{hint}: its inputs, outputs and body are those of the network"
            raise SyntaxFault(Diagnostic("DL0103", message, value.span, hint=hint))
        return ast.Variant(self.span(children), self.token_name(children[1]), value, self.doc(children))

    def train(self, children: Children) -> ast.Train:
        parameters = parameters_of(children)
        statements: tuple[Any, ...] = tuple(child for child in children if isinstance(child, ast.Node))
        return ast.Train(self.span(children), self.token_name(children[1]), parameters, statements, self.doc(children))

    def outputs(self, children: Children) -> tuple[ast.Output, ...]:
        return nodes(children)

    def output(self, children: Children) -> ast.Output:
        if len(children) == 3 and children[2].text != "training":
            hint = "a type stands with the inputs; only the mark `training` may follow an output"
            message = f"`{children[2].text}` is no mark of an output"
            raise SyntaxFault(Diagnostic("DL0103", message, self.span(children[2:]), hint=hint))
        return ast.Output(self.span(children), self.token_name(children[0]), len(children) == 3)

    def where(self, children: Children) -> tuple[ast.Expression, ...]:
        return nodes(children)

    def parameters(self, children: Children) -> tuple[ast.Parameter, ...]:
        return nodes(children)

    def parameter(self, children: Children) -> ast.Parameter:
        name = self.token_name(children[0])
        return ast.Parameter(self.span(children), name, after(":", children), after("=", children))

    def type(self, children: Children) -> ast.Type:
        return ast.Type(self.span(children), children[0].text, children[2] if len(children) > 1 else None)

    def axes(self, children: Children) -> tuple[ast.Axis, ...]:
        return nodes(children)

    def axis(self, children: Children) -> ast.Axis:
        if len(children) == 1:
            return ast.Axis(self.span(children), children[0], None)
        return ast.Axis(self.span(children), self.token_name(children[0]), children[2])

    # Statements ------------------------------------------------------------------------------------------------------

    def body(self, children: Children) -> ast.Body:
        return ast.Body(self.span(children), statements(nodes(children)))

    def bind(self, children: Children) -> ast.Bind:
        return ast.Bind(self.span(children), self._targets(children[:-2]), children[-1])

    def targets(self, children: Children) -> tuple[ast.Target, ...]:
        return self._targets(children)

    def pattern(self, children: Children) -> ast.Pattern:
        return ast.Pattern(self.span(children), children[1])

    def _targets(self, children: Children) -> tuple[ast.Target, ...]:
        found = (self.token_name(c) if c.__class__ is Token and c.kind == "NAME" else c for c in children)
        return tuple(target for target in found if target.__class__ is not Token)

    def shared(self, children: Children) -> ast.Shared:
        return ast.Shared(self.span(children), self.token_name(children[1]), children[3])

    def param(self, children: Children) -> ast.Param:
        kind, name = children[0].kind, self.token_name(children[1])
        label = children[2] if isinstance(children[2], ast.String) else None
        return ast.Param(self.span(children), kind, name, label, after(":", children), after("=", children))

    def default(self, children: Children) -> ast.Default:
        arguments, closer = children[2]
        return ast.Default(self.span([children[0], closer]), self.token_name(children[1]), arguments)

    def expect(self, children: Children) -> ast.Expect:
        return ast.Expect(self.span(children), children[1], after(",", children))

    def evaluate(self, children: Children) -> ast.Evaluate:
        return ast.Evaluate(children[0].span, children[0])

    def data(self, children: Children) -> ast.Data:
        return ast.Data(self.span(children), self.token_name(children[1]), children[3], nodes(children[4:]))

    def pair(self, children: Children) -> ast.Pair:
        found = nodes(children)
        given = tuple(node for node in found if isinstance(node, ast.Data))
        return ast.Pair(self.span(children), given, found[len(given) :])

    def given(self, children: Children) -> ast.Data:
        return ast.Data(self.span(children), self.token_name(children[0]), children[2], nodes(children[3:]))

    def weights(self, children: Children) -> tuple[ast.Expression, ...]:
        return nodes(children)

    def update(self, children: Children) -> ast.Update:
        return ast.Update(
            self.span(children), children[0].kind, children[1], children[3], children[5], after("times", children)
        )

    # Expressions -----------------------------------------------------------------------------------------------------

    def chain(self, children: Children) -> ast.Chain:
        return ast.Chain(self.span(children), nodes(children))

    def tap(self, children: Children) -> ast.Tap:
        return ast.Tap(self.span(children), children[0], self.token_name(children[2]))

    def labelled(self, children: Children) -> ast.Labelled:
        label: Token | ast.String = children[0]
        name = self.token_name(label) if isinstance(label, Token) else label
        return ast.Labelled(self.span(children), name, children[2])

    def binary(self, children: Children) -> ast.Binary:
        left, operator, right = children
        return ast.Binary(Span(self.source, left.span.start, right.span.end), operator.kind, left, right)

    def unary(self, children: Children) -> ast.Unary:
        operator, operand = children
        return ast.Unary(self.span(children), operator.kind, operand)

    def call(self, children: Children) -> ast.Call:
        function, (arguments, closer) = children
        return ast.Call(Span(self.source, function.span.start, closer.end), function, arguments, None)

    def call_branches(self, children: Children) -> ast.Call:
        function = children[0]
        arguments: tuple[ast.Argument, ...] = ()
        branches = self._filled(children[1:])
        if isinstance(function, ast.Call) and function.branches is None:
            function, arguments = function.function, function.arguments
        return ast.Call(self.span(children), function, arguments, branches)

    def index(self, children: Children) -> ast.Index:
        return ast.Index(self.span(children), children[0], nodes(children[1:]))

    def attribute(self, children: Children) -> ast.Attribute:
        return ast.Attribute(self.span(children), children[0], self.token_name(children[2]))

    def place(self, children: Children) -> ast.Attribute:
        """`f.stages.0.1`, of which `0.1` is one token."""
        made, token = children[0], children[2]
        end = token.start
        for part in token.text.split("."):
            name = ast.Name(Span(self.source, end, end + len(part)), part)
            made = ast.Attribute(Span(self.source, made.span.start, name.span.end), made, name)
            end = name.span.end + 1
        return made

    def arguments(self, children: Children) -> tuple[tuple[ast.Argument, ...], Token]:
        return nodes(children), children[-1]

    def argument(self, children: Children) -> ast.Argument:
        name = self.token_name(children[0]) if len(children) == 3 else None
        return ast.Argument(self.span(children), name, children[-1])

    def rest(self, children: Children) -> ast.Rest:
        return ast.Rest(self.span(children))

    def slice(self, children: Children) -> ast.Slice:
        parts: list[ast.Expression | None] = [None]
        for child in children:
            if child.__class__ is Token:
                parts.append(None)
            else:
                parts[-1] = child
        start, stop, step = (*parts, None)[:3]
        return ast.Slice(self.span(children), start, stop, step)

    def name(self, children: Children) -> ast.Name | ast.Constant:
        token = children[0]
        if token.text in MISSPELT:
            return ast.Constant(self.span(children), MISSPELT[token.text])
        return self.token_name(token)

    def integer(self, children: Children) -> ast.Constant:
        span, text = self.span(children), children[0].text
        if len(text) > 1000:
            raise SyntaxFault(Diagnostic("DL0106", f"a number of {len(text)} digits is too large", span))
        return ast.Constant(span, int(text))

    def float(self, children: Children) -> ast.Constant:
        span = self.span(children)
        value = float(children[0].text)
        if math.isinf(value):
            raise SyntaxFault(
                Diagnostic("DL0106", "this number is too large", span, hint="the largest is about 1.8e308")
            )
        return ast.Constant(span, value)

    def constant(self, children: Children) -> ast.Constant:
        return ast.Constant(self.span(children), CONSTANTS[children[0].kind])

    def string(self, children: Children) -> ast.String:
        return ast.String(self.span(children), string_parts(self.source, children[0], self.parse_interpolation))

    def parenthesised(self, children: Children) -> ast.Expression:
        return children[1].replace(span=self.span(children))

    def list(self, children: Children) -> ast.List:
        return ast.List(self.span(children), nodes(children))

    def comprehension(self, children: Children) -> ast.Comprehension:
        item, *clauses = nodes(children)
        if len(clauses) > NESTING:
            raise SyntaxFault(too_deep(clauses[NESTING].span))
        return ast.Comprehension(self.span(children), item, tuple(clauses))

    def clause(self, children: Children) -> ast.Clause:
        return ast.Clause(self.span(children), children[1], children[3], nodes(children[4:]))

    def braces(self, children: Children) -> ast.Braces:
        return ast.Braces(self.span(children), self._filled(children))

    def branch(self, children: Children) -> tuple[ast.Statement, ...]:
        return statements(nodes(children))

    def branches(self, children: Children) -> tuple[ast.Body, ...]:
        if len(children) > 1 and () in children:
            empty = children.index(())
            bar = children[empty - 1] if empty else children[1]
            hint = "a branch that passes its input on is written `Identity`"
            raise SyntaxFault(Diagnostic("DL0103", "a branch beside this `|` is empty", self.span([bar]), hint=hint))
        return tuple(ast.Body(self.span(child), child) for child in nodes(children) if child)

    def _filled(self, braces: Children) -> tuple[ast.Body, ...]:
        """The branches between braces: one empty body where nothing stands there."""
        opener, branches, closer = braces
        return branches or (ast.Body(Span(self.source, opener.end, closer.start), ()),)

    def repeat(self, children: Children) -> ast.Repeat:
        return ast.Repeat(self.span(children), children[1], children[2])

    def for_(self, children: Children) -> ast.For:
        return ast.For(self.span(children), children[1], children[3], children[4])

    def scan(self, children: Children) -> ast.Scan:
        sliced = after("in", children) or ()
        backwards = any(child.__class__ is Token and child.kind == "backwards" for child in children)
        states = tuple(child for child in children if child.__class__ is ast.State)
        return ast.Scan(
            self.span(children), children[1], sliced, after("along", children), backwards, states, children[-1]
        )

    def sliced(self, children: Children) -> tuple[ast.Expression, ...]:
        return nodes(children)

    def state(self, children: Children) -> ast.State:
        return ast.State(self.span(children), self.token_name(children[0]), children[2])

    def if_(self, children: Children) -> ast.If:
        otherwise = after("else", children)
        if isinstance(otherwise, ast.If):
            otherwise = ast.Body(otherwise.span, (ast.Evaluate(otherwise.span, otherwise),))
        return ast.If(self.span(children), children[1], children[2], otherwise)
