"""Weights that are divided among processes: each holds a part, and gets the rest of a network while it runs.

PyTorch's `fully_shard` does it for each network of a `train` by itself, so that objectives may use and update networks
in any order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from dlspec.analyses.training_report import TrainingSummary
from dlspec.backends.runtime import RunError
from dlspec.backends.torch.live import require_torch
from dlspec.objectives.training import Training
from dlspec.training.extras import need

if TYPE_CHECKING:
    from torch import nn

    State = dict[str, Any]


def check_shards(training: Training) -> None:
    """Raises `RunError` for a `train` whose weights cannot be divided."""
    if TrainingSummary(training).differentiates:
        message = f"`{training.name}` takes derivatives by `grad`, which PyTorch cannot of weights that are divided"
        raise RunError(message, "--strategy ddp leaves them whole")
    scalars = [
        path for path, weight in training.graph.parameters.items() if weight.kind == "param" and not weight.shape
    ]
    inside = [path for path in scalars if path not in training.networks]
    if inside:
        raise RunError(
            f"PyTorch cannot divide weights without axes, such as `{inside[0]}`", "--strategy ddp leaves them whole"
        )


def shard(training: Training, model: nn.Module, processes: int, device: str) -> None:
    """Divides the weights of each network. Weights that the `train` declares itself stay whole in every process."""
    fsdp = need("torch.distributed.fsdp", "--strategy fsdp")
    mesh = need("torch.distributed.device_mesh", "--strategy fsdp").init_device_mesh(device, (processes,))
    for name, network in model.named_children():
        if name in training.networks and any(True for _ in network.parameters()):
            fsdp.fully_shard(network, mesh=mesh)


def is_shard(tensor: object) -> bool:
    """Whether a tensor is divided among processes."""
    return isinstance(tensor, need("torch.distributed.tensor", "--strategy fsdp").DTensor)


def whole(state: Any) -> Any:
    """A state with whole tensors for those that are divided. All processes have to ask for it."""
    if isinstance(state, Mapping):
        return {name: whole(part) for name, part in cast("Mapping[Any, Any]", state).items()}
    if isinstance(state, list):
        return [whole(part) for part in cast("list[Any]", state)]
    return state.full_tensor() if is_shard(state) else state


def divided(state: State, trainer: Any) -> State:
    """The state of a trainer, whole, in the form that its divided weights take."""
    model = {name: _like(tensor, state["model"][name]) for name, tensor in trainer.model.state_dict().items()}
    optimizers: State = {}
    for name, saved in state["optimizers"].items():
        parameters = trainer.parameters[name]
        moments = {
            index: {key: _like(parameters[index], value) for key, value in of_one.items()}
            for index, of_one in saved["state"].items()
        }
        optimizers[name] = {**saved, "state": moments}
    return {**state, "model": model, "optimizers": optimizers}


def _like(weight: Any, value: Any) -> Any:
    """A tensor divided as a weight of its shape is."""
    if not is_shard(weight) or not require_torch().is_tensor(value) or value.shape != weight.shape:
        return value
    tensor = need("torch.distributed.tensor", "--strategy fsdp")
    return tensor.distribute_tensor(value.to(weight.device), weight.device_mesh, weight.placements)
