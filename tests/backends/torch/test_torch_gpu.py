"""What only a GPU can show. Without one these are skipped, and pytest says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from catalogue import graph_of

from dlspec.backends.torch.live import to_module
from dlspec.backends.torch.session import TorchSession

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
NETWORKS = ["resnet:ResNet18", "googlenet:GoogLeNet", "unet:UNet"]
BILLION: dict[str, Any] = {
    "vocabulary": 32_000, "width": 2_048, "hidden": 8_192, "depth": 16, "heads": 32, "kv_heads": 8,
}  # fmt: skip
"""The sizes of a Llama of about a billion weights."""


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


@pytest.mark.parametrize("compiled", [False, True])
def test_a_llama_of_a_billion_goes_on_as_if_all_had_been_given(compiled: bool) -> None:
    goes_on(BILLION, "cuda", torch.bfloat16, compiled)


def goes_on(sizes: dict[str, Any], device: str, dtype: torch.dtype, compiled: bool) -> None:
    """The logits of the last token from a step with the cache of those before are those of a prefill of all."""
    prefill, step = (to_module(graph_of(f"llama:Llama{part}", sizes)).eval() for part in ("Prefill", "Step"))
    step.load_state_dict(prefill.state_dict())
    modules: list[Any] = [module.to(device, dtype) for module in (prefill, step)]
    prefill, step = [torch.compile(module, fullgraph=True) if compiled else module for module in modules]
    ids = torch.randint(0, sizes["vocabulary"], (1, 33), generator=torch.Generator().manual_seed(0)).to(device)
    with torch.no_grad():
        expected = prefill(ids)[0][:, -1].float()
        _, keys, values = prefill(ids[:, :-1])
        found = step(ids[:, -1:], keys, values)[0][:, -1].float()
    assert (found - expected).abs().max() <= 0.05 * expected.abs().max()


def test_a_llama_of_a_billion_beside_that_of_transformers() -> None:
    transformers: Any = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        vocab_size=BILLION["vocabulary"],
        hidden_size=BILLION["width"],
        intermediate_size=BILLION["hidden"],
        num_hidden_layers=BILLION["depth"],
        num_attention_heads=BILLION["heads"],
        num_key_value_heads=BILLION["kv_heads"],
        rms_norm_eps=1e-5,
    )
    theirs = transformers.LlamaForCausalLM(config).eval().to("cuda", torch.bfloat16)
    ours = to_module(graph_of("llama:Llama", BILLION)).eval()
    ours.load_state_dict(theirs.state_dict())
    ours.to("cuda", torch.bfloat16)
    ids = torch.randint(0, BILLION["vocabulary"], (1, 512), device="cuda")
    with torch.no_grad():
        found, expected = ours(ids).float(), theirs(ids, use_cache=False).logits.float()
        assert (found - expected).abs().max() <= 0.05 * expected.abs().max()
        times = [median_ms(lambda: ours(ids)), median_ms(lambda: theirs(ids, use_cache=False))]
    print(f"Llama of a billion, 512 tokens: {times[0]:.2f} ms, that of transformers {times[1]:.2f} ms")
    assert times[0] <= 1.1 * times[1]


def median_ms(run: Callable[[], Any], turns: int = 20) -> float:
    """The time of a run on the device."""
    times: list[float] = []
    for _ in range(turns + 3):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    return sorted(times[3:])[turns // 2]
