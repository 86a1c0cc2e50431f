"""Weights that are divided among processes, here all in one."""

from __future__ import annotations

from collections.abc import Generator

import pytest
import torch
from trains import GAN, training

from dlspec.backends.runtime import RunError
from dlspec.backends.torch.live import to_training
from dlspec.training.shards import check_shards, divided, is_shard, shard, whole


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """A group of this process."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    distributed = torch.distributed
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def test_a_state_there_and_back(alone: None) -> None:
    made = training(GAN, "Gan")
    model, trainer = to_training(made)
    batches = iter([{"real": torch.rand(8, 1, 8, 8)} for _ in range(4)])
    trainer.step(batches)
    state = trainer.state_dict()
    before = {name: tensor.clone() for name, tensor in state["model"].items()}

    again, _ = to_training(made, seed=1)
    shard(made, again, 1, "cpu")
    assert all(is_shard(parameter) for parameter in again.parameters())
    assert len(list(again.parameters())) == len(list(model.parameters()))
    other = type(trainer)(again)
    other.load_state_dict(divided(state, other))
    assert other.steps == 1
    assert all(
        is_shard(moment) for moment in other.optimizers["generate"].state_dict()["state"][0].values() if moment.ndim
    )
    found = whole(other.state_dict())
    assert found["model"].keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in found["model"].items())
    for name, optimizer in state["optimizers"].items():
        for index, moments in optimizer["state"].items():
            kept = found["optimizers"][name]["state"][index]
            assert all(torch.equal(kept[key], moment) for key, moment in moments.items())


def test_what_cannot_be_divided() -> None:
    check_shards(training(GAN, "Gan"))
    penalty = """
network Critic(x: float[N, 2]) -> score { x -> Linear(1) }
train Fit {
    data x: float[N, 2]
    shared judge = Critic
    minimize mean(grad(mean((x -> judge) ** 2), x) ** 2) over judge using SGD(lr=0.1)
}
"""
    with pytest.raises(RunError, match="`Fit` takes derivatives by `grad`"):
        check_shards(training(penalty, "Fit"))
    scalar = """
block Scale() { param gain: float[] = 1.0
    x * gain }
network Net(x: float[N, 2]) -> y { x -> scale: Scale }
train Fit {
    data x: float[N, 2]
    shared net = Net
    minimize mean((x -> net) ** 2) over net using SGD(lr=0.1)
}
"""
    with pytest.raises(RunError, match=r"weights without axes, such as `net\.scale\.gain`"):
        check_shards(training(scalar, "Fit"))
