"""One process or many, on which devices: Lightning Fabric, and the gradients' way between processes."""

from __future__ import annotations

import logging
import os
import socket
import warnings
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from dlspec.backends.runtime import RunError
from dlspec.backends.torch.live import require_torch
from dlspec.training.extras import HINT, need
from dlspec.training.options import Options
from dlspec.training.shards import is_shard

if TYPE_CHECKING:
    from torch import Tensor, nn

_LOOPBACK = "127.0.0.1"


def first_process() -> bool:
    """Whether this is the process that a person started on the first machine, and not one that it started beside itself."""
    machine = os.environ.get("NODE_RANK", os.environ.get("GROUP_RANK", "0"))  # the latter by torchrun
    return int(os.environ.get("LOCAL_RANK", "0")) == 0 and int(machine) == 0


class Devices:
    """The processes of a run, seen from one of them. `launch` starts the others."""

    def __init__(self, options: Options) -> None:
        """Raises `RunError` for devices and strategies that are not there."""
        torch = require_torch()
        library = need("lightning_fabric", "training")
        for name in ("lightning_fabric", "lightning.fabric"):
            logging.getLogger(name).setLevel(logging.ERROR)
        if options.accelerator == "cuda" and not torch.cuda.is_available():
            raise RunError("PyTorch finds no CUDA device", "--accelerator cpu always works")
        if options.accelerator == "mps" and not torch.backends.mps.is_available():
            raise RunError("PyTorch finds no MPS device", "--accelerator cpu always works")
        misconfigured = need("lightning_fabric.utilities.exceptions", "training").MisconfigurationException
        many = options.devices > 1 or options.nodes > 1
        if options.strategy != "auto" and not many:
            raise RunError(f"--strategy {options.strategy} is for several processes", "--devices 2")
        self.sharded = options.strategy == "fsdp"
        self._mixed = options.precision not in (None, "32-true")
        try:
            self._fabric: Any = library.Fabric(
                accelerator=options.accelerator,
                devices=options.devices,
                num_nodes=options.nodes,
                precision=options.precision,
                strategy=_strategy() if many else "auto",
            )
        except (misconfigured, RuntimeError, ValueError, ImportError) as error:  # whatever its connector finds wrong
            raise RunError(
                f"Lightning Fabric cannot run so: {error}", HINT if isinstance(error, ImportError) else ""
            ) from None

        if options.nodes > 1:
            self._check_machines(options.nodes)

    def launch(self) -> None:
        """Starts the other processes, and waits for them. Raises `RunError`."""
        require_torch().backends.cudnn.deterministic = True  # a run that goes on takes the same steps
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._fabric.launch()
        except (RuntimeError, ValueError, OSError) as error:
            raise RunError(f"the processes do not come together: {error}") from None

    def _check_machines(self, count: int) -> None:
        """Raises `RunError` where nothing says where the first machine is, and which this is."""
        environments = need("lightning_fabric.plugins.environments", "training in several processes")
        if type(self._fabric.strategy.cluster_environment) is not environments.LightningEnvironment:
            return  # torchrun or a cluster says it
        missing = [name for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK") if name not in os.environ]
        if missing:
            hint = f"NODE_RANK is from 0 to {count - 1}, the other two are the first machine's; or start it by torchrun"
            raise RunError(f"--num-nodes {count} needs {', '.join(missing)} in the environment of each", hint)

    @property
    def process(self) -> int:
        return self._fabric.global_rank

    @property
    def processes(self) -> int:
        return self._fabric.world_size

    @property
    def device(self) -> Any:
        return self._fabric.device

    @property
    def fuses(self) -> bool:
        """Whether optimizers take their steps in one kernel: on a CPU numbers stay those of a plain loop, bit for bit."""
        return self.device.type == "cuda" and not self.sharded

    def __str__(self) -> str:
        torch = require_torch()
        place = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else str(self.device.type)
        return place if self.processes == 1 else f"{self.processes} processes, {place}"

    def autocast(self) -> AbstractContextManager[None]:
        """Within it tensors are computed in the run's precision."""
        return self._fabric.autocast()

    def full_precision(self) -> AbstractContextManager[None]:
        """Within it tensors are computed in their own precision again."""
        if not self._mixed:
            return nullcontext()
        return require_torch().autocast(self.device.type, enabled=False)

    def seed(self, number: int) -> None:
        """Seeds what is drawn on the CPU and on this process's device.

        `torch.manual_seed` does it for all devices, and notes where it was called from, which costs more than a small step.
        """
        torch = require_torch()
        torch.default_generator.manual_seed(number)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(number)
        elif self.device.type == "mps":
            torch.mps.manual_seed(number)

    def here(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """A batch on this process's device."""
        if self.device.type == "cpu":
            return batch
        pins = self.device.type == "cuda"  # else the copy waits for what the device has to do
        return {
            name: (tensor.pin_memory() if pins else tensor).to(self.device, non_blocking=True)
            for name, tensor in batch.items()
        }

    def mean(self, tensor: Tensor) -> Tensor:
        """The mean over all processes."""
        return tensor if self.processes == 1 else self._fabric.all_reduce(tensor, reduce_op="mean")

    def means(self, numbers: Iterable[Tensor]) -> list[float]:
        """The means over all processes of some 0-d tensors."""
        stacked: Any = self.mean(require_torch().stack([number.float() for number in numbers]))
        return stacked.tolist()

    def average_gradients(self, parameters: list[nn.Parameter]) -> None:
        """Gives the gradients of these parameters their mean over all processes, in one message for each type."""
        if self.processes == 1:
            return
        torch = require_torch()
        gradients: list[Any] = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if self.sharded:  # those of divided weights are means already
            gradients = [gradient for gradient in gradients if not is_shard(gradient)]
        for dtype in {gradient.dtype for gradient in gradients}:
            of_type = [gradient for gradient in gradients if gradient.dtype == dtype]
            flat: Any = self.mean(torch.cat([gradient.flatten() for gradient in of_type]))
            parts = flat.split([gradient.numel() for gradient in of_type])
            for gradient, part in zip(of_type, parts, strict=True):
                gradient.copy_(part.view_as(gradient))

    def share_buffers(self, module: nn.Module) -> None:
        """Gives all processes the buffers of the first: each saw its own part of the batches."""
        if self.processes == 1:
            return
        distributed = require_torch().distributed
        for buffer in module.buffers():
            distributed.broadcast(buffer, 0)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.processes > 1:
            self._fabric.barrier()

    def close(self) -> None:
        distributed = require_torch().distributed
        if self.processes > 1 and distributed.is_initialized():
            distributed.destroy_process_group()


def _strategy() -> Any:
    """Fabric's DDP strategy with a store that listens on the address of the first machine only: of one machine alone on that
    of the loopback device, over which its processes talk.

    PyTorch's own store listens on every address.
    """
    strategies = need("lightning_fabric.strategies", "training in several processes")
    environments = need("lightning_fabric.plugins.environments", "training in several processes")
    torch = require_torch()

    base: Any = strategies.DDPStrategy

    class Strategy(base):
        def setup_environment(self) -> None:
            environment: Any = self.cluster_environment
            if type(environment) is environments.LightningEnvironment and not torch.distributed.is_initialized():
                address = environment.main_address if self.num_nodes > 1 else _LOOPBACK
                rank = environment.node_rank() * self.num_processes + environment.local_rank()
                count = self.num_nodes * self.num_processes
                store = _store(address, environment.main_port, rank, count)
                if address == _LOOPBACK:
                    device = "lo0" if os.uname().sysname == "Darwin" else "lo"
                    for library in ("GLOO", "NCCL"):
                        os.environ.setdefault(f"{library}_SOCKET_IFNAME", device)
                backend = "nccl" if self.root_device.type == "cuda" else "gloo"
                torch.distributed.init_process_group(backend, store=store, rank=rank, world_size=count)
            base.setup_environment(self)

    return Strategy()


def _store(address: str, port: int, rank: int, count: int) -> Any:
    """The store over which processes find each other."""
    store = require_torch().distributed.TCPStore
    if rank:
        return store(address, port, count, is_master=False)
    listening = socket.create_server((address, port))
    return store(address, port, count, is_master=True, master_listen_fd=listening.detach(), wait_for_workers=False)
