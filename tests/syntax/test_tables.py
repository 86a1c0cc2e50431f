"""The grammar has no conflicts, its tables survive their cache, and a cache that is unusable does no harm."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from lark import Lark, logger

from dlspec.resources import resource
from dlspec.syntax import tables as module
from dlspec.syntax.build import AstBuilder
from dlspec.syntax.layout import RESERVED
from dlspec.syntax.lexer import words
from dlspec.syntax.tables import OPTIONS, STARTS, Tables, tables

GRAMMAR = resource("grammar/dlspec.lark").read_text(encoding="utf-8")


def fresh(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Tables:
    """The tables as a process finds them whose package is in a folder."""
    monkeypatch.setattr(module, "__file__", str(folder / "tables.py"))
    return tables.__wrapped__()


def test_the_grammar_has_no_conflicts(caplog: pytest.LogCaptureFixture) -> None:
    """Lark shifts where it could also reduce, and mentions it only in its log."""
    level = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(caplog.handler)
    try:
        Lark(GRAMMAR, start=list(STARTS), debug=True, **OPTIONS)
    finally:
        logger.removeHandler(caplog.handler)
        logger.setLevel(level)
    assert "conflict" not in caplog.text.lower()


def test_the_grammar_names_the_reserved_words() -> None:
    comment = next(line for line in GRAMMAR.splitlines() if "Reserved are:" in line)
    assert comment.split("Reserved are:")[1].split() == sorted(RESERVED)
    assert words() >= RESERVED


def test_every_rule_has_its_action() -> None:
    actions = {rule.action for rule in tables().rules if rule.action and not rule.helper}
    assert [
        action for action in actions if not hasattr(AstBuilder, action) and not hasattr(AstBuilder, f"{action}_")
    ] == []


def test_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fresh(monkeypatch, tmp_path)
    (cached,) = (tmp_path / "__pycache__").iterdir()
    monkeypatch.setattr(module, "build", None)
    assert fresh(monkeypatch, tmp_path) == first == tables()
    monkeypatch.undo()
    for damaged in ("", "{", "[]", "{}", '{"patterns": 3}'):
        cached.write_text(damaged)
        assert fresh(monkeypatch, tmp_path) == first
    assert fresh(monkeypatch, tmp_path) == first


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "__pycache__").write_text("no folder")
    assert fresh(monkeypatch, tmp_path) == tables()
