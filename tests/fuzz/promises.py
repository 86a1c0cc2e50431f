"""What must hold of every valid program, and what is wrong with one, in words that stay while it is made smaller."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from torch.utils.flop_counter import FlopCounterMode

from dlspec.analyses.cost import cost
from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes
from dlspec.backends.runtime import RunError, Session, make_inputs
from dlspec.backends.torch.live import require_torch, to_module
from dlspec.backends.verify import Report, Row, sample_sizes, telling, verify
from dlspec.backends.weights import draw
from dlspec.diagnostics import DlspecError
from dlspec.ir.evaluation import evaluate
from dlspec.ir.graph import Graph, Output
from dlspec.ir.node import Node, Parameter, Value
from dlspec.ops.dropout import Identity
from dlspec.ops.gradient import differentiates
from dlspec.ops.linear import Bilinear
from dlspec.ops.local import LocallyConnected
from dlspec.ops.matrix import MatMul
from dlspec.ops.ordering import Ordered
from dlspec.ops.pooling import AdaptiveMaxPool, GlobalMaxPool, MaxPool
from dlspec.ops.positions import IndexTensors, Narrow
from dlspec.ops.random import Bernoulli
from dlspec.ops.resize import Resize, Upsample
from dlspec.ops.shape import OneHot
from dlspec.passes.fixed_draws import with_fixed_draws
from dlspec.pipeline import check_source, elaborate, open_source
from dlspec.render import render
from dlspec.source import Source
from dlspec.syntax.format import format_source

SEEDS = (0, 1, 2)
"""A difference that only one draw of numbers shows is a rounding that fell on the edge of a step."""

OF_ONE = {False: 2.4e-7, True: 1e-3}
"""What float32, and half precision, rounds of one, which is what is left where nearly all is cancelled: of `x - tanh(x)`, of
`exp(x) - 1`."""


@dataclass(frozen=True)
class Fault:
    """``kind`` says which promise is broken, ``about`` how."""

    kind: str
    about: str


class Lacking(Exception):
    """A backend says that it has no such operator or element type."""


def _lacking(error: DlspecError) -> Exception:
    first = error.diagnostics[0]
    return Lacking(first.message) if first.code in {"DL0501", "DL0503"} else error


def graph_of(text: str) -> Graph:
    return elaborate(open_source(Source("program.dlspec", text)), "Net")


def fault(text: str, values: bool = True) -> Fault | None:
    """The first promise that a program breaks. Raises `Lacking`."""
    try:
        found = check_source(Source("program.dlspec", text))
        render(found)
    except Exception as error:
        return Fault("crash of check", f"{type(error).__name__}: {error}")
    if found.errors:
        return Fault("refused", f"{found.errors[0].code}: {found.errors[0].message}")
    for promise in (_formatted, *((_computed, _shaped, _counted) if values else ())):
        try:
            wrong = promise(text)
        except Lacking:
            raise
        except Exception as error:
            return Fault(f"crash in {promise.__name__.lstrip('_')}", f"{type(error).__name__}: {error}")
        if wrong:
            return Fault(promise.__name__.lstrip("_"), wrong)
    return None


def _formatted(text: str) -> str:
    """`fmt` changes nothing but white space, and nothing a second time."""
    once = format_source(Source("program.dlspec", text))
    if format_source(Source("program.dlspec", once)) != once:
        return "fmt changes its own text"
    return "" if signature(graph_of(once)) == signature(graph_of(text)) else "fmt changes the network"


def signature(graph: Graph) -> list[Any]:
    return [
        [(repr(node), tuple(weight.path for weight in node.weights), node.training) for node in graph.nodes],
        [repr(parameter) for parameter in graph.parameters.values()],
        [(output.name, output.value.name, output.training) for output in graph.outputs],
        [str(condition) for condition in graph.conditions],
    ]


def _computed(text: str) -> str:
    """Both lowerings agree at several sizes."""
    return _verified(lambda: graph_of(text))


def _shaped(text: str) -> str:
    """So do all values on the way, and they have the shapes that were inferred."""
    return _verified(lambda: with_every_value(graph_of(text)))


def with_every_value(graph: Graph) -> Graph:
    """The graph with all that it computes as outputs."""
    own = [node for node in graph.nodes if not node.training and not _in_another(node)]
    values = [value for node in own if not _unordered(node) for value in node.outputs]
    graph.outputs = [Output(f"every_{index}", value, False) for index, value in enumerate(values)] or graph.outputs
    return graph


def _unordered(node: Node) -> bool:
    """Whether it gives the positions of elements that may be equal, of which no order is promised."""
    return isinstance(node.op, Ordered) and not node.inputs[0].type.dtype.is_float


def _in_another(node: Node) -> bool:
    """Whether it is in a network that is a layer of this one, whose outputs alone leave it, or in the body of a scan."""
    return node.scope.inside is not None or any(
        scope.kind == "network" and scope.parent is not None for scope in node.scope.ancestors()
    )


def _verified(make: Callable[[], Graph]) -> str:
    wrong = ""
    for seed in SEEDS:
        try:
            graph = make()
            report = verify(graph, seed=seed)
            report.rows = [row for row in report.rows if not _unsaid(graph, row) and not _miscomputed(graph, row.sizes)]
        except DlspecError as error:
            raise _lacking(error) from None
        except RunError as error:
            if "NOT_IMPLEMENTED" in error.message:
                raise Lacking("ONNX Runtime has no kernel, and nothing says so") from None
            raise
        except NotImplementedError:
            raise Lacking("PyTorch has no kernel for an element type on this machine") from None
        half = any(value.type.dtype.is_half for node in graph.nodes for value in node.outputs)
        wrong = _wrong(report, half)
        if not wrong:
            return ""
    return wrong


def _unsaid(graph: Graph, row: Row) -> bool:
    """Whether it is about the greatest of numbers of which some are NaN: to ONNX Runtime it is one of the others."""
    greatest = any(isinstance(node.op, MaxPool | GlobalMaxPool | AdaptiveMaxPool) for node in graph.nodes)
    return greatest and row.note == "differs in which values are finite"


def _miscomputed(graph: Graph, sizes: Mapping[str, int]) -> bool:
    """Whether PyTorch 2.13 is wrong: antialiased, an image of one column has all its rows alike on a CPU."""
    return any(
        isinstance(node.op, Upsample | Resize)
        and node.op.antialias
        and evaluate(node.inputs[0].type.shape[-1], {**graph.default_sizes(), **sizes}) == 1
        for node in graph.nodes
    )


def _wrong(report: Report, half: bool) -> str:
    """What differs by more than rounding; of half precision a tenth is not much, for nothing says what its rounding
    comes to."""
    if not report.names:
        return "the state dict has other names"
    if len(set(report.params[:2])) > 1 or report.params[2] > report.params[0]:
        return f"the numbers of parameters differ: {report.params}"
    near = 0.1 if half else 1e-4
    for row in report.rows:
        if not row.ok and not 0 < max(row.onnx, row.torch) <= max(OF_ONE[half], near * row.scale):
            far = row.note or f"{row.onnx:.3g} and {row.torch:.3g} of {row.allowed:.3g}"
            return f"{row.output} at {dict(row.sizes)}: {far}"
    return ""


def _counted(text: str) -> str:
    """MACs are those of torch's counter, halved. It does not know some products."""
    graph = graph_of(text)
    if differentiates(graph) or any(_unknown_to_torch(node) for node in graph.nodes):
        return ""
    torch = require_torch()
    graph = with_fixed_draws(graph, deviations=1)
    module = to_module(graph, {path: draw(each, 0) for path, each in graph.parameters.items()}).eval().to("meta")
    for sizes in sample_sizes(graph):
        inputs = [
            torch.empty(array.shape, dtype=getattr(torch, array.dtype.name), device="meta")
            for array in make_inputs(graph, sizes).values()
        ]
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            module(*inputs)
        ours, theirs = cost(graph, {**graph.default_sizes(), **sizes}).total.macs, counter.get_total_flops() / 2
        if ours != theirs:
            return f"{ours} MACs at {sizes}, and torch counts {theirs:g}"
    return ""


