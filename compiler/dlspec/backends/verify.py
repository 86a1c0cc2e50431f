"""Checks the two lowerings against each other: the same weights and inputs in PyTorch and in ONNX Runtime.

The truth is PyTorch in float64. How far PyTorch in float32 is from it says how much rounding shows in an output at all:
both float32 results must be as near as that allows, however deep the network is, and nothing is widened for one that is
well conditioned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from dlspec.analyses.cost import cost
from dlspec.backends.room import weigh
from dlspec.backends.torch.live import array_of, require_torch, tensor_of, to_module
from dlspec.backends.weights import draw
from dlspec.ir.evaluation import evaluate
from dlspec.ir.graph import Graph, Output
from dlspec.ir.init import fan_in_uniform, normal
from dlspec.ir.node import Parameter, Value
from dlspec.ir.types import DType
from dlspec.ops.gradient import differentiates
from dlspec.passes.fixed_draws import with_fixed_draws
from dlspec.passes.retype import converted_weights, numpy_dtype, with_dtype
from dlspec.passes.training_outputs import as_inference

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

Ranges: TypeAlias = Mapping[str, tuple[float, float]]

RTOL = 1e-5
"""Of the largest value of an output: what a result may differ where rounding shows less."""

_EPSILON = {DType.FLOAT16: 2.0**-10, DType.BFLOAT16: 2.0**-7}
"""The rounding of narrow element types that a spec names."""

ROUNDINGS = 20.0
"""How many times the difference between PyTorch's float32 and float64 a result may be away."""

ILL_CONDITIONED = 0.02
"""Of the largest value: an output that rounding to float32 changes by more says nothing, and is not counted."""

COPIES = 7
"""Of the weights, at once: drawn, in both backends and in float64, and what is made on the way."""

SPREAD = 4.0
"""How many times the expected rounding a result of half precision may be away."""

MOST_MACS = 20 * 10**9
"""Default sizes that cost more are left out."""


@dataclass(frozen=True)
class Row:
    """One output at one set of sizes: largest differences to float64, and how many values were compared.

    ``allowed`` is the largest difference that is accepted. ``note`` says why nothing was compared.
    """

    output: str
    sizes: Mapping[str, int]
    training: bool
    shape: tuple[int, ...]
    onnx: float
    torch: float
    scale: float
    allowed: float
    compared: int
    note: str = ""

    @property
    def ok(self) -> bool:
        return not self.note.startswith("differs") and (
            self.compared == 0 or max(self.onnx, self.torch) <= self.allowed
        )


@dataclass
class Report:
    """What was compared. ``params`` are counted in the graph, in PyTorch and in the ONNX model."""

    network: str
    params: tuple[int, int, int]
    names: bool
    rows: list[Row] = field(default_factory=list[Row])
    notes: list[str] = field(default_factory=list[str])

    @property
    def compared(self) -> int:
        return sum(row.compared for row in self.rows)

    @property
    def faults(self) -> list[str]:
        """Everything that is wrong; a comparison of nothing is."""
        found = [
            f"`{row.output}` differs at {_shown(row.sizes)}: {row.note or 'too large'}"
            for row in self.rows
            if not row.ok
        ]
        if not self.names:
            found.append("the state dict of the PyTorch module does not have the names and shapes of the spec")
        if len(set(self.params[:2])) > 1 or self.params[2] > self.params[0]:
            found.append(f"the numbers of parameters differ: {self.params}")
        if not self.compared:
            found.append("no value could be compared")
        return found


def verify(
    graph: Graph,
    seed: int = 0,
    weights: Mapping[str, Array] | None = None,
    macs: int = MOST_MACS,
    ranges: Ranges | None = None,
    dtype: DType | None = None,
) -> Report:
    """Lowers a network to both and compares its outputs at several sizes; those of training as well, computed as at
    inference (without dropout, and with the running statistics). Random draws are all one deviation above their mean.
    Inputs are as `make_inputs` makes them with ``ranges``. With ``dtype`` both compute in half precision, and are
    compared as `compare_half` says.

    Raises `DlspecError` for what cannot be lowered or run, or what the type does not hold.
    """
    graph = with_fixed_draws(graph, deviations=1)
    if weights is not None:
        weigh(graph.parameters.values(), COPIES - 1)
        return _verified(graph, seed, weights, macs, ranges, dtype)
    values = telling_weights(graph, seed)
    report = _verified(graph, seed, values, macs, ranges, dtype)
    if not report.compared and any(row.note == "ill-conditioned" for row in report.rows):
        calm = {path: array * np_float(array, 0.1) if array.ndim > 1 else array for path, array in values.items()}
        report = _verified(graph, seed, calm, macs, ranges, dtype)
        report.notes.append("with weights a tenth as large: otherwise rounding alone decides the outputs")
    return report


