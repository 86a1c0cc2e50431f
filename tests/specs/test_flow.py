"""Flows: what goes one way comes back by the inverse, and the determinant is that of the Jacobian."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from catalogue import graph_of

from dlspec.backends.torch.live import to_module
from dlspec.backends.weights import draw

FLOWS: list[tuple[str, str, dict[str, Any], tuple[int, ...]]] = [
    ("RealNVP", "RealNVPInverse", {"features": 4, "couplings": 3, "width": 8}, (4,)),
    ("Glow", "GlowInverse", {"side": 4, "levels": 2, "steps": 2, "width": 8}, (1, 4, 4)),
]


def module(network: str, settings: dict[str, Any]) -> Any:
    graph = graph_of(f"flow:{network}", settings)
    return to_module(graph, {path: draw(each, 0) for path, each in graph.parameters.items()}).double()


@pytest.mark.parametrize(("there", "back", "settings", "shape"), FLOWS, ids=[flow[0] for flow in FLOWS])
def test_a_flow_can_be_undone_and_its_determinant_is_exact(
    there: str, back: str, settings: dict[str, Any], shape: tuple[int, ...]
) -> None:
    flow, inverse = module(there, settings), module(back, settings)
    generator = torch.Generator().manual_seed(0)
    for parameter in flow.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    inverse.load_state_dict(flow.state_dict(), strict=True)
    x = torch.randn(3, *shape, generator=generator, dtype=torch.float64)
    z, logdet = flow(x)
    assert (z.flatten(1) - x.flatten(1)).abs().max() > 0.1
    assert torch.allclose(inverse(z), x, atol=1e-10)
    for each, expected in zip(x, logdet, strict=True):
        jacobian: Any = torch.autograd.functional.jacobian(lambda one: flow(one[None])[0].flatten(), each)
        assert torch.linalg.slogdet(jacobian.reshape(z[0].numel(), -1))[1].item() == pytest.approx(
            expected.item(), abs=1e-9
        )
