"""Losses whose input is something else than they expect: probabilities for raw scores, and the like."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dlspec.diagnostics import Diagnostic, Note, Severity
from dlspec.ir.graph import Graph
from dlspec.ir.node import Node, Value
from dlspec.ir.op import Numbers
from dlspec.ops.loss import Loss

_NAMES: dict[Numbers, str] = {
    "logits": "raw scores",
    "log_probabilities": "log-probabilities",
    "probabilities": "probabilities",
    "signed": "numbers from -1 to 1",
}

_HINTS: dict[tuple[str, Numbers], str] = {
    ("cross_entropy", "probabilities"): "`cross_entropy` computes the softmax itself: leave it out",
    ("cross_entropy", "log_probabilities"): "`cross_entropy` computes the softmax itself: leave it out, or use `nll`",
    ("binary_cross_entropy_with_logits", "probabilities"): (
        "it computes the sigmoid itself: leave it out, or use `binary_cross_entropy`"
    ),
    ("binary_cross_entropy", "logits"): "put a Sigmoid before it, or use `binary_cross_entropy_with_logits`",
    ("binary_cross_entropy", "signed"): "put a Sigmoid in its place",
    ("nll", "logits"): "put a LogSoftmax before it, or use `cross_entropy`",
    ("nll", "probabilities"): "put a LogSoftmax in the place of the Softmax, or use `cross_entropy` without it",
    ("kl_div", "logits"): "put a LogSoftmax before it",
    ("kl_div", "probabilities"): "put a LogSoftmax in the place of the Softmax, or take the `log`",
}


class Finding(NamedTuple):
    """A loss, what is wrong with its input, and what to write instead. ``source`` is the node that makes the input."""

    node: Node
    source: Node
    message: str
    hint: str


def loss_warnings(graph: Graph) -> Iterator[Diagnostic]:
    """The same as diagnostics."""
    for found in loss_findings(graph):
        notes = (Note(found.source.span, "they are made here"),)
        span = found.node.span
        yield Diagnostic("DL0709", found.message, span, notes=notes, hint=found.hint, severity=Severity.WARNING)


def loss_findings(graph: Graph) -> Iterator[Finding]:
    """The losses of a graph whose input is visibly not what they expect, in order.

    What makes the input is looked for through steps that only move elements. Where it cannot be told nothing is said.
    """
    for node in graph.nodes:
        if not isinstance(node.op, Loss) or node.op.expects is None:
            continue
        source = maker(node.inputs[0])
        kind = source.op.gives if source else None
        if source is None or kind is None or kind == node.op.expects or _harmless(node.op.expects, kind):
            continue
        name = node.op.function or ""
        message = f"`{name}` takes {_NAMES[node.op.expects]}, and these are {_NAMES[kind]}"
        yield Finding(node, source, message, _HINTS.get((name, kind), f"give it {_NAMES[node.op.expects]}"))


def _harmless(expected: Numbers, kind: Numbers) -> bool:
    """Bounded numbers are scores too."""
    return expected == "logits" and kind == "signed"


def maker(value: Value) -> Node | None:
    """The node that computes a tensor, behind those that only move its elements; None for an input."""
    node = value.producer
    while node is not None and node.op.copies and not node.op.tensors[0].startswith("*"):
        node = node.inputs[0].producer
    return node
