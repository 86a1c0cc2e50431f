"""`parse`: text to AST.

Lark's LALR tables, driven here: nodes are made as rules are reduced, without a tree in between and without
recursion, so that neither a long file nor a deep one is trouble.

What cannot be read becomes `ast.Unreadable`: a statement where its braces are whole, else its declaration from that
statement on, else the declaration.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from typing import Any

from dlspec.collector import paused_collector
from dlspec.diagnostics import Diagnostic, DlspecError
from dlspec.limits import TOKEN, Exceeded, budget
from dlspec.source import Source, Span
from dlspec.syntax import ast, recovery
from dlspec.syntax.build import AstBuilder, statements
from dlspec.syntax.comments import leading_comment
from dlspec.syntax.expected import accepted, unexpected
from dlspec.syntax.hints import bound_train, misspelt
from dlspec.syntax.indents import misplaced
from dlspec.syntax.layout import Layout, SyntaxFault
from dlspec.syntax.lexer import INVISIBLE, Token, scan
from dlspec.syntax.limits import first_too_deep, too_deep
from dlspec.syntax.tables import END, tables
from dlspec.syntax.unreadable import invisible

MOST_ERRORS = 20
_BLANKS = frozenset({"NEWLINE", "COMMENT", ";"})


@cache
def _reductions() -> Sequence[tuple[str, int, bool, Any]]:
    """What becomes of the symbols of each rule: its origin, how many they are, whether helpers are among them, and what a
    builder makes of them."""
    return [
        (rule.origin, rule.length, rule.inlines, _helper if rule.helper else _action(rule.action))
        for rule in tables().rules
    ]


@dataclass(frozen=True, slots=True)
class Parsed:
    """The syntax tree of a text, and what is wrong in it in the order of the text."""

    file: ast.File
    findings: tuple[Diagnostic, ...]

    def check(self) -> ast.File:
        """The tree of a text in which nothing is wrong. Raises `DlspecError`."""
        if self.findings:
            raise DlspecError(self.findings)
        return self.file


def parse(source: Source) -> Parsed:
    """Reads a text: at most one finding for each statement, and `MOST_ERRORS` in all, after which nothing more is read."""
    with paused_collector():
        allowed = budget()
        raw = scan(source, most=2 * allowed.steps // TOKEN + 2)  # with a blank before each
        try:
            allowed.spend(TOKEN * (len(raw) - 1) if raw[-1].end == len(source.text) else allowed.steps + 1)
        except Exceeded as error:
            at = Span(source, raw[-1].end, raw[-1].end + 1)
            found = Diagnostic(error.code, error.message, at, hint=error.hint)
            return Parsed(ast.File(Span(source, 0, 0), (), source, ""), (found,))
        return _Reader(source, raw).read()


class _Helper(list[Any]):
    """The value of a list that the grammar's `*` and `+` stand for, until the rule around it takes its elements."""


class _Stuck(Exception):
    """A token that the parser has no use for."""

    def __init__(self, token: Token) -> None:
        self.token = token


class _Machine:
    """The automaton: its states, and between two of them the value of the symbol that led from one to the other."""

    def __init__(self, builder: AstBuilder, start: str) -> None:
        self.table = tables()
        self.builder = builder
        first, self.last = self.table.starts[start]
        self.stack = [first]
        self.values: list[Any] = []

    def run(self, tokens: Iterable[Token]) -> Any:
        """Takes tokens, to the END what the builder made of the start symbol. Raises `_Stuck`, and `SyntaxFault` where the
        layout or the builder does."""
        states, reductions, last = self.table.states, _reductions(), self.last
        stack, values, builder = self.stack, self.values, self.builder
        state = stack[-1]
        for token in tokens:
            kind = token.kind
            while True:
                try:
                    to = states[state][kind]
                except KeyError:
                    raise _Stuck(token) from None
                if to >= 0:
                    state = to
                    stack.append(state)
                    values.append(token)
                    break
                origin, length, inlines, action = reductions[~to]
                if action is not None:
                    if length:
                        children = values[-length:]
                        del values[-length:], stack[-length:]
                        if inlines:
                            children = _spread(children)
                    else:
                        children = []
                    values.append(action(builder, children))
                    state = states[stack[-1]][origin]
                    stack.append(state)
                else:
                    state = stack[-1] = states[stack[-2]][origin]
                if state == last and kind == END:
                    return values[-1]
        return None

    def put(self, origin: str, value: ast.Node) -> None:
        """Takes a whole symbol of the grammar."""
        self.values.append(value)
        self.stack.append(self.table.states[self.stack[-1]][origin])

    def last_start(self, brace: Token | None) -> int:
        """The offset behind which the last statement in the open braces of ``brace`` starts, or the last declaration."""
        last = self._before_last(brace)
        return self.values[last].end if last >= 0 else 0

    def unwind(self, brace: Token | None) -> int:
        """Goes back to that place, and returns it. Raises `_Stuck` where the braces are not open: brackets that do not fit
        each other have closed them."""
        last = self._before_last(brace)
        del self.stack[last + 2 :], self.values[last + 1 :]
        return self.values[last].end if last >= 0 else 0

    def _before_last(self, brace: Token | None) -> int:
        values = self.values
        braces = [n for n, v in enumerate(values) if v.__class__ is Token and v.kind in ("BODY", "{")]
        opened = -1
        if brace is not None:
            opened = next((n for n in braces if values[n].start == brace.start), -1)
            if opened < 0:
                raise _Stuck(brace)
        inside = next((n for n in braces if n > opened), len(values))
        origin = "<declaration>" if brace is None else "<statement>"
        return max(n for n in range(opened, inside) if origin in self.table.states[self.stack[n + 1]])


