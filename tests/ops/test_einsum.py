"""Einsum over random equations: shapes, MACs and values are torch's."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from harness import infer, onnx_session, run_onnx, single_node_graph
from torch.utils.flop_counter import FlopCounterMode

from dlspec.ir.op import OpError, Types
from dlspec.ir.types import DType, TensorType
from dlspec.ops.matrix import Einsum


def random_equation(rng: random.Random) -> tuple[str, Types]:
    """An equation over one to four tensors of rank 0 to 4, with sizes of 1, diagonals, `...` and without an arrow."""
    letters = "abcdefg"[: rng.randint(1, 7)]
    size = {letter: rng.choice([1, 2, 3, 4, 5]) for letter in letters}
    terms, shapes = [], []
    for _ in range(rng.choice([1, 2, 2, 2, 3, 3, 4])):
        named = [rng.choice(letters) for _ in range(rng.randint(0, 4))]
        if rng.random() < 0.8:
            named = list(dict.fromkeys(named))
        at, unnamed = rng.randint(0, len(named)), [2, 3][rng.randint(0, 2) :]
        before, after = named[:at], named[at:]
        dots = rng.random() < 0.15
        terms.append("".join([*before, "..." * dots, *after]))
        shapes.append((*(size[n] for n in before), *(unnamed if dots else ()), *(size[n] for n in after)))
    result = [letter for letter in sorted({*"".join(terms)} - {"."}) if rng.random() < 0.5]
    rng.shuffle(result)
    arrow = "->" + "..." * ("..." in "".join(terms)) + "".join(result) if rng.random() < 0.9 else ""
    return ",".join(terms) + arrow, tuple(TensorType(DType.FLOAT32, shape) for shape in shapes)


def equations(seed: int, count: int) -> list[tuple[str, Types]]:
    rng, found = random.Random(seed), []
    while len(found) < count:
        equation, types = random_equation(rng)
        try:
            infer(Einsum(equation), types)
        except OpError:
            continue  # `...` that is summed over, which ONNX has not
        found.append((equation, types))
    return found


def test_macs_of_random_equations_are_torchs() -> None:
    for equation, types in equations(1, 500):
        outputs, _ = infer(Einsum(equation), types)
        with FlopCounterMode(display=False) as counter:
            result = torch.einsum(equation, *(torch.empty(x.shape, device="meta") for x in types))  # type: ignore[arg-type]
        assert outputs[0].shape == tuple(result.shape), equation
        assert Einsum(equation).macs(types, outputs) == counter.get_total_flops() / 2, (equation, types)


@pytest.mark.parametrize("seed", range(4))
def test_values_of_random_equations_are_torchs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for equation, types in equations(seed, 25):
        arrays = [rng.standard_normal(x.shape).astype("float32") for x in types]
        expected = torch.einsum(equation, *map(torch.from_numpy, arrays)).numpy()
        (ours,) = run_onnx(onnx_session(single_node_graph(Einsum(equation), types), {}), arrays)
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4, err_msg=f"{equation} {types}")
