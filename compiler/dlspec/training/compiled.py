"""What PyTorch makes faster without another result: networks by `torch.compile`, and optimizers in one kernel."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from dlspec.analyses.training_report import TrainingSummary
from dlspec.backends.runtime import RunError
from dlspec.backends.torch.live import require_torch
from dlspec.diagnostics import first_line
from dlspec.objectives.training import Training
from dlspec.training.devices import Devices

if TYPE_CHECKING:
    from torch import nn

_WITHOUT = "leave out --compile: the steps are the same"


def check_compile(training: Training, devices: Devices) -> None:
    """Raises `RunError` for a `train` that PyTorch cannot compile, and where what it compiles with is not installed."""
    torch = require_torch()
    if not hasattr(torch.compiler, "set_stance"):
        raise RunError(f"--compile needs PyTorch 2.6, and this is {torch.__version__}", _WITHOUT)
    if TrainingSummary(training).differentiates:
        raise RunError(
            f"`{training.name}` takes derivatives by `grad`, which PyTorch cannot of what it compiled", _WITHOUT
        )
    if devices.sharded:
        raise RunError("--compile and --strategy fsdp do not go together", "--strategy ddp leaves the weights whole")
    if devices.device.type == "cuda" and find_spec("triton") is None:
        raise RunError("--compile needs triton for a GPU, and it is not installed", _WITHOUT)
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler) is None:
        raise RunError(
            f"--compile needs a C++ compiler, and there is no `{compiler}`", "CXX=name names another; " + _WITHOUT
        )


def compile_networks(training: Training, model: nn.Module) -> None:
    """Lets each network be compiled when it first runs, with the names of its weights as they are.

    What is drawn in one is drawn as without. `Module.compile` passes over a class that has its forward from `nn.Sequential`.
    """
    torch = require_torch()
    for name, network in model.named_children():
        if name in training.networks:
            network.forward = torch.compile(network.forward, options={"fallback_random": True})


def as_written(compiled: bool) -> AbstractContextManager[Any]:
    """In it nothing is compiled: a look at inference would ask for forms of its own."""
    return require_torch().compiler.set_stance("force_eager") if compiled else nullcontext()


def refused(error: RuntimeError) -> RunError | None:
    """What to say of an error that compiling raised, else None."""
    kind = getattr(sys.modules.get("torch._dynamo.exc"), "TorchDynamoException", None)
    if kind is None or not isinstance(error, kind):
        return None
    return RunError(f"PyTorch does not compile these networks: {first_line(error)}", _WITHOUT)


def fuse(training: Training, trainer: Any) -> None:
    """Lets optimizers take a step in one kernel where they have one, whose numbers may differ in the last bit."""
    for update in training.updates:
        if update.optimizer.fuses:
            for group in trainer.optimizers[update.name].param_groups:
                group["fused"] = True