def np_float(array: Array, number: float) -> Any:
    """The number in the array's type; 1 where it holds no floating-point numbers."""
    return array.dtype.type(number if array.dtype.kind == "f" or array.dtype.name == "bfloat16" else 1)


def _verified(
    graph: Graph, seed: int, weights: Mapping[str, Array], macs: int, ranges: Ranges | None, dtype: DType | None
) -> Report:
    report = Report(graph.name, (0, 0, 0), True)
    report.notes += _compare(report, graph, weights, seed, False, macs, ranges, dtype)
    if any(output.training for output in graph.outputs):
        report.notes += _compare(report, as_inference(graph), weights, seed, True, macs, ranges, dtype)
    return report


def _compare(
    report: Report,
    graph: Graph,
    weights: Mapping[str, Array],
    seed: int,
    training: bool,
    macs: int,
    ranges: Ranges | None,
    dtype: DType | None,
) -> list[str]:
    from dlspec.backends.arrays import converted
    from dlspec.backends.onnx.model import build
    from dlspec.backends.onnx.write import to_bytes
    from dlspec.backends.runtime import Session, make_inputs, not_finite

    torch = require_torch()
    module = to_module(graph, weights).eval()
    single_graph = graph
    half = module
    if dtype is not None:
        half = to_module(graph, weights, dtype=dtype).eval()
        graph = with_dtype(graph, dtype)
        model = build(graph, weights=converted_weights(weights, graph))
    else:
        model = build(graph, weights=weights)
    session = Session(to_bytes(model), graph=graph)
    if not training:
        state = half.state_dict()
        shapes = {path: tuple(tensor.shape) for path, tensor in state.items()}
        named = graph.parameters | {name: graph.parameters[path] for name, path in graph.aliases.items()}
        report.names = shapes == {path: parameter.shape for path, parameter in named.items()}
        own = sum(p.elements for p in graph.parameters.values() if p.kind == "param")
        known = {parameter.path for parameter in model.weights}
        written = sum(p.elements for path, p in graph.parameters.items() if path in known and p.kind == "param")
        report.params = (own, sum(p.numel() for p in module.parameters()), written)
    double = _doubled(module, single_graph, weights)
    coarsest = max((_EPSILON.get(v.type.dtype, 0.0) for node in graph.nodes for v in node.outputs), default=0.0)
    rtol = max(RTOL, 4 * coarsest)
    notes: list[str] = []
    for position, sizes in enumerate(sample_sizes(graph)):
        if position and cost(graph, sizes).total.macs > macs:
            notes.append(f"left out {_shown(sizes)}: more than {macs:,} MACs")
            continue
        inputs = make_inputs(single_graph, sizes, seed, ranges)
        given = {
            value.name: converted(inputs[value.name], value)
            for value in graph.inference_inputs()
            if value.name in inputs
        }
        ours = session.run(given)
        notes += [f"at {_shown(sizes)} {note}" for note in not_finite(ours)]
        with torch.set_grad_enabled(differentiates(graph)):
            single = _results(module(*_tensors(inputs, False)))
            exact = _results(double(*_tensors(inputs, True)))
            theirs = single if dtype is None else _results(half(*_tensors(given, False)))
        outputs = [output for output in graph.outputs if not output.training]
        for index, output in enumerate(outputs):
            results = (ours[output.name], theirs[index], exact[index])
            if dtype is None:
                report.rows.append(compare(output, sizes, training, *results, rtol))
            else:
                way = _steps(graph, sizes)[output.value]
                report.rows.append(compare_half(output, sizes, training, *results, single[index], dtype, way))
    return notes


def _steps(graph: Graph, sizes: Mapping[str, int]) -> dict[Value, int]:
    """How many results are rounded on the longest way to a tensor, with the input and the weights. A body adds what one turn
    does in each of its turns."""
    steps = dict.fromkeys(graph.inputs, 1)
    for node in graph.nodes:
        before = max([steps[value.outside] for value in node.inputs], default=1)
        if node.body is not None:
            entry = max(steps[value.outside] for value in node.body.given)
            turns = evaluate(node.body.turns, sizes)
            before += (before - entry) * (turns - 1)
        rounds = not (node.op.copies or node.op.view or node.op.identity_in_eval)
        steps.update(dict.fromkeys(node.outputs, before + rounds * (2 if node.weights else 1)))
    return steps


