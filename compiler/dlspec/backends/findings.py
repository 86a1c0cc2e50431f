"""What backends have to say against a graph."""

from __future__ import annotations

from dlspec.diagnostics import Diagnostic, Note
from dlspec.ir.graph import Node


def backend_error(
    message: str, node: Node, hint: str = "", code: str = "DL0501", notes: tuple[Note, ...] = ()
) -> Diagnostic:
    """A finding of a backend at a node, with the chain of blocks that it stands in."""
    blocks = [scope for scope in node.scope.ancestors() if scope.kind == "block"]
    trace = tuple(Note(scope.span, f"in {scope.declaration}") for scope in reversed(blocks))
    return Diagnostic(code, message, node.span, notes=notes, hint=hint, trace=trace)