def _unknown_to_torch(node: Node) -> bool:
    vectors = isinstance(node.op, MatMul) and any(value.type.rank == 1 for value in node.inputs)
    types = tuple(value.type for value in node.inputs), tuple(value.type for value in node.outputs)
    # To torch an einsum of one product has no MACs, though a convolution of one has.
    single = isinstance(node.op, LocallyConnected) and node.op.macs(*types) == types[1][0].elements
    # Where a slice begins at a tensor, torch asks for the number, which meta tensors do not have.
    # So it does where a tensor of one position is an index.
    scalar = isinstance(node.op, IndexTensors) and any(value.type.rank == 0 for value in node.inputs[1:])
    return vectors or single or scalar or isinstance(node.op, Bilinear | Bernoulli | Narrow | OneHot)


# Programs that mean the same --------------------------------------------------------------------------------------------


def same(one: str, other: str) -> str:
    """How the results of two texts differ that say the same network; empty where they do not. Raises `Lacking`."""
    first, second = with_fixed_draws(graph_of(one), deviations=1), with_fixed_draws(graph_of(other), deviations=1)
    weights, others = _reached(first), _reached(second)
    if [(w.shape, w.dtype, w.init) for w in weights] != [(w.shape, w.dtype, w.init) for w in others]:
        return f"other weights: {weights} and {others}"
    sizes = sample_sizes(first)[:2]
    if [[o.value.type.rank for o in g.outputs] for g in (first,)] != [
        [o.value.type.rank for o in g.outputs] for g in (second,)
    ]:
        return "other types"
    names = dict(zip(second.symbols, first.symbols, strict=True))
    values = [telling(weight, 0) for weight in weights]
    for given in sizes:
        results: list[list[np.ndarray[Any, Any]]] = []
        for graph, reached, env in (
            (first, weights, given), (second, others, {name: given[names[name]] for name in second.symbols}),
        ):  # fmt: skip
            known = {path: draw(each, 0) for path, each in graph.parameters.items()}
            known |= {weight.path: value for weight, value in zip(reached, values, strict=True)}
            try:
                session = Session(to_bytes(build(graph, weights=known)))
            except DlspecError as error:
                raise _lacking(error) from None
            results.append([*session.run(make_inputs(graph, env)).values()])
        for number, (a, b) in enumerate(zip(*results, strict=True)):
            if a.shape != b.shape or a.dtype != b.dtype:
                return f"output {number} is {a.dtype}{a.shape} and {b.dtype}{b.shape}"
            scale = np.abs(a[np.isfinite(a)].astype(np.float64)).max(initial=0.0)
            near = 0.0 if a.dtype.kind != "f" else 1e-2 if a.dtype.itemsize == 2 else 1e-5
            if not np.allclose(a.astype(np.float64), b.astype(np.float64), near, near * scale, equal_nan=True):
                return f"output {number} differs"
    return ""