def _doubled(module: Any, graph: Graph, weights: Mapping[str, Array]) -> Callable[..., Any]:
    """The module in float64 where it is float32: half precision that the spec names stays, with the weights that float32
    holds for it."""
    torch = require_torch()
    if any(getattr(node.op, field.name) is DType.FLOAT32 for node in graph.nodes for field in node.op.fields):
        wide = with_dtype(graph, DType.FLOAT64)
        return to_module(wide, converted_weights(weights, wide)).eval()
    beside = {w.path for n in graph.nodes if any(x.type.dtype.is_half for x in n.inputs) for w in n.weights}
    tensors = [
        (tensor, tensor.data, tensor.data.double())
        for name, tensor in (*module.named_parameters(), *module.named_buffers())
        if tensor.dtype is torch.float32 and name not in beside
    ]

    def run(*inputs: Any) -> Any:
        for tensor, _, wide in tensors:
            tensor.data = wide
        try:
            return module(*inputs)
        finally:
            for tensor, narrow, _ in tensors:
                tensor.data = narrow

    return run


def compare(
    output: Output,
    sizes: Mapping[str, int],
    training: bool,
    ours: Array,
    theirs: Array,
    truth: Array,
    rtol: float = RTOL,
) -> Row:
    """Compares one output: ONNX Runtime's and PyTorch's in float32 with PyTorch's in float64."""
    import numpy as np

    shape = tuple(evaluate(dim, sizes) for dim in output.value.type.shape)
    dtype = output.value.type.dtype.label

    def row(onnx: float, torch: float, scale: float, allowed: float, compared: int, note: str = "") -> Row:
        return Row(output.name, dict(sizes), training, shape, onnx, torch, scale, allowed, compared, note)

    if ours.shape != shape or theirs.shape != shape:
        return row(
            0, 0, 0, 0, 0, f"differs in shape: {ours.shape} in ONNX, {theirs.shape} in PyTorch, {shape} in the spec"
        )
    if ours.dtype.name != dtype or theirs.dtype.name != dtype:
        return row(
            0, 0, 0, 0, 0, f"differs in type: {ours.dtype} in ONNX, {theirs.dtype} in PyTorch, {dtype} in the spec"
        )
    a, b, exact = (array.astype(np.float64) for array in (ours, theirs, truth))
    finite = np.isfinite(exact)
    if not (np.isfinite(a) == np.isfinite(b)).all() or (np.isfinite(b) & ~finite).any():
        return row(np.inf, np.inf, 0, 0, 0, "differs in which values are finite")
    finite &= np.isfinite(b)  # what is too large for both says nothing
    a, b, exact = a[finite], b[finite], exact[finite]
    if not exact.size:
        return row(0, 0, 0, 0, 0, "nothing finite")
    scale = float(np.abs(exact).max())
    onnx, torch = float(np.abs(a - exact).max()), float(np.abs(b - exact).max())
    if not output.value.type.dtype.is_float:
        # Positions and truth values are compared where rounding does not decide them.
        sure = b == exact
        wrong = int((a[sure] != exact[sure]).sum())
        note = f"differs in {wrong} of {int(sure.sum())} values" if wrong else ""
        return row(float(wrong), 0.0, scale, 0.0, int(sure.sum()), note)
    if torch > ILL_CONDITIONED * scale:
        return row(onnx, torch, scale, 0.0, 0, "ill-conditioned")
    return row(onnx, torch, scale, max(rtol * scale, ROUNDINGS * torch), exact.size)


def compare_half(
    output: Output,
    sizes: Mapping[str, int],
    training: bool,
    ours: Array,
    theirs: Array,
    truth: Array,
    single: Array,
    dtype: DType,
    steps: int,
) -> Row:
    """Compares one output of half precision, ONNX Runtime's and PyTorch's, with PyTorch's in float64 of weights that are not
    rounded.

    Allowed is what rounding explains, of which the larger. ``steps`` results on the way are rounded, each by a share u, the
    unit roundoff: as errors are as often up as down they sum to sqrt(steps) * u of the largest value (Higham and Mary, 2019,
    "A New Approach to Probabilistic Rounding Error Analysis"). Where numbers cancel it is more, by as much as float32 shows:
    what that is away from float64, times the ratio of the two roundoffs. Four times that is allowed. Positions and truth
    values are counted and not judged, for rounding decides between near ones.
    """
    import numpy as np

    def row(onnx: float, torch: float, scale: float, allowed: float, compared: int, note: str = "") -> Row:
        return Row(output.name, dict(sizes), training, shape, onnx, torch, scale, allowed, compared, note)

    shape = tuple(evaluate(dim, sizes) for dim in output.value.type.shape)
    wanted = output.value.type.dtype.label
    if not (ours.shape == theirs.shape == shape and ours.dtype.name == theirs.dtype.name == wanted):
        return row(0, 0, 0, 0, 0, f"differs in shape or type: {ours.dtype} {ours.shape}, {theirs.dtype} {theirs.shape}")
    a, b, middle, exact = (array.astype(np.float64) for array in (ours, theirs, single, truth))
    if not output.value.type.dtype.is_float:
        wrong = max(int((a != exact).sum()), int((b != exact).sum()))
        return row(0.0, 0.0, 0.0, 0.0, 0, f"{wrong} of {exact.size} values are others")
    finite = np.isfinite(exact) & np.isfinite(middle)
    lost = max(int((~np.isfinite(a[finite])).sum()), int((~np.isfinite(b[finite])).sum()))
    if lost:
        return row(np.inf, np.inf, 0, 0, 0, f"differs in {lost} values that are not finite in {dtype.label}")
    a, b, middle, exact = a[finite], b[finite], middle[finite], exact[finite]
    if not exact.size:
        return row(0, 0, 0, 0, 0, "nothing finite")
    scale = float(np.abs(exact).max())
    onnx, torch = float(np.abs(a - exact).max()), float(np.abs(b - exact).max())
    cancelled = float(np.abs(middle - exact).max()) * dtype.roundoff / DType.FLOAT32.roundoff
    allowed = SPREAD * max(sqrt(steps) * dtype.roundoff * scale, cancelled)
    if allowed > scale:
        return row(onnx, torch, scale, allowed, 0, "ill-conditioned")
    return row(onnx, torch, scale, allowed, exact.size)


