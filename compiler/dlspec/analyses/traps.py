"""What is right and seldom meant."""

from __future__ import annotations

from collections.abc import Iterator

from dlspec.analyses.batch import batch_findings
from dlspec.analyses.objectives_lint import loss_warnings
from dlspec.analyses.ranges import range_findings
from dlspec.diagnostics import Diagnostic
from dlspec.ir.graph import Graph


def trap_findings(graph: Graph) -> Iterator[Diagnostic]:
    """The warnings for a graph that was elaborated, of a network or a train."""
    yield from batch_findings(graph)
    yield from loss_warnings(graph)
    yield from range_findings(graph)
