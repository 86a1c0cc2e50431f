"""`dlspec.__all__` is what a program has in hand: what public functions return and raise, and what is in that."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import dlspec


@cache
def names_of(module: str) -> dict[str, str]:
    """The names of dlspec that a module defines or imports, those for type checkers too, with the modules they are from."""
    tree = ast.parse(Path(import_module(module).__file__ or "").read_text())
    homes = {node.name: module for node in tree.body if isinstance(node, ast.ClassDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dlspec"):
            homes |= {alias.name: node.module or "" for alias in node.names}
    return homes


def words(annotation: object) -> set[str]:
    tree = ast.parse(str(getattr(annotation, "__forward_arg__", annotation)), mode="eval")
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def raised(function: Any) -> set[str]:
    sentences = re.findall(r"\bRaises (.*?)(?:\.\s|\.$|\Z)", inspect.getdoc(function) or "", re.DOTALL)
    return {name for sentence in sentences for name in re.findall(r"`([A-Z]\w+)`", sentence)}


def handed_out(thing: Any) -> Iterator[str]:
    """The names of what an exported function or class gives: results, exceptions and fields."""
    if inspect.isfunction(thing):
        yield from words(thing.__annotations__["return"]) | raised(thing)
        return
    for annotation in inspect.get_annotations(thing).values():
        yield from words(annotation)
    for name, member in vars(thing).items():
        function = getattr(member, "fget", None) or getattr(member, "func", None) or member
        if not name.startswith("_") and inspect.isfunction(function):
            yield from handed_out(function)


EXPORTED = {name: getattr(dlspec, name) for name in dlspec.__all__ if name != "__version__"}


@pytest.mark.parametrize("name", EXPORTED)
def test_what_is_handed_out_is_exported(name: str) -> None:
    thing = EXPORTED[name]
    homes = names_of(thing.__module__)
    handed = {word: getattr(import_module(homes[word]), word) for word in handed_out(thing) if word in homes}
    assert {word for word, what in handed.items() if isinstance(what, type)} <= set(dlspec.__all__)


@pytest.mark.parametrize("name", EXPORTED)
def test_exceptions_that_docstrings_name_are_known(name: str) -> None:
    thing = EXPORTED[name]
    functions = [thing] if inspect.isfunction(thing) else filter(inspect.isfunction, vars(thing).values())
    for error in set().union(*map(raised, functions)):
        assert error in EXPORTED or issubclass(getattr(builtins, error), Exception)


def test_type_checkers_and_python_find_the_same() -> None:
    homes = {name: home for name, home in names_of("dlspec").items() if name in EXPORTED}
    assert homes == {name: thing.__module__ for name, thing in EXPORTED.items()}
    assert dir(dlspec) == dlspec.__all__
