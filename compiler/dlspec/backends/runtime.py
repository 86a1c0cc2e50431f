"""Running models in ONNX Runtime."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.analyses.classes import uses_as_classes
from dlspec.diagnostics import Diagnostic, DlspecError, Hinted, did_you_mean
from dlspec.ir.dims import DimError, symbols
from dlspec.ir.evaluation import evaluate
from dlspec.ir.graph import Graph
from dlspec.ir.node import Value
from dlspec.ir.types import DType
from dlspec.passes.retype import numpy_dtype

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
    "tensor(bfloat16)": "bfloat16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
}


COPIES = 2
"""Of the weights, at once, while a model is loaded: ONNX Runtime also lays them out anew, one after the other."""

_NO_KERNEL = re.compile(r"Could not find an implementation for (\w+)\(\d+\) node with name '(.*?)'")


_REFUSES = re.compile(r"running (\w+) node\. Name:'(.*?)' .* does not support double")
"""Some kernels find out only when they run."""


def _no_kernel(graph: Graph, operator: str, name: str) -> DlspecError:
    """The error for a node that ONNX Runtime cannot run: its parts in the model begin with its name, and those of ONNX's own
    functions, such as Gelu, have none."""
    hint = "PyTorch runs it: --backend torch; or cast to float32 before it and back behind it"
    lacks = f"ONNX Runtime has no kernel of {operator} for"
    node = next((node for node in graph.nodes if name == node.name or name.startswith(f"{node.name}/")), None)
    if node is None:
        return DlspecError(
            [Diagnostic("DL0503", f"{lacks} an element type of {graph.name}", graph.root.span, hint=hint)]
        )
    dtype = (node.inputs or node.outputs)[0].type.dtype.label
    return DlspecError([node.finding(f"{lacks} {dtype}, which `{name}` needs", hint, "DL0503")])


class RunError(Hinted):
    """A model that cannot be run as asked: a provider that is not there, inputs that do not fit."""


class Session:
    """A model loaded into ONNX Runtime."""

    def __init__(self, model: Path | str | bytes, provider: str = "cpu", graph: Graph | None = None) -> None:
        """Loads a model file or the bytes of one. Raises `RunError`; `DlspecError` for a node of the ``graph`` it was made
        of whose element type ONNX Runtime has no kernel for."""
        ort = _onnxruntime()
        options = ort.SessionOptions()
        options.log_severity_level = 3
        self._graph = graph
        wanted = _provider(provider, ort.get_available_providers())
        try:
            self._session: Any = ort.InferenceSession(
                model if isinstance(model, bytes) else str(model), options, providers=[wanted]
            )
        except Exception as error:  # ONNX Runtime has no base class for what it raises
            lacking = _NO_KERNEL.search(str(error))
            if lacking and graph is not None:
                raise _no_kernel(graph, *lacking.groups()) from None
            raise RunError(f"ONNX Runtime cannot load the model: {error}") from error
        if wanted not in self._session.get_providers():
            hint = "its libraries are missing or do not fit; --provider cpu always works"
            raise RunError(f"ONNX Runtime could not start the provider {provider}", hint)
        self.outputs: list[str] = [output.name for output in self._session.get_outputs()]
        ends = (*self._session.get_inputs(), *self._session.get_outputs())
        self._bfloat16 = any(value.type == "tensor(bfloat16)" for value in ends)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by name. Raises `RunError`, and `DlspecError` as when it is loaded."""
        self._check(inputs)
        try:
            return dict(zip(self.outputs, self._run(self._feeds(inputs)), strict=True))
        except Exception as error:
            lacking = _REFUSES.search(str(error))
            if lacking and self._graph is not None:
                raise _no_kernel(self._graph, *lacking.groups()) from None
            raise RunError(f"ONNX Runtime failed: {error}") from error

    def time(self, inputs: Mapping[str, Array], runs: int = 10) -> list[float]:
        """Seconds that each of ``runs`` runs takes, after one that is not counted."""
        self.run(inputs)
        feeds = self._feeds(inputs)
        seconds: list[float] = []
        for _ in range(runs):
            start = perf_counter()
            self._run(feeds)
            seconds.append(perf_counter() - start)
        return seconds

    def _feeds(self, inputs: Mapping[str, Array]) -> dict[str, Any]:
        """What ONNX Runtime takes: arrays, or its own values where there is bfloat16, which it has no arrays of."""
        if not self._bfloat16:
            return dict(inputs)
        value: Any = _onnxruntime().OrtValue
        return {
            name: value.ortvalue_from_numpy_with_onnx_type(_bits(array), _BFLOAT16)
            if array.dtype.name == "bfloat16"
            else value.ortvalue_from_numpy(array)
            for name, array in inputs.items()
        }

    def _run(self, feeds: dict[str, Any]) -> list[Array]:
        if not self._bfloat16:
            return self._session.run(None, feeds)
        return [_array(value) for value in self._session.run_with_ort_values(None, feeds)]

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