class _Reader:
    """Reads one text, each declaration by itself."""

    def __init__(self, source: Source, raw: list[Token]) -> None:
        self.source = source
        self.raw = raw
        self.invisible = [match.start() for match in INVISIBLE.finditer(source.text)]
        self.found = [invisible(source, offset) for offset in self.invisible[:MOST_ERRORS]]
        self.found += misspelt(source, self.raw)

    def _machine(self, start: str) -> _Machine:
        return _Machine(AstBuilder(self.source, self._interpolation), start)

    def read(self) -> Parsed:
        source = self.source
        declarations: list[ast.Declaration] = []
        first = 0
        while first < len(self.raw) - 1:
            made, first = self._chunk(first, recovery.chunk_end(self.raw, first))
            declarations += made
        file = ast.File(Span(source, 0, len(source.text)), tuple(declarations), source, leading_comment(source))
        return Parsed(file, tuple(sorted(self.found, key=lambda found: found.span.start)[:MOST_ERRORS]))

    def _chunk(self, first: int, last: int) -> tuple[Sequence[ast.Declaration], int]:
        """The declarations between two raw tokens, and where to read on."""
        begin, behind = self.raw[first].start, self.raw[last].start
        if len(self.found) >= MOST_ERRORS or any(begin <= offset < behind for offset in self.invisible):
            return [self._unreadable(first, last, False)], last
        bound = bound_train(self.source, self.raw[first:last])
        if bound is not None:
            self.found.append(bound)
            return [self._unreadable(first, last, False)], last
        layout, machine = Layout(self.source, self.raw, first, last), self._machine("file")
        while True:
            try:
                return [self._bounded(declaration) for declaration in machine.run(layout)], last
            except _Stuck as stuck:
                found = unexpected(self.source, layout, stuck.token, machine.stack, "file")
            except SyntaxFault as fault:
                found = fault.diagnostic
            self.found.append(misplaced(self.source, layout, found))
            if not self._skip_statement(layout, machine):
                made, end = self._give_up(layout, machine, found)
                return [self._bounded(declaration) for declaration in made], end

    def _skip_statement(self, layout: Layout, machine: _Machine) -> bool:
        """Makes the statement that could not be read an error node, where all braces of the declaration match."""
        raw, first, last = self.raw, layout.first, layout.last
        brackets = recovery.open_brackets(raw, first, layout.index)
        depth = max((n for n, bracket in enumerate(brackets) if bracket.kind == "{"), default=-1)
        if depth < 0 or len(self.found) >= MOST_ERRORS or not recovery.braces_match(raw, first, last):
            return False
        lost = recovery.never_closed(raw, layout.index, last, brackets)
        if any(bracket in lost for bracket in brackets[:depth]):
            return False
        try:
            begin = self._behind(machine.unwind(brackets[depth]), layout.index)
        except _Stuck:
            return False
        branches = "|" in accepted([*machine.stack, machine.table.states[machine.stack[-1]]["<statement>"]])
        inside, header = brackets[depth + 1 :], layout.in_header(brackets[depth])
        end = recovery.statement_end(raw, begin, layout.index, last, inside, branches, header)
        if end == last:
            return False
        machine.put("<statement>", self._unreadable(begin, end, True))
        layout.resume(end, brackets[depth])
        return True

    def _give_up(self, layout: Layout, machine: _Machine, found: Diagnostic) -> tuple[Sequence[ast.Declaration], int]:
        """What can be kept of a declaration that could not be read to its end, and where to read on."""
        raw, first, index, last = self.raw, layout.first, layout.index, layout.last
        whole = recovery.braces_match(raw, first, last)
        # A brace that is never closed may be missing far behind it, and what is between is in doubt.
        wrong = min(found.span.start, *(note.span.start for note in found.notes), len(self.source.text))
        behind = min(index, bisect_left(raw, wrong, first, last, key=_start))
        end = last if whole else recovery.next_declaration(raw, behind, last)
        body = next((token for token in recovery.open_brackets(raw, first, index) if token.kind == "{"), None)
        try:
            if body is None:
                return self._declarations_before(layout, machine, end, whole), end
            begin = self._behind(machine.unwind(body), end)
            machine.put("<statement>", self._unreadable(begin, end, True))
            return [self._cut(made, wrong, end) for made in self._close(machine, first, end, "}", END)], end
        except (_Stuck, SyntaxFault):  # its braces are no body, or stand in its header
            return [self._unreadable(first, end, False)], end

    def _declarations_before(
        self, layout: Layout, machine: _Machine, end: int, whole: bool
    ) -> Sequence[ast.Declaration]:
        """Those that are complete, and an error node. Raises `_Stuck`."""
        raw, first, index = self.raw, layout.first, layout.index
        begin = max(first, self._behind(machine.last_start(None), index))
        closed = raw[begin].text in ("block", "part", "network", "train") and self._last(first, index).kind == "}"
        if closed and (whole or raw[index].kind == "}"):
            self._close(machine, first, index, "NEWLINE")
            begin = index
        elif begin > first and (whole or recovery.begins_line(raw, begin)):
            machine.unwind(None)
        else:
            line = recovery.line_start(raw, index)
            above = self._alone(first, line) if first < line else ()
            return [*above, self._unreadable(line if above else first, end, False)]
        machine.put("<declaration>", self._unreadable(begin, end, False))
        return self._close(machine, first, end, END)

    def _alone(self, first: int, last: int) -> Sequence[ast.Declaration]:
        """The declarations between two raw tokens, if nothing is wrong with them, and they stand where such begin."""
        try:
            made = self._machine("file").run(Layout(self.source, self.raw, first, last)) or ()
        except (_Stuck, SyntaxFault):
            return ()
        return made if all(each.span.column == 1 for each in made) else ()

    def _close(self, machine: _Machine, first: int, end: int, *kinds: str) -> Any:
        """Takes tokens that are missing. Raises `_Stuck`."""
        at = self._last(first, end).end
        return machine.run([Token(kind, at, at, "") for kind in kinds])

    def _cut(self, declaration: ast.Declaration, wrong: int, end: int) -> ast.Declaration:
        """The declaration without the statement in which something is wrong and those after it."""
        match declaration:
            case ast.Block() | ast.Network():
                body = declaration.body
                return declaration.replace(body=body.replace(statements=self._before(body.statements, wrong, end)))
            case ast.Train():
                return declaration.replace(statements=self._before(declaration.statements, wrong, end))
            case _:
                return self._unreadable(bisect_left(self.raw, declaration.span.start, key=_start), end, False)

    def _before(self, found: tuple[Any, ...], wrong: int, end: int) -> tuple[Any, ...]:
        kept = tuple(takewhile(lambda statement: statement.span.end <= wrong, found[:-1]))
        begin = bisect_left(self.raw, found[len(kept)].span.start, key=_start)
        return statements((*kept, self._unreadable(begin, end, True)))

    def _behind(self, offset: int, index: int) -> int:
        """The first raw token from an offset on that is no blank, if that is before ``index``."""
        while index > 0 and self.raw[index - 1].start >= offset:
            index -= 1
        while self.raw[index].kind in _BLANKS:
            index += 1
        return index

    def _unreadable(self, first: int, end: int, statement: bool) -> ast.Unreadable:
        names = recovery.names_in(self.raw, first, end, statement)
        return ast.Unreadable(
            Span(self.source, self.raw[first].start, self._last(first, end).end),
            tuple(ast.Name(Span(self.source, name.start, name.end), name.text) for name in names),
        )

    def _last(self, first: int, end: int) -> Token:
        """The last token before a raw token that is no blank, or the first one."""
        raw = self.raw
        return next((raw[n] for n in range(end - 1, first, -1) if raw[n].kind not in _BLANKS), raw[first])

    def _bounded(self, declaration: ast.Declaration) -> ast.Declaration:
        """The declaration, unless it is nested too deep for those who walk it."""
        deep = first_too_deep(declaration)
        if deep is None:
            return declaration
        self.found.append(too_deep(deep))
        first, end = (bisect_left(self.raw, at, key=_start) for at in (declaration.span.start, declaration.span.end))
        return self._unreadable(first, end, False)

    def _interpolation(self, first: int, last: int) -> ast.Expression:
        layout = Layout(self.source, scan(self.source, first, last))
        machine = self._machine("interpolation")
        try:
            return machine.run(layout)
        except _Stuck as stuck:
            raise SyntaxFault(unexpected(self.source, layout, stuck.token, machine.stack, "interpolation")) from None


def _start(token: Token) -> int:
    return token.start


def _action(name: str | None) -> Any:
    if name is None:
        return None
    return getattr(AstBuilder, name, None) or getattr(AstBuilder, f"{name}_")


def _helper(builder: AstBuilder, children: list[Any]) -> _Helper:
    return children if isinstance(children, _Helper) else _Helper(children)


def _spread(children: list[Any]) -> list[Any]:
    """The children with helpers dissolved; the first, which grows with a list of any length, is not copied."""
    head = children[0]
    if head.__class__ is not _Helper:
        head = _Helper([head])
    for child in children[1:]:
        if child.__class__ is _Helper:
            head.extend(child)
        else:
            head.append(child)
    return head
