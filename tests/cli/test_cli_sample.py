"""`dlspec sample`: what of a file draws, what flows into it, and what comes of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calls import Call
from PIL import Image
from safetensors.numpy import save_file

from dlspec.backends.draws import way
from dlspec.backends.weights import initial_weights
from dlspec.pipeline import elaborate_training, open_program

SPEC = """\
network Generator(z: float[N, 4]) -> image { z -> fc: Linear(16) -> Reshape([N, 1, 4, 4]) }
network Judge(image: float[N, 1, 4, 4]) -> score { image -> Flatten -> Linear(1) }
network Wished(z: float[N, 3], label: int[N], level: float[]) -> y {
    [z, label -> table: Embedding(5, 2)] -> Concat -> out: Linear(2) -> { level * x + normal([N, 2]) }
}
network Auto(x: float[N, 6]) -> made, mu {
    mu = x -> enter: Linear(2)
    scale = x -> wide: Linear(2) -> Softplus
    z = mu + scale * normal(mu.shape)
    made = z -> leave: Linear(6)
}
network Encode(x: float[N, 6]) -> mu { x -> Linear(2) }
network Decode(z: float[N, 2]) -> x { z -> last: Linear(6) }
network Grown(z: float[N, 2], share: float[]) -> y { share * z -> Linear(2) }
network Classify(image: float[N, 3, 8, 8]) -> logits { image -> Flatten -> Linear(3) }
train Gan {
    data real: float[N, 1, 4, 4]
    shared generate = Generator
    shared judge = Judge
    shared slow = moving_average(generate, decay=0.9)
    fake = uniform([real.batch, 4], 2, 3) -> generate
    maximize mean(real -> judge) - mean(detach(fake) -> judge) over judge using SGD(lr=0.1)
    maximize mean(fake -> judge) over generate using SGD(lr=0.1)
}
train Vae {
    data x: float[N, 6]
    shared model = Auto
    made, mu = x -> model
    minimize mse(made, x) + kl(Normal(mu, 1.0), Normal(5.0, 0.1)) over model using SGD(lr=0.1)
}
train Two {
    data x: float[N, 6]
    shared encode = Encode
    shared decode = Decode
    mu = x -> encode
    z = sample(Normal(mu, 0.5))
    made = z -> decode
    minimize mse(made, x) + kl(Normal(mu, 0.5), Laplace(0.0, 3.0), samples=2) over encode, decode using SGD(lr=0.1)
}
train Grow {
    data x: float[N, 2]
    shared f = Grown
    minimize mse([normal(x.shape), ramp(0.0, 1.0, steps=10)] -> f, x) over f using SGD(lr=0.1)
}
train Fit {
    data image: float[N, 3, 8, 8]
    data label: int[N]
    shared f = Classify
    minimize cross_entropy(image -> f, label) over f using SGD(lr=0.1)
}
"""
"""Generators, decoders and what is neither."""


def run_of(file: str, train: str, settings: Mapping[str, Any] | None = None) -> dict[str, np.ndarray[Any, Any]]:
    """The folder `run`, with the weights of a train as they begin and a little noise."""
    training = elaborate_training(open_program(file), train, settings or {})
    weights = initial_weights(training)
    for name, network in training.networks.items():
        if network.source is not None:
            of_source = training.weights(network.source)
            weights |= {f"{name}{path.removeprefix(network.source)}": weights[path] for path in of_source}
    generator = np.random.default_rng(1)
    for path, array in weights.items():
        if array.dtype == np.float32:
            weights[path] = array + 0.05 * generator.standard_normal(array.shape, np.float32)
    Path("run").mkdir(exist_ok=True)
    save_file(weights, "run/model.safetensors")
    return weights


def drawn(call: Call, *arguments: str) -> tuple[dict[str, np.ndarray[Any, Any]], str]:
    """The arrays of a call, and what it says."""
    status, out, err = call("sample", *arguments, "--weights", "run", "-o", "o.npz")
    assert (status, err) == (0, "")
    with np.load("o.npz") as arrays:
        return dict(arrays), out


@pytest.fixture
def spec(call: Call) -> str:
    Path("s.dlspec").write_text(SPEC)
    return "s.dlspec"


SHIPPED: list[tuple[str, str, list[str], list[str], str, tuple[int, ...]]] = [
    # target, train, settings of both, further arguments, output and its shape
    ("std.gan:TrainGAN", "TrainGAN", [], [], "image", (3, 1, 28, 28)),
    ("std.gan:Generator", "TrainGAN", [], [], "image", (3, 1, 28, 28)),
    ("std.vae:TrainVAE", "TrainVAE", ["latent=2"], [], "reconstruction", (3, 784)),
    ("std.vae:Decoder", "TrainVAE", ["latent=2"], [], "image", (3, 1, 28, 28)),
    ("std.vae:CVAE", "TrainCVAE", [], ["--input", "label=3"], "reconstruction", (3, 784)),
    ("std.gaussian_vae:GaussianVAE", "TrainGaussianVAE", ["side=8", "width=8"], [], "reconstructions", (3, 1, 64)),
    ("std.stylegan:TrainStyleGAN", "TrainStyleGAN", ["widest=8"], ["--input", "step=9"], "image", (3, 3, 8, 8)),
    ("std.diffusion:DDIM", "TrainDiffusion", ["width=8"], ["--set", "steps=2"], "x", (3, 2)),
    ("std.continuous:FollowFlow", "MatchFlow", ["width=8"], ["--set", "steps=2"], "x", (3, 2)),
    ("std.continuous:FollowScore", "MatchScore", ["width=8"], ["--set", "steps=2"], "x", (3, 2)),
    ("std.energy:Sample", "Contrast", ["width=8"], ["--set", "steps=2"], "x", (3, 2)),
    ("std.flow:RealNVPInverse", "FitPoints", ["width=8"], [], "x", (3, 2)),
    ("std.flow:GlowInverse", "FitImages", ["width=8", "side=4"], [], "image", (3, 1, 4, 4)),
]


@pytest.mark.parametrize(("target", "train", "settings", "more", "name", "shape"), SHIPPED, ids=lambda each: str(each))
def test_shipped_networks_draw_with_the_weights_of_their_trains(
    call: Call, target: str, train: str, settings: list[str], more: list[str], name: str, shape: tuple[int, ...]
) -> None:
    run_of(target.partition(":")[0], train, {k: int(v) for k, _, v in (each.partition("=") for each in settings)})
    given = [argument for each in settings for argument in ("--set", each)]
    arrays, _ = drawn(call, target, *given, *more, "--count", "3")
    assert arrays[name].shape == shape
    assert np.isfinite(arrays[name]).all()
    assert np.ptp(arrays[name], axis=0).max() > 0


def test_the_decoder_of_a_network_is_the_one_that_stands_alone(call: Call) -> None:
    run_of("std.vae", "TrainVAE")
    of_train, whole, alone = (drawn(call, f"std.vae:{n}", "--count", "2")[0] for n in ("TrainVAE", "VAE", "Decoder"))
    np.testing.assert_array_equal(of_train["reconstruction"], whole["reconstruction"])
    np.testing.assert_allclose(alone["image"].reshape(2, 784), whole["reconstruction"], rtol=1e-6)
    assert list(whole) == ["reconstruction", "z"]


def test_a_flow_leads_back_to_what_was_drawn(call: Call) -> None:
    run_of("std.flow", "FitPoints")
    arrays, _ = drawn(call, "std.flow:RealNVPInverse")
    np.save("x.npy", arrays["x"])
    given = ("--weights", "run/model.safetensors", "--strip-prefix", "flow", "--input", "x=x.npy")
    assert call("run", "std.flow:RealNVP", *given, "-o", "back.npz")[0] == 0
    np.testing.assert_allclose(np.load("back.npz")["z"], arrays["z"], atol=1e-4)
    assert np.abs(arrays["x"] - arrays["z"]).max() > 0.01


@pytest.mark.parametrize(
    ("target", "train", "output", "under", "mean", "deviation"),
    [
        ("Gan", "Gan", "image", "generate.fc.", 2.5, 12**-0.5),
        ("Gan.slow", "Gan", "image", "slow.fc.", 2.5, 12**-0.5),
        ("Vae", "Vae", "made", "model.leave.", 5.0, 0.1),
        ("Auto", "Vae", "made", "model.leave.", 5.0, 0.1),
        ("Two", "Two", "x", "decode.last.", 0.0, 3 * 2**0.5),
        ("Decode", "Two", "x", "decode.last.", 0.0, 3 * 2**0.5),
    ],
)
def test_codes_are_those_of_the_train(
    call: Call, spec: str, target: str, train: str, output: str, under: str, mean: float, deviation: float
) -> None:
    weights = run_of(spec, train)
    arrays, _ = drawn(call, f"{spec}:{target}", "--count", "4000")
    z = arrays["z"]
    y = z @ weights[f"{under}weight"].T + weights[f"{under}bias"]
    np.testing.assert_allclose(arrays[output].reshape(y.shape), y, atol=1e-4)
    assert abs(z.mean() - mean) < 0.1 * deviation
    assert abs(z.std() / deviation - 1) < 0.1


def test_ways_between_two_draws(call: Call, spec: str) -> None:
    weights = run_of(spec, "Vae")
    linear, out = drawn(call, "s.dlspec:Vae", "--interpolate", "5", "--count", "3")
    assert "z: 3 linear ways in 5 steps between draws of Normal(5, 0.1)" in out
    assert linear["made"].shape == (15, 6)
    first = linear["z"].reshape(3, 5, 2)
    np.testing.assert_allclose(first[:, 2], (first[:, 0] + first[:, 4]) / 2, rtol=1e-5)
    spherical, _ = drawn(call, "s.dlspec:Vae", "--interpolate", "5", "--count", "3", "--way", "spherical")
    np.testing.assert_array_equal(spherical["z"][::5], linear["z"][::5])
    assert len(weights["model.leave.bias"]) == 6
    turned = way(np.array([3.0, 0.0]), np.array([0.0, 3.0]), 4, "spherical")
    np.testing.assert_allclose(np.linalg.norm(turned, axis=1), 3.0)
    np.testing.assert_allclose(turned[1], [3 * np.cos(np.pi / 6), 3 * np.sin(np.pi / 6)])


def test_conditions_in_turn_and_noise_that_a_way_keeps(call: Call, spec: str) -> None:
    Path("w.dlspec").write_text(SPEC.partition("train")[0])
    weights = {"table.weight": np.eye(5, 2), "out.weight": np.ones((2, 5)), "out.bias": np.zeros(2)}
    Path("run").mkdir()
    save_file({name: array.astype(np.float32) for name, array in weights.items()}, "run/model.safetensors")
    given = ("w.dlspec:Wished", "--input", "level=10")
    arrays, out = drawn(call, *given, "--input", "label=4..3", "--count", "6")
    assert "z: 6 draws of Normal(0, 1), since no train says of what\n" in out
    assert "label" not in out
    noise = arrays["y"] - 10 * arrays["z"].sum(1, keepdims=True)
    assert 0.2 < noise.std() < 3
    again, out = drawn(call, *given, "--count", "6")
    assert "label: 0 to 4 in turn; --input label=0 chooses\n" in out
    np.testing.assert_allclose(again["y"][2:5] - arrays["y"][2:5], 0, atol=1e-4)
    np.testing.assert_allclose(again["y"][:2] - arrays["y"][:2], 10.0, atol=1e-4)
    ways, _ = drawn(call, *given, "--input", "label=2", "--interpolate", "4", "--count", "2")
    noise = (ways["y"] - 10 * ways["z"].sum(1, keepdims=True)).reshape(2, 4, 2)
    np.testing.assert_allclose(noise - noise[:, :1], 0, atol=1e-4)
    assert np.abs(noise[0, 0] - noise[1, 0]).min() > 1e-3


def test_what_hangs_on_how_far_a_run_is(call: Call, spec: str) -> None:
    run_of(spec, "Grow")
    Path("run/metrics.jsonl").write_text('{"step": 4}\n{"step": 5}\n')
    after, out = drawn(call, "s.dlspec:Grow")
    assert "step: 5, the last of the run\n" in out
    ended, _ = drawn(call, "s.dlspec:Grow", "--input", "step=100")
    begun, _ = drawn(call, "s.dlspec:Grow", "--input", "step=0")
    np.testing.assert_allclose(after["y"], (ended["y"] + begun["y"]) / 2, atol=1e-5)
    Path("run/metrics.jsonl").unlink()
    _, _, err = call("sample", "s.dlspec:Grow", "--weights", "run", "-o", "o.npz")
    assert err == "error: f of Grow takes `step: int[]`\n  hint: --input step=NUMBER\n"


def test_pictures(call: Call, spec: str) -> None:
    run_of(spec, "Gan")
    status, out, _ = call("sample", "s.dlspec:Gan", "--weights", "run", "--count", "12", "-o", "o.png")
    assert status == 0
    assert out.splitlines()[0] == "generate of Gan in ONNX Runtime on cpu"
    assert "z: 12 draws of Uniform(2, 3), as it is trained with\n" in out
    assert out.endswith("wrote o.png: 12 images of image, 8 in a row\n")
    with Image.open("o.png") as image:
        assert image.size == (13 * (8 * 5 - 1), 13 * (2 * 5 - 1))
    run_of("std.wgan", "TrainPoints", {"width": 4})
    points = ("sample", "std.wgan:TrainPoints", "--set", "width=4", "--weights", "run", "-o", "p.png")
    assert call(*points)[1].endswith("wrote p.png: 64 points of point\n")


WRONG: list[tuple[list[str], str]] = [
    (["s.dlspec:Judge"], "error[DL0610]: `Judge` takes `image`, which is data in `Gan` and not drawn"),
    (["s.dlspec:Fit"], "error[DL0610]: nothing in `Fit` makes something of draws alone"),
    (["s.dlspec:Gan.judge"], "error[DL0610]: `judge` of `Gan` is no generator\n  hint: it has generate, slow"),
    (["s.dlspec:Gan.slw"], "is no generator\n  hint: did you mean `slow`?"),
    (["s.dlspec:Nothing"], "declares no network or train `Nothing`"),
    (["s.dlspec:Classify"], "`Classify` takes `image`, which is data in `Fit`"),
    (["std.densenet:DenseNet121"], "error[DL0610]: `DenseNet121` makes float[N, 1000] of float[N, 3, H, W]"),
    (["s.dlspec:Wished", "--input", "level=1", "--input", "lable=2"], "hint: did you mean `label`?"),
    (["s.dlspec:Wished", "--input", "label=7", "--input", "level=1"], "has the number 7, and `Wished` knows 0 to 4"),
    (["s.dlspec:Wished", "--input", "label=1"], "takes the number `level`\n  hint: --input level=0"),
    (["s.dlspec:Wished", "--input", "level=1,2"], "`level` is one number for all samples"),
    (["s.dlspec:Wished", "--input", "label=1.5"], "`label` is int[N]"),
    (["s.dlspec:Gan", "--interpolate", "1"], "--interpolate 1: a way has two ends"),
    (["s.dlspec:Decode", "-o", "o.png"], "error[DL0611]: what Decode gives is neither images nor points"),
    (["s.dlspec:Gan", "-o", "o.gif"], "error[DL0607]: -o o.gif"),
    (
        ["s.dlspec:Generator"],
        "error: run has such weights of generate and of slow\n  hint: --weights run/networks/slow",
    ),
    (["s.dlspec:Decode"], "error[DL0602]: run has none of the weights of Decode, such as `last.weight`"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=lambda each: str(each)[:40])
def test_calls_that_draw_nothing(call: Call, spec: str, arguments: list[str], message: str) -> None:
    run_of(spec, "Gan")
    status, out, err = call("sample", "--weights", "run", "-o", "o.npz", *arguments)
    assert status == 2
    assert message in err
    assert not out
    assert not Path("o.npz").exists()


def test_weights_have_to_be_given(call: Call, spec: str) -> None:
    _, _, err = call("sample", "s.dlspec:Generator", "-o", "o.npz")
    assert "Generator has weights, and no file gives them\n  hint: --weights FILE" in err


def test_it_needs_no_pytorch(call: Call, spec: str) -> None:
    run_of(spec, "Gan")
    code = "import sys; sys.modules['torch'] = None; from dlspec.cli import main; sys.exit(main(sys.argv[1:]))"
    given = ["sample", "s.dlspec:Gan", "--weights", "run", "-o", "o.png"]
    assert subprocess.run([sys.executable, "-c", code, *given], timeout=600).returncode == 0