_BFLOAT16 = 16
"""``TensorProto.DataType`` of it."""


def _bits(array: Array) -> Array:
    """The bits of bfloat16 numbers."""
    import numpy as np

    return np.asarray(array, order="C").view(np.int16)


def _array(value: Any) -> Array:
    """A value of ONNX Runtime as an array; of bfloat16 it gives the address alone."""
    if value.data_type() != "tensor(bfloat16)":
        return value.numpy()
    import ctypes

    import numpy as np

    shape = tuple(value.shape())
    size = int(np.prod(shape)) * 2
    kind = numpy_dtype(DType.BFLOAT16)
    return (
        np.frombuffer(ctypes.string_at(value.data_ptr(), size), kind).reshape(shape) if size else np.empty(shape, kind)
    )


def run(model: Path | str | bytes, inputs: Mapping[str, Array], provider: str = "cpu") -> dict[str, Array]:
    """Runs a model file, or the bytes of one, once. Returns its outputs by name. Raises `RunError`."""
    return Session(model, provider).run(inputs)


def make_inputs(
    graph: Graph,
    sizes: Mapping[str, int],
    seed: int = 0,
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> dict[str, Array]:
    """Random tensors for a network's inputs: floats are normal, ints are classes or positions where they are used as such,
    all else is 0 or 1.

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
            drawn = generator.integers(0, _classes(graph, value, known), shape)
        made[value.name] = np.asarray(drawn, numpy_dtype(value.type.dtype))
    for condition in graph.conditions:
        if condition.symbols <= known.keys() and not condition.holds(known):
            given = ", ".join(f"{name} = {known[name]}" for name in sorted(condition.symbols))
            raise RunError(f"{graph.name} needs {condition}, and {given}")
    return made


def _classes(graph: Graph, value: Value, known: Mapping[str, int]) -> int:
    """How many numbers an input may have, from 0 on: such as are classes or positions wherever they are taken for one."""
    if not value.type.dtype.is_integer:
        return 2
    uses = uses_as_classes(graph.inference_nodes(), value)
    counts = [evaluate(count, known) for _, count, _ in uses if symbols(count) <= known.keys()]
    return max(1, min(counts, default=2))


def not_finite(outputs: Mapping[str, Array]) -> list[str]:
    """A sentence on each output that has infinities or is no number somewhere."""
    import numpy as np

    found: list[str] = []
    for name, array in outputs.items():
        numbers = array.astype(np.float64)
        nan, infinite = int(np.isnan(numbers).sum()), int(np.isinf(numbers).sum())
        counts = [f"{count:,} {what}" for count, what in ((nan, "NaN"), (infinite, "infinite")) if count]
        if counts:
            found.append(f"the output `{name}` is not finite: {' and '.join(counts)} of {array.size:,} values")
    return found


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
