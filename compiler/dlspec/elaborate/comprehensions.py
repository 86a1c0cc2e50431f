"""Comprehensions: a list of what their turns give. Those that build something are loops of the graph."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dlspec.elaborate.values import POISON, Env, has_layers, has_tensor
from dlspec.ir.program import Origin, Turn, Written
from dlspec.syntax import ast

if TYPE_CHECKING:
    from dlspec.elaborate.expressions import Expressions


def comprehend(elaborator: Expressions, node: ast.Comprehension, env: Env) -> Any:
    """The list that a comprehension makes; POISON after an error that is reported. Raises `Failure`."""
    items: list[Any] = []
    return elaborator.made_list(items) if _Comprehending(elaborator, node, items).turns(0, env) else POISON


class _Comprehending:
    def __init__(self, elaborator: Expressions, node: ast.Comprehension, items: list[Any]) -> None:
        self.elaborator = elaborator
        self.builder = elaborator.builder
        self.node = node
        self.items = items
        self.may_build = _may_build(node)

    def turns(self, depth: int, env: Env) -> bool:
        """Appends the items from a clause on; False after an error that is reported."""
        if depth == len(self.node.clauses):
            self.items.append(self.elaborator.evaluate(self.node.item, env))
            return True
        clause = self.node.clauses[depth]
        values = self.elaborator.evaluate(clause.iterable, env)
        if values is POISON:
            return False
        written = Written(clause.iterable, env)
        over = self.elaborator.iterate(values, clause.iterable.span)
        self.builder.budget.spend(2 * len(over))
        loops = self.may_build or has_tensor(values) or has_layers(values)
        with self._loop(clause, written) if loops else nullcontext():
            for index, value in enumerate(over):
                inner = Env(env, self.elaborator.taken(clause, value, written, index))
                inner.turn = Turn(clause, written, values, index)
                kept = self._kept(clause, inner)
                if kept is POISON:
                    return False
                if not kept:
                    continue
                with self._turn(inner) if loops else nullcontext():
                    if not self.turns(depth + 1, inner):
                        return False
        return True

    def _kept(self, clause: ast.Clause, env: Env) -> Any:
        kept: Any = True
        for condition in clause.conditions:
            kept = self.elaborator.condition(condition, env)
            if kept is POISON or not kept:
                break
        return kept

    @contextmanager
    def _loop(self, clause: ast.Clause, written: Written) -> Generator[None]:
        """A scope around the turns, which stays if they build something."""
        around = self.builder.scope
        origin = Origin(clause, "scope", {"iterable": written})
        with self.builder.region("for", clause.span, origin=origin) as loop:
            yield
        if not any(loop.nodes()):
            around.children.remove(loop)
            for scope in list(loop.scopes()):  # nothing leads back to it, so that it goes now
                scope.children.clear()

    @contextmanager
    def _turn(self, env: Env) -> Generator[None]:
        with self.builder.region("iteration", self.node.item.span, arguments=dict(env.names)) as turn:
            turn.names = env
            yield


@lru_cache(maxsize=4096)
def _may_build(node: ast.Comprehension) -> bool:
    """Whether the item may be more than numbers: most comprehensions only count."""
    return any(isinstance(inner, ast.Chain | ast.Labelled | ast.Call) for inner in ast.walk(node.item))
