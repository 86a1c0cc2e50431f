"""Makes the boxes and edges of a scene from a graph's nodes and its tree of scopes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from dlspec.analyses.cost import Cost, sum_of
from dlspec.analyses.report import Summary
from dlspec.analyses.sizes import Sizing
from dlspec.analyses.written import MOST_ITEMS, operator_name, positional, written_arguments, written_given
from dlspec.backends.diagram.arithmetic import Arithmetic, text_of
from dlspec.backends.diagram.marks import mark_differences, mark_main_paths, mark_shared
from dlspec.backends.diagram.repeats import Each, Repeats
from dlspec.backends.diagram.routing import Router
from dlspec.backends.diagram.scene import Box, Port, Run, Scene, fold, is_expression
from dlspec.elaborate.network import deep_recursion
from dlspec.elaborate.values import Fault
from dlspec.ir.body import Body
from dlspec.ir.dims import Dim
from dlspec.ir.graph import Graph, Output
from dlspec.ir.node import Node, Value
from dlspec.ir.scope import Scope
from dlspec.ir.types import TensorType
from dlspec.syntax import ast


def build_scene(
    graph: Graph,
    summary: Summary,
    *,
    depth: int | None = None,
    expand: Collection[str] = (),
    collapse: Collection[str] = (),
    unroll: bool = False,
    faults: Sequence[Fault] = (),
) -> Scene:
    """The scene of a counted graph.

    ``depth`` opens blocks down to that level, as `Summary.rows` counts it: at 1 the blocks of the network are folded,
    None opens all. ``expand`` opens blocks by path, with those around them, and takes the turn of a loop that one is in
    out of those that are drawn once; ``collapse`` folds them. With ``unroll`` every turn is drawn. ``faults`` are drawn
    where they happened. Takes time in proportion to the graph. Raises `UnknownPath`.
    """
    scene = Scene(graph, summary, _SceneBuilder(graph, summary, faults, frozenset(expand), unroll).build())
    for box in scene.root.walk() if graph.frozen else ():
        if box.path in graph.frozen:
            box.note = "frozen"
    fold(scene, depth, expand, collapse)
    return scene


class _SceneBuilder:
    """Builds the tree of boxes of one graph."""

    def __init__(
        self, graph: Graph, summary: Summary, faults: Sequence[Fault], expand: frozenset[str], unroll: bool
    ) -> None:
        self._graph = graph
        self._summary = summary
        self._faults = faults
        self._shown = Sizing(summary.shown)
        self._repeats = Repeats(graph, lambda turn: unroll or (bool(expand) and not expand.isdisjoint(_paths(turn))))
        self._loops: dict[Scope, Box] = {}  # the boxes of loops by their first turn
        self._ids: dict[str, int] = {}
        self._runs: dict[tuple[TensorType, TensorType | None], tuple[Run, ...]] = {}
        self._boxes: dict[Node, Box] = {}
        self._nodes: dict[Box, Node] = {}
        self._arithmetic = Arithmetic(self._nodes, self._id)
        self._begins: dict[Value, tuple[Box, int]] = {}  # where what is given to a turn comes from
        self._scopes: dict[Scope, Box] = {}

    def build(self) -> Box:
        """The box of the network with all that is in it; nothing is open yet."""
        scope = self._graph.root
        root = Box("", "network", "", "", self._graph.name, scope.span, family="network", scope=scope)
        inputs = {value: self._input(value) for value in self._graph.inputs}
        root.children.extend(inputs.values())
        self._scopes[scope] = root
        with deep_recursion():
            self._fill(root, scope)
        turns = self._turns()
        faults = [(fault, self._fault(fault, root)) for fault in self._faults]
        results = [(output, self._output(output)) for output in self._graph.outputs]
        root.children.extend(box for _, box in results)

        router = Router(root, self._type)
        makers = {value: (box, 0) for value, box in inputs.items()}
        makers |= {v: (box, k) for node, box in self._boxes.items() for k, v in enumerate(node.outputs)}
        makers |= self._begins
        for node in self._graph.nodes:
            if node in self._boxes:
                for value, each, target, into in self._taken(node):
                    given = (self._loops[each.turn], str(each)) if each is not None else None
                    router.route(value, *makers[value], target, into, training=node.training, each=given)
        for output, box in results:
            value = self._repeats.value(output.value)
            router.route(value, *makers[value], box, 0, training=output.training)
        for fault, box in faults:
            for into, value in enumerate(fault.inputs):
                value = self._repeats.value(value)
                router.route(value, *makers[value], box, into, fault=True)
        self._finish(root, turns)
        return root

    # Boxes

    def _fill(self, box: Box, scope: Scope, whole: bool = True) -> None:
        """Puts what is in a scope into a box; scopes that open no level are not seen."""
        before = len(box.children)
        for part in scope.children:
            if isinstance(part, Node):
                if part.body is None:  # else it stands at the end of its turn
                    box.children.append(self._operator(part))
            elif part.folds:
                inner = self._block(part)
                self._fill(inner, part)
                if inner.children:
                    self._scopes[part] = inner
                    box.children.append(inner)
            elif part.kind == "for" and is_expression(part):
                for turn in part.children:
                    assert isinstance(turn, Scope)
                    self._fill(box, turn, whole=False)
            elif part.kind in ("repeat", "for"):
                self._loop(box, part)
            elif part.body is not None:
                self._turn_of(box, part, part.body)
            else:
                self._fill(box, part)
        if whole:
            box.children[before:] = self._arithmetic.gathered(box.children[before:], scope)

    def _loop(self, box: Box, loop: Scope) -> None:
        for turns in self._repeats.runs(loop):
            first = turns[0].scope
            if len(turns) == 1:
                self._fill(box, first)
                continue
            name = "repeat" if loop.kind == "repeat" else "for"
            id_ = self._id(f"{loop.path}/{name}")
            around = Box(id_, "repeat", "", "", name, loop.span, family="repeat", scope=loop)
            self._fill(around, first)
            around.count = len(turns)
            self._loops[first] = around
            apart = any(each.turn is first for each in self._repeats.each.values())
            if len(around.children) == 1 and around.children[0].count == 1 and not apart:
                only = around.children[0]
                only.count = len(turns)
                box.children.append(only)
            else:
                box.children.append(around)

    def _turn_of(self, box: Box, scope: Scope, body: Body) -> None:
        """A box with one turn of a scan: what it is given, what it does, and what becomes of it."""
        node, given = body.node, body.given
        id_ = self._id(f"{scope.path}/scan")
        turns = (f"{self._shown.dim(body.turns)} turns",) if node is not None else ()
        around = Box(id_, "scan", "", "", "scan", scope.span, arguments=turns, family="scan", scope=scope)
        names = ", ".join(_last(value.name) for value in given)
        begin = Box(
            self._id(f"{id_}/turn"), "scan", "", "", names, scope.span, family="scan",
            inputs=[Port(value.outside.name, self._type(value.outside.type)) for value in given],
            outputs=[Port(value.name, self._type(value.type)) for value in given],
        )  # fmt: skip
        around.children.append(begin)
        self._begins |= {value: (begin, place) for place, value in enumerate(given)}
        self._fill(around, scope)
        if node is not None:
            end = self._operator(node)
            end.name, around.returns = "stack" if len(node.outputs) > len(body.states) else "last", bool(body.states)
            end.arguments = (f"along {node.op.arguments['axis']}",)
            end.inputs = end.inputs[len(given) :]
            around.children.append(end)
        box.children.append(around)

    def _input(self, value: Value) -> Box:
        type_ = self._type(value.type)
        return Box(
            self._id(f"input:{value.name}"), "input", value.name, value.name, "input", value.span,
            arguments=(str(type_),), family="input", outputs=[Port(value.name, type_)],
        )  # fmt: skip

    def _output(self, output: Output) -> Box:
        type_ = self._type(output.value.type)
        return Box(
            self._id(f"output:{output.name}"), "output", output.name, output.name, "output", output.value.span,
            arguments=(str(type_),), family="output", inputs=[Port(output.name, type_)], training=output.training,
        )  # fmt: skip

    def _operator(self, node: Node) -> Box:
        op, title = node.op, _label(node.name, node.scope) if node.origin.labelled else ""
        indexed = op.syntax() and (
            text_of(node.span, step) if isinstance(step := node.origin.step, ast.Index) else op.syntax()
        )
        box = Box(
            self._id(node.name), "op", node.name, title, indexed or operator_name(type(op)), node.span,
            arguments=() if indexed else tuple(written_arguments(op, MOST_ITEMS)), positional=positional(op),
            family=type(op).__module__.rpartition(".")[2],
            inputs=[Port(value.name, self._type(value.type)) for value, _ in self._inputs(node)],
            outputs=[Port(value.name, self._type(value.type)) for value in node.outputs],
            training=node.training,
        )  # fmt: skip
        self._boxes[node] = box
        self._nodes[box] = node
        return box

    def _block(self, scope: Scope) -> Box:
        title = _label(scope.path, scope.parent) if scope.origin.labelled else ""
        return Box(
            self._id(scope.path), "block", scope.path, title, scope.declaration, scope.span,
            arguments=tuple(written_given(scope, MOST_ITEMS).values()), family="block", scope=scope,
        )  # fmt: skip

    def _inputs(self, node: Node) -> Iterator[tuple[Value, Each | None]]:
        """The tensors that are drawn for those that a node takes: what it takes of all turns of a loop is one."""
        gathered: set[Value] = set()
        for place, value in enumerate(map(self._repeats.value, node.inputs)):
            each = self._repeats.each.get((node, place))
            if each is None or value not in gathered:
                yield value, each
            if each is not None and each.gathered and node.body is None:
                gathered.add(value)

    def _taken(self, node: Node) -> Iterator[tuple[Value, Each | None, Box, int]]:
        """The tensors that a node takes, with the boxes that they flow into: of a scan where a turn begins and ends."""
        given = () if node.body is None else node.body.given
        for place, (value, each) in enumerate(self._inputs(node)):
            if place < len(given):
                yield value, each, *self._begins[given[place]]
            else:
                yield value, each, self._boxes[node], place - len(given)

    def _fault(self, fault: Fault, root: Box) -> Box:
        """A box for what could not be built, in the innermost block around it that is drawn."""
        around = next((self._scopes[scope] for scope in fault.scope.ancestors() if scope in self._scopes), root)
        found = fault.diagnostic
        box = Box(
            self._id(f"{around.path}/fault"), "fault", around.path, "", fault.step or found.code, found.span, family="fault",
            inputs=[Port(value.name, self._type(value.type)) for value in fault.inputs], message=found.message,
        )  # fmt: skip
        around.children.append(box)
        return box

    def _id(self, path: str) -> str:
        count = self._ids[path] = self._ids.get(path, 0) + 1
        return path if count == 1 else self._id(f"{path}~{count}")

    # What a box stands for

    def _turns(self) -> dict[Node, list[Node]]:
        """The nodes that are drawn, each with those of all turns."""
        turns: dict[Node, list[Node]] = {}
        for node in self._graph.nodes:
            turns.setdefault(self._repeats.node(node), []).append(node)
        return turns

    def _finish(self, root: Box, turns: dict[Node, list[Node]]) -> None:
        """Says which turns a box stands for and what it costs, and marks what is shared, straight or different."""
        for node, box in self._boxes.items():
            box.nodes = tuple(turns[node])
            box.turns = _several(each.name for each in box.nodes)
            box.title = _common_title(box, node.scope)
        for box in root.walk():
            if box.kind == "arithmetic":
                box.turns = box.children[-1].turns
        for scope, box in self._scopes.items():
            inside = next((inner for inner in box.walk() if inner.nodes), None)
            if inside is not None:
                box.turns = _several(_ancestor(each, inside.nodes[0], scope).path for each in inside.nodes)
                box.title = _common_title(box, scope)
        for box in reversed(list(root.walk())):
            if box.children:
                inner = [child for child in box.children if child.kind not in ("input", "output")]
                box.training = bool(inner) and all(child.training for child in inner)
        self._finish_ports(root)
        self._count(root)
        for box in root.walk():
            if box.kind == "network":
                box.open = True
        mark_main_paths(root)
        mark_shared(root)
        mark_differences(root)

    def _count(self, root: Box) -> None:
        """Sums up costs, from the inside out: of a box those of each turn of what is around it, in their order."""
        costs, boxes = self._summary.costs, list(root.walk())
        around: dict[Box, list[Cost]] = {}
        whole: dict[Box, Cost] = {}
        for box in reversed(boxes):
            inside = [around[child] for child in box.children if child in around]
            each = [costs.nodes[node] for node in box.nodes] or [sum_of(turn) for turn in zip(*inside, strict=True)]
            if each:
                around[box] = [sum_of(each[at : at + box.count]) for at in range(0, len(each), box.count)]
                box.cost, box.together, whole[box] = each[0], around[box][0], sum_of(each)
        for box, own in whole.items():
            macs, params = costs.total.macs, costs.total.params
            box.share = _share(own.macs, macs) if macs != 0 else _share(own.params, params)

    def _finish_ports(self, root: Box) -> None:
        """Shapes are written where a tensor leaves a box and is another one than came in, or one that does not fit."""
        for edge in (edge for box in root.walk() for edge in box.edges):
            box = edge.source
            if box is None:
                continue
            port = box.outputs[edge.out]
            port.fault = port.fault or edge.fault
            before = box.inputs[0].type if box.inputs else None
            new = box.kind != "input" and (before is None or before.shape != port.type.shape)
            if new or port.fault or port.each:
                port.runs = self._shape_runs(port.type, before if new else None)
            if port.each:
                port.runs = Run(f"{port.each} "), *port.runs

    def _shape_runs(self, type_: TensorType, before: TensorType | None) -> tuple[Run, ...]:
        runs = self._runs.get((type_, before))
        if runs is None:
            runs = self._runs[type_, before] = shape_runs(type_, before)
        return runs

    def _type(self, type_: TensorType) -> TensorType:
        return self._shown.type(type_)


def shape_runs(type_: TensorType, before: TensorType | None) -> tuple[Run, ...]:
    """A shape as text, the axes bold that are not those of ``before``; all plain where there is nothing to compare."""
    runs = [Run("[")]
    for axis, size in enumerate(type_.shape):
        changed = before is not None and (axis >= before.rank or before.shape[axis] != size)
        runs += [Run(", ")] * (axis > 0) + [Run(str(size), changed)]
    return (*runs, Run("]"))


def _label(path: str, scope: Scope | None) -> str:
    """The label of a step in a scope, with dots where it has some."""
    around = scope
    while around is not None and not around.folds:
        around = around.parent
    return path.removeprefix(f"{around.path}." if around is not None and around.path else "")


def _common_title(box: Box, scope: Scope) -> str:
    """The label of a box, as it was written where it is another one in each turn."""
    if not box.title or all(turn == box.title or turn.endswith(f".{box.title}") for turn in box.turns):
        return box.title
    written = next((around.labels[box.title] for around in scope.ancestors() if box.title in around.labels), None)
    return written.expression.span.text[1:-1] if written is not None else box.title


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _several(paths: Iterable[str]) -> tuple[str, ...]:
    distinct = tuple(dict.fromkeys(paths))
    return distinct if len(distinct) > 1 else ()


def _ancestor(node: Node, first: Node, scope: Scope) -> Scope:
    """The scope around a node that is as far out as ``scope`` is from ``first``, its counterpart."""
    around, inner = first.scope, node.scope
    while around is not scope:
        assert around.parent is not None
        assert inner.parent is not None
        around, inner = around.parent, inner.parent
    return inner


def _paths(turn: Scope) -> Iterator[str]:
    for part in turn.walk():
        yield part.name if isinstance(part, Node) else part.path


def _share(part: Dim, whole: Dim) -> float | None:
    return part / whole if isinstance(part, int) and isinstance(whole, int) and whole else None
