"""Compares a network with what somebody else's model computes: an ONNX file, or a module of PyTorch.

Both get the same input. What stands between is matched by the layers that have weights: they have names in either. Where no
name is in both, it is matched by order, among tensors of one shape, and that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.backends.arrays import shown_sizes
from dlspec.backends.runtime import RunError, Session, make_inputs
from dlspec.backends.verify import sample_sizes
from dlspec.diagnostics import first_line
from dlspec.ir.graph import Graph

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

TOLERANCE = 1e-4
"""Of the largest value of a tensor: what both may differ in float32."""

Tensors: TypeAlias = "dict[str, Array]"


@dataclass(frozen=True, slots=True)
class Difference:
    """Two tensors under the names that they have here and there. ``largest`` is None where their shapes differ."""

    ours: str
    theirs: str
    largest: float | None
    scale: float

    @property
    def ok(self) -> bool:
        return self.largest is not None and self.largest <= TOLERANCE * self.scale

    def __str__(self) -> str:
        name = f"`{self.ours}`" if self.ours == self.theirs else f"`{self.ours}` and `{self.theirs}`"
        if self.largest is None:
            return f"{name}: another shape"
        return f"{name}: {self.largest:.3g} apart, of {self.scale:.3g}"


@dataclass
class Comparison:
    """``matched`` says how what stands between was matched, ``between`` has it in the order of the network."""

    inputs: dict[str, tuple[int, ...]]
    outputs: list[Difference] = field(default_factory=list[Difference])
    between: list[Difference] = field(default_factory=list[Difference])
    matched: str = "by name"

    @property
    def first(self) -> Difference | None:
        return next((difference for difference in self.between if not difference.ok), None)


@dataclass(frozen=True, slots=True)
class Theirs:
    """Another model: shapes of its inputs (None where a size is open), its weights, and what computes its outputs and, by
    layer, what stands between, in the order in which it comes."""

    inputs: dict[str, tuple[int | None, ...]] | None
    weights: Tensors
    run: Callable[[Sequence[Array]], tuple[Tensors, Tensors]]


def compare_with(graph: Graph, weights: Mapping[str, Array], theirs: Theirs, seed: int = 0) -> Comparison:
    """Runs both on one input. Raises `RunError` where they do not take the same inputs or fail, `DlspecError`."""
    from dlspec.backends.onnx.write import to_model_proto

    values = list(graph.inference_inputs())
    if theirs.inputs is not None and len(theirs.inputs) != len(values):
        raise RunError(f"{graph.name} has {len(values)} inputs, and the other model {len(theirs.inputs)}")
    inputs = make_inputs(graph, _sizes(graph, theirs), seed)
    made = Comparison({name: array.shape for name, array in inputs.items()})
    outputs, between = _everything(to_model_proto(graph, weights=weights), list(inputs.values()))
    order = theirs.inputs if theirs.inputs is not None and theirs.inputs.keys() == inputs.keys() else inputs
    other_outputs, other_between = theirs.run([inputs[name] for name in order])
    named = outputs.keys() <= other_outputs.keys()
    if not named and len(outputs) != len(other_outputs):
        raise RunError(f"{graph.name} has {len(outputs)} outputs, and the other model {len(other_outputs)}")
    pairs = [(name, name) for name in outputs] if named else list(zip(outputs, other_outputs, strict=True))
    made.outputs = [_difference(a, b, outputs[a], other_outputs[b]) for a, b in pairs]
    shared = [name for name in between if name in other_between]
    if shared:
        made.between = [_difference(name, name, between[name], other_between[name]) for name in shared]
    else:
        made.matched = "by order among tensors of one shape, as no layer has the same name in both"
        made.between = list(_by_order(between, other_between))
    return made


def _sizes(graph: Graph, theirs: Theirs) -> dict[str, int]:
    """The sizes of the spec that fit the other model: those it fixes, else defaults, else small ones."""
    given: Mapping[str, tuple[int | None, ...]] = theirs.inputs if theirs.inputs is not None else {}
    defaults = graph.default_sizes()
    fixed: dict[str, tuple[int, ...]] = {}
    for value, shape in zip(graph.inference_inputs(), given.values(), strict=False):
        open_sizes = [defaults.get(str(dim), 1) for dim in value.type.shape]
        if len(shape) == len(open_sizes):
            fixed[value.name] = tuple(map(_or, shape, open_sizes))
    known = graph.default_sizes() | shown_sizes(graph, fixed)
    if all(symbol in known for symbol in graph.symbols):
        return known
    samples = sample_sizes(graph)
    return samples[0] | known if samples else known


def _or(size: int | None, default: int) -> int:
    return default if size is None else size


def _difference(ours: str, theirs: str, a: Array, b: Array) -> Difference:
    import numpy as np

    if a.shape != b.shape:
        return Difference(ours, theirs, None, 0.0)
    x, y = a.astype(np.float64), b.astype(np.float64)
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    apart = np.where(same, 0.0, np.abs(x - y))
    largest = float(np.nan_to_num(apart, nan=np.inf).max()) if a.size else 0.0
    finite = np.abs(y[np.isfinite(y)])
    return Difference(ours, theirs, largest, float(finite.max()) if finite.size else 0.0)


def _by_order(ours: Tensors, theirs: Tensors) -> Iterable[Difference]:
    """Each of ours with the next of theirs that has its shape."""
    rest = list(theirs.items())
    for name, array in ours.items():
        for position, (other, values) in enumerate(rest):
            if values.shape == array.shape:
                yield _difference(name, other, array, values)
                del rest[: position + 1]
                break


# ONNX ------------------------------------------------------------------------------------------------------------------


def onnx_model(path: Path) -> Theirs:
    """The model of a file. Raises `DlspecError` where it cannot be read, `RunError` where it cannot be run."""
    from dlspec.backends.weight_files.read import load_weights

    weights = load_weights(path)
    onnx: Any = import_module("onnx")
    model = onnx.load_model(str(path))
    known = {initializer.name for initializer in model.graph.initializer}
    shapes: dict[str, tuple[int | None, ...]] = {
        value.name: tuple(
            dim.dim_value if dim.HasField("dim_value") else None for dim in value.type.tensor_type.shape.dim
        )
        for value in model.graph.input
        if value.name not in known
    }
    return Theirs(shapes, weights, lambda inputs: _everything(model, inputs))


def _everything(model: Any, inputs: Sequence[Array]) -> tuple[Tensors, Tensors]:
    """The outputs of an ONNX model, and the last tensor that each layer with weights computes. Raises `RunError`."""
    onnx: Any = import_module("onnx")
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    outputs = [output.name for output in model.graph.output]
    weights = {initializer.name for initializer in model.graph.initializer}
    layers: dict[str, str] = {}
    for node in model.graph.node:
        for name in node.input:
            if name in weights and "." in name and node.output:
                layer = name.rpartition(".")[0]
                layers.pop(layer, None)
                layers[layer] = node.output[0]
    if not layers:
        layers = {name: name for node in model.graph.node for name in node.output if name}
    for name in dict.fromkeys(layers.values()):
        if name not in outputs:
            copied.graph.output.append(onnx.ValueInfoProto(name=name))
    session = Session(copied.SerializeToString())
    names = [value.name for value in model.graph.input if value.name not in weights]
    found = session.run(dict(zip(names, inputs, strict=True)))
    return {name: found[name] for name in outputs}, {layer: found[name] for layer, name in layers.items()}


# PyTorch ---------------------------------------------------------------------------------------------------------------


def torch_module(place: str, weights: Mapping[str, Array] | None) -> Theirs:
    """The module that ``package.module:name`` is or makes, in evaluation mode, with weights where some are given.

    It is code, which runs. Raises `RunError` for whatever is wrong with it.
    """
    from dlspec.backends.torch.live import require_torch

    torch = require_torch(f"--against {place}")
    package, _, name = place.partition(":")
    try:
        made: Any = import_module(package)
        for part in name.split("."):
            made = getattr(made, part)
        module = made if isinstance(made, torch.nn.Module) else made()
        if not isinstance(module, torch.nn.Module):
            raise RunError(f"{place} makes a {type(module).__name__}, and no module of PyTorch")
        module: Any = module.eval()
        if weights is not None:
            module.load_state_dict({path: torch.from_numpy(array.copy()) for path, array in weights.items()})
    except RunError:
        raise
    except Exception as error:  # it is code of the user
        raise RunError(f"{place} cannot be made: {type(error).__name__}: {first_line(error)}") from None
    state = {path: tensor.detach().cpu().numpy() for path, tensor in module.state_dict().items()}

    def run(inputs: Sequence[Array]) -> tuple[Tensors, Tensors]:
        between: Tensors = {}

        def keep(name: str) -> Callable[[Any, Any, Any], None]:
            def hook(_module: Any, _inputs: Any, output: Any) -> None:
                if torch.is_tensor(output):
                    between[name] = output.detach().cpu().numpy().copy()

            return hook

        for name, part in module.named_modules():
            if name and not any(True for _ in part.children()):
                part.register_forward_hook(keep(name))
        try:
            with torch.no_grad():
                result = module(*(torch.from_numpy(array) for array in inputs))
        except Exception as error:
            raise RunError(f"{place} fails: {type(error).__name__}: {first_line(error)}") from None
        many: Any = result if isinstance(result, list | tuple | dict) else (result,)  # type: ignore[reportUnknownVariableType]
        many = many.values() if hasattr(many, "values") else many
        return {str(index): tensor.detach().cpu().numpy() for index, tensor in enumerate(many)}, between

    return Theirs(None, state, run)
