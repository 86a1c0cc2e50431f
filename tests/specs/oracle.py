"""Torchvision and timm as the reference implementations. Dependencies of the tests only."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import pytest
import torch
from catalogue import shape_at
from references import Reference
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from bench import peers


def torchvision_models() -> Any:
    """``torchvision.models``. Skips the test where torchvision is not installed."""
    try:
        return peers.torchvision_models()
    except ImportError:
        pytest.skip("torchvision is not installed: `make test` installs it")


def timm() -> Any:
    """The package ``timm``. Skips the test where it is not installed."""
    try:
        return peers.timm()
    except ImportError:
        pytest.skip("timm is not installed: `make test` installs it")


class _Weightless(TorchFunctionMode):
    """Layers begin with empty weights; what a constructor computes itself, as RegNet does its widths, has numbers."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}) | ({"device": "meta"} if func is torch.empty else {}))


def reference_model(reference: Reference) -> nn.Module:
    """The reference in eval mode, its tensors on the meta device: no memory and no time for weights."""
    with _Weightless():
        model = _built(reference).to("meta")
        if reference.deployed:
            model = timm().models.reparameterize_model(model)
    return model.to("meta").eval()


def _built(reference: Reference) -> nn.Module:
    if reference.torchvision is not None:
        builder, arguments = reference.torchvision
        return attrgetter(builder)(torchvision_models())(weights=None, **arguments)
    assert reference.timm is not None
    name, arguments = reference.timm
    return timm().create_model(name, **arguments)


def with_tables(model: nn.Module) -> None:
    """Computes what is in no state dict, as timm's models do it: it is left on the meta device."""
    part: Any
    for part in model.modules():
        if hasattr(part, "init_non_persistent_buffers"):
            part._apply(lambda t: torch.empty_like(t, device="cpu") if t.is_meta else t, recurse=False)
            part.init_non_persistent_buffers()


def results_of(model: nn.Module, *inputs: Tensor) -> list[Tensor]:
    """What a model gives, in order: a tensor, or several, by name as some of torchvision's do."""
    with torch.no_grad():
        outputs = model(*inputs)
    if isinstance(outputs, dict):
        return list(outputs.values())
    return list(outputs) if isinstance(outputs, tuple) else [outputs]


def figures_of(reference: Reference) -> Mapping[str, Any]:
    """What is recorded of the reference, else what the reference's model has for inputs of the network's default sizes."""
    return measured(reference) if reference.figures is None else reference.figures


def measured(reference: Reference) -> dict[str, Any]:
    """The figures of the reference's model, under the names that records have."""
    shapes = _inputs(reference) if reference.figures is None else reference.figures["input_shapes"]
    model = reference_model(reference)
    parameters = list(model.parameters())
    trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    model.requires_grad_(False)  # the counter cannot follow what is made of a weight alone, as a token of a class
    with FlopCounterMode(display=False) as counter:
        outputs = results_of(model, *(torch.empty(shape, device="meta") for shape in shapes))
    return {
        "input_shapes": shapes,
        "output_shapes": [list(output.shape) for output in outputs],
        "params": sum(parameter.numel() for parameter in parameters),
        "trainable_params": trained,
        "buffers": sum(buffer.numel() for buffer in model.buffers()),
        "macs": counter.get_total_flops() // 2,
    }


def _inputs(reference: Reference) -> list[list[int]]:
    """One example of the sizes that the network has by default."""
    graph = reference.graph()
    sizes = {"N": 1} | {name: size for name, size in graph.symbols.items() if size is not None}
    return [list(shape_at(value.type, sizes)) for value in graph.inputs]
