"""Generated networks beside torchvision's and timm's: the same state dict, the same outputs, no longer to read."""

from __future__ import annotations

import inspect
import io
import tokenize
from collections.abc import Callable
from typing import Any

import pytest
import torch
from catalogue import graph_of
from oracle import reference_model, results_of, torchvision_models, with_tables
from references import REFERENCES, Reference
from torch import Tensor, nn

from dlspec.backends.torch import source
from dlspec.backends.torch.live import load_source, to_module

WITH_MODEL = [reference for reference in REFERENCES if reference.has_model]
NETWORKS = ("resnet:ResNet50", "googlenet:GoogLeNet", "unet:UNet", "densenet:DenseNet121", "mobilenet_v2:MobileNetV2")


def on_meta(reference: Reference) -> nn.Module:
    """The generated module in eval mode, without memory for its weights."""
    with torch.device("meta"):
        return made(reference)


def made(reference: Reference) -> nn.Module:
    module = load_source(source(reference.graph()))
    return getattr(module, module.__all__[0])().eval()


def filled(theirs: nn.Module) -> dict[str, Tensor]:
    """Weights for a model on the meta device: of He's size, and statistics of BatchNorm that matter."""
    generator = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = {}
    for name, tensor in theirs.state_dict().items():
        if not tensor.is_floating_point():
            state[name] = torch.zeros(tensor.shape, dtype=tensor.dtype)
        elif tensor.dim() > 1:
            state[name] = torch.randn(tensor.shape, generator=generator) * (2 / tensor[0].numel()) ** 0.5
        else:
            low, high = (0.5, 1.5) if name.endswith(("weight", "running_var")) else (-0.1, 0.1)
            state[name] = torch.empty(tensor.shape).uniform_(low, high, generator=generator)
    return state


@pytest.mark.parametrize("reference", WITH_MODEL, ids=str)
def test_state_and_outputs_of_the_model(reference: Reference) -> None:
    ours = made(reference) if reference.small else on_meta(reference)  # tables of constants are in no state dict
    theirs = reference_model(reference)
    in_order: Callable[..., list[str]] = sorted if reference.reordered else list
    assert in_order(ours.state_dict()) == in_order(theirs.state_dict())
    if not reference.small:
        ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)
        return
    state = filled(theirs)
    versioned = theirs.state_dict()  # MNASNet looks at the version that comes with it
    versioned.update(state)
    theirs.load_state_dict(versioned, strict=True, assign=True)
    with_tables(theirs)
    ours.load_state_dict(state, strict=True, assign=True)
    sizes = {**reference.small, "N": 2}
    shape = [sizes.get(str(size), size) for size in reference.graph().inputs[0].type.shape]
    image = torch.randn(*map(int, map(str, shape)), generator=torch.Generator().manual_seed(1))
    for found, expected in zip(results_of(ours, image), results_of(theirs, image), strict=True):
        assert expected.std() > 0
        # The operations are the same, so every bit is; but attention that another one spells out.
        near = 1e-4 * float(expected.std()) if reference.network.startswith(("swin:", "cait:", "beit:")) else 0
        assert float((found - expected).abs().max()) <= near


def test_training_outputs_of_googlenet() -> None:
    """In the order of torchvision's tuple, with its dropout switched off."""
    (reference,) = (r for r in REFERENCES if str(r) == "GoogLeNet~tv_googlenet_aux_eval")
    ours, theirs = on_meta(reference), reference_model(reference)
    state = filled(theirs)
    for model in (ours, theirs):
        model.load_state_dict(state, strict=True, assign=True)
        model.train()
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with without_dropout(), torch.no_grad():
        found, expected = ours(image), theirs(image)
    assert len(found) == len(expected) == 3
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-6)


class without_dropout:
    """``F.dropout`` that passes everything on, for networks that call it in their forward."""

    def __enter__(self) -> None:
        self.dropout = torch.nn.functional.dropout
        torch.nn.functional.dropout = lambda x, *_, **__: x  # type: ignore[assignment]

    def __exit__(self, *_: object) -> None:
        torch.nn.functional.dropout = self.dropout


@pytest.mark.parametrize("network", NETWORKS)
def test_no_graph_break(network: str) -> None:
    module = to_module(graph_of(network)).eval()
    image = torch.randn(1, 3, 64, 64)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    with torch.no_grad():
        assert torch.equal(compiled(image), module(image))


def test_no_graph_break_in_training() -> None:
    module = to_module(graph_of("googlenet:GoogLeNet"))
    outputs = torch.compile(module, fullgraph=True, backend="aot_eager")(torch.randn(2, 3, 64, 64))
    sum(output.sum() for output in outputs).backward()
    assert all(weight.grad is not None for weight in module.parameters())


@pytest.mark.parametrize("network", ["resnet:ResNet50", "unet:UNet"])
def test_export(network: str) -> None:
    module = to_module(graph_of(network)).eval()
    batch = torch.export.Dim("batch", min=1, max=8)
    exported = torch.export.export(module, (torch.randn(2, 3, 64, 64),), dynamic_shapes=({0: batch},))
    image = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(exported.module()(image), module(image), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("network", ["resnet:ResNet18", "unet:UNet"])
def test_other_types_and_layouts(network: str, dtype: torch.dtype) -> None:
    module = to_module(graph_of(network)).eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = module(image)
        module = module.to(dtype, memory_format=torch.channels_last)
        found = module(image.to(dtype, memory_format=torch.channels_last))
    assert found.dtype == dtype
    tolerance = 1e-4 if dtype == torch.float64 else 0.1
    assert (found.float() - expected).abs().max() <= tolerance * expected.abs().max()


def test_sizes_are_checked() -> None:
    module = to_module(graph_of("unet:UNetRecursive")).eval()
    with pytest.raises(ValueError, match="UNetRecursive needs H % 16 == 0"):
        module(torch.randn(1, 3, 40, 32))


def code_lines(text: str) -> int:
    """Lines with code on them: no comments, no docstrings, no blank lines."""
    lines: set[int] = set()
    before = tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        skipped = (
            tokenize.COMMENT,
            tokenize.NL,
            tokenize.NEWLINE,
            tokenize.INDENT,
            tokenize.DEDENT,
            tokenize.ENDMARKER,
        )
        docstring = token.type == tokenize.STRING and before in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
        if token.type not in skipped and not docstring:
            lines.update(range(token.start[0], token.end[0] + 1))
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            before = token.type
    return len(lines)


def test_resnet50_is_no_longer_than_torchvisions() -> None:
    resnet: Any = torchvision_models().resnet
    parts = [resnet.conv3x3, resnet.conv1x1, resnet.BasicBlock, resnet.Bottleneck, resnet.ResNet]
    theirs = sum(code_lines(inspect.getsource(part)) for part in parts)
    text = source(graph_of("resnet:ResNet50"))
    assert code_lines(text) <= 1.5 * theirs
    assert text.count("nn.Conv2d(") <= 5  # no block is written out twice