def _tensors(inputs: Mapping[str, Array], double: bool) -> list[Any]:
    torch = require_torch()
    tensors = [tensor_of(array) for array in inputs.values()]
    return [tensor.double() if double and tensor.dtype is torch.float32 else tensor for tensor in tensors]


def _results(result: Any) -> list[Array]:
    many = cast("tuple[Any, ...]", result if isinstance(result, tuple) else (result,))
    return [array_of(tensor) for tensor in many]


def telling_weights(graph: Graph, seed: int) -> dict[str, Array]:
    """Those of `telling` for all weights by path. Raises `DlspecError` where memory has no room for what is made of them."""
    weigh(graph.parameters.values(), COPIES)
    return {path: telling(parameter, seed) for path, parameter in graph.parameters.items()}


def telling(parameter: Parameter, seed: int) -> Array:
    """Values that tell every weight from every other, under which activations neither vanish nor explode."""
    import numpy as np

    if not parameter.dtype.is_float:
        return draw(parameter, seed)
    fan_in = parameter.elements // parameter.shape[0] if parameter.shape else 1
    if len(parameter.shape) > 1 and parameter.init == fan_in_uniform(fan_in):
        parameter = Parameter(
            parameter.path,
            parameter.shape,
            parameter.dtype,
            parameter.kind,
            normal(0.0, sqrt(2 / fan_in)),
            parameter.span,
        )
        return draw(parameter, seed)
    values = draw(parameter, seed)
    if parameter.init.kind != "constant":
        return values
    generator = np.random.default_rng([seed, *parameter.path.encode()])
    low, high = (0.5, 1.5) if np.any(values) else (-0.1, 0.1)
    return np.asarray(generator.uniform(low, high, parameter.shape), numpy_dtype(parameter.dtype))


# Sizes -----------------------------------------------------------------------------------------------------------------


def sample_sizes(graph: Graph) -> list[dict[str, int]]:
    """Sizes that the network takes: small ones, small ones that all differ, and the defaults."""
    free = [name for name in graph.symbols if name not in graph.sizes]
    samples: list[dict[str, int]] = []
    least = _least(graph, free)
    if least is not None:
        samples.append(least)
        samples.append(_spread(graph, free, least))
    defaults = graph.default_sizes()
    if all(name in defaults for name in graph.symbols) and _holds(graph, defaults):
        samples.append(defaults)
    unique = {tuple(sorted(sizes.items())): sizes for sizes in samples}
    return list(unique.values())


def _holds(graph: Graph, sizes: Mapping[str, int]) -> bool:
    return all(condition.holds(sizes) for condition in graph.conditions)


def _least(graph: Graph, free: list[str]) -> dict[str, int] | None:
    for size in range(1, 1025):
        sizes = dict.fromkeys(free, size) | graph.sizes
        if _holds(graph, sizes):
            batch = graph.default_sizes()
            ones = {name: 1 for name in free if batch.get(name) == 1 and graph.symbols[name] is None}
            return sizes | ones if _holds(graph, sizes | ones) else sizes
    return None


def _spread(graph: Graph, free: list[str], least: Mapping[str, int]) -> dict[str, int]:
    """Every symbol another size, a little above the least."""
    sizes = dict(least)
    for position, name in enumerate(free):
        for extra in range(1 + 3 * position, 257):
            candidate = sizes | {name: least[name] + extra}
            if _holds(graph, candidate) and candidate[name] not in [sizes[other] for other in free if other != name]:
                sizes = candidate
                break
    return sizes


def _shown(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={size}" for name, size in sizes.items()) or "fixed sizes"
