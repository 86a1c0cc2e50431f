"""What the commands share that lower a network: its weights, its element type and its folded form."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.commands.common import show
from dlspec.commands.errors import CallError

if TYPE_CHECKING:
    import numpy as np

    from dlspec.ir.graph import Graph
    from dlspec.ir.types import DType
    from dlspec.objectives.training import Training

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

HALVES = ("float16", "bfloat16")


def given_weights(arguments: Namespace, graph: Graph) -> dict[str, Array] | None:
    """The weights that the call names, for a graph, whose element types those have that are of ``--dtype`` already: they
    lose nothing, and are narrowed again. Raises `CallError` and `DlspecError`."""
    tensors = _given(arguments, graph)
    if tensors is None or getattr(arguments, "dtype", None) is None:
        return tensors
    narrow = _of_type(tensors, graph, arguments.dtype)
    return {name: tensor.astype("float32") if name in narrow else tensor for name, tensor in tensors.items()}


def _given(arguments: Namespace, graph: Graph) -> dict[str, Array] | None:
    """The weights that the call names, as the files have them."""
    if arguments.weights is None:
        for flag in ("key", "strip_prefix", "rename", "drop_unknown"):
            if getattr(arguments, flag):
                raise CallError(f"--{flag.replace('_', '-')} is for the files of --weights, and none is given")
        return None
    if getattr(arguments, "seed", None) is not None:
        raise CallError("--seed draws weights and --weights reads them: give one of the two")
    from dlspec.backends.weights import without_gaps

    tensors, warnings = without_gaps(graph, read_files(arguments.weights, arguments))
    if arguments.drop_unknown:
        tensors = {name: tensor for name, tensor in tensors.items() if name in graph.parameters}
    show(warnings)
    return tensors


def _of_type(tensors: Mapping[str, Array], graph: Graph, label: str) -> set[str]:
    """The names of those that have an element type already which what is float32 in the graph is to have."""
    wide = {path for path, parameter in graph.parameters.items() if parameter.dtype.label == "float32"}
    return {name for name, tensor in tensors.items() if name in wide and tensor.dtype.name == label}


def read_files(files: Sequence[str], arguments: Namespace) -> dict[str, Array]:
    """The tensors of files, under the names that the call gives them. Raises `CallError` and `DlspecError`."""
    from dlspec.backends.weight_files.read import Reading, read_weights

    renames: list[tuple[str, str]] = []
    if arguments.strip_prefix is not None:
        renames.append((arguments.strip_prefix, ""))
    for text in arguments.rename:
        old, equals, new = text.partition("=")
        if not equals or not old:
            raise CallError(f"--rename {text}: write --rename OLD=NEW")
        renames.append((old, new))
    return read_weights(Reading(tuple(files), arguments.key, tuple(renames)))


def dtype_of(arguments: Namespace) -> DType | None:
    """The element type the call asks for."""
    from dlspec.ir.types import DTYPES

    return None if arguments.dtype is None else DTYPES[arguments.dtype]


def train_weights(training: Training, arguments: Namespace) -> dict[str, Array]:
    """The weights of a train that the call names, or drawn from its seed. Those of moving averages that nothing uses
    are left out. Raises `CallError` and `DlspecError`."""
    from dlspec.backends.weights import initial_weights

    given = given_weights(arguments, training.graph)
    if given is None:
        return initial_weights(training, arguments.seed or 0)
    parameters = training.graph.parameters
    known = {path: array for path, array in given.items() if path in parameters or training.origin(path) == path}
    check_fit(training.graph, known)
    return known


def check_fit(graph: Graph, weights: Mapping[str, Array]) -> None:
    """Raises `DlspecError` for weights that are not those of a graph."""
    from dlspec.backends.weights import check_weights
    from dlspec.diagnostics import DlspecError, Severity

    wrong = [found for found in check_weights(graph, weights) if found.severity is Severity.ERROR]
    if wrong:
        raise DlspecError(wrong)


def prepared(graph: Graph, arguments: Namespace, retype: bool) -> tuple[Graph, dict[str, Array] | None]:
    """The graph in the form that the call asks for, and its weights: None where they are drawn as they are written.

    With ``retype`` the graph itself has the element type of ``--dtype``; PyTorch converts the module instead.
    """
    dtype = dtype_of(arguments) if retype else None
    if dtype is not None and not arguments.optimize:
        return _narrowed(graph, dtype, _given(arguments, graph))
    weights = given_weights(arguments, graph)
    if not arguments.optimize:
        return graph, weights
    from dlspec.backends.weights import draw_all
    from dlspec.passes.fold_batch_norm import fold_batch_norm, folded_weights
    from dlspec.passes.retype import converted_weights, with_dtype

    if weights is None:
        weights = draw_all(graph, arguments.seed or 0)
    check_fit(graph, weights)
    graph, weights = fold_batch_norm(graph), folded_weights(graph, weights)
    if dtype is not None:
        graph = with_dtype(graph, dtype)
        weights = converted_weights(weights, graph)
    return graph, weights


def _narrowed(graph: Graph, dtype: DType, tensors: dict[str, Array] | None) -> tuple[Graph, dict[str, Array] | None]:
    """A graph in another element type, and its weights. What a file has in that type stays in the file until it is written:
    a model of billions of weights is larger than memory."""
    import numpy as np

    from dlspec.backends.room import weigh
    from dlspec.passes.retype import converted_weights, with_dtype

    made = with_dtype(graph, dtype)
    if tensors is None:
        return made, None
    narrow = _of_type(tensors, graph, dtype.label)
    alike = {name: np.broadcast_to(np.float32(0), tensors[name].shape) for name in narrow}
    check_fit(graph, {**tensors, **alike})
    weigh(weight for path, weight in made.parameters.items() if path not in narrow)
    return made, converted_weights(tensors, made)
