"""The shapes of a graph against what ONNX infers and what ONNX Runtime computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import onnx
import onnxruntime as ort
from onnx import shape_inference

from dlspec.backends.onnx.model import OnnxModel
from dlspec.backends.onnx.write import to_bytes
from dlspec.ir.dims import Dim
from dlspec.ir.evaluation import evaluate
from dlspec.ir.types import TensorType

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@dataclass
class Comparison:
    """What was compared: how many dimensions were equal, how many the other side did not know, and the differences."""

    equal: int = 0
    unknown: int = 0
    differences: list[str] = field(default_factory=list[str])


def types_by_name(model: OnnxModel) -> dict[str, TensorType]:
    """The types that the graph gives the tensors of the model."""
    return {name: value.type for value, name in model.values.items()}


def check_shapes(model: OnnxModel) -> Comparison:
    """Every dimension of every tensor against ONNX's strict shape inference, which is told the inputs' shapes only."""
    proto = onnx.load_model_from_string(to_bytes(model))
    symbols = {dim.dim_param for value in proto.graph.input for dim in value.type.tensor_type.shape.dim}
    del proto.graph.value_info[:]
    for output in proto.graph.output:
        output.type.tensor_type.ClearField("shape")
    inferred = shape_inference.infer_shapes(proto, check_type=True, strict_mode=True, data_prop=True)
    types = types_by_name(model)
    result = Comparison()
    for value in (*inferred.graph.value_info, *inferred.graph.output):
        ours = types.get(value.name)
        if ours is None:
            continue
        if not value.type.tensor_type.HasField("shape"):
            result.unknown += len(ours.shape)
            continue
        dims = value.type.tensor_type.shape.dim
        if len(dims) != ours.rank:
            result.differences.append(f"{value.name}: {ours} has not rank {len(dims)}")
            continue
        for dim, mine in zip(dims, ours.shape, strict=True):
            theirs: Dim | str = dim.dim_value if dim.HasField("dim_value") else dim.dim_param
            if isinstance(theirs, str) and theirs not in symbols - {""}:
                result.unknown += 1
            elif theirs == (mine if isinstance(theirs, int) else str(mine)):
                result.equal += 1
            else:
                result.differences.append(f"{value.name}: {ours}, and ONNX infers {theirs} for {mine}")
    return result


def observed(model: OnnxModel, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Every tensor between the nodes as ONNX Runtime computes it, without its optimisations."""
    proto = onnx.load_model_from_string(to_bytes(model))
    names = [name for node in proto.graph.node for name in node.output if name]
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def check_observed(model: OnnxModel, inputs: Mapping[str, Array], sizes: Mapping[str, int]) -> Comparison:
    """Every tensor's real shape and element type against the graph's, for these sizes."""
    types = types_by_name(model)
    result = Comparison()
    for name, array in observed(model, inputs).items():
        ours = types.get(name)
        if ours is None:
            continue
        shape = tuple(evaluate(dim, sizes) for dim in ours.shape)
        if (array.shape, array.dtype.name) == (shape, ours.dtype.label):
            result.equal += len(shape)
        else:
            result.differences.append(f"{name}: {ours} is {shape}, and computed is {array.dtype.name}{array.shape}")
    return result
