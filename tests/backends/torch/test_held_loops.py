"""Penalties on all weights of a network against loops over its modules as people write them: the same, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from test_course_loops import Steps, made
from test_torch_loops import compare
from torch import Tensor, nn
from train_snippets import Batch

from dlspec.backends.torch import source
from dlspec.backends.torch.live import to_training
from dlspec.pipeline import elaborate_training, open_source
from dlspec.source import Source

TEXT = """
block Unit(width) { conv: Conv(width, 3, padding=1) -> norm: BatchNorm -> ReLU }
network Net(x: float[N, 3, 8, 8]) -> y {
    x -> "body.0": Conv(8, 3) -> repeat 2 { Unit(8) } -> "body.1": Unit(8) -> Flatten -> Linear(4)
}
block Singular(steps) {
    rows = x -> Flatten
    fixed = detach(rows)
    left = sum(fixed, 1)
    right = left
    repeat steps {
        right = normalize(matmul(left, fixed), dim=0)
        left = normalize(matmul(fixed, right), dim=0)
    }
    sum(left * matmul(rows, right))
}
train Fit {
    data x: float[N, 3, 8, 8]
    shared f = Net
    shared singular = Singular(4)
    y = x -> f
    size = sum(stack([sum(abs(w)) for w in weights(f)]))
    steepness = sum(stack([conv.weight -> singular for conv in layers(f, Conv)]))
    scale = zeros([])
    for norm in layers(f, BatchNorm) { scale = scale + max(abs(norm.weight)) }
    alike = zeros([])
    kernels = [[conv.weight, conv.bias] for conv in layers(f, Conv)]
    for same in by_shape(kernels) {
        alike = alike + sum(stack([w for w, b in same]) ** 2) * mean(stack([b for w, b in same]))
    }
    wide = sum(stack([sum(w) for w in weights(f) if w.rank > 1]))
    units = layers(f, Unit)
    pairs = stack([sum(u.conv.weight) * i for i, u in enumerate(units)]) - stack([sum(u.norm.bias) for u in reversed(units)])
    alike = alike + 0.01 * wide + 0.01 * sum(pairs)
    minimize mean(y ** 2) + 0.01 * size + 0.1 * steepness + scale + alike over f using SGD(lr=0.01)
}
"""


def singular(weight: Tensor) -> Tensor:
    rows = weight.flatten(1)
    with torch.no_grad():
        left = rows.sum(1)
        for _ in range(4):
            right = nn.functional.normalize(left @ rows, dim=0)
            left = nn.functional.normalize(rows @ right, dim=0)
    return (left * (rows @ right)).sum()


def loop(model: Any, data: Iterator[Batch], _: int) -> Steps:
    net = model.f
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    while True:
        y = net(next(data)["x"])
        size = torch.stack([w.abs().sum() for w in net.parameters()]).sum()
        steepness = torch.stack([singular(m.weight) for m in net.modules() if isinstance(m, nn.Conv2d)]).sum()
        scale = torch.zeros(())
        for norm in [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]:
            scale = scale + norm.weight.abs().max()
        alike = torch.zeros(())
        for same in ([net.body[0]], [net.body[1].conv, net["1"].conv, net["2"].conv]):
            alike = (
                alike + (torch.stack([m.weight for m in same]) ** 2).sum() * torch.stack([m.bias for m in same]).mean()
            )
        wide = torch.stack([w.sum() for w in net.parameters() if w.ndim > 1]).sum()
        units = [net.body[1], net["1"], net["2"]]
        pairs = torch.stack([u.conv.weight.sum() * i for i, u in enumerate(units)])
        alike = alike + 0.01 * wide + 0.01 * (pairs - torch.stack([u.norm.bias.sum() for u in units[::-1]])).sum()
        loss = (y**2).mean() + 0.01 * size + 0.1 * steepness + scale + alike
        made(optimizer, loss)
        yield {"f": loss}, list(net.parameters())


LOOPS = [
    " = torch.stack([torch.abs(w).sum() for w in self.f.parameters()])\n",
    " = [self.singular(conv.weight) for conv in layers_of(self.f, nn.Conv2d)]\n",
    "        for norm in layers_of(self.f, nn.BatchNorm2d):\n            scale = scale + torch.abs(norm.weight).amax()\n",
    "        for same in by_shape([(conv.weight, conv.bias) for conv in layers_of(self.f, nn.Conv2d)]):\n",
    "torch.stack([w for w, _ in same])",
    "torch.stack([b for _, b in same])",
    "        units = layers_of(self.f, Unit)\n",
    "[u.conv.weight.sum() * i for i, u in enumerate(units)]",
    "[u.norm.bias.sum() for u in units[::-1]]",
]


@pytest.mark.parametrize("loop", LOOPS)
def test_penalties_are_loops_in_source(text: str, loop: str) -> None:
    assert text.count(loop) == 2  # in the objective, and where it is measured


@pytest.fixture(scope="module")
def text() -> str:
    return source(elaborate_training(open_source(Source("net.dlspec", TEXT)), "Fit"))


def test_penalties_on_all_weights_are_those_of_a_plain_loop() -> None:
    training = elaborate_training(open_source(Source("net.dlspec", TEXT)), "Fit")
    names = to_training(training)[0].get_submodule("f").state_dict(keep_vars=True).items()
    paths = [f"f.{name}" for name, tensor in names if isinstance(tensor, nn.Parameter)]
    compare(training, loop, paths)
