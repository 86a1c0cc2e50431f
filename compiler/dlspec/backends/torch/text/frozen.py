"""How the members of a class are reached by their paths, and how what is frozen stays as it is."""

from __future__ import annotations

from itertools import groupby

from dlspec.backends.torch.plans.making import store_of
from dlspec.backends.torch.plans.tree import Module
from dlspec.backends.torch.python import names
from dlspec.backends.torch.python.expressions import Attribute, Const, Name, Py, Subscript, method


def member(module: Module, label: str, base: str) -> Py:
    """A member of the root, reached from ``base``."""
    if module.hides(label):
        return Subscript(Name(f"{base}.{store_of(module.members.get(label))}"), (Const(label),))
    return Attribute(Name(base), label)


def reached(module: Module, path: str, base: str, store: str = "_modules") -> Py:
    """What has a path below the root, reached from ``base``; ``store`` is where the last member is kept."""
    labels = path.split(".")
    made: Py = Name(base)
    for numbered, group in groupby(enumerate(labels), lambda each: each[1].isdigit()):
        steps = list(group)
        if numbered:
            made = method(made, "get_submodule", Const(".".join(label for _, label in steps)))
            continue
        for place, label in steps:
            if names.attribute(label) and not (place == 0 and module.hides(label)):
                made = Attribute(made, label)
            else:
                made = Subscript(Attribute(made, store if place == len(labels) - 1 else "_modules"), (Const(label),))
    return made


def kept(value: Py) -> Py:
    """A module that keeps its weights and statistics."""
    return method(method(value, "requires_grad_", Const(False)), "eval")
