"""What is open in a scene as nodes and edges that other tools lay out, and its text for Mermaid."""

from __future__ import annotations

from collections.abc import Iterator

from dlspec.backends.diagram.looks import badge, costs_of
from dlspec.backends.diagram.metrics import TIMES, clean, shortened
from dlspec.backends.diagram.scene import Box, Edge, Scene
from dlspec.backends.diagram.theme import THEMES


def mermaid(scene: Scene, rankdir: str = "TB") -> str:
    """What is open in a scene as a flowchart of Mermaid."""
    theme = THEMES["light"]
    names = names_of(scene)
    lines = [f"flowchart {rankdir}"]
    families: dict[str, list[str]] = {}

    for child, indent, ends in nested(scene.root):
        text = f'"{_mermaid_text(label_of(child))}"'
        if ends:
            lines.append(f"{indent}end")
        elif child.open:
            lines.append(f"{indent}subgraph {names[child]}[{text}]")
        else:
            shape = f"([{text}])" if child.kind in ("input", "output") else f"[{text}]"
            lines.append(f"{indent}{names[child]}{shape}")
            families.setdefault(child.family, []).append(names[child])
    for edge in drawn_edges(scene):
        line = "-.->" if edge.training else "==>" if edge.fault else "-->"
        label = f'|"{_mermaid_text(edge.label)}"|' if edge.label else ""
        lines.append(f"    {names[edge.source]} {line}{label} {names[edge.target]}")
    lines += [f"    {names[end]} -.-> {names[begin]}" for end, begin in returns(scene)]
    for family, members in sorted(families.items()):
        lines.append(
            f"    classDef {family} fill:{theme.fill(family)},stroke:{theme.border(family)},color:{theme.text}"
        )
        lines.append(f"    class {','.join(members)} {family}")
    return "\n".join([*lines, ""])


def nested(root: Box) -> Iterator[tuple[Box, str, bool]]:
    """The boxes in one, with their indents: an open one before what is in it, and again where it ends."""
    todo = [(child, 1, False) for child in reversed(root.children)]
    while todo:
        box, depth, ends = todo.pop()
        yield box, "    " * depth, ends
        if box.open and not ends:
            todo.append((box, depth, True))
            todo += [(child, depth + 1, False) for child in reversed(box.children)]


class DrawnEdge:
    """An edge between two boxes that are drawn folded, through the open ones around them. ``label`` is its shape."""

    __slots__ = ("fault", "label", "main", "source", "target", "training")

    def __init__(self, source: Box, target: Box, edges: list[Edge]) -> None:
        self.source = source
        self.target = target
        self.label = "".join(run.text for run in source.outputs[edges[0].out].runs)
        self.training = any(edge.training for edge in edges)
        self.fault = any(edge.fault for edge in edges)
        self.main = all(edge.main for edge in edges)


def drawn_edges(scene: Scene) -> Iterator[DrawnEdge]:
    """The edges between the boxes that are drawn, from end to end, in the order of the spec."""
    onward: dict[tuple[Box, int], list[Edge]] = {}
    inward: dict[tuple[Box, int], list[Edge]] = {}
    parents: dict[Box, Box] = {}
    for box in scene.root.drawn():
        if box.open:
            parents |= dict.fromkeys(box.children, box)
            for edge in box.edges:
                if edge.source is None:
                    inward.setdefault((box, edge.out), []).append(edge)
                else:
                    onward.setdefault((edge.source, edge.out), []).append(edge)

    def ends(edge: Edge, around: Box) -> Iterator[tuple[Box, list[Edge]]]:
        todo = [([edge], around)]
        while todo:
            passed, around = todo.pop()
            edge = passed[-1]
            if edge.target is None:
                following, within = onward.get((around, edge.into), []), parents.get(around, around)
            elif edge.target.open:
                following, within = inward.get((edge.target, edge.into), []), edge.target
            else:
                yield edge.target, passed
                continue
            todo += [([*passed, each], within) for each in reversed(following)]

    for box in scene.root.drawn():
        if not box.open:
            for port in range(len(box.outputs)):
                for edge in onward.get((box, port), []):
                    for target, passed in ends(edge, parents[box]):
                        yield DrawnEdge(box, target, passed)


def returns(scene: Scene) -> Iterator[tuple[Box, Box]]:
    """Where states of scans go back: from the box where a turn ends to that where it begins."""
    for box in scene.root.drawn():
        if box.returns:
            yield box.children[-1], box.children[0]


def names_of(scene: Scene) -> dict[Box, str]:
    """A plain name for each box, after its path where that has only letters, digits and dots."""
    names: dict[Box, str] = {}
    taken: set[str] = set()
    for index, box in enumerate(scene.root.drawn()):
        plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in box.id)[:60]
        name = f"n_{plain}" if f"n_{plain}" not in taken else f"n_{plain}__{index}"
        taken.add(name)
        names[box] = name
    return names


def label_of(box: Box) -> str:
    """Lines of text for a box: what it is, its arguments, its costs."""
    heading = " ".join(
        part for part in (box.title, box.name if box.kind not in ("input", "output") else "", badge(box)) if part
    )
    lines = [heading or box.path]
    if box.arguments:
        lines.append(", ".join(box.arguments))
    if box.message:
        lines.append(box.message)
    if box.shared:
        lines.append(f"shared {box.shared}")
    if costs := costs_of(box.cost):
        lines.append(", ".join(costs))
        if box.count > 1:
            lines.append(f"together {', '.join(costs_of(box.together))}")
    return "\n".join(shortened(clean(line)) for line in lines)


def _mermaid_text(text: str) -> str:
    """Text for between quotes. Mermaid reads `#NUMBER;` as a character, so whatever could mean something is one."""
    return "".join(
        "<br>" if c == "\n" else c if c.isalnum() or c in f" .,=_-+*/()[]:{TIMES}" else f"#{ord(c)};" for c in text
    )  # fmt: skip
