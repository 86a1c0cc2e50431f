"""Running models in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.diagnostics import Hinted, did_you_mean
from dlspec.ir.dims import DimError, evaluate
from dlspec.ir.graph import Graph
from dlspec.ir.types import DType

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
"""Where a model can run, with ONNX Runtime's name for it."""

_ELEMENTS = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
}


class RunError(Hinted):
    """A model that cannot be run as asked: a provider that is not there, inputs that do not fit."""


class Session:
    """A model loaded into ONNX Runtime."""

    def __init__(self, model: Path | str | bytes, provider: str = "cpu") -> None:
        """Loads a model file or the bytes of one. Raises `RunError`."""
        ort = _onnxruntime()
        options = ort.SessionOptions()
        options.log_severity_level = 3
        wanted = _provider(provider, ort.get_available_providers())
        try:
            self._session: Any = ort.InferenceSession(
                model if isinstance(model, bytes) else str(model), options, providers=[wanted]
            )
        except Exception as error:  # ONNX Runtime has no base class for what it raises
            raise RunError(f"ONNX Runtime cannot load the model: {error}") from error
        if wanted not in self._session.get_providers():
            hint = "its libraries are missing or do not fit; --provider cpu always works"
            raise RunError(f"ONNX Runtime could not start the provider {provider}", hint)
        self.outputs: list[str] = [output.name for output in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by name. Raises `RunError`."""
        self._check(inputs)
        try:
            return dict(zip(self.outputs, self._session.run(None, dict(inputs)), strict=True))
        except Exception as error:
            raise RunError(f"ONNX Runtime failed: {error}") from error

    def time(self, inputs: Mapping[str, Array], runs: int = 10) -> list[float]:
        """Seconds that each of ``runs`` runs takes, after one that is not counted."""
        self.run(inputs)
        seconds: list[float] = []
        for _ in range(runs):
            start = perf_counter()
            self._session.run(None, dict(inputs))
            seconds.append(perf_counter() - start)
        return seconds

    def _check(self, inputs: Mapping[str, Array]) -> None:
        expected = {value.name: value for value in self._session.get_inputs()}
        for name in inputs:
            if name not in expected:
                raise RunError(f"the model has no input `{name}`", did_you_mean(name, expected) or _list(expected))
        for name, value in expected.items():
            if name not in inputs:
                raise RunError(f"the input `{name}` is missing", _list(expected))
            array = inputs[name]
            element = _ELEMENTS.get(value.type)
            if element and array.dtype.name != element:
                raise RunError(f"the input `{name}` is {array.dtype.name}, and the model takes {element}")
            shape: list[int | str | None] = value.shape
            fits = len(shape) == array.ndim and all(
                not isinstance(size, int) or size == given for size, given in zip(shape, array.shape, strict=True)
            )
            if not fits:
                wanted = ", ".join(map(str, shape))
                raise RunError(f"the input `{name}` has the shape {list(array.shape)}, and the model takes [{wanted}]")


def run(model: Path | str | bytes, inputs: Mapping[str, Array], provider: str = "cpu") -> dict[str, Array]:
    """Runs a model file, or the bytes of one, once. Returns its outputs by name. Raises `RunError`."""
    return Session(model, provider).run(inputs)


def make_inputs(
    graph: Graph,
    sizes: Mapping[str, int],
    seed: int = 0,
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> dict[str, Array]:
    """Random tensors for a network's inputs: floats are normal, ints and bools 0 or 1, which any embedding has.

    Floats that ``ranges`` name are uniform between two numbers. What ``sizes`` leaves out has its default. Raises
    `RunError` where a symbol has no size or a precondition is not met.
    """
    import numpy as np

    known = graph.default_sizes() | dict(sizes)
    generator = np.random.default_rng(seed)
    made: dict[str, Array] = {}
    for value in graph.inference_inputs():
        try:
            shape = tuple(evaluate(dim, known) for dim in value.type.shape)
        except DimError as error:
            hint = f"use --size {error.missing[0]}=..." if error.missing else ""
            raise RunError(f"the input `{value.name}: {value.type}` has no known size: {error}", hint) from None
        if ranges and value.name in ranges and value.type.dtype.is_float:
            drawn = generator.uniform(*ranges[value.name], shape)
        elif value.type.dtype.is_float:
            drawn = generator.standard_normal(shape, np.float64 if value.type.dtype is DType.FLOAT64 else np.float32)
        else:
            drawn = generator.integers(0, 2, shape)
        made[value.name] = np.asarray(drawn, value.type.dtype.label)
    for condition in graph.conditions:
        if condition.symbols <= known.keys() and not condition.holds(known):
            given = ", ".join(f"{name} = {known[name]}" for name in sorted(condition.symbols))
            raise RunError(f"{graph.name} needs {condition}, and {given}")
    return made


def _onnxruntime() -> Any:
    try:
        ort: Any = import_module("onnxruntime")  # it has no types
    except ImportError:
        raise RunError("running a model needs ONNX Runtime", "pip install dlspec[run]") from None
    ort.set_default_logger_severity(3)
    return ort


def _provider(name: str, available: Sequence[str]) -> str:
    wanted = PROVIDERS.get(name)
    if wanted is None:
        raise RunError(f"there is no provider `{name}`", did_you_mean(name, PROVIDERS) or _list(PROVIDERS))
    if wanted not in available:
        here = [known for known, provider in PROVIDERS.items() if provider in available]
        hint = "pip install onnxruntime-gpu" if name in ("cuda", "tensorrt") else _list(here)
        raise RunError(f"this onnxruntime has no provider `{name}`", hint)
    return wanted


def _list(names: Mapping[str, Any] | Sequence[str]) -> str:
    return f"there is {', '.join(names)}"
