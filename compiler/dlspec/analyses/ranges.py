"""Numbers that are not what is made of them: raw outputs as scales or probabilities, logarithms of what is not positive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import inf

from dlspec.diagnostics import Diagnostic, Note, Severity
from dlspec.ir.graph import Graph
from dlspec.ir.intervals import LEAST, Interval
from dlspec.ir.node import Node, Value
from dlspec.ir.op import Numbers

_DEEPEST = 30
"""So many steps back are looked at."""


class Ranges:
    """Between which numbers tensors are, where the intervals of some are ``known``."""

    def __init__(self, known: Mapping[Value, Interval] | None = None) -> None:
        self._known: dict[Value, Interval | None] = dict(known or {})

    def of(self, value: Value, depth: int = _DEEPEST) -> Interval | None:
        """The interval of a tensor; None where it cannot be told."""
        node = value.producer
        if value not in self._known:
            if node is None or node.body is not None or not depth:
                return None  # of what is carried from turn to turn nothing is known
            twice = len(node.inputs) > len(set(node.inputs))  # its square, or its difference from itself
            inputs = () if twice else tuple(self.of(each, depth - 1) for each in node.inputs)
            self._known[value] = None if twice else node.op.range(inputs)
        return self._known[value]


def range_findings(graph: Graph) -> Iterator[Diagnostic]:
    """Warnings for tensors that take numbers which what is made of them does not."""
    ranges = Ranges()
    for claim in graph.claims:
        found = _broken(claim.value, claim.takes, ranges)
        if found is not None:
            notes = _notes(claim.value)
            message, hint = f"{claim.title} takes {found[0]}", found[1]
            yield Diagnostic("DL0803", message, claim.span, notes=notes, hint=hint, severity=Severity.WARNING)
    for node in graph.nodes:
        if node.op.takes is not None and node.origin.form != "compiler":
            found = _broken(node.inputs[0], node.op.takes, ranges)
            if found is not None:
                yield _warning(node, f"`{node.op.function}` takes {found[0]}", found[1])


def _warning(node: Node, message: str, hint: str) -> Diagnostic:
    return replace(node.finding(message, hint, "DL0803", _notes(node.inputs[0])), severity=Severity.WARNING)


def _notes(value: Value) -> tuple[Note, ...]:
    return (Note(value.span, "they are made here"),)


def _broken(value: Value, takes: Interval | Numbers, ranges: Ranges) -> tuple[str, str] | None:
    """What is taken and what is there instead, with a hint; None where nothing speaks against it."""
    if isinstance(takes, str):
        made = value.producer
        if made is None or made.op.gives != "probabilities":
            return None
        return "raw scores, and these are probabilities", "give them as `probs`, or leave out what makes probabilities"
    there = ranges.of(value)
    if there is None or (takes[0] <= there[0] and there[1] <= takes[1]):
        return None
    low = "may be negative" if there[0] < 0 else "may be 0" if there[0] < takes[0] else ""
    high = f"may be greater than {takes[1]:g}" if there[1] > takes[1] else ""
    if takes == (0.0, 1.0):
        wanted, hint = "numbers from 0 to 1", "put a Sigmoid before it, or give raw scores as `logits`"
    elif takes[1] == inf and takes[0] in (0.0, LEAST):
        wanted = "positive numbers" if takes[0] else "numbers that are not negative"
        hint = "`exp(x)` and `softplus(x)` are positive, and so is `exp(0.5 * x)` of a log-variance"
        if there[0] >= 0:
            hint = "add a small number, as in `x + 1e-6`, or use `softplus` for `relu`"
    else:
        wanted, hint = (
            f"numbers of {takes[0]:g} or more" if takes[1] == inf else "numbers from -1 to 1",
            "limit them first",
        )
    return f"{wanted}, and these {' and '.join(filter(None, (low or '', high)))}", hint
