"""What an edit leaves as it was: findings of networks and trains whose text, and all that it can see, is the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from dlspec.diagnostics import Diagnostic, Note
from dlspec.elaborate.known import Known
from dlspec.elaborate.values import BlockLayer, Module
from dlspec.pipeline import Check, Checks
from dlspec.source import Source, Span
from dlspec.syntax import ast

Declarations: TypeAlias = tuple[ast.Declaration, ...]

_WORD = re.compile(r"[A-Za-z_]\w*")
_PLAIN = (int, float, bool, str, type(None))


class Sight:
    """What each declaration of a file can see of the others: those whose names stand in its text, and what they see."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self._declarations = module.file.declarations
        self._words = [set(_WORD.findall(each.span.text)) for each in self._declarations]
        self._by_name: dict[str, list[int]] = {}
        for number, declaration in enumerate(self._declarations):
            for name in _names(declaration):
                self._by_name.setdefault(name, []).append(number)
        self._defaults = [n for n, each in enumerate(self._declarations) if isinstance(each, ast.Default)]

    def of(self, declaration: ast.Declaration) -> Declarations:
        """The declarations that matter to one, itself among them, in their order. Defaults matter to all."""
        own = next(n for n, each in enumerate(self._declarations) if each.span is declaration.span)
        todo = [*self._defaults, own]
        seen: set[int] = set()
        while todo:
            number = todo.pop()
            if number not in seen:
                seen.add(number)
                for word in self._words[number] & self._by_name.keys():
                    todo += self._by_name[word]
        return tuple(self._declarations[number] for number in sorted(seen))

    def key(self, seen: Declarations) -> Hashable:
        """Equal for what elaborates to the same: the texts, what is imported, and the names that a message may suggest."""
        imports = self._module.imports
        imported = tuple(imports[name] for each in seen for name in _names(each) if name in imports)
        return tuple(self._module.env.names), tuple(each.span.text for each in seen), imported


@dataclass(frozen=True, slots=True)
class _Kept:
    check: Check
    seen: Declarations
    source: Source


class Unchanged(Checks):
    """Checks that take from those of an earlier text what is still so."""

    def __init__(self, module: Module, before: Unchanged | None = None) -> None:
        super().__init__(Known(before and before.session.known))
        self._module = module
        self._sight = Sight(module)
        self._before = before._kept if before is not None else {}
        self._kept: dict[Hashable, _Kept] = {}
        self._measured = 0

    def elaborated(self, layer: BlockLayer) -> Check:
        arguments: list[tuple[str, Any]] = [(name, value) for name, (value, _) in layer.arguments.items()]
        elaborate = super().elaborated
        here = layer.declaration.span.source is self._module.file.source
        if not here or any(type(value) not in _PLAIN for _, value in arguments):
            return elaborate(layer)
        settings = repr(arguments)
        return self._checked(layer.declaration, settings, lambda: elaborate(layer))

    def elaborated_train(self, declaration: ast.Train, module: Module) -> Check:
        elaborate = super().elaborated_train
        return self._checked(declaration, (), lambda: elaborate(declaration, module))

    def measure(self, layer: BlockLayer, attribute: str, span: Span) -> Any:
        self._measured += 1
        return super().measure(layer, attribute, span)

    def totals(self, layer: BlockLayer, check: Check) -> Mapping[str, Any]:
        if check.graph is None:  # it was not counted before
            check.graph = super().elaborated(layer).graph
        return super().totals(layer, check)

    def _checked(self, declaration: ast.Declaration, settings: Hashable, elaborate: Callable[[], Check]) -> Check:
        seen, source = self._sight.of(declaration), self._module.file.source
        key = (declaration.span.text, settings, self._sight.key(seen))
        kept = self._before.get(key)
        findings = None if kept is None else _moved(kept, seen, source)
        if kept is not None and findings is not None:
            check = Check(findings, kept.check.sound)
            check.totals = kept.check.totals
        else:
            before = self._measured
            check = elaborate()
            if self._measured != before:
                return check  # it was told of other networks, and has them checked in its turn
        self._kept[key] = _Kept(check, seen, source)
        return check

    def forget(self) -> None:
        super().forget()
        self._before = {}


def _names(declaration: ast.Declaration) -> list[str]:
    match declaration:
        case ast.Block() | ast.Network() | ast.Variant() | ast.Train():
            return [declaration.name.name]
        case ast.Bind():
            return [name.name for name in ast.names_of(declaration.targets)]
        case ast.Import():
            return [(each.alias or each.name).name for each in declaration.names]
        case ast.Unreadable():
            return declaration.words
        case _:
            return []


def _moved(kept: _Kept, seen: Declarations, source: Source) -> tuple[Diagnostic, ...] | None:
    """The findings where their declarations stand now; None where one points at something else in the file."""
    if not kept.check.findings:
        return ()
    places = [(old.span.start, old.span.end, new.span.start) for old, new in zip(kept.seen, seen, strict=True)]

    def moved(span: Span) -> Span:
        if span.source is not kept.source:
            return span
        for start, end, now in places:
            if start <= span.start and span.end <= end:
                return Span(source, span.start - start + now, span.end - start + now)
        raise LookupError

    def notes(all: Iterable[Note]) -> tuple[Note, ...]:
        return tuple(Note(moved(note.span), note.text) for note in all)

    try:
        return tuple(
            replace(found, span=moved(found.span), notes=notes(found.notes), trace=notes(found.trace))
            for found in kept.check.findings
        )
    except LookupError:
        return None
