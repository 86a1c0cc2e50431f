"""Penalties on all weights of a network against loops over its modules as people write them: the same, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from test_course_loops import Steps, made
from test_torch_loops import compare
from torch import Tensor, nn
from train_snippets import Batch

from dlspec.pipeline import elaborate_training, open_source
from dlspec.source import Source

TEXT = """
block Unit(width) { conv: Conv(width, 3, padding=1) -> norm: BatchNorm -> ReLU }
network Net(x: float[N, 3, 8, 8]) -> y { x -> stem: Conv(8, 3) -> repeat 2 { Unit(8) } -> Flatten -> Linear(4) }
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
    minimize mean(y ** 2) + 0.01 * size + 0.1 * steepness + scale over f using SGD(lr=0.01)
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
        loss = (y**2).mean() + 0.01 * size + 0.1 * steepness + scale
        made(optimizer, loss)
        yield {"f": loss}, list(net.parameters())


def test_penalties_on_all_weights_are_those_of_a_plain_loop() -> None:
    training = elaborate_training(open_source(Source("net.dlspec", TEXT)), "Fit")
    paths = [path for path, each in training.graph.parameters.items() if each.kind == "param"]
    compare(training, loop, paths)
