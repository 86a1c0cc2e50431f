"""The parse tables: built by Lark from `grammar/dlspec.lark` and cached.

Building takes a tenth of a second and importing Lark half of that, which is most of what `dlspec check` costs on a
small file. So the tables are kept as JSON in the `__pycache__` beside this file, named by a hash of the grammar, and
Lark is imported only where there is none yet. A cache that cannot be read or written is no error: the tables are
built again.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dlspec.resources import resource

FORMAT = 4
"""Counts the changes of what is written to the cache."""

END = "END"
STARTS = ("file", "interpolation")
DECLARED = ("NEWLINE", "BODY", "PATTERN")
"""The kinds that the layout makes."""
OPTIONS: dict[str, Any] = {"parser": "lalr", "lexer": "basic", "keep_all_tokens": True, "maybe_placeholders": False}


@dataclass(frozen=True, slots=True)
class Rule:
    """How `length` symbols become one, the `origin`, which is written `<name>`.

    `action` is what builds the node, None where the only symbol is passed on as it is.
    """

    origin: str
    length: int
    action: str | None
    helper: bool
    """A list that Lark made of `*`, `+` or a `_template`: it dissolves into the rule around it."""
    inlines: bool
    """One of the symbols is such a helper."""


@dataclass(frozen=True, slots=True)
class Tables:
    """A kind of token is the name of its terminal, or the literal text of a word or a sign.

    A state maps kinds and origins to what to do: from 0 on the state to go to, below 0 the rule to reduce, `~rule`.
    """

    patterns: dict[str, str]
    literals: tuple[str, ...]
    rules: tuple[Rule, ...]
    states: tuple[dict[str, int], ...]
    starts: dict[str, tuple[int, int]]
    """For each start symbol the first state and the last."""


def is_origin(symbol: str) -> bool:
    return symbol.startswith("<") and symbol.endswith(">")


@cache
def tables() -> Tables:
    grammar = resource("grammar/dlspec.lark").read_text(encoding="utf-8")
    digest = hashlib.sha256(f"{FORMAT}\n{grammar}".encode()).hexdigest()[:20]
    path = Path(__file__).parent / "__pycache__" / f"dlspec-grammar-{digest}.json"
    try:
        return _decode(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        pass
    plain = build(grammar)
    _write(path, json.dumps(plain, separators=(",", ":")))
    return _decode(plain)


def build(grammar: str) -> dict[str, Any]:
    """The tables as plain data. Conflicts in the grammar are errors."""
    from lark import Lark
    from lark.lexer import PatternStr
    from lark.parsers.lalr_analysis import Shift

    lark: Any = Lark(grammar, start=list(STARTS), **OPTIONS)
    literals = {t.name: t.pattern.value for t in lark.terminals if isinstance(t.pattern, PatternStr)}
    patterns = {t.name: t.pattern.to_regexp() for t in lark.terminals if t.name not in literals}
    symbols = {t.name: t.name for t in lark.terminals} | literals | {"$END": END} | {kind: kind for kind in DECLARED}
    rules = {rule: number for number, rule in enumerate(lark.rules)}
    table: Any = lark.parser.parser._parse_table
    states = _in_order(table, Shift)
    return {
        "patterns": patterns,
        "literals": sorted(literals.values()),
        "rules": [
            [
                f"<{rule.origin.name}>",
                len(rule.expansion),
                rule.alias or (rule.origin.name if len(rule.expansion) != 1 or not rule.options.expand1 else None),
                rule.origin.name.startswith("_"),
                any(symbol.name.startswith("_") and not symbol.is_term for symbol in rule.expansion),
            ]
            for rule in lark.rules
        ],
        "states": [
            {
                symbols.get(symbol, f"<{symbol}>"): states[to] if action is Shift else ~rules[to]
                for symbol, (action, to) in sorted(table.states[state].items(), key=lambda item: item[0])
            }
            for state in states
        ],
        "starts": {start: [states[table.start_states[start]], states[table.end_states[start]]] for start in STARTS},
    }


def _in_order(table: Any, shift: Any) -> dict[Any, int]:
    """New numbers for the states, as they are met from the start on: Lark's change from run to run."""
    found = {table.start_states[start]: number for number, start in enumerate(STARTS)}
    todo = list(found)
    for state in todo:
        for _, (action, to) in sorted(table.states[state].items(), key=lambda item: item[0]):
            if action is shift and to not in found:
                found[to] = len(found)
                todo.append(to)
    return found


def _decode(plain: dict[str, Any]) -> Tables:
    return Tables(
        patterns=dict(plain["patterns"]),
        literals=tuple(plain["literals"]),
        rules=tuple(Rule(*rule) for rule in plain["rules"]),
        states=tuple(plain["states"]),
        starts={start: (first, last) for start, (first, last) in plain["starts"].items()},
    )


def _write(path: Path, text: str) -> None:
    """Whole or not at all: a process beside this one may be reading."""
    try:
        path.parent.mkdir(exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(beside, 0o644)
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
    except OSError:
        pass
