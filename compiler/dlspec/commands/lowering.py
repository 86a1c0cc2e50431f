"""What the commands share that lower a network: its weights, its element type and its folded form."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.commands.errors import CallError

if TYPE_CHECKING:
    import numpy as np

    from dlspec.ir.graph import Graph
    from dlspec.ir.types import DType
    from dlspec.objectives.training import Training

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

HALVES = ("float16", "bfloat16")


def given_weights(arguments: Namespace) -> dict[str, Array] | None:
    """The weights that the call names. Raises `CallError` and `DlspecError`."""
    if arguments.weights is None:
        return None
    if arguments.seed is not None:
        raise CallError("--seed draws weights and --weights reads them: give one of the two")
    from dlspec.backends.weights import load_safetensors

    return load_safetensors(arguments.weights)


def dtype_of(arguments: Namespace) -> DType | None:
    """The element type the call asks for."""
    from dlspec.ir.types import DTYPES

    return None if arguments.dtype is None else DTYPES[arguments.dtype]


def drawn(graph: Graph, seed: int) -> dict[str, Array]:
    from dlspec.backends.weights import draw

    return {path: draw(parameter, seed) for path, parameter in graph.parameters.items()}


def train_weights(training: Training, arguments: Namespace) -> dict[str, Array]:
    """The weights of a train that the call names, or drawn from its seed. Those of moving averages that nothing uses
    are left out. Raises `CallError` and `DlspecError`."""
    from dlspec.backends.weights import check_weights, initial_weights
    from dlspec.diagnostics import DlspecError, Severity

    given = given_weights(arguments)
    if given is None:
        return initial_weights(training, arguments.seed or 0)
    parameters = training.graph.parameters
    known = {path: array for path, array in given.items() if path in parameters or training.origin(path) == path}
    wrong = [found for found in check_weights(training.graph, known) if found.severity is Severity.ERROR]
    if wrong:
        raise DlspecError(wrong)
    return known


def prepared(graph: Graph, arguments: Namespace, retype: bool) -> tuple[Graph, dict[str, Array] | None]:
    """The graph in the form that the call asks for, and its weights: None where they are drawn as they are written.

    With ``retype`` the graph itself has the element type of ``--dtype``; PyTorch converts the module instead.
    """
    weights = given_weights(arguments)
    dtype = dtype_of(arguments) if retype else None
    if not arguments.optimize and dtype is None:
        return graph, weights
    from dlspec.backends.weights import check_weights
    from dlspec.diagnostics import DlspecError, Severity
    from dlspec.passes.fold_batch_norm import fold_batch_norm, folded_weights
    from dlspec.passes.retype import converted_weights, with_dtype

    if weights is None:
        weights = drawn(graph, arguments.seed or 0)
    wrong = [found for found in check_weights(graph, weights) if found.severity is Severity.ERROR]
    if wrong:
        raise DlspecError(wrong)
    if arguments.optimize:
        graph, weights = fold_batch_norm(graph), folded_weights(graph, weights)
    if dtype is not None:
        graph = with_dtype(graph, dtype)
        weights = converted_weights(weights, graph)
    return graph, weights
