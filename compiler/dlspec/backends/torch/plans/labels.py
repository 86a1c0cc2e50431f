"""What the members of a class are called: the author's labels with their expressions, and positions counted past loops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlspec.backends.torch.plans.places import loop_id
from dlspec.backends.torch.plans.tree import Module
from dlspec.backends.torch.plans.turns import turns_in
from dlspec.backends.torch.plans.writing import Writing
from dlspec.backends.torch.python.evaluate import Unwritten, evaluate
from dlspec.backends.torch.python.expressions import Const, Py
from dlspec.backends.torch.python.sums import add, scaled
from dlspec.backends.torch.python.symbols import Count, Turned, joined, signature
from dlspec.ir.node import Node
from dlspec.ir.program import Written
from dlspec.ir.scope import Scope
from dlspec.syntax import ast

if TYPE_CHECKING:
    from dlspec.backends.torch.plans.author import Author


_HOLE = "{}"
"""Stands for an expression in a label."""


class Labels:
    """The names in one module. Settings behind what is a plain text are added to ``hinges``."""

    def __init__(self, author: Author, module: Module, hinges: set[str]) -> None:
        self.author = author
        self.module = module
        self.hinges = hinges
        self._levels: dict[Scope, dict[Node | Scope, Py | None]] = {}
        self._behind: dict[Scope, frozenset[str]] = {}
        self._names: dict[Node | Scope, Py] = {}

    def name(self, label: str, thing: Node | Scope) -> Py:
        """The label of a node or a module as an expression: a plain text where it has no names in it."""
        if thing not in self._names:
            self._names[thing] = self._name(label, thing)
        return self._names[thing]

    def _name(self, label: str, thing: Node | Scope) -> Py:
        written = _written(label, thing)
        try:
            made = self._position(thing) if written is None else self._said(written, _around(thing))
            if made is not None and evaluate(made) == label:
                return made
        except Unwritten:
            pass
        self.fix(label, thing)
        return Const(label)

    def behind(self, label: str, member: Node | Module) -> frozenset[str]:
        """The settings that a label depends on."""
        written = _written(label, member.scope if isinstance(member, Module) else member)
        return frozenset() if written is None else self.author.settings.behind(written)

    def fix(self, label: str, thing: Node | Scope) -> None:
        """The label is a plain text."""
        if not self.author.tree.graph.settings:
            return
        computed = _computed(label, thing)
        if computed:
            self.hinges.update(*map(self.author.settings.behind, computed))
        elif label.isdigit() and not _is_labelled(thing):
            self.hinges |= self._behind_positions(_level(thing))

    def _behind_positions(self, level: Scope) -> frozenset[str]:
        """The settings that say how often the loops in a level run."""
        if level not in self._behind:
            written = (each for loop in _loops_in(level) for each in loop.origin.written.values())
            self._behind[level] = frozenset[str]().union(*map(self.author.settings.behind, written))
        return self._behind[level]

    def _said(self, written: Written, place: Scope) -> Py:
        return Writing(self.author, self.module, place, None).label(written)

    # Positions

    def _position(self, thing: Node | Scope) -> Py | None:
        """The position in its level; None where no loop has to do with it."""
        level = _level(thing)
        if _is_labelled(thing):
            return None
        if level not in self._levels:
            self._levels[level] = {}
            if next(_loops_in(level), None) is not None:
                self._count(level, Const(0), self._levels[level])
        found = self._levels[level].get(thing)
        return None if found is None else joined((found,))

    def _count(self, scope: Scope, start: Py | None, found: dict[Node | Scope, Py | None]) -> Py | None:
        """Finds the positions in a scope. Returns that behind it; None where it cannot be said."""
        for child in scope.children:
            if isinstance(child, Node) or child.opens:
                found[child] = start
                start = add(start, Const(1)) if start is not None and _takes_place(child) else start
            elif child.kind in ("repeat", "for"):
                start = self._loop(child, start, found)
            else:
                start = self._count(child, start, found)
        return start

    def _loop(self, loop: Scope, start: Py | None, found: dict[Node | Scope, Py | None]) -> Py | None:
        turns = turns_in(loop)
        rises = [self._count(turn, Const(0), found) for turn in turns]
        rise = rises[0] if rises else None
        if isinstance(rise, Const) and rise.value == 0 and start is not None:
            return start
        if start is None or rise is None or len({repr(signature(each)) for each in rises}) > 1:
            for turn in turns:
                start = self._count(turn, start, found)
            return start
        for index, turn in enumerate(turns):
            self._count(turn, add(start, scaled(rise, Turned(loop_id(loop), "", index, index))), found)
        try:
            times = Writing(self.author, self.module, loop.parent or loop, None).turns_of(loop)
        except Unwritten:
            root = self.author.tree.graph.root.template
            if root is None or not isinstance(root.declaration, ast.Train):
                return None
            times = Const(len(turns))  # the class of a train has no settings
        return add(start, scaled(rise, Count(loop_id(loop), times, len(turns))))


def _written(label: str, thing: Node | Scope) -> Written | None:
    """The label as the author wrote it, with expressions in it."""
    for scope in _around(thing).ancestors():
        found = (scope.twin or scope).labels.get(label)
        if found is not None or scope.opens:
            return found
    return None


def _computed(label: str, thing: Node | Scope) -> list[Written]:
    """The labels with expressions in them that this one may be, or a part of one with dots."""
    found: list[Written] = []
    for scope in _around(thing).ancestors():
        labels = (scope.twin or scope).labels
        found += (written for text, written in labels.items() if label == text or label in _parts(text, written))
        if scope.kind in ("block", "network"):
            break
    return found


def _parts(text: str, written: Written) -> list[str]:
    """The parts of a label with dots that are not as they stand in the text."""
    label, parts = written.expression, text.split(".")
    assert isinstance(label, ast.String)
    plain = "".join(part if isinstance(part, str) else _HOLE for part in label.parts).split(".")
    if len(plain) != len(parts):
        return parts
    return [part for part, known in zip(parts, plain, strict=True) if _HOLE in known]


def _around(thing: Node | Scope) -> Scope:
    scope = thing.scope if isinstance(thing, Node) else thing.parent
    assert scope is not None
    return scope


def _level(thing: Node | Scope) -> Scope:
    """The level in which a thing has its name."""
    return next(scope for scope in _around(thing).ancestors() if scope.opens)


def _is_labelled(thing: Node | Scope) -> bool:
    return thing.origin.labelled


def _takes_place(child: Node | Scope) -> bool:
    """Whether a thing counts among the positions of its level."""
    return child.origin.form == "layer" if isinstance(child, Node) else not child.shared


def _loops_in(scope: Scope) -> Iterator[Scope]:
    """The loops in a level."""
    for child in scope.children:
        if isinstance(child, Scope) and not child.opens:
            if child.kind in ("repeat", "for"):
                yield child
            yield from _loops_in(child)
