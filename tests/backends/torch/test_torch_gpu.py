"""What only a GPU can show. Without one these are skipped, and pytest says so."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from catalogue import graph_of

from dlspec.backends.torch.live import to_module
from dlspec.backends.torch.session import TorchSession

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
NETWORKS = ["resnet:ResNet18", "googlenet:GoogLeNet", "unet:UNet"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("network", NETWORKS)
def test_computes_what_the_cpu_does(network: str, dtype: torch.dtype) -> None:
    module = to_module(graph_of(network)).eval()
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = module(image)
        module = module.to("cuda", dtype, memory_format=torch.channels_last)
        found = module(image.to("cuda", dtype, memory_format=torch.channels_last))
    assert found.is_cuda
    assert found.dtype == dtype
    tolerance = 1e-2 if dtype == torch.float32 else 0.1  # convolutions may run in TF32
    assert (found.cpu().float() - expected).abs().max() <= tolerance * expected.abs().max()


@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_compiles_without_a_graph_break(mode: str) -> None:
    module = to_module(graph_of("resnet:ResNet18")).eval().cuda()
    image = torch.randn(2, 3, 64, 64, device="cuda")
    with torch.no_grad():
        expected = module(image)
        found = torch.compile(module, fullgraph=True, mode=mode)(image)
    assert (found - expected).abs().max() <= 1e-2 * expected.abs().max()


def test_runs_there() -> None:
    graph = graph_of("resnet:ResNet18")
    image = np.random.default_rng(0).standard_normal((2, 3, 64, 64), np.float32)
    found, expected = (TorchSession(graph, device=device).run({"image": image}) for device in ("cuda", "cpu"))
    np.testing.assert_allclose(found["logits"], expected["logits"], rtol=1e-2, atol=1e-2)
