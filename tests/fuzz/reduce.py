"""Makes a program smaller that something is wrong with, as long as the same is: delta debugging over its syntax tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from dlspec.diagnostics import DlspecError
from dlspec.source import Source
from dlspec.syntax import ast
from dlspec.syntax.format import format_source
from dlspec.syntax.parser import parse

Cut = tuple[int, int, str]
"""From where to where, and what stands there instead."""

TRIES = 600


def reduced(text: str, still: Callable[[str], bool]) -> str:
    """The smallest text that was found of which ``still`` holds, in its canonical form."""
    tries = 0
    found = True
    while found and tries < TRIES:
        found = False
        for start, end, instead in sorted(cuts(text), key=lambda cut: cut[0] - cut[1] + len(cut[2])):
            shorter = text[:start] + instead + text[end:]
            tries += 1
            if len(shorter) < len(text) and _parses(shorter) and still(shorter):
                text, found = shorter, True
                break
            if tries >= TRIES:
                break
    shown = format_source(Source("program.dlspec", text))
    return shown if still(shown) else text


def _parses(text: str) -> bool:
    try:
        parse(Source("program.dlspec", text)).check()
    except DlspecError:
        return False
    return True


def cuts(text: str) -> Iterator[Cut]:
    """Parts that can be left out, or replaced by something in them."""
    file = parse(Source("program.dlspec", text)).file
    for declaration in file.declarations:
        if not (isinstance(declaration, ast.Network) and declaration.name.name == "Net"):
            yield declaration.span.start, declaration.span.end, ""
    for node in ast.walk(file):
        yield from _of_node(node)


def _of_node(node: ast.Node) -> Iterator[Cut]:
    match node:
        case ast.Body() if len(node.statements) > 1:
            for statement in node.statements:
                yield statement.span.start, statement.span.end, ""
        case ast.Chain(steps=steps):
            for before, step in pairwise(steps):
                yield before.span.end, step.span.end, ""
            yield steps[0].span.start, steps[1].span.start, ""
        case ast.Call(arguments=arguments, branches=branches):
            yield from _items(arguments)
            for argument in arguments:
                yield node.span.start, node.span.end, argument.value.span.text
            for branch in branches or ():
                yield node.span.start, node.span.end, f"{{ {branch.span.text} }}"
            yield from _items(branches or (), separators="|")
        case ast.Repeat(body=body) | ast.For(body=body):
            yield node.span.start, node.span.end, f"{{ {body.span.text} }}"
        case ast.If(then=then, otherwise=otherwise):
            for body in filter(None, (then, otherwise)):
                yield node.span.start, node.span.end, f"{{ {body.span.text} }}"
        case ast.Braces(branches=(only,)):
            yield node.span.start, node.span.end, only.span.text
        case ast.Binary(left=left, right=right):
            yield node.span.start, node.span.end, left.span.text
            yield node.span.start, node.span.end, right.span.text
        case ast.Unary(operand=inner) | ast.Labelled(layer=inner) | ast.Tap(step=inner):
            yield node.span.start, node.span.end, inner.span.text
        case ast.List(items=items):
            yield from _items(items)
        case ast.Block(parameters=parameters):
            yield from _items(parameters)
        case ast.Network(parameters=parameters, outputs=outputs):
            yield from _items(parameters)
            yield from _items(outputs)
            for output in outputs:
                if output.training:
                    yield output.span.start, output.span.end, output.name.name
        case _:
            return


def _items(items: tuple[ast.Node, ...], separators: str = ",") -> Iterator[Cut]:
    """Each of a list, with the mark before or behind it."""
    for number, item in enumerate(items):
        if number:
            yield items[number - 1].span.end, item.span.end, ""
        elif len(items) > 1:
            yield item.span.start, items[1].span.start, ""
        elif separators == ",":
            yield item.span.start, item.span.end, ""


__all__ = ["cuts", "reduced"]
