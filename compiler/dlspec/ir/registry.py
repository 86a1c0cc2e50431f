"""What parts of the compiler know of operators beside what stands in their classes: lowerings, derivatives, rules."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Generic, TypeVar, cast

from dlspec.ir.op import Op

Entry = TypeVar("Entry")
Narrow = TypeVar("Narrow")


class Registry(Generic[Entry]):
    """Entries by operator class, put there by decorators.

    They may stand in the modules of a package whose names begin with a prefix: these are imported when first something is
    looked up.
    """

    def __init__(self, what: str, package: str = "", prefix: str = "") -> None:
        """``what`` becomes of an operator: "lowered to ONNX"."""
        self._what = what
        self._package = package
        self._prefix = prefix
        self._entries: dict[type[Op], Entry] = {}

    def register(self, *operators: type[Op]) -> Callable[[Narrow], Narrow]:
        """A decorator for the entry of operators. Raises `ValueError` for one that has an entry already.

        An entry may take these operators only: a decorator of the registry's own says so in its types.
        """

        def register(entry: Narrow) -> Narrow:
            for operator in operators:
                if operator in self._entries:
                    raise ValueError(f"{operator.__name__} is {self._what} twice")
                self._entries[operator] = cast("Entry", entry)
            return entry

        return register

    def get(self, operator: type[Op]) -> Entry | None:
        """The entry of an operator itself; None where there is none."""
        self._load()
        return self._entries.get(operator)

    def nearest(self, operator: type[Op]) -> Entry | None:
        """The entry of an operator or of the first of its bases that has one; None where none has."""
        self._load()
        return next((self._entries[kind] for kind in operator.__mro__ if kind in self._entries), None)

    def __contains__(self, operator: type[Op]) -> bool:
        return self.get(operator) is not None

    def _load(self) -> None:
        if self._package:
            name, self._package = self._package, ""
            for module in iter_modules(import_module(name).__path__):
                if module.name.startswith(self._prefix):
                    import_module(f"{name}.{module.name}")
