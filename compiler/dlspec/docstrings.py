"""Docstrings, which are the documentation of operators."""

from __future__ import annotations

import ast
import inspect
import textwrap
from types import ModuleType
from typing import Any, cast


def docstring(thing: Any) -> str:
    """The docstring of a module, a function, a class, or of its nearest base that has one. Under ``python -OO`` it
    stands in the source alone."""
    for part in cast("tuple[Any, ...]", thing.__mro__[:-1] if isinstance(thing, type) else (thing,)):
        text = inspect.cleandoc(part.__doc__) if part.__doc__ else _in_source(part)
        if text:
            return text
    return ""


def _in_source(thing: Any) -> str:
    if __doc__ is not None:
        return ""
    tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    node = tree if isinstance(thing, ModuleType) else tree.body[0]
    return ast.get_docstring(node) or "" if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.Module) else ""
