"""Style mixing and truncation in std.stylegan: what they make of styles, by hand."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from catalogue import graph_of
from torch import Tensor, nn

from dlspec.backends.torch.live import to_module

LEVEL = 2
LAYERS = 2 * LEVEL + 2
SIZES: dict[str, Any] = {"level": LEVEL, "widest": 8}
ALPHA = torch.tensor(0.3)


@cache
def generator() -> Any:
    return to_module(graph_of("stylegan:Generator", SIZES)).eval()


def model(network: str, **settings: Any) -> nn.Module:
    """A network with the weights that the generator has. Its noise has no weight yet, so nothing in it is drawn."""
    weights = generator().state_dict()
    graph = graph_of(f"stylegan:{network}", settings)
    return to_module(graph, {name: weights[name].numpy() for name in graph.parameters}).eval()


def with_styles(styles: list[Tensor]) -> Tensor:
    """The generator's image where each layer has a style of its own."""
    layers = [module for name, module in generator().named_modules() if name.endswith(("adain1", "adain2"))]
    assert len(layers) == len(styles) == LAYERS
    hooks = [
        layer.register_forward_pre_hook(lambda _, given, style=style: (given[0], style))
        for layer, style in zip(layers, styles, strict=True)
    ]
    image = generator()(torch.zeros(3, 512), ALPHA)
    for hook in hooks:
        hook.remove()
    return image


def test_layers_from_the_crossover_on_have_the_other_style() -> None:
    z, other = torch.randn(2, 3, 512, generator=torch.manual_seed(0))
    w, v = generator().style(z), generator().style(other)
    mixing = model("Mixing", **SIZES)
    for crossover in (0, 3, LAYERS):
        found = mixing(z, other, torch.tensor(crossover), ALPHA)
        torch.testing.assert_close(found, with_styles([w] * crossover + [v] * (LAYERS - crossover)))
    torch.testing.assert_close(found, generator()(z, ALPHA))


def test_truncation_brings_styles_near_to_their_mean() -> None:
    z, many = torch.randn(2, 3, 512, generator=torch.manual_seed(0))
    mean, w = model("MeanStyle")(many), generator().style(z)
    torch.testing.assert_close(mean, generator().style(many).mean(0))
    for psi, cutoff in ((0.7, 4), (0.0, 8)):
        found = model("Truncated", **SIZES, psi=psi, cutoff=cutoff)(z, mean, ALPHA)
        near = mean + psi * (w - mean)
        torch.testing.assert_close(found, with_styles([near if i < cutoff else w for i in range(LAYERS)]))
        assert torch.allclose(found[0], found[1]) == (psi == 0)
