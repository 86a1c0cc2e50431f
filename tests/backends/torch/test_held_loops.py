"""Penalties on all weights of a network against loops over its modules as people write them: the same, bit for bit."""

from __future__ import annotations

import re
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
from dlspec.backends.verify import verify
from dlspec.objectives.training import Training
from dlspec.passes.objective import objectives
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
    "[w.sum() for w in self.f.parameters() if w.ndim > 1]",
]

COMPREHENSIONS = {
    "sum(stack([sum(w ** 2) for w in weights(f) if w.rank > least and w.shape[2] == 3]))":
        "[(w**2).sum() for w in self.f.parameters() if w.ndim > 2 and w.shape[2] == 3]",
    "sum(stack([sum(w ** 2) for w in weights(f) if w.rank != 1 if prod(w.shape[1:]) > 30]))":
        "[(w**2).sum() for w in self.f.parameters() if w.ndim != 1 if math.prod(w.shape[1:]) > 30]",
    "sum(stack([sum(w) for i, w in enumerate(weights(f)) if i % 2 == 0 or w.shape == [4]]))":
        "[w.sum() for i, w in enumerate(self.f.parameters()) if i % 2 == 0 or w.shape == (4,)]",
    "sum(stack([max(c.weight) for c in layers(f, Conv) if c.weight.channels == c.bias.shape[0]]))":
        "[c.weight.amax() for c in layers_of(self.f, nn.Conv2d) if c.weight.shape[1] == c.bias.shape[0]]",
    "sum(stack([max(c.weight) for c in layers(f, Conv)[1:] if c.weight.channels == c.bias.shape[0]]))":
        "[c.weight.amax() for c in layers_of(self.f, nn.Conv2d)[1:] if c.weight.shape[1] == c.bias.shape[0]]",
    "sum(stack([max(w) for w in [w for w in weights(f) if w.features < 10] if w.rank > 1]))":
        "[w.amax() for w in [w for w in self.f.parameters() if w.shape[-1] < 10] if w.ndim > 1]",
    "sum(stack([sum(b) for c, b in [[c, c.bias] for c in layers(f, Conv)] if not c.weight.channels == 3]))":
        "[b.sum() for c, b in [(c, c.bias) for c in layers_of(self.f, nn.Conv2d)] if not c.weight.shape[1] == 3]",
    "sum(stack([sum(stack(same)) for same in by_shape([w for w in weights(f) if w.rank == 1])]))":
        "[torch.stack(same).sum() for same in by_shape([w for w in self.f.parameters() if w.ndim == 1])]",
    "sum(stack([sum(abs(w)) for u in layers(f, Unit) for w in weights(u) if w.rank > 1]))":
        "[torch.abs(w).sum() for u in layers_of(self.f, Unit) for w in u.parameters() if w.ndim > 1]",
    "sum(stack([sum(w) for u in layers(f, Unit) if u.conv.weight.rank == 4 for c in layers(u, Conv) for w in weights(c)]))":
        "[w.sum() for u in layers_of(self.f, Unit) if u.conv.weight.ndim == 4 "
        "for c in layers_of(u, nn.Conv2d) for w in c.parameters()]",
    "sum(stack([sum(w) * i * k for i, u in enumerate(layers(f, Unit)) for k in range(2) for w in weights(u)]))":
        "[w.sum() * i * k for i, u in enumerate(layers_of(self.f, Unit)) for k in range(2) for w in u.parameters()]",
    "sum(stack([sum(n.weight) * sum(c.bias) for n in layers(f, BatchNorm) for c in layers(f, Conv) "
    "if c.weight.channels == n.weight.batch]))":
        "[n.weight.sum() * c.bias.sum() for n in layers_of(self.f, nn.BatchNorm2d) "
        "for c in layers_of(self.f, nn.Conv2d) if c.weight.shape[1] == n.weight.shape[0]]",
    "sum(stack([sum(stack(same)) for same in by_shape([w for u in layers(f, Unit) for w in weights(u)])]))":
        "[torch.stack(same).sum() for same in by_shape([w for u in layers_of(self.f, Unit) for w in u.parameters()])]",
    # A comprehension in the item of another is none of its clauses.
    "sum(stack([sum(stack([sum(w) for w in weights(u)])) for u in layers(f, Unit)]))":
        "torch.stack([w.sum() for w in ",
}  # fmt: skip


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


@pytest.fixture(scope="module")
def chosen() -> Training:
    penalties = "\n".join(f"    part{number} = {each}" for number, each in enumerate(COMPREHENSIONS))
    parts = " + ".join(f"part{number}" for number in range(len(COMPREHENSIONS)))
    text = f"""{TEXT.partition("block Singular")[0]}
train Fit(least = 2) {{
    data x: float[N, 3, 8, 8]
    shared f = Net
    y = x -> f
{penalties}
    minimize mean(y ** 2) + {parts} over f using SGD(lr=0.01)
}}
"""
    return elaborate_training(open_source(Source("net.dlspec", text)), "Fit")


def test_conditions_and_clauses_give_the_same_in_both_lowerings(chosen: Training) -> None:
    report = verify(objectives(chosen))
    assert report.faults == []
    assert report.compared > 0


@pytest.mark.parametrize("loop", COMPREHENSIONS.values())
def test_conditions_and_clauses_are_those_of_comprehensions(chosen: Training, loop: str) -> None:
    text = re.sub(r"\s+", " ", source(chosen)).replace("[ ", "[").replace(" ]", "]")
    assert text.count(loop) >= 2
