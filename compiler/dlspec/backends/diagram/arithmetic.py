"""Arithmetic as the author wrote it: the operators of one expression are one box."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from dlspec.backends.diagram.scene import Box, is_expression
from dlspec.ir.node import Node
from dlspec.ir.op import Op
from dlspec.ir.scope import Scope
from dlspec.source import Span
from dlspec.syntax import ast

_STRING_OR_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|#[^\n]*')
_INNER_SPACE = re.compile(r"([(\[]) +| +([)\]])")


def _home(scope: Scope) -> Scope:
    while scope.kind == "iteration" and scope.parent is not None and is_expression(scope.parent):
        scope = scope.parent.parent or scope.parent
    return scope


class Arithmetic:
    """Finds what is one expression among the boxes of one scope, which stand in the order of running.

    Those are operators, functions and numbers without weights and without multiply-accumulates. A layer in an expression
    has a box of its own; what must run after it is then apart from what must run before.
    """

    def __init__(self, nodes: Mapping[Box, Node], id_: Callable[[str], str]) -> None:
        self._nodes = nodes
        self._id = id_

    def gathered(self, boxes: Sequence[Box], scope: Scope) -> list[Box]:
        """The boxes, those of one expression that stand right in the scope in one."""
        places = {box: place for place, box in enumerate(boxes) if self._is_arithmetic(box, scope)}
        made: dict[Box, Box] = {}
        inside: set[Box] = set()
        for whole in self._expressions(list(places)):
            for part in self._parts(whole, boxes, places):
                for group in self._expressions(part):
                    if len(group) > 1 and any(self._computes(box) for box in group):
                        made[group[-1]] = self._box(group)
                        inside.update(group)
        return [made.get(box, box) for box in boxes if box in made or box not in inside]

    def _is_arithmetic(self, box: Box, scope: Scope) -> bool:
        node = self._nodes.get(box)
        return (
            node is not None
            and _home(node.scope) is scope
            and node.body is None
            and node.origin.form in ("operator", "function", "constant", "compiler")
            and not node.weights
            and type(node.op).macs is Op.macs
        )

    def _computes(self, box: Box) -> bool:
        return self._nodes[box].origin.form != "constant"

    def _expressions(self, boxes: Sequence[Box]) -> list[list[Box]]:
        """Boxes by the outermost expression that they are of, which runs last."""
        groups: list[list[Box]] = []
        for box in reversed(boxes):
            if groups and self._belongs(box, groups[-1][0]):
                groups[-1].append(box)
            else:
                groups.append([box])
        return [group[::-1] for group in reversed(groups)]

    def _belongs(self, box: Box, whole: Box) -> bool:
        """Whether a box is of an expression: a step in it, or a further node of the same step."""
        made = self._nodes[box].origin.form in ("constant", "compiler")
        return _within(box.span, whole.span) and (made or box.span != whole.span)

    def _parts(self, whole: list[Box], boxes: Sequence[Box], places: Mapping[Box, int]) -> Iterator[list[Box]]:
        """The boxes of an expression, cut where something else takes what came before."""
        part: list[Box] = []
        for box in whole:
            between = boxes[places[part[-1]] + 1 : places[box]] if part else ()
            if any(self._takes(other, part) for other in between):
                yield part
                part = []
            part.append(box)
        yield part

    def _takes(self, other: Box, part: Sequence[Box]) -> bool:
        """Whether a box takes what one of these gives."""
        given = {self._nodes[box] for box in part}
        taken = (value.producer for box in other.walk() if box in self._nodes for value in self._nodes[box].inputs)
        return any(producer in given for producer in taken)

    def _box(self, group: Sequence[Box]) -> Box:
        last = group[-1]
        text = text_of(last.span, self._nodes[last].origin.step)
        return Box(
            self._id(f"{last.path}/arithmetic"), "arithmetic", last.path, "", text, last.span,
            family=last.family, children=list(group),
        )  # fmt: skip


def text_of(span: Span, step: ast.Node | None) -> str:
    """An expression in one line, without comments. A chain in it, whose layers have boxes of their own, is there by
    the name of its end."""
    source, text, at = span.source.text, "", span.start
    for chain in _chains(step) if step is not None else ():
        text += source[at : chain.span.start] + _name(chain.steps[-1])
        at = chain.span.end
    lines = [line.strip() for line in _STRING_OR_COMMENT.sub(r"\1", text + source[at : span.end]).split("\n")]
    line = _INNER_SPACE.sub(r"\1\2", " ".join(lines)) if len(lines) > 1 else lines[0]
    return line[1:-1].strip() if _in_brackets(line) else line


def _chains(step: ast.Node) -> Iterator[ast.Chain]:
    """The outermost chains in a step, in their order."""
    todo: list[object] = [step]
    while todo:
        found = todo.pop()
        if isinstance(found, ast.Chain):
            yield found
        elif isinstance(found, tuple):
            todo.extend(reversed(found))  # type: ignore[reportUnknownArgumentType]
        elif isinstance(found, ast.Node):
            todo.extend(getattr(found, name) for name in reversed(ast.child_fields(type(found))))


def _name(step: ast.Expression) -> str:
    match step:
        case ast.Tap(name=name) | ast.Labelled(label=ast.Name() as name):
            return name.name
        case ast.Name(name=name):
            return name
        case ast.Call(function=ast.Name(name=name)):
            return name
        case ast.Labelled(layer=layer):
            return _name(layer)
        case _:
            return "…"


def _within(inner: Span, outer: Span) -> bool:
    return inner.source is outer.source and outer.start <= inner.start and inner.end <= outer.end


def _in_brackets(text: str) -> bool:
    """Whether the first character is a bracket that the last one closes."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return place == len(text) - 1 and text.startswith("(")
    return False
