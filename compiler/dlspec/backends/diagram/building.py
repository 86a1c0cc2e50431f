"""Makes the boxes and edges of a scene from a graph's nodes and its tree of scopes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from dlspec.analyses.cost import sum_of
from dlspec.analyses.report import Summary
from dlspec.analyses.sizes import Sizing
from dlspec.analyses.written import operator_name, written_arguments, written_value
from dlspec.backends.diagram.marks import mark_differences, mark_main_paths, mark_shared
from dlspec.backends.diagram.repeats import Repeats, counterparts
from dlspec.backends.diagram.routing import Router
from dlspec.backends.diagram.scene import Box, Port, Run, Scene, fold
from dlspec.elaborate.network import deep_recursion
from dlspec.elaborate.values import Fault, has_tensor
from dlspec.ir.dims import Dim, total
from dlspec.ir.graph import Graph, Node, Output, Scope, Value
from dlspec.ir.types import TensorType


def build_scene(
    graph: Graph,
    summary: Summary,
    *,
    depth: int | None = None,
    expand: Collection[str] = (),
    collapse: Collection[str] = (),
    faults: Sequence[Fault] = (),
) -> Scene:
    """The scene of a counted graph.

    ``depth`` opens blocks down to that level, as `Summary.rows` counts it: at 1 the blocks of the network are folded,
    None opens all. ``expand`` opens blocks by path, with those around them, ``collapse`` folds them. ``faults`` are drawn
    where they happened. Takes time in proportion to the graph. Raises `UnknownPath`.
    """
    scene = Scene(graph, summary, _SceneBuilder(graph, summary, faults).build())
    fold(scene, depth, expand, collapse)
    return scene


class _SceneBuilder:
    """Builds the tree of boxes of one graph."""

    def __init__(self, graph: Graph, summary: Summary, faults: Sequence[Fault]) -> None:
        self._graph = graph
        self._summary = summary
        self._faults = faults
        self._shown = Sizing(summary.shown)
        self._counted = Sizing(summary.counted)
        self._repeats = Repeats(graph)
        self._drawn: dict[Node, Node] = {}  # a node of a later turn to that of the first
        self._ids: set[str] = set()
        self._boxes: dict[Node, Box] = {}
        self._scopes: dict[Scope, Box] = {}

    def build(self) -> Box:
        """The box of the network with all that is in it; nothing is open yet."""
        root = Box("", "network", "", "", self._graph.name, self._graph.root.span, family="network")
        inputs = {value: self._input(value) for value in self._graph.inputs}
        root.children.extend(inputs.values())
        self._scopes[self._graph.root] = root
        with deep_recursion():
            self._fill(root, self._graph.root)
        turns = self._turns()
        faults = [(fault, self._fault(fault, root)) for fault in self._faults]
        results = [(output, self._output(output)) for output in self._graph.outputs]
        root.children.extend(box for _, box in results)

        router = Router(root, self._type)
        makers = {value: (box, 0) for value, box in inputs.items()}
        makers |= {v: (box, k) for node, box in self._boxes.items() for k, v in enumerate(node.outputs)}
        for node in self._graph.nodes:
            if node in self._boxes:
                for into, value in enumerate(node.inputs):
                    value = self._drawn_value(value)
                    router.route(value, *makers[value], self._boxes[node], into, training=node.training)
        for output, box in results:
            value = self._drawn_value(output.value)
            router.route(value, *makers[value], box, 0, training=output.training)
        for fault, box in faults:
            for into, value in enumerate(fault.inputs):
                value = self._drawn_value(value)
                router.route(value, *makers[value], box, into, fault=True)
        self._finish(root, turns)
        return root

    # Boxes

    def _fill(self, box: Box, scope: Scope) -> None:
        """Puts what is in a scope into a box; scopes that open no level are not seen."""
        for part in scope.children:
            if isinstance(part, Node):
                box.children.append(self._operator(part))
            elif part.opens:
                inner = self._block(part)
                self._fill(inner, part)
                if inner.children:
                    self._scopes[part] = inner
                    box.children.append(inner)
            elif part.kind in ("repeat", "for"):
                self._loop(box, part)
            else:
                self._fill(box, part)

    def _loop(self, box: Box, loop: Scope) -> None:
        for turns in self._repeats.runs(loop):
            first = turns[0].scope
            if len(turns) == 1:
                self._fill(box, first)
                continue
            self._drawn |= counterparts(turns)
            name = "repeat" if loop.kind == "repeat" else "for"
            around = Box(self._id(f"{loop.path}/{name}"), "repeat", "", "", name, loop.span, family="repeat")
            self._fill(around, first)
            around.count = len(turns)
            if len(around.children) == 1 and around.children[0].count == 1:
                only = around.children[0]
                only.count = len(turns)
                box.children.append(only)
            else:
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
        path = node.name
        operands = [self._type(value.type) for value in node.inputs]
        box = Box(
            self._id(path), "op", path, _label(node), operator_name(type(node.op)), node.span,
            arguments=tuple(written_arguments(node.op)), family=type(node.op).__module__.rpartition(".")[2],
            inputs=[Port(value.name, type_) for value, type_ in zip(node.inputs, operands, strict=True)],
            outputs=[_result(value.name, self._type(value.type), operands) for value in node.outputs],
            training=node.training,
        )  # fmt: skip
        self._boxes[node] = box
        return box

    def _block(self, scope: Scope) -> Box:
        given = {
            name: value for name, value in scope.arguments.items() if name in scope.given and not has_tensor(value)
        }
        arguments = tuple(f"{name}={written_value(value)}" for name, value in given.items())
        name = scope.declaration or ""
        return Box(
            self._id(scope.path), "block", scope.path, _title(scope.path), name, scope.span,
            arguments=arguments, family="block",
        )  # fmt: skip

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
        unique, count = path, 1
        while unique in self._ids:
            count += 1
            unique = f"{path}~{count}"
        self._ids.add(unique)
        return unique

    # What a box stands for

    def _turns(self) -> dict[Node, list[Node]]:
        """The nodes that are drawn, each with those of all turns."""
        turns: dict[Node, list[Node]] = {}
        for node in self._graph.nodes:
            turns.setdefault(self._first(node), []).append(node)
        return turns

    def _first(self, node: Node) -> Node:
        while node in self._drawn:
            node = self._drawn[node]
        return node

    def _drawn_value(self, value: Value) -> Value:
        if value.producer is None:
            return value
        return self._first(value.producer).outputs[value.producer.outputs.index(value)]

    def _finish(self, root: Box, turns: dict[Node, list[Node]]) -> None:
        """Sums up costs, says which turns a box stands for, and marks what is shared, straight or different."""
        for node, box in self._boxes.items():
            box.nodes = tuple(turns[node])
            box.cost = sum_of([self._summary.costs.nodes[each] for each in box.nodes])
            box.memory = total([self._bytes(each) for each in box.nodes])
            box.turns = _several(each.name for each in box.nodes)
        for scope, box in self._scopes.items():
            inside = next((inner for inner in box.walk() if inner.nodes), None)
            if inside is not None:
                box.turns = _several(_ancestor(each, inside.nodes[0], scope).path for each in inside.nodes)
        for box in reversed(list(root.walk())):
            if box.children:
                box.cost = sum_of([child.cost for child in box.children])
                box.memory = total([child.memory for child in box.children])
                inner = [child for child in box.children if child.kind not in ("input", "output")]
                box.training = bool(inner) and all(child.training for child in inner)
                operands = [port.type for port in box.inputs]
                box.outputs = [_result(port.name, port.type, operands) for port in box.outputs]
        self._finish_ports(root)
        whole = root.cost
        for box in root.walk():
            box.share = _share(box.cost.macs, whole.macs) if whole.macs != 0 else _share(box.cost.params, whole.params)
            if box.kind == "network":
                box.open = True
        mark_main_paths(root)
        mark_shared(root, {box for scope, box in self._scopes.items() if scope.shared})
        mark_differences(root, {box: _settings(scope) for scope, box in self._scopes.items()})

    def _finish_ports(self, root: Box) -> None:
        """Shapes are written where a tensor leaves a box and is another one than came in, or one that does not fit."""
        for box in root.walk():
            left = {(edge.source, edge.out) for edge in box.edges}
            for child in box.children:
                for index, port in enumerate(child.outputs):
                    if (child, index) not in left:
                        port.runs = ()
            for edge in box.edges:
                if edge.fault and edge.source is not None:
                    port = edge.source.outputs[edge.out]
                    port.runs, port.fault = port.runs or shape_runs(port.type, None), True

    def _bytes(self, node: Node) -> Dim:
        if node.op.view or (node.op.identity_in_eval and not node.training):
            return 0
        return total([self._counted.type(value.type).bytes for value in node.outputs])

    def _type(self, type_: TensorType) -> TensorType:
        return self._shown.type(type_)


def shape_runs(type_: TensorType, before: TensorType | None) -> tuple[Run, ...]:
    """A shape as text, the axes bold that are not those of ``before``; all plain where there is nothing to compare."""
    runs = [Run("[")]
    for axis, size in enumerate(type_.shape):
        changed = before is not None and (axis >= before.rank or before.shape[axis] != size)
        runs += [Run(", ")] * (axis > 0) + [Run(str(size), changed)]
    return (*runs, Run("]"))


def _result(name: str, type_: TensorType, operands: Iterable[TensorType]) -> Port:
    """A port for a result: its shape is written where it is not that of what flows in, the first operand."""
    before = next(iter(operands), None)
    if before is not None and before.shape == type_.shape:
        return Port(name, type_)
    return Port(name, type_, shape_runs(type_, before))


def _title(path: str) -> str:
    """The last part of a path where the spec gave it; nothing for a position."""
    last = path.rpartition(".")[2]
    return "" if last.partition(":")[0].isdigit() else last


def _label(node: Node) -> str:
    """The title of an operator; a function is named after itself, which says nothing."""
    title = _title(node.name)
    named_after = type(node.op).function or type(node.op).__name__.lower()
    return "" if title.partition(":")[0] == named_after else title


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


def _settings(scope: Scope) -> set[str]:
    """All arguments of a block, those with their defaults too."""
    return {f"{name}={written_value(value)}" for name, value in scope.arguments.items()}


def _share(part: Dim, whole: Dim) -> float | None:
    return part / whole if isinstance(part, int) and isinstance(whole, int) and whole else None