def _reached(graph: Graph) -> list[Parameter]:
    """The weights that outputs depend on, in an order that no name and no order of statements decides."""
    found: dict[Parameter, None] = {}
    for node in _ordered(graph):
        found.update(dict.fromkeys(node.weights))
    return list(found)


def _ordered(graph: Graph) -> Iterator[Node]:
    """What outputs depend on, each after its inputs, from the first output on."""
    seen: set[Node] = set()
    todo: list[tuple[Value, bool]] = [
        (output.value, False) for output in reversed(graph.outputs) if not output.training
    ]
    while todo:
        value, ready = todo.pop()
        node = value.outside.producer
        if node is None or node in seen:
            continue
        if ready:
            seen.add(node)
            if not isinstance(node.op, Identity):
                yield node
        else:
            todo.append((value, True))
            todo.extend((each, False) for each in reversed(node.inputs))


def variants(made: Any, seed: int) -> dict[str, str]:
    """The texts of a program that mean the same, by what was done to it."""
    from pieces import Style

    return {
        "renamed": made.written(Style(renamed=True)),
        "blocks inlined": made.written(Style(inline=True)),
        "loops unrolled": made.written(Style(unroll=True)),
        "Identity inserted": made.written(Style(identity=Random(seed))),
        "statements reordered": made.written(Style(order=Random(seed))),
    }
