"""Running a network in PyTorch as `backends.runtime` runs it in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from dlspec.backends.runtime import RunError
from dlspec.backends.torch.live import array_of, require_torch, tensor_of, to_module
from dlspec.ir.graph import Graph
from dlspec.ir.types import DType
from dlspec.ops.gradient import differentiates

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


class TorchSession:
    """A network in PyTorch on a device, at inference."""

    def __init__(
        self,
        graph: Graph,
        weights: Mapping[str, Array] | None = None,
        seed: int = 0,
        *,
        device: str = "cpu",
        dtype: DType | None = None,
        channels_last: bool = False,
    ) -> None:
        """Raises `RunError` for a device that is not there, and as `to_module`."""
        self._torch = require_torch()
        if device == "cuda" and not self._torch.cuda.is_available():
            raise RunError("PyTorch finds no CUDA device", "--device cpu always works")
        self._device = device
        self._dtype = None if dtype is None else getattr(self._torch, dtype.label)
        self._graph = graph
        self._differentiates = differentiates(graph)
        module = to_module(graph, weights, seed, dtype=dtype, channels_last=channels_last)
        self._module = module.eval().to(device)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by name. Raises `RunError`."""
        results = self._call(self._tensors(inputs))
        many = cast("tuple[Any, ...]", results if isinstance(results, tuple) else (results,))
        names = [output.name for output in self._graph.outputs if not output.training]
        return dict(zip(names, map(array_of, many), strict=True))

    def time(self, inputs: Mapping[str, Array], runs: int = 10) -> list[float]:
        """Seconds that each of ``runs`` runs takes, after one that is not counted."""
        tensors = self._tensors(inputs)
        self._call(tensors)
        seconds: list[float] = []
        for _ in range(runs):
            self._wait()
            start = perf_counter()
            self._call(tensors)
            self._wait()
            seconds.append(perf_counter() - start)
        return seconds

    def _tensors(self, inputs: Mapping[str, Array]) -> dict[str, Any]:
        tensors = {name: tensor_of(array).to(self._device) for name, array in inputs.items()}
        if self._dtype is None:
            return tensors
        return {name: t.to(self._dtype) if t.is_floating_point() else t for name, t in tensors.items()}

    def _call(self, tensors: Mapping[str, Any]) -> Any:
        ordered = [tensors.get(value.name) for value in self._graph.inputs]
        try:
            with self._torch.enable_grad() if self._differentiates else self._torch.inference_mode():
                return self._module(*ordered)
        except (RuntimeError, ValueError) as error:
            raise RunError(f"PyTorch failed: {error}") from error

    def _wait(self) -> None:
        if self._device == "cuda":
            self._torch.cuda.synchronize()
