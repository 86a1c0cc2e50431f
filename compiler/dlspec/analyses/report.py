"""What there is to say about a network: its signature, its layers with their costs, and its totals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from dlspec.analyses.cost import Cost, Costs, cost
from dlspec.analyses.memory import Memory, memory
from dlspec.analyses.sizes import Sizing
from dlspec.analyses.written import MOST_ITEMS, operator_name, written_op, written_scope
from dlspec.collector import paused_collector
from dlspec.ir.dims import Dim
from dlspec.ir.graph import Graph
from dlspec.ir.node import Node
from dlspec.ir.scope import Scope, within
from dlspec.ir.types import TensorType

Json: TypeAlias = dict[str, Any]


class Row(NamedTuple):
    """A layer, or a block with everything in it: ``op`` with its arguments, ``name`` without. ``level`` is 1 for what stands
    directly in the network."""

    path: str
    op: str
    name: str
    outputs: tuple[TensorType, ...]
    cost: Cost
    level: int
    is_scope: bool
    training: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """A network, counted.

    ``counted`` are the sizes of its symbols while counting, ``shown`` those put into shapes: the same without the
    batch, which counts as 1 but is open.
    """

    graph: Graph
    counted: Mapping[str, int]
    shown: Mapping[str, int]
    costs: Costs
    memory: Memory

    @property
    def frozen(self) -> int:
        """The parameters that are frozen."""
        if not self.graph.frozen:
            return 0
        return sum(
            weight.elements
            for path, weight in self.graph.parameters.items()
            if weight.kind == "param" and any(within(path, part) for part in self.graph.frozen)
        )

    @property
    def totals(self) -> dict[str, Dim]:
        """The totals by name, as `expect` and the JSON know them. Bytes of weights leave the buffers out."""
        own = self.costs.total
        return {
            "params": own.params,
            "trainable_params": own.params - self.frozen,
            "buffers": own.buffers,
            "macs": own.macs,
            "flops": own.flops,
            "weight_bytes": self.memory.weights,
            "peak_memory_bytes": self.memory.peak,
        }

    def type(self, type: TensorType) -> TensorType:
        """A type of the graph as it is shown."""
        return Sizing(self.shown).type(type)

    def rows(self, depth: int | None = None, scopes: bool = False) -> list[Row]:
        """A row for each node, in the order of running.

        Blocks and labelled braces at level ``depth`` are one row with all that is in them; ``scopes`` gives those above
        a row too, before what is in them.
        """
        return list(_rows(self, depth, scopes))

    def to_json(self, depth: int | None = None, layers: bool = True) -> Json:
        """As the command line writes it: a number where sizes are known, else the expression as a string."""
        graph = self.graph
        outputs = [output for output in graph.outputs if not output.training]
        result: Json = {
            "network": graph.name,
            "inputs": [_tensor_json(value.name, self.type(value.type)) for value in graph.inputs],
            "outputs": [_tensor_json(output.name, self.type(output.value.type)) for output in outputs],
            "preconditions": [str(condition) for condition in graph.conditions],
            "totals": {name: dim_json(dim) for name, dim in self.totals.items()},
        }
        if layers:
            result["layers"] = [row_json(row) for row in self.rows(depth)]
        return result


def summarise(graph: Graph, symbolic: bool = False) -> Summary:
    """Counts a graph with the default sizes of its signature; with ``symbolic`` all sizes stay open."""
    counted = {} if symbolic else graph.default_sizes()
    shown = {} if symbolic else {name: size for name, size in graph.symbols.items() if size is not None}
    return _counted(graph, counted, shown)


def totals(graph: Graph, sizes: Mapping[str, int]) -> dict[str, Dim]:
    """The totals of a graph by name: what `expect` may ask of a network."""
    return _counted(graph, sizes, sizes).totals


def _counted(graph: Graph, counted: Mapping[str, int], shown: Mapping[str, int]) -> Summary:
    with paused_collector():
        return Summary(graph, counted, shown, cost(graph, counted), memory(graph, counted))


def dim_json(dim: Dim) -> int | str:
    return dim if isinstance(dim, int) else str(dim)


def shape_json(type: TensorType) -> list[int | str]:
    return [dim_json(size) for size in type.shape]


def row_json(row: Row) -> Json:
    """A row of the layers. A layer with several outputs has the shape of the first."""
    return {
        "path": row.path,
        "op": row.name,
        "output_shape": shape_json(row.outputs[0]),
        "params": row.cost.params,
        "macs": dim_json(row.cost.macs),
        "flops": dim_json(row.cost.flops),
    }


def _tensor_json(name: str, type: TensorType) -> Json:
    return {"name": name, "dtype": type.dtype.label, "shape": shape_json(type)}


def _rows(summary: Summary, depth: int | None, scopes: bool) -> Iterator[Row]:
    sizing = Sizing(summary.shown)

    def scope_row(scope: Scope, level: int) -> Row | None:
        last = _last_node(scope)
        if last is None:
            return None
        outputs = tuple(sizing.type(value.type) for value in last.outputs)
        return Row(
            scope.path,
            written_scope(scope, MOST_ITEMS),
            scope.declaration,
            outputs,
            summary.costs.scopes[scope],
            level,
            True,
            last.training,
        )

    stack: list[tuple[Node | Scope, int]] = [(child, 1) for child in reversed(summary.graph.root.children)]
    while stack:  # not recursive: blocks may nest deeper than Python
        part, level = stack.pop()
        if isinstance(part, Node):
            outputs = tuple([sizing.type(value.type) for value in part.outputs])
            op, own = part.op, summary.costs.nodes[part]
            yield Row(
                part.name,
                written_op(op, MOST_ITEMS),
                operator_name(type(op)),
                outputs,
                own,
                level,
                False,
                part.training,
            )
            continue
        folded = part.folds and depth is not None and level >= depth
        if part.folds and (folded or scopes):
            row = scope_row(part, level)
            if row:
                yield row
        if not folded:
            stack.extend([(child, level + part.folds) for child in reversed(part.children)])


def _last_node(scope: Scope) -> Node | None:
    """The node that ran last in a scope, whose output stands for the scope's."""
    stack: list[Node | Scope] = [scope]
    while stack:
        part = stack.pop()
        if isinstance(part, Node):
            return part
        stack.extend(part.children)
    return None
