"""What a picture shows, before anything is placed: boxes in boxes, and the tensors between them.

A scene is plain data and always whole: a box has its children whether it is drawn open or folded, and its edges are those
between its own children, so that opening and closing changes ``Box.open`` and nothing else.

    graph, summary -> build_scene -> Scene -> layout -> svg, page, ...

A box that a `repeat` or `for` makes several times is one box with a ``count``. Its costs are those of one turn, and so are
those of what is in it: they are those of its row in `Summary.rows`. Of a `train`, see `trains`, the
objectives are drawn as the updates they lead to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from dlspec.analyses.cost import Cost
from dlspec.analyses.report import Summary
from dlspec.elaborate.values import has_layers, has_tensor
from dlspec.ir.graph import Graph
from dlspec.ir.node import Node
from dlspec.ir.scope import Scope
from dlspec.ir.types import TensorType
from dlspec.source import Span
from dlspec.syntax import ast

Kind: TypeAlias = Literal[
    "network", "input", "output", "update", "op", "arithmetic", "block", "repeat", "scan", "fault"
]
ENDS: frozenset[Kind] = frozenset({"input", "output", "update"})
"""Where tensors come from or go to: they are no part of a network."""


Folded: TypeAlias = "tuple[int | None, Collection[str], Collection[str]]"
"""The depth, what is expanded and what is collapsed."""


class Run(NamedTuple):
    """A stretch of text; ``bold`` where the axis of a shape differs from what flows in."""

    text: str
    bold: bool = False


@dataclass(slots=True, eq=False)
class Port:
    """Where a tensor enters or leaves a box. Ports stand in the order of the operands or results.

    ``runs`` is the shape to write at the edge that leaves here: empty where it is that of what flows in, or none leaves.
    ``fault`` where something does not accept this tensor. ``each`` where every turn of a loop gives its own, in words.
    """

    name: str
    type: TensorType
    runs: tuple[Run, ...] = ()
    fault: bool = False
    each: str = ""


@dataclass(slots=True, eq=False, repr=False)
class Edge:
    """A tensor from one box to another within ``Box.edges`` of the box around them.

    ``source`` and ``target`` are children, or None for the box around: then the tensor comes in by its input port
    ``out``, or leaves by its output port ``into``.

    * ``out``: the index of the port in ``source.outputs`` (``parent.inputs`` where source is None).
    * ``into``: the index of the port in ``target.inputs`` (``parent.outputs`` where target is None).
    * ``main``: on the longest path through the box around: it is drawn straight.
    * ``training``: what only training computes flows here.
    * ``fault``: on the way to a step that does not accept this tensor.
    """

    source: Box | None
    out: int
    target: Box | None
    into: int
    type: TensorType
    main: bool = False
    training: bool = False
    fault: bool = False


@dataclass(slots=True, eq=False, repr=False)
class Box:
    """Something that is drawn as a box.

    * ``id``: unique in the scene, and the same for the same spec. ``path``: as in `dlspec summary`, empty for the network.
    * ``kind``: ``op`` has no children. ``repeat`` is a loop whose turn is more than one box; where a turn is one box,
      that box has the ``count`` itself. ``arithmetic`` is what one expression computes: its name is the author's text, and
      what is in it is drawn where it is asked for. ``scan`` has a turn in it: its first box, a ``scan`` too, is where that
      begins, with slices and states, its last where it ends; with ``returns``, states go back from there. ``fault`` is a
      step that could not be built.
    * ``title``: the label; empty where the spec gave none. ``name``: the operator or block. ``arguments``: as a spec
      would write them, one text each, without what is a default, the first ``positional`` without a name.
    * ``family``: what the colour stands for: the module of the operator (``conv``, ``norm`` ...), else the kind.
    * ``count``: how often the source repeats it. ``turns``: the paths of all of them, where that is more than one.
    * ``cost``: of one turn. ``together``: of all its turns within one turn of what is around, so that those of its children
      add up to the cost of a box; weights that turns share count once. ``share``: of the MACs of the network, or of its
      parameters where it has no MACs, in all turns of all that is around; None where sizes are open.
    * ``inputs``, ``outputs``: ports, see `Port`.
    * ``scope``: the region of the graph that it stands for, of several turns the first; None for an operator.
    * ``nodes``: the nodes of the graph it stands for: of an operator its own, one for each turn.
    * ``shared``: a mark that boxes with the same weights have in common, such as ``A``; else empty.
    * ``differs``: for the first turn of a loop that is not like the others, what it has that they have not.
    * ``message``: of a fault, what is wrong. ``note``: what a `train` does with the weights, and on
      a poster which blocks it stands for. ``seen``: what is written of it (`shown`).
    """

    id: str
    kind: Kind
    path: str
    title: str
    name: str
    span: Span
    arguments: tuple[str, ...] = ()
    positional: int = 0
    family: str = ""
    count: int = 1
    turns: tuple[str, ...] = ()
    cost: Cost = field(default_factory=Cost)
    together: Cost = field(default_factory=Cost)
    share: float | None = None
    inputs: list[Port] = field(default_factory=list[Port])
    outputs: list[Port] = field(default_factory=list[Port])
    children: list[Box] = field(default_factory=list["Box"])
    edges: list[Edge] = field(default_factory=list[Edge])
    scope: Scope | None = None
    nodes: tuple[Node, ...] = ()
    open: bool = False
    training: bool = False
    shared: str = ""
    differs: tuple[str, ...] = ()
    message: str = ""
    note: str = ""
    returns: bool = False
    seen: frozenset[str] = frozenset({"counts", "arguments", "title"})

    def __repr__(self) -> str:
        return f"Box({self.kind}, {self.id!r})"

    def walk(self) -> Iterator[Box]:
        """This box and all inside it, each before what is inside it, open or not."""
        stack: list[Box] = [self]
        while stack:
            box = stack.pop()
            yield box
            stack.extend(reversed(box.children))

    def drawn(self) -> Iterator[Box]:
        """Like `walk`, but not into folded boxes."""
        stack: list[Box] = [self]
        while stack:
            box = stack.pop()
            yield box
            if box.open:
                stack.extend(reversed(box.children))


@dataclass(slots=True, eq=False, repr=False)
class Scene:
    """A network as boxes. ``root`` is the network itself, always open, with its inputs and outputs among its children.
    ``folded`` is what `fold` was given."""

    graph: Graph
    summary: Summary
    root: Box
    folded: Folded = (None, (), ())

    @property
    def asked(self) -> bool:
        """Whether somebody said which blocks are open."""
        return any(self.folded)

    def boxes(self) -> Iterator[Box]:
        return self.root.walk()

    def find(self, path: str) -> Box:
        """The box of a path; of a turn of a loop, that of the loop's. Raises `UnknownPath`."""
        found = self.by_path().get(path)
        if found is None:
            raise UnknownPath(path, list(self.by_path()))
        return found

    def by_path(self) -> dict[str, Box]:
        """The boxes by path, those of loops by the path of every turn."""
        paths: dict[str, Box] = {}
        for box in self.boxes():
            for path in box.turns or (box.path,):
                if path and box.kind not in ENDS:
                    paths.setdefault(path, box)
        return paths


