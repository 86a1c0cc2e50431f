"""The numbers of the members of a list, `self.convs[i + n]`, as the author's labels say them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlspec.backends.torch.plans.places import loop_id
from dlspec.backends.torch.plans.tree import Element, Enter, Module, Region, Step
from dlspec.backends.torch.plans.writing import Writing
from dlspec.backends.torch.python.evaluate import Unwritten, evaluate
from dlspec.backends.torch.python.expressions import Const, Label, Py
from dlspec.backends.torch.python.sums import add, rebuild_all, scaled
from dlspec.backends.torch.python.symbols import Turned, signature
from dlspec.ir.node import Node
from dlspec.ir.program import Written
from dlspec.ir.scope import Scope

if TYPE_CHECKING:
    from dlspec.backends.torch.plans.author import Author


class Numbering:
    """The numbers in one list of a module, by label."""

    def __init__(self, author: Author, module: Module, members: Module) -> None:
        self.author = author
        self.module = module
        self.members = members
        self.found: dict[str, Py] = {}

    def of(self, elements: list[Element]) -> dict[str, Py]:
        """Raises `Unwritten` where a label says another number than the position in other networks of these settings."""
        self._count(elements, Const(0))
        return self.found

    def _count(self, elements: list[Element], start: Py) -> Py:
        """Finds the numbers of what some steps run first. Returns that behind them."""
        for element in elements:
            if isinstance(element, Region):
                start = self._turns(element, start)
                continue
            thing = self._member(element)
            if thing is not None:
                label, place = thing
                number = self._said(label, place)
                if repr(signature(_by_turns(number))) != repr(signature(start)):
                    raise Unwritten
                self.found[label] = number
                start = add(start, Const(1))
        return start

    def _turns(self, region: Region, start: Py) -> Py:
        counts = {sum(self._member(each) is not None for each in _flat(part)) for part in region.parts}
        if counts <= {0}:
            return start
        if (
            region.kind != "loop"
            or len(counts) > 1
            or any(isinstance(e, Region) for part in region.parts for e in part)
        ):
            raise Unwritten
        rise, known = Const(counts.pop()), loop_id(region.scope)
        for turn, part in enumerate(region.parts):
            self._count(part, add(start, scaled(rise, Turned(known, "", turn, turn))))
        times = self._writing(region.scope.parent or region.scope).turns_of(region.scope)
        return add(start, scaled(rise, times))

    def _member(self, element: Element) -> tuple[str, Scope] | None:
        """The label of a member that is run for the first time, and where it stands."""
        if isinstance(element, Step):
            label, scope = self.author.tree.labels.get(element.node, (None, ""))[1], element.node.scope
            thing: Node | Module = element.node
        else:
            assert isinstance(element, Enter)
            label, thing, scope = element.module.label, element.module, element.scope.parent or element.scope
        known = label in self.found or self.members.members.get(label) is not thing
        return None if known else (label, scope)

    def _said(self, label: str, place: Scope) -> Py:
        """What the label says, of one with dots in its last part."""
        written = self._written(f"{self.members.label}.{label}", place)
        if written is None:
            return Const(int(label))
        match self._writing(place).label(written):
            case Label(parts=(str(before), Py() as number)) if before.endswith("."):
                if evaluate(number) != int(label):
                    raise Unwritten
                return add(number)
            case Const():
                return Const(int(label))
            case _:
                raise Unwritten

    def _written(self, ending: str, place: Scope) -> Written | None:
        for scope in place.ancestors():
            for text, written in (scope.twin or scope).labels.items():
                if f".{text}".endswith(f".{ending}"):
                    return written
            if scope.kind in ("block", "network"):
                break
        return None

    def _writing(self, place: Scope) -> Writing:
        return Writing(self.author, self.module, place, None)


def _flat(elements: list[Element]) -> list[Element]:
    """The elements, with those in loops and conditions."""
    found: list[Element] = []
    for element in elements:
        if isinstance(element, Region):
            for part in element.parts:
                found += _flat(part)
        else:
            found.append(element)
    return found


def _by_turns(number: Py) -> Py:
    """The number with the turns of loops in place of their variables."""

    def change(inner: Py) -> Py:
        if isinstance(inner, Turned) and inner.name and inner.at is not None:
            return inner.at(Turned(inner.loop, "", inner.index, inner.index))
        return rebuild_all(inner, change)

    return add(change(number))
