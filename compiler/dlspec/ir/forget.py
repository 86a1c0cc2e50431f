"""Takes a graph apart that nobody has any more."""

from __future__ import annotations

from dlspec.ir.graph import Graph


def take_apart(graph: Graph) -> None:
    """Cuts what leads back in a graph, so that all of it goes at once and not when Python next looks for circles.

    Only for who has made the graph and given nothing of it to others: it is no graph afterwards.
    """
    for value in graph.inputs:
        value.uses.clear()
    for node in graph.nodes:
        for value in node.outputs:
            value.uses.clear()
            value.producer = None
    for scope in list(graph.root.scopes()):
        scope.children.clear()
        if scope.body is not None:
            for value in scope.body.given:
                value.uses.clear()
                value.producer = None
            scope.body.node = None
            scope.body = None
        scope.inside = None
    for template in graph.templates:
        template.instances.clear()
    for names in graph.names:
        names.names.clear()
        names.history.clear()
        names.scope = None
