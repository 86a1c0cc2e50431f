"""Compares the class of a network, made with other settings, with what dlspec makes of the network with them."""

from __future__ import annotations

from inspect import signature
from typing import Any

import torch

from dlspec.backends.torch.live import load_source
from dlspec.backends.torch.text.source import source
from dlspec.backends.verify import sample_sizes
from dlspec.diagnostics import DlspecError
from dlspec.ir.evaluation import evaluate
from dlspec.ir.graph import Graph
from dlspec.ir.types import DType
from dlspec.ops.positions import IndexTensors
from dlspec.pipeline import Program, elaborate

DTYPES = {kind: getattr(torch, kind.label) for kind in DType}


def others(value: Any) -> list[Any]:
    """Other values for a setting."""
    match value:
        case bool():
            return [not value]
        case int():
            return [value * 2, value + 16, value + 1]
        case float():
            return [value * 2]
        case [*items] if items:
            return [items[:-1], [*items, items[-1]], [*items[1:], *items[:1]]]
        case _:
            return []


def taken(program: Program, name: str, settings: dict[str, Any]) -> Graph | None:
    """The network with settings, unless it refuses them."""
    try:
        return elaborate(program, name, settings)
    except DlspecError:
        return None


def root(text: str) -> Any:
    module = load_source(text)
    return getattr(module, module.__all__[0])


def compare(text: str, settings: dict[str, Any], graph: Graph, least: dict[str, int]) -> int:
    """How many weights and outputs the class that was made with settings has, all with the shapes of the graph.

    Sizes are no smaller than the ``least`` that the network takes with its defaults: the class asks for these."""
    # An index of one position is a number to torch, which a tensor without contents does not have.
    indexed = any(isinstance(n.op, IndexTensors) and any(not v.type.rank for v in n.inputs[1:]) for n in graph.nodes)
    device = "cpu" if indexed else "meta"
    with torch.device(device):
        made = root(text)(**settings).eval()
    weights = {path: tuple(parameter.shape) for path, parameter in graph.parameters.items()}
    weights |= {alias: weights[path] for alias, path in graph.aliases.items()}
    assert {path: tuple(tensor.shape) for path, tensor in made.state_dict().items()} == weights
    sizes = {name: max(size, least.get(name, 1)) for name, size in sample_sizes(graph)[0].items()}
    inputs = [value.type for value in graph.inference_inputs()]
    flows = [torch.empty([evaluate(d, sizes) for d in t.shape], dtype=DTYPES[t.dtype], device=device) for t in inputs]
    with torch.enable_grad():  # some take gradients themselves
        results = made(*flows)
    outputs = [output.value.type for output in graph.outputs if not output.training]
    shapes = [tuple(result.shape) for result in (results if isinstance(results, tuple) else (results,))]
    assert shapes == [tuple(evaluate(d, sizes) for d in type.shape) for type in outputs]
    return len(weights) + len(shapes)


def compared_with_others(program: Program, name: str) -> int:
    """How many shapes of the class with other settings, one changed at a time, were compared."""
    graph = elaborate(program, name)
    text, least = source(graph), sample_sizes(graph)[0]
    count = 0
    for setting in graph.settings.keys() & signature(root(text)).parameters:
        for other in others(graph.settings[setting]):
            changed = taken(program, name, {setting: other})
            if changed is not None:
                count += compare(text, {setting: other}, changed, least)
    return count
