"""The shipped objectives learn what they should: bounds, modes and likelihoods on data that shows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from safetensors.numpy import load_file
from sklearn.datasets import load_digits
from trains import Call, records

import dlspec
from dlspec.backends.runtime import Session

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

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


def test_a_gaussian_vae_tells_what_is_strange_and_its_codes_lie_by_class(call: Call) -> None:
    """Codes are two numbers: the nearest mean of a class is right four times as often as chance."""
    status, _, err = call(
        "train", "std.gaussian_vae", "--data", "digits", "--set", "side=8", "--set", "width=64", "--set", "rate=0.005",
        "--set", "analytic=false", "--set", "draws=2", "--steps", "150", "--batch-size", "128", "--val-fraction", "0",
        "--out", "run", "--log-every", "400",
    )  # fmt: skip
    assert (status, err) == (0, "")
    weights = load_file("run/networks/model.safetensors")
    digits: Any = load_digits()
    image, label = (digits.images[:, None] / 16).astype(np.float32), digits.target

    def asked(network: str, image: Array, names: set[str]) -> dict[str, Array]:
        model = dlspec.load("std.gaussian_vae", network, side=8, width=64)
        own = {path: array for path, array in weights.items() if path.split(".")[0] in names}
        return Session(model.to_onnx(weights=own).SerializeToString()).run({"image": image})

    codes = asked("Codes", image, {"encoder"})["mu"]
    means = np.stack([codes[label == each].mean(0) for each in range(10)])
    nearest = np.linalg.norm(codes[:, None] - means, axis=-1).argmin(1)
    assert (nearest == label).mean() > 0.4
    mixed = image.reshape(-1, 64)[:, np.random.default_rng(0).permutation(64)].reshape(image.shape)  # as bright
    for score in ("score", "negative_bound"):
        usual, strange = (asked("Anomaly", each, {"encoder", "decoder"})[score] for each in (image, mixed))
        assert (usual[:, None] < strange).mean() > 0.95


ANGLES = 2 * np.pi * np.arange(8) / 8
MODES = 2 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1)


def ring() -> tuple[Array, Array]:
    """Points of eight Gaussians, and of which."""
    random = np.random.default_rng(0)
    label = random.integers(0, 8, 20_000)
    return (MODES[label] + 0.1 * random.standard_normal((20_000, 2))).astype(np.float32), label


def modes_of(points: Array) -> tuple[Array, Array]:
    """Of each point the nearest mode, and whether it is near."""
    distances = np.linalg.norm(points[:, None] - MODES, axis=-1)
    return distances.argmin(1), distances.min(1) < 0.5


def sampled(network: str, layer: str, trained: str, inputs: dict[str, Array], **settings: Any) -> Array:
    """What a network makes in ONNX Runtime, whose shared layer has the weights of a trained network."""
    weights = {f"{layer}.{path}": array for path, array in load_file(f"run/networks/{trained}.safetensors").items()}
    file, _, name = network.partition(":")
    model = dlspec.load(file, name, **settings).to_onnx(weights=weights)
    (made,) = Session(model.SerializeToString()).run(inputs).values()
    return made


def test_wgan_gp_covers_all_modes_of_a_ring(call: Call) -> None:
    np.save("real.npy", ring()[0])
    status, _, err = call(
        "train", "std.wgan:TrainPoints", "--data", "real=real.npy", "--steps", "600", "--batch-size", "256",
        "--val-fraction", "0", "--out", "run",
    )  # fmt: skip
    assert (status, err) == (0, "")
    weights = load_file("run/networks/generate.safetensors")
    generate = dlspec.load("std.wgan", "PointGenerator").to_onnx(weights=weights)
    z = np.random.default_rng(1).standard_normal((4000, 2)).astype(np.float32)
    (made,) = Session(generate.SerializeToString()).run({"z": z}).values()
    mode, near = modes_of(made)
    assert near.mean() > 0.8
    assert np.bincount(mode[near], minlength=8).min() > 4000 / 8 / 3


def test_a_discriminator_of_two_known_densities_becomes_the_best_one(call: Call) -> None:
    """Its value is 2 JS(p, q) - 2 log 2 at most, which is integrated here."""
    np.save("real.npy", np.random.default_rng(0).standard_normal((40_000, 1)).astype(np.float32) - 1)
    status, _, err = call(
        "train", "std.gan:FindDiscriminator", "--data", "real=real.npy", "--set", "q=[1.0, 0.5]", "--set", "rate=0.01",
        "--steps", "300", "--batch-size", "256", "--out", "run", "--log-every", "100",
    )  # fmt: skip
    assert (status, err) == (0, "")
    x = np.linspace(-7, 7, 2801)
    weights = load_file("run/networks/judge.safetensors")
    judge = dlspec.load("std.gan", "PointDiscriminator").to_onnx(weights=weights)
    (score,) = Session(judge.SerializeToString()).run({"point": x.astype(np.float32)[:, None]}).values()
    p, q = (
        np.exp(-0.5 * ((x - mean) / sigma) ** 2) / sigma / np.sqrt(2 * np.pi) for mean, sigma in ((-1, 1), (1, 0.5))
    )
    found = 1 / (1 + np.exp(-score[:, 0].astype(np.float64)))
    middle = (p + q) / 2
    shannon = np.trapezoid(p * np.log(p / middle) + q * np.log(q / middle), x) / 2
    value = np.trapezoid(p * np.log(found) + q * np.log(1 - found), x)
    limit = 2 * shannon - 2 * np.log(2)
    assert limit - 0.01 < value <= limit
    assert np.abs(found - p / (p + q))[p + q > 0.05].max() < 0.08
    held_out = next(line["held_out"] for line in reversed(records("run")) if "held_out" in line)
    assert held_out["objectives"]["judge"] == pytest.approx(held_out["named"]["best"], abs=0.012)


@pytest.mark.parametrize(
    ("train", "steps", "rate", "sampler", "layer", "trained", "start"),
    [
        ("continuous:MatchFlow", 1000, ["--set", "rate=0.004"], "continuous:FollowFlow", "model", "slow", "noise"),
        ("continuous:MatchScore", 1500, ["--set", "rate=0.004"], "continuous:FollowScore", "model", "slow", "noise"),
        ("energy:Denoise", 1200, [], "energy:Sample", "energy", "energy", "start"),
    ],
)
def test_what_is_sampled_covers_all_modes_of_a_ring(
    train: str, steps: int, rate: list[str], sampler: str, layer: str, trained: str, start: str, call: Call
) -> None:
    np.save("x.npy", ring()[0])
    status, _, err = call(
        "train", f"std.{train}", "--data", "x=x.npy", "--steps", str(steps), "--batch-size", "256", "--val-fraction", "0",
        *rate, "--out", "run", "--log-every", "500",
    )  # fmt: skip
    assert (status, err) == (0, "")
    noise = np.random.default_rng(1).standard_normal((2000, 2)).astype(np.float32)
    mode, near = modes_of(sampled(f"std.{sampler}", layer, trained, {start: noise}))
    assert near.mean() > 0.85
    assert np.bincount(mode[near], minlength=8).min() > 2000 / 8 / 2


def test_diffusion_makes_the_classes_that_are_wished(call: Call) -> None:
    points, label = ring()
    np.save("x.npy", points)
    np.save("label.npy", label)
    status, _, err = call(
        "train", "std.diffusion:TrainDiffusion", "--data", "x=x.npy", "--data", "label=label.npy", "--steps", "500",
        "--batch-size", "256", "--val-fraction", "0", "--set", "rate=0.004", "--out", "run", "--log-every", "500",
    )  # fmt: skip
    assert (status, err) == (0, "")
    noise = np.random.default_rng(1).standard_normal((2000, 2)).astype(np.float32)
    wish = np.arange(2000) % 8
    mode, near = modes_of(sampled("std.diffusion:DDIM", "model", "slow", {"noise": noise, "label": wish}, guidance=1.5))
    assert near.mean() > 0.85
    assert (mode == wish).mean() > 0.95


def bars(count: int, seed: int, side: int = 24) -> tuple[Array, Array]:
    """Images of two bars at random places and angles in noise, one brighter at an end and one at a side, and their masks."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    image = 0.15 * random.standard_normal((count, 3, side, side))
    mask = np.zeros((count, side, side), np.int64)
    for one, its in zip(image, mask, strict=True):
        for kind in (1, 2):
            angle, left, top = random.uniform(0, 2 * np.pi), *random.uniform(-7, 7, 2)
            along = (x - left) * np.cos(angle) + (y - top) * np.sin(angle)
            across = (y - top) * np.cos(angle) - (x - left) * np.sin(angle)
            inside = (np.abs(along) < 7) & (np.abs(across) < 3)
            its[inside] = kind
            one[:, inside] += (0.5 + 0.5 * (along / 7 if kind == 1 else across / 3))[inside]
    return image.astype(np.float32), mask


