"""The shipped objectives learn what they should: bounds, modes and likelihoods on data that shows it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from trains import Call, records

import dlspec
from dlspec.backends.runtime import Session

TRUTH = Path(__file__).parents[1] / "specs" / "truth" / "latent.json"


def test_the_bound_of_a_vae_improves_and_its_divergence_comes_in(call: Call) -> None:
    status, _, err = call(
        "train", "std.vae:TrainAnnealedVAE", "--data", "digits", "--resize", "28x28", "--set", "annealing=linear",
        "--set", "steps=100", "--steps", "200", "--out", "run",
    )  # fmt: skip
    assert (status, err) == (0, "")
    lines = [line for line in records("run") if "named" in line]
    weights = {line["step"]: line["named"]["weight"] for line in lines}
    assert weights[50] == pytest.approx(0.49, abs=0.011)
    assert weights[150] == weights[200] == 1
    bounds = [line["named"]["mismatch"] + line["named"]["divergence"] for line in lines]
    assert np.mean(bounds[-3:]) < 0.8 * np.mean(bounds[:3])
    divergences = [line["named"]["divergence"] for line in lines]
    assert max(divergences) > 2 * divergences[-1] > 0  # given rein at first, then held


def test_wgan_gp_covers_all_modes_of_a_ring(call: Call) -> None:
    random = np.random.default_rng(0)
    angles = 2 * np.pi * np.arange(8) / 8
    modes = 2 * np.stack([np.cos(angles), np.sin(angles)], 1)
    points = modes[random.integers(0, 8, 20_000)] + 0.1 * random.standard_normal((20_000, 2))
    np.save("real.npy", points.astype(np.float32))
    status, _, err = call(
        "train", "std.wgan:TrainPoints", "--data", "real=real.npy", "--steps", "600", "--batch-size", "256",
        "--val-fraction", "0", "--out", "run",
    )  # fmt: skip
    assert (status, err) == (0, "")
    weights = load_file("run/networks/generate.safetensors")
    generate = dlspec.load("std.wgan", "PointGenerator").to_onnx(weights=weights)
    z = random.standard_normal((4000, 2)).astype(np.float32)
    (made,) = Session(generate.SerializeToString()).run({"z": z}).values()
    distances = np.linalg.norm(made[:, None] - modes, axis=-1)
    near = distances.min(1) < 0.5
    assert near.mean() > 0.8
    assert np.bincount(distances.argmin(1)[near], minlength=8).min() > 4000 / 8 / 3


def test_ppca_reaches_the_likelihood_in_closed_form(call: Call) -> None:
    i, j = np.meshgrid(np.arange(200), np.arange(8), indexing="ij")
    data = np.sin(0.37 * i + 0.9 * j) + 0.5 * np.cos(0.11 * i * (j + 1)) + 0.1 * np.sin(1.7 * i * j + 0.3)
    np.save("x.npy", data.astype(np.float32))
    status, _, err = call(
        "train", "std.latent:TrainPPCA", "--data", "x=x.npy", "--set", "rate=0.05", "--steps", "600", "--batch-size", "200",
        "--val-fraction", "0", "--out", "run", "--log-every", "100",
    )  # fmt: skip
    assert (status, err) == (0, "")
    expected = json.loads(TRUTH.read_text())["pca"]["ppca_mean_loglik"]
    (found,) = records("run")[-1]["objectives"].values()
    assert found == pytest.approx(expected, abs=1e-3)
