"""Which networks of a spec stand for all."""

from __future__ import annotations

from collections import defaultdict

from dlspec.pipeline import Program
from dlspec.syntax import ast


def telling(program: Program) -> list[str]:
    """The networks of a spec; of the variants of one the first and the last, for those between have other sizes alone."""
    variants: dict[str, list[str]] = defaultdict(list)
    for each in program.module.file.declarations:
        if isinstance(each, ast.Variant):
            variants[each.base.name].append(each.name.name)
    between = {name for names in variants.values() for name in names[1:-1]}
    return [name for name in program.networks if name not in between]