def test_a_unet_that_sees_eight_images_changed_with_their_masks_segments_others_better(call: Call) -> None:
    image, mask = bars(8, 0)
    np.savez("seen.npz", image=np.tile(image, (20, 1, 1, 1)), mask=np.tile(mask, (20, 1, 1)))
    others, wanted = bars(100, 1)
    small = ["--set", "classes=3", "--set", "side=24", "--set", "width=8", "--set", "depth=2", "--set", "rate=0.005"]
    unchanged = [part for name in ("flip", "turn", "shift", "zoom") for part in ("--set", f"{name}=0.0")]

    def overlap(out: str, *changes: str) -> float:
        """Intersection over union, the mean of both kinds of bars, in images that were not seen."""
        status, _, err = call(
            "train", "std.unet", "--data", "seen.npz", *small, *changes, "--steps", "120", "--batch-size", "8",
            "--val-fraction", "0", "--log-every", "120", "--out", out,
        )  # fmt: skip
        assert (status, err) == (0, "")
        network = dlspec.load("std.unet", "UNetRecursive", classes=3, width=8, depth=2)
        model = network.to_onnx(weights=load_file(f"{out}/networks/model.safetensors"))
        (logits,) = Session(model.SerializeToString()).run({"image": others}).values()
        found = logits.argmax(1)
        both = [
            ((found == kind) & (wanted == kind)).sum() / ((found == kind) | (wanted == kind)).sum() for kind in (1, 2)
        ]
        return float(np.mean(both))

    assert overlap("changed") > overlap("unchanged", *unchanged) + 0.08


def test_a_flow_finds_the_likelihood_of_a_known_density(call: Call) -> None:
    random = np.random.default_rng(0)
    first, second = random.standard_normal((2, 4000))
    np.save("x.npy", np.stack([first, first**2 + 0.5 * second], 1).astype(np.float32))
    status, _, err = call(
        "train", "std.flow:FitPoints", "--data", "x=x.npy", "--steps", "600", "--batch-size", "256", "--out", "run",
        "--set", "couplings=4", "--log-every", "500",
    )  # fmt: skip
    assert (status, err) == (0, "")
    expected = -1 - np.log(2 * np.pi) - np.log(0.5)  # the negative entropy
    found = [line["held_out"]["objectives"]["flow"] for line in records("run") if "held_out" in line]
    assert found[-1] == pytest.approx(expected, abs=0.05)


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