class UnknownPath(ValueError):
    """A path that names no box, or none that opens where one is asked for. ``known`` are those that do."""

    def __init__(self, path: str, known: Sequence[str]) -> None:
        super().__init__(f"no block is called `{path}`")
        self.path = path
        self.known = known


def fold(scene: Scene, depth: int | None, expand: Collection[str] = (), collapse: Collection[str] = ()) -> None:
    """Opens and folds the boxes of a scene, as `building.build_scene` does. Raises `UnknownPath`."""
    scene.folded = depth, expand, collapse
    parents: dict[Box, Box] = {}
    stack: list[tuple[Box, int]] = [(scene.root, 0)]
    while stack:
        box, level = stack.pop()
        box.open = bool(box.children) and (
            box.kind in ("repeat", "scan") or level == 0
            or (box.kind != "arithmetic" and (depth is None or level < depth))
        )  # fmt: skip
        for child in box.children:
            parents[child] = box
            stack.append((child, level + (child.kind not in ("repeat", "scan"))))
    known = scene.by_path() if expand or collapse else {}
    paths = {path: box for path, box in known.items() if box.children}
    for path in (*expand, *collapse):
        if path not in paths and not (path in expand and path in known and _in_a_turn(known[path])):
            raise UnknownPath(path, list(paths))
    for path in expand:
        box: Box | None = known[path]
        while box is not None:
            box.open = bool(box.children)
            box = parents.get(box)
    for path in collapse:
        paths[path].open = False


def is_expression(loop: Scope) -> bool:
    """Whether a loop is a comprehension over tensors, or layers whose weights are taken: a part of an expression."""
    names = next((turn.names for turn in loop.children if isinstance(turn, Scope)), None)
    turn = names.turn if names is not None and isinstance(loop.origin.step, ast.Clause) else None
    return turn is not None and (has_tensor(turn.values) or has_layers(turn.values))


def _in_a_turn(box: Box) -> bool:
    """Whether an operator stands in a loop, so that its turn can be drawn by itself."""
    around = (scope for node in box.nodes[:1] for scope in node.scope.ancestors() if scope.kind == "iteration")
    return any(turn.parent is not None and not is_expression(turn.parent) for turn in around)
