"""A Swin of open sizes, in one model each, against torchvision's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from catalogue import graph_of
from oracle import torchvision_models
from test_numerics import assert_equal_outputs, random_weight

from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes
from dlspec.backends.runtime import Session
from dlspec.backends.torch.live import to_module

SETTINGS: dict[str, Any] = {"channels": 12, "depths": [2, 2], "heads": [1, 2], "drop": 0.0, "classes": 9}
# A multiple of all windows, one window along an axis, less than one, and sizes that nothing divides.
SIZES = [(56, 84), (28, 90), (19, 131), (71, 101)]


@pytest.mark.parametrize("lowering", ["onnx", "torch"])
def test_any_size_in_one_model(lowering: str) -> None:
    graph = graph_of("swin:Swin", SETTINGS)
    generator = np.random.default_rng(4)
    weights = {path: random_weight(each, generator) for path, each in graph.parameters.items()}
    model = (
        torchvision_models()
        .swin_transformer.SwinTransformer([4, 4], 12, [2, 2], [1, 2], [7, 7], stochastic_depth_prob=0.0, num_classes=9)
        .eval()
    )
    weights |= {path: tensor.numpy() for path, tensor in model.named_buffers()}
    model.load_state_dict({path: torch.from_numpy(array) for path, array in weights.items()})
    session = Session(to_bytes(build(graph, weights=weights, opset=22), threads=1)) if lowering == "onnx" else None
    module = to_module(graph, weights).eval()
    for height, width in SIZES:
        image = generator.standard_normal((2, 3, height, width), np.float32)
        with torch.no_grad():
            expected = model(torch.from_numpy(image)).numpy()
            found = session.run({"image": image})["logits"] if session else module(torch.from_numpy(image)).numpy()
        assert_equal_outputs(found, expected)
