"""Generated trainers against loops as people write them in PyTorch: the same losses and weights, bit for bit."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from train_snippets import TRAINS, Batch, batches, training

from dlspec.backends.torch.live import to_training
from dlspec.objectives.training import Training


def filled(make: Callable[[], nn.Module], model: nn.Module, label: str) -> Any:
    """A module with the weights of a generated one, which has other names for them. Nothing is drawn."""
    theirs: Any = getattr(model, label).state_dict()
    with torch.random.fork_rng():
        module = make()
    module.load_state_dict(dict(zip(module.state_dict(), theirs.values(), strict=True)))
    return module


def compare(
    made: Training,
    loop: Callable[[nn.Module, Iterator[Batch], int], Iterator[tuple[dict[str, Tensor], list[Tensor]]]],
    weights: list[str],
    steps: int = 5,
) -> None:
    """Steps of the generated trainer and of a loop: the objectives, and the weights at those paths after each."""
    model, trainer = to_training(made)
    data = batches(made)
    torch.manual_seed(2)
    expected = [
        (objectives, [tensor.detach().clone() for tensor in tensors])
        for objectives, tensors in islice(loop(copy.deepcopy(model), cycle(data), 0), steps)
    ]
    torch.manual_seed(2)
    supply = cycle(data)
    for objectives, tensors in expected:
        found = trainer.step(supply)
        assert found.keys() == objectives.keys()
        for name, value in objectives.items():
            assert torch.equal(found[name], value.detach()), name
        state = model.state_dict()
        for path, tensor in zip(weights, tensors, strict=True):
            assert torch.equal(state[path], tensor), path
    assert any(not torch.equal(a, b) for a, b in zip(expected[0][1], expected[-1][1], strict=True))


def generator(model: nn.Module) -> Any:
    return filled(lambda: nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2)), model, "generate")


def critic(model: nn.Module) -> Any:
    return filled(lambda: nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1)), model, "judge")


GAN_WEIGHTS = ["generate.0.weight", "generate.2.bias", "judge.0.weight", "judge.2.bias"]


def gan_weights(g: Any, d: Any) -> list[Tensor]:
    return [g[0].weight, g[2].bias, d[0].weight, d[2].bias]


def gan(model: nn.Module, data: Iterator[Batch], _: int) -> Iterator[tuple[dict[str, Tensor], list[Tensor]]]:
    g, d = generator(model), critic(model)
    of_g = torch.optim.Adam(g.parameters(), lr=1e-2, betas=(0.5, 0.999))
    of_d = torch.optim.SGD(d.parameters(), lr=0.1, momentum=0.9)
    while True:
        for _ in range(3):
            real = next(data)["real"]
            fake = g(torch.randn(len(real), 4))
            value = torch.log(torch.sigmoid(d(real))).mean() + torch.log(1 - torch.sigmoid(d(fake))).mean()
            of_d.zero_grad()
            (-value).backward()
            of_d.step()
        loss = -torch.log(torch.sigmoid(d(g(torch.randn(len(real), 4))))).mean()
        of_g.zero_grad()
        loss.backward()
        of_g.step()
        yield {"judge": value, "generate": loss}, gan_weights(g, d)


def wgan(model: nn.Module, data: Iterator[Batch], _: int) -> Iterator[tuple[dict[str, Tensor], list[Tensor]]]:
    g, d = generator(model), critic(model)
    of_g = torch.optim.RMSprop(g.parameters(), lr=5e-3)
    of_d = torch.optim.RMSprop(d.parameters(), lr=5e-3)
    while True:
        for _ in range(2):
            real = next(data)["real"]
            gain = d(real).mean() - d(g(torch.randn(len(real), 4)).detach()).mean()
            of_d.zero_grad()
            (-gain).backward()
            of_d.step()
            for parameter in d.parameters():
                parameter.data.clamp_(-0.05, 0.05)
        score = d(g(torch.randn(len(real), 4))).mean()
        of_g.zero_grad()
        (-score).backward()
        of_g.step()
        yield {"judge": gain, "generate": score}, gan_weights(g, d)


def wgan_gp(model: nn.Module, data: Iterator[Batch], _: int) -> Iterator[tuple[dict[str, Tensor], list[Tensor]]]:
    g, d = generator(model), critic(model)
    of_g = torch.optim.Adam(g.parameters(), lr=1e-3, betas=(0.0, 0.9))
    of_d = torch.optim.Adam(d.parameters(), lr=1e-3, betas=(0.0, 0.9))
    while True:
        for _ in range(2):
            real = next(data)["real"]
            fake = g(torch.randn(len(real), 4)).detach()
            t = torch.rand(len(real), 1)
            mixed = (t * real + (1 - t) * fake).requires_grad_()
            (slope,) = torch.autograd.grad(d(mixed).sum(), mixed, create_graph=True)
            penalty = ((torch.sqrt((slope**2).sum(1)) - 1) ** 2).mean()
            loss = d(fake).mean() - d(real).mean() + 10 * penalty
            of_d.zero_grad()
            loss.backward()
            of_d.step()
        score = -d(g(torch.randn(len(real), 4))).mean()
        of_g.zero_grad()
        score.backward()
        of_g.step()
        yield {"judge": loss, "generate": score}, gan_weights(g, d)


class PlainVAE(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.encode, self.decode = model.encode, model.decode

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = F.relu(self.encode.fc1(image.flatten(1)))
        mu, logvar = self.encode.fc21(h), self.encode.fc22(h)
        z = mu + torch.exp(0.5 * logvar) * torch.randn(mu.shape)
        return self.decode.fc4(F.relu(self.decode.fc3(z))).view(-1, 1, 4, 4), mu, logvar


def vae(model: Any, data: Iterator[Batch], steps: int) -> Iterator[tuple[dict[str, Tensor], list[Tensor]]]:
    plain = PlainVAE(model)
    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-2)
    while True:
        image = next(data)["image"]
        logits, mu, logvar = plain(image)
        reconstruction = F.binary_cross_entropy_with_logits(logits, image, reduction="sum")
        kl = -0.5 * (1 + logvar - mu**2 - torch.exp(logvar)).sum()
        loss = reconstruction + min(steps / 4, 1.0) * kl
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
        yield {"encode_decode": loss}, [plain.encode.fc21.weight, plain.decode.fc4.bias]


def everything(model: Any, data: Iterator[Batch], _: int) -> Iterator[tuple[dict[str, Tensor], list[Tensor]]]:
    net, scale, shift, teacher = model.net, model.scale, model.shift, model.teacher
    slow = copy.deepcopy(net).eval().requires_grad_(False)
    teacher.eval()
    first = torch.optim.SGD([*net.parameters(), shift], lr=0.5)
    second = torch.optim.AdamW(scale.parameters(), lr=1e-2)
    halved = torch.optim.lr_scheduler.StepLR(first, 2, gamma=0.5)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(second, T_max=10)
    while True:
        x, wanted = next(data).values()
        y = scale(net(x))
        far = F.mse_loss(y + shift, wanted)
        near = ((net(x) - teacher(x)) ** 2).mean() + ((slow(x) - y) ** 2).mean()
        loss = far + 0.1 * near
        first.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([*net.parameters(), shift], 0.1)
        first.step()
        halved.step()
        with torch.no_grad():
            for mine, theirs in zip(slow.parameters(), net.parameters(), strict=True):
                mine.lerp_(theirs, 1 - 0.9)
            for mine, theirs in zip(slow.buffers(), net.buffers(), strict=True):
                mine.copy_(theirs)
        gain = -F.mse_loss(scale(net(x)) + shift, wanted) - model.offset.mean()
        second.zero_grad()
        (-gain).backward()
        nn.utils.clip_grad_value_(scale.parameters(), 0.05)
        second.step()
        falling.step()
        yield (
            {"net_shift": loss, "scale": gain},
            [net.fc.weight, net["1"].running_var, shift, scale.weight, slow.out.weight, slow["1"].running_mean],
        )


def rates(model: Any, data: Iterator[Batch], steps: int) -> Iterator[tuple[dict[str, Tensor], list[Tensor]]]:
    net, warm, flat, search = model.net, model.warm, model.flat, model.search
    of_net, of_warm, of_flat = (torch.optim.SGD(part.parameters(), lr=0.5) for part in (net, warm, flat))
    parts = [
        torch.optim.lr_scheduler.LinearLR(of_warm, 0.1, total_iters=2),
        torch.optim.lr_scheduler.StepLR(of_warm, 1, gamma=0.5),
    ]
    warming = torch.optim.lr_scheduler.SequentialLR(of_warm, parts, milestones=[2])
    watching = torch.optim.lr_scheduler.ReduceLROnPlateau(of_flat, "max", patience=0, threshold=0.9)
    of_search = torch.optim.LBFGS(search.parameters(), lr=0.5, max_iter=3)
    while True:
        at = torch.tensor(float(steps))
        falling = (torch.cos((at / 4).clamp(max=1.0) * torch.pi) + 1.0) * 0.25 + 0.5
        of_net.param_groups[0]["lr"] = float(falling * ((at / 2).clamp(max=1.0) * 0.5))
        for _ in range(2):
            x = next(data)["x"]
            first = (net(x) ** 2).mean()
            of_net.zero_grad()
            first.backward()
            of_net.step()
        second = (warm(x) ** 2).mean()
        of_warm.zero_grad()
        second.backward()
        of_warm.step()
        warming.step()
        third = -(flat(x) ** 2).mean()
        of_flat.zero_grad()
        (-third).backward()
        of_flat.step()
        watching.step(third.item())

        def closure(x: Tensor = x) -> Tensor:
            of_search.zero_grad()
            loss = ((search(x) - x) ** 2).mean()
            loss.backward()
            nn.utils.clip_grad_norm_(search.parameters(), 1.0)
            return loss

        fourth = -of_search.step(closure)  # pyright: ignore[reportArgumentType, reportUnknownVariableType]
        steps += 1
        yield (
            {"net": first, "warm": second, "flat": third, "search": fourth},
            [net.fc.weight, warm.fc.weight, flat.fc.weight, search.weight],
        )


def parts(model: Any, data: Iterator[Batch], steps: int) -> Iterator[tuple[dict[str, Tensor], list[Tensor]]]:
    f, shift = model.f, model.shift
    slow = copy.deepcopy(f).eval().requires_grad_(False)
    f.stem.requires_grad_(False)
    f.neck.requires_grad_(False)
    inner, norm, _, outer = f.body
    outer.bias.requires_grad_(False)
    first = torch.optim.SGD(
        [
            {"params": [inner.weight], "lr": 0.1, "weight_decay": 0.05},
            {"params": [inner.bias, *norm.parameters()], "lr": 0.1, "weight_decay": 0.0},
            {"params": [f.head.weight]},
            {"params": [f.head.bias, shift], "weight_decay": 0.0},
            {"params": [outer.weight], "lr": 0.05},
        ],
        lr=0.5, momentum=0.9, weight_decay=0.01,
    )  # fmt: skip
    halved = torch.optim.lr_scheduler.StepLR(first, 2, gamma=0.5)
    rest, deep, head = [*norm.parameters(), outer.weight], [*inner.parameters()], [*f.head.parameters()]
    second = torch.optim.AdamW([{"params": rest}, {"params": deep, "lr": 1e-3}, {"params": head}])
    third = torch.optim.SGD(head, lr=0.1)
    everything = [p for p in f.parameters() if p.requires_grad]
    matrices, vectors = [p for p in everything if p.ndim > 1], [p for p in everything if p.ndim < 2]
    fourth = torch.optim.SGD([{"params": matrices, "weight_decay": 0.1}, {"params": vectors}])

    def forward(x: Tensor) -> Tensor:
        f.train()
        f.stem.eval()
        return f(x)

    def made(optimizer: torch.optim.Optimizer, loss: Tensor, clipped: list[Tensor] | None = None) -> None:
        f.zero_grad()
        shift.grad = None
        loss.backward()
        if clipped:
            nn.utils.clip_grad_norm_(clipped, 0.1)
        optimizer.step()
        with torch.no_grad():
            for mine, theirs in zip(slow.parameters(), f.parameters(), strict=True):
                mine.lerp_(theirs, 1 - 0.9)
            for mine, theirs in zip(slow.buffers(), f.buffers(), strict=True):
                mine.copy_(theirs)

    while True:
        x, wanted = next(data).values()
        rate = float((torch.tensor(float(steps)) / 4).clamp(max=1.0) * 0.1)
        one = F.mse_loss(forward(x) + shift, wanted)
        made(first, one)
        halved.step()
        second.param_groups[0]["lr"], second.param_groups[2]["lr"] = 0.5 * rate, rate
        two = (forward(x) ** 2).mean()
        made(second, two, [*rest, *deep, *head])
        three = forward(x).mean()
        made(third, three)
        for group in fourth.param_groups:
            group["lr"] = rate
        y = forward(x)
        four = (slow(x) - y).mean()
        made(fourth, four)
        steps += 1
        yield (
            {"f_shift": one, "f": two, "f_head": three, "f_2": four},
            [
                *(f.stem[1].running_mean, f.stem[0].weight, inner.weight, inner.bias, norm.running_mean, norm.weight),
                *(outer.weight, outer.bias, f.neck.weight, f.head.weight, f.head.bias, shift, slow.head.weight),
            ],
        )


PARTS = [
    "f.stem.1.running_mean", "f.stem.0.weight", "f.body.0.weight", "f.body.0.bias", "f.body.1.running_mean",
    "f.body.1.weight", "f.body.3.weight", "f.body.3.bias", "f.neck.weight", "f.head.weight", "f.head.bias", "shift",
    "slow.head.weight",
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "loop", "weights"),
    [
        ("gan", gan, GAN_WEIGHTS),
        ("wgan", wgan, GAN_WEIGHTS),
        ("wgan_gp", wgan_gp, GAN_WEIGHTS),
        ("vae", vae, ["encode.fc21.weight", "decode.fc4.bias"]),
        ("parts", parts, PARTS),
        ("rates", rates, ["net.fc.weight", "warm.fc.weight", "flat.fc.weight", "search.weight"]),
        (
            "everything",
            everything,
            ["net.fc.weight", "net.1.running_var", "shift", "scale.weight", "slow.out.weight", "slow.1.running_mean"],
        ),
    ],
)
def test_steps_are_those_of_a_plain_loop(name: str, loop: Any, weights: list[str]) -> None:
    compare(training(TRAINS[name]), loop, weights)
