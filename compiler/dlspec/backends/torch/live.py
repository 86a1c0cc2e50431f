"""The live PyTorch module of a graph: the generated source, executed."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from hashlib import blake2b
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dlspec.backends.room import weigh
from dlspec.backends.runtime import RunError
from dlspec.backends.torch.text.source import source
from dlspec.backends.weights import check_weights, draw, draw_all, initial_weights, untied
from dlspec.diagnostics import DlspecError, Severity
from dlspec.ir.graph import Graph
from dlspec.ir.types import DType
from dlspec.objectives.training import Training
from dlspec.passes.retype import converted_weights, numpy_dtype, with_dtype

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    Array = np.ndarray[Any, np.dtype[Any]]


def to_module(
    graph: Graph,
    weights: Mapping[str, Array] | None = None,
    seed: int = 0,
    *,
    dtype: DType | None = None,
    channels_last: bool = False,
) -> nn.Module:
    """The network as a module in training mode, as ``torch.nn`` makes them.

    Weights are those given, by state-dict key, or the values `backends.weights` draws from ``seed``: the same that the
    ONNX lowering gets. ``dtype`` and ``channels_last`` are as for `source`. Raises `RunError` where torch is not
    installed, `DlspecError` where the network cannot be expressed in PyTorch and where weights do not fit.
    """
    torch = require_torch()
    text = source(graph, dtype=dtype, channels_last=channels_last)
    module = load_source(text, graph.name)
    with _unfilled(text):
        made: nn.Module = getattr(module, module.__all__[0])()
    if dtype is not None:
        weights = narrowed_weights(graph, weights, seed, dtype)
        graph = with_dtype(graph, dtype)
    load_weights(made, graph, weights, seed)
    if channels_last:
        ranks = {value.type.rank for value in graph.inputs}
        layout = torch.channels_last_3d if 5 in ranks and 4 not in ranks else torch.channels_last
        torch_module: Any = made  # its own types know no call with a memory format alone
        torch_module.to(memory_format=layout)
    return made


def narrowed_weights(graph: Graph, weights: Mapping[str, Array] | None, seed: int, dtype: DType) -> dict[str, Array]:
    """The weights of a network, or those drawn from the seed, in the types that they have in another one.

    Raises `DlspecError` for those that do not fit the graph, or that the type does not hold.
    """
    weights = draw_all(graph, seed) if weights is None else untied(graph, weights)
    wrong = [found for found in check_weights(graph, weights) if found.severity is Severity.ERROR]
    if wrong:
        raise DlspecError(wrong)
    return converted_weights(weights, with_dtype(graph, dtype))


def to_training(training: Training, weights: Mapping[str, Array] | None = None, seed: int = 0) -> tuple[nn.Module, Any]:
    """The networks and objectives of a train as a module in training mode, and its trainer.

    Weights are as for `to_module`. A moving average begins with those of its source where it is given none. Raises as
    `to_module`.
    """
    torch = require_torch()
    written = source(training)
    text = load_source(written, training.name)
    model_class, trainer_class = (getattr(text, name) for name in text.__all__)
    with _unfilled(written):
        made: nn.Module = model_class()
    if weights is None:
        weigh(training.graph.parameters.values(), 2)  # as arrays and as tensors
        weights = initial_weights(training, seed)
    weights = untied(training.graph, weights)
    known = training.graph.parameters.keys() | training.graph.aliases.keys()
    unused = {path for path in made.state_dict() if path not in known}  # averages to look at later
    state = weights_of(training.graph, {path: weights[path] for path in weights if path not in unused}, seed)
    for path in unused:
        state[path] = torch.tensor(weights[path]) if path in weights else state[training.origin(path)].clone()
    _fill(made, state, training.graph.aliases)
    return made, trainer_class(made)


def _unfilled(text: str) -> AbstractContextManager[Any]:
    """Where modules are made without the values that torch would draw, which are not looked at; constants that no state
    dict has need theirs."""
    return nullcontext() if "persistent=False" in text else require_torch().device("meta")


def load_source(text: str, name: str = "network") -> ModuleType:
    """A Python module made of generated source. Tracebacks show its lines."""
    require_torch()
    mark = blake2b(text.encode(), digest_size=4).hexdigest()
    filename = f"<dlspec {name} {mark}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    module = ModuleType(f"dlspec_generated_{name}_{mark}")
    module.__file__ = filename
    sys.modules[module.__name__] = module  # pickling and torch.compile look classes up by their module
    exec(compile(text, filename, "exec"), module.__dict__)
    return module


def load_weights(module: nn.Module, graph: Graph, weights: Mapping[str, Array] | None, seed: int) -> None:
    """Puts the weights of a graph into its module. Raises `DlspecError` for those that do not fit."""
    _fill(module, weights_of(graph, weights, seed), graph.aliases)


def _fill(module: nn.Module, state: dict[str, Any], aliases: Mapping[str, str]) -> None:
    """Puts tensors into a module in the place of its own; those that it has under several names stay one."""
    module.load_state_dict(state | {name: state[path] for name, path in aliases.items()}, strict=True, assign=True)
    for name, path in aliases.items():
        layer, _, own = name.rpartition(".")
        setattr(module.get_submodule(layer), own, module.get_parameter(path))


def weights_of(graph: Graph, weights: Mapping[str, Array] | None, seed: int) -> dict[str, Any]:
    """The weights of a graph as tensors, by path. Raises `DlspecError` for those that do not fit."""
    import numpy as np

    require_torch()
    if weights is None:
        weigh(graph.parameters.values())
    else:
        weights = untied(graph, weights)
        wrong = [found for found in check_weights(graph, weights) if found.severity is Severity.ERROR]
        if wrong:
            raise DlspecError(wrong)
    state: dict[str, Any] = {}
    for path, parameter in graph.parameters.items():
        array = draw(parameter, seed) if weights is None else np.array(weights[path])
        state[path] = tensor_of(np.require(array, requirements=["C", "W"]))
    return state


def tensor_of(array: Array) -> Any:
    """An array as a tensor with its memory; torch knows bfloat16 by another name than NumPy does."""
    torch = require_torch()
    return (
        torch.from_numpy(array.view("int16")).view(torch.bfloat16)
        if array.dtype.name == "bfloat16"
        else torch.from_numpy(array)
    )


def array_of(tensor: Any) -> Array:
    """A tensor as an array, which has its memory where it is on the CPU."""
    torch = require_torch()
    tensor = tensor.detach().cpu()
    if tensor.dtype != torch.bfloat16:
        return tensor.numpy()
    return tensor.contiguous().view(torch.int16).numpy().view(numpy_dtype(DType.BFLOAT16))


def require_torch(what: str = "running a network in PyTorch") -> Any:
    """The package torch, for what needs it. Raises `RunError` where it is not installed."""
    try:
        return import_module("torch")
    except ImportError:
        hint = "pip install dlspec[torch]; writing source needs none: dlspec compile FILE -o net.py"
        raise RunError(f"{what} needs torch", hint) from None
