"""Of two places that do not go together, the one that is wrong."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache

from dlspec.ir.graph import Value
from dlspec.syntax import ast

_MOST = 500
"""Names that one is compared with."""


def misspelled(name: str, unused: Mapping[str, ast.Name], file: ast.File) -> ast.Name | None:
    """The name of those that nothing uses that was meant to be ``name``, where that is written more often.

    One of the two is written wrongly, and it is the one that is written once.
    """
    if _words(file.source.text)[name] < 2:
        return None
    near = get_close_matches(name, list(unused)[:_MOST], 1)
    return unused[near[0]] if near else None


@lru_cache(maxsize=4)
def _words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text))


def unused(around: ast.Node) -> dict[str, ast.Name]:
    """The names that are given within a declaration, or those that a file declares, and that nothing in it uses."""
    inside = list(ast.walk(around))
    used = {node.name for node in inside if isinstance(node, ast.Name)}
    return {each.name: each for each in _given(around, inside) if each.name not in used}


def _given(around: ast.Node, inside: list[ast.Node]) -> list[ast.Name]:
    """The names that are given within a declaration, but for those that leave it; within a file those that it declares."""
    if isinstance(around, ast.File):
        declared = [
            each.name for each in around.declarations if isinstance(each, ast.Block | ast.Network | ast.Variant)
        ]
        binds = [each for each in around.declarations if isinstance(each, ast.Bind)]
        return declared + [name for bind in binds for name in ast.names_of(bind.targets)]
    found: list[ast.Name] = []
    for node in inside:
        match node:
            case ast.Bind(targets=targets) | ast.For(targets=targets) | ast.Clause(targets=targets):
                found += ast.names_of(targets)
            case ast.Tap(name=name) | ast.Parameter(name=name) | ast.Data(name=name) | ast.Shared(name=name):
                found.append(name)
            case _:
                pass
    left = {output.name.name for output in around.outputs} if isinstance(around, ast.Network) else set[str]()
    return [each for each in found if each.name not in left]


def declared(value: Value) -> Value | None:
    """The input of the network that a tensor still has the shape of; None where a step on the way made its own."""
    while value.producer is not None:
        if len(value.producer.inputs) != 1 or value.producer.inputs[0].type.shape != value.type.shape:
            return None
        value = value.producer.inputs[0]
    return value


def goes_on(following: ast.Statement | None) -> bool:
    """Whether a statement is something that a tensor flows into, so that it may go on with the one before."""
    if not isinstance(following, ast.Evaluate):
        return False
    first = following.value
    while isinstance(first, ast.Chain | ast.Labelled | ast.Tap):
        first = first.steps[0] if isinstance(first, ast.Chain) else (
            first.layer if isinstance(first, ast.Labelled) else first.step
        )  # fmt: skip
    called = first.function if isinstance(first, ast.Call) else first
    return isinstance(first, ast.Braces) or (isinstance(called, ast.Name) and called.name[:1].isupper())
