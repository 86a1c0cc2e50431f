"""What is open in a scene as a graph of the package `graphviz`, for people to change; its text is DOT."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dlspec.backends.diagram.engine import EngineError
from dlspec.backends.diagram.metrics import clean
from dlspec.backends.diagram.scene import Scene
from dlspec.backends.diagram.text import drawn_edges, label_of, names_of, nested, returns
from dlspec.backends.diagram.theme import THEMES

if TYPE_CHECKING:
    from graphviz import Digraph  # pyright: ignore[reportMissingTypeStubs]

_GRAPH = {
    "newrank": "true",
    "compound": "true",
    "nodesep": "0.3",
    "ranksep": "0.4",
    "fontname": "Helvetica",
    "fontsize": "11",
}
_NODE = {"shape": "box", "style": "rounded,filled", "fontname": "Helvetica", "fontsize": "11", "margin": "0.12,0.06"}
_EDGE = {"fontname": "Helvetica", "fontsize": "9", "arrowsize": "0.6"}


def digraph(scene: Scene, rankdir: str = "TB") -> Digraph:
    """The graph: shapes stand at edges, and nodes are called after their paths. Raises `EngineError` without the package."""
    try:
        graphviz: Any = import_module("graphviz")  # it has no types
    except ImportError:
        raise EngineError("DOT needs the package graphviz", "pip install 'dlspec[draw]'") from None

    def escaped(text: str) -> str:
        """A label whose lines are those of the text, and which is no HTML."""
        return graphviz.nohtml("\\n".join(map(graphviz.escape, text.split("\n"))))

    theme, names = THEMES["light"], names_of(scene)
    title = graphviz.escape(clean(scene.graph.name))
    top = {"rankdir": rankdir, **_GRAPH}
    inside: list[Any] = [graphviz.Digraph(title, graph_attr=top, node_attr=_NODE, edge_attr=_EDGE)]
    for box, _, ends in nested(scene.root):
        if ends:
            done = inside.pop()
            inside[-1].subgraph(done)
        elif box.open:
            cluster = {"label": escaped(label_of(box)), "labeljust": "l", "style": "rounded"}
            inside.append(graphviz.Digraph(f"cluster_{names[box]}", graph_attr=cluster))
        else:
            style = {"style": "rounded,filled,dashed"} if box.training else {}
            inside[-1].node(names[box], escaped(label_of(box)), fillcolor=theme.fill(box.family), **style)
    (graph,) = inside
    for edge in drawn_edges(scene):
        marks = {"taillabel": escaped(f" {edge.label}")} if edge.label else {}
        marks |= {"style": "dashed"} if edge.training else {}
        marks |= {"color": "red"} if edge.fault else {}
        marks |= {"weight": "10"} if edge.main else {}
        graph.edge(names[edge.source], names[edge.target], **marks)
    for end, begin in returns(scene):
        graph.edge(names[end], names[begin], constraint="false", style="dashed", color=theme.accent)
    return graph
