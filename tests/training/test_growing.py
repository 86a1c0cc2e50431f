"""Generators of several sizes from the command line: scales that are trained apart and joined, and levels that grow."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from safetensors.numpy import load_file
from trains import Call

import dlspec
from dlspec.backends.runtime import Session

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

RUN = ("--steps", "2", "--batch-size", "4", "--val-fraction", "0", "--every", "2")
UP = """\
from std.lapgan import PyrUp
network Up(x: float[N, 3, H = 8, W = 8]) -> y { x -> PyrUp }
"""


def images(side: int) -> str:
    file = f"x{side}.npy"
    np.save(file, np.random.default_rng(side).random((8, 3, side, side), np.float32))
    return f"image={file}"


def made(network: dlspec.Network, weights: str | None, **inputs: Array) -> Array:
    model = network.to_onnx(weights=None if weights is None else load_file(weights))
    (image,) = Session(model.SerializeToString()).run(inputs).values()
    return image


def test_scales_of_lapgan_are_trained_apart_and_joined(call: Call) -> None:
    scales = {"small": ("TrainSmall", 8), "residual16": ("TrainResidual", 16), "residual32": ("TrainResidual", 32)}
    parts: list[str] = []
    for name, (train, side) in scales.items():
        settings = ("--set", f"side={side}", "--set", "width=4") if side > 8 else ()
        run = ("train", f"std.lapgan:{train}", "--data", images(side), *settings, *RUN, "--out", name)
        assert call(*run)[::2] == (0, "")
        parts.append(f"{name}={name}/networks/generate.safetensors")
    status, out, err = call("weights", "merge", *parts, "-o", "all.safetensors")
    assert (status, err) == (0, "")
    assert out.startswith("wrote all.safetensors, 38 tensors")
    assert call("weights", "diff", "std.lapgan:LAPGAN", "all.safetensors", "--set", "widths=[4, 4]")[0] == 0

    random = np.random.default_rng(0)
    z, *noises = (random.standard_normal((2, size)).astype(np.float32) for size in (100, 256, 1024))
    whole = dlspec.load("std.lapgan", "LAPGAN", widths=[4, 4])
    found = made(whole, "all.safetensors", z=z, noise16=noises[0], noise32=noises[1])
    Path("up.dlspec").write_text(UP)
    image = made(dlspec.load("std.lapgan", "SmallGenerator"), "small/networks/generate.safetensors", z=z)
    for side, noise in zip((16, 32), noises, strict=True):
        coarse = made(dlspec.load("up.dlspec", "Up"), None, x=image)
        detail = dlspec.load("std.lapgan", "ResidualGenerator", side=side, width=4)
        weights = f"residual{side}/networks/generate.safetensors"
        image = coarse + made(detail, weights, noise=noise, coarse=coarse)
    np.testing.assert_allclose(found, image, atol=1e-5)


def test_progressive_gan_grows_over_three_levels(call: Call) -> None:
    """A level begins with all that the one before has: with a rate of 0 it keeps it, beside what is its own. The moving
    average begins as its generator."""
    before: dict[str, Array] = {}
    for side in (8, 16, 32):
        settings = {"resolution": side, "widest": 8, "steps": 2, "rate": 0.01 if side == 8 else 0.0}
        given = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
        begun = ("--weights", f"level{side // 2}/model.safetensors", "--partial") if before else ()
        run = ("train", "std.progan:TrainProGAN", "--data", images(side), *given, *begun, *RUN, "--out", f"level{side}")
        status, out, err = call(*run)
        assert (status, err.count("error")) == (0, 0)
        told = f" from level{side // 2}/model.safetensors; not in the file: generate.size{side}."
        assert (told in out) == bool(before)
        after = load_file(f"level{side}/model.safetensors")
        expected = {path: before[path.replace("sampled", "generate")] for path in before}
        assert {path for path in before if not np.array_equal(expected[path], after[path])} == set()
        if before:
            new = {path.partition(".")[0] + "." + path.split(".")[1] for path in after.keys() - before.keys()}
            added = {f"size{side}", f"rgb{side}"}
            assert new == {f"{network}.{layer}" for network in ("generate", "judge", "sampled") for layer in added}
        before = after
    network = dlspec.load("std.progan", "Generator", resolution=32, widest=8)
    z = np.random.default_rng(0).standard_normal((2, 8)).astype(np.float32)
    image = made(network, "level32/networks/sampled.safetensors", z=z, lod=np.zeros((), np.float32))
    assert image.shape == (2, 3, 32, 32)
    assert np.isfinite(image).all()
