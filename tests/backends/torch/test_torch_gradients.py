"""Gradients through generated PyTorch: losses against torch.nn.functional's, `detach` and `grad`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from harness import Array, Case, single_node_graph, tables, torch_module
from tests.backends.penalties import PENALTIES
from tests.elaborate.specs import codes_in, found_in, graph_of
from torch import Tensor, nn

from dlspec.backends.torch.live import to_module
from dlspec.backends.weights import draw
from dlspec.diagnostics import DlspecError

LOSSES: list[tuple[str, Case]] = [(name, row) for name, row in tables("CASES") if name.startswith("loss-")]


def gradients(function: Callable[..., Any], arrays: list[Array], count: int) -> list[Tensor]:
    """Those of the sum of the outputs, by the first inputs, so many, that are numbers."""
    inputs = [torch.from_numpy(array.copy()) for array in arrays]
    inner = [x.requires_grad_() for x in inputs[:count] if x.is_floating_point()]
    result: Tensor = function(*inputs)
    return list(torch.autograd.grad(result.sum(), inner, materialize_grads=True))


@pytest.mark.parametrize("row", [row for _, row in LOSSES], ids=[name for name, _ in LOSSES])
def test_gradients_of_losses_are_torchs(row: Case) -> None:
    arrays = row.arrays(row.types)
    module = to_module(single_node_graph(row.op, row.types), {})
    count = sum(not name.endswith("?") for name in row.op.tensors)  # torch has no gradients by weights of classes
    ours, theirs = gradients(module, arrays, count), gradients(torch_module(row, {}), arrays, count)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6, equal_nan=True)  # at 0, that of t * log(t)


def by_hand(w: dict[str, Tensor], real: Tensor, fake: Tensor) -> list[Tensor]:
    """What PENALTIES says, in plain PyTorch."""

    def judge(x: Tensor) -> Tensor:
        h = F.leaky_relu(F.conv2d(x, w["judge.0.weight"]), 0.2)
        return torch.tanh(F.conv2d(h, w["judge.2.weight"], w["judge.2.bias"])).flatten(1)

    def slope(y: Tensor, x: Tensor) -> Tensor:
        return torch.autograd.grad(y.sum(), x, create_graph=True)[0]

    mixed = (0.25 * real + 0.75 * fake).requires_grad_()
    real.requires_grad_()
    fake.requires_grad_()
    hidden = F.conv2d(real, w["stem.weight"], w["stem.bias"])
    inner = slope((torch.tanh(hidden) ** 2).sum(), hidden)
    return [
        ((slope(judge(mixed), mixed).flatten(1).norm(dim=1) - 1) ** 2).mean(),
        slope(judge(real), real).square().sum(),
        slope(judge(fake), fake).square().mean(),
        (slope((inner**2).sum(), hidden) ** 2).sum(),
        (judge(real).detach() * judge(fake)).mean(),
    ]


def test_gradients_in_a_network_are_those_of_a_plain_loop() -> None:
    """Values and, through them, the gradients of all weights: second order."""
    graph = graph_of(PENALTIES)
    weights = {path: draw(parameter, seed=3) for path, parameter in graph.parameters.items()}
    module: nn.Module = to_module(graph, weights)
    generator = np.random.default_rng(0)
    real, fake = (torch.from_numpy(generator.standard_normal((5, 3, 8, 8)).astype(np.float32)) for _ in range(2))
    ours = module(real.clone(), fake.clone())
    plain = {path: torch.from_numpy(array.copy()).requires_grad_() for path, array in weights.items()}
    theirs = by_hand(plain, real, fake)
    torch.testing.assert_close(list(ours), theirs)
    names = list(plain)
    for our, their in zip(ours, theirs, strict=True):
        mine = torch.autograd.grad(
            our, [module.get_parameter(n) for n in names], materialize_grads=True, retain_graph=True
        )
        other = torch.autograd.grad(their, [plain[n] for n in names], materialize_grads=True, retain_graph=True)
        torch.testing.assert_close(mine, other)
        assert any(g.abs().max() > 1e-6 for g in other)


def test_a_network_with_frozen_weights_has_gradients_by_what_it_computes() -> None:
    body = "h = x -> a: { Linear(4) -> Tanh }\n    grad(h -> b: Linear(2), h)"
    graph = graph_of(f"network Net(x: float[N, 3]) -> y {{\n    {body}\n}}")
    module = to_module(graph, {path: draw(p, seed=3) for path, p in graph.parameters.items()}).requires_grad_(False)
    torch.testing.assert_close(module(torch.ones(2, 3)), module.b.weight.sum(0).expand(2, 4))


def test_detach_is_the_identity_of_onnx_and_stops_gradients() -> None:
    module = to_module(graph_of("network Net(x: float[N, 3]) -> y { x * detach(x -> Detach) }"), {})
    x = torch.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    module(x).sum().backward()
    torch.testing.assert_close(x.grad, x.detach())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("grad(tanh(x), z)", "`tanh(x)` does not depend on `z: float[N, 3]`"),
        ("grad(tanh(detach(x)), x)", "no gradient of `tanh(detach(x))` reaches `x: float[N, 3]`"),
        ('grad(cast(argmax(x, 1), "float"), x)', "no gradient of"),
        ("grad(x * 2, tanh(x))", "does not depend on `tanh(x)`"),
        ("grad(2.0, x)", "does not depend on"),
    ],
)
def test_what_has_no_gradient(body: str, message: str) -> None:
    text = f"network Net(x: float[N, 3], z: float[N, 3]) -> y {{ {body} }}"
    assert codes_in(text) == ["DL0410"]
    assert message in found_in(text)[0].message


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("nll(x, t, w)", "weight"),
        ("cross_entropy(x, t, w)", "weight"),
        ("bce_logits(x, x, pos_weight=w)", "pos_weight"),
    ],
)
def test_a_loss_whose_weights_are_learned_is_refused_where_torch_has_no_gradient(body: str, name: str) -> None:
    body = body.replace("bce_logits", "binary_cross_entropy_with_logits")
    weight = f"param w: float[3] = 1\n    {body}"
    text = f"network Net(x: float[N, 3], t: int[N]) -> y {{\n    {weight}\n}}"
    with pytest.raises(DlspecError) as refused:
        to_module(graph_of(text))
    assert (refused.value.diagnostics[0].code, refused.value.diagnostics[0].span.text) == ("DL0501", body)
    assert f"no gradient by the `{name}`" in refused.value.diagnostics[0].message
    to_module(graph_of(text.replace("param", "buffer")))
