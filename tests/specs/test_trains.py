"""The shipped objectives: whom they update in which order, and their value against the formula written in PyTorch.

Random draws are at their means in both: noise is 0, and so is what is added to a code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from catalogue import FILES, graph_of, program
from light import LIGHT
from test_numerics import outputs_of, random_weight
from torch import Tensor

from dlspec.analyses.training_report import TrainingSummary
from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes
from dlspec.backends.runtime import make_inputs, run
from dlspec.backends.weights import draw
from dlspec.objectives.training import Training
from dlspec.passes.fixed_draws import with_fixed_draws
from dlspec.pipeline import elaborate_training

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

ADAM_GAN = "Adam(lr=0.0002, betas=(0.5, 0.999))"
ONE = "Adam()"

UPDATES: dict[str, list[str]] = {
    "clip:Contrast": ["minimize clip AdamW(lr=0.0005, betas=(0.9, 0.98), eps=1e-06, weight_decay=0.2)"],
    "mlp:Classify": [f"minimize model {ONE}"],
    "alexnet:Classify": ["minimize model SGD(lr=0.01, momentum=0.9, weight_decay=0.0005)"],
    "unet:Segment": [f"minimize model {ONE}"],
    "approximation:Fit": ["minimize model Adam(lr=0.02)"],
    "resnet:LinearProbe": ["minimize model.fc Adam()"],
    "resnet:FineTune": ["minimize model, model.fc(lr=0.01) SGD(momentum=0.9, weight_decay=0.0001)"],
    "lenet:Classify": [f"minimize model {ONE}"],
    "lenet:Localize": [f"minimize model {ONE}"],
    "hnet:Classify": [f"minimize model {ONE}"],
    "siren:FitSignal": ["minimize model Adam(lr=0.0001)"],
    "siamese:TrainTriplet": [f"minimize embed {ONE}"],
    "siamese:TrainContrastive": [f"minimize embed {ONE}"],
    "latent:TrainPCA": ["minimize model Adam(lr=0.01)"],
    "latent:FitPCA": ["minimize model SGD(lr=1.0)"],
    "latent:FitMixture": ["minimize model SGD(lr=1.0)"],
    "latent:TrainPPCA": ["maximize model Adam(lr=0.01)"],
    "latent:TrainMixture": ["maximize model Adam(lr=0.01)"],
    "vae:TrainVAE": [f"minimize model {ONE}"],
    "vae:TrainAnnealedVAE": [f"minimize model {ONE}"],
    "vae:TrainCVAE": [f"minimize model {ONE}"],
    "vae:TrainConvVAE": ["minimize model Adam(lr=0.005)"],
    "vae:TrainConvCVAE": ["minimize model Adam(lr=0.005)"],
    "gaussian_vae:TrainGaussianVAE": [f"maximize model {ONE}"],
    "nvae:TrainNVAE": ["minimize model Adamax(lr=0.01, eps=0.001, weight_decay=0.0003)"],
    "nvae:TrainBinaryNVAE": ["minimize model Adamax(lr=0.01, eps=0.001, weight_decay=0.0003)"],
    "ddpm:Denoise": ["minimize model Adam(lr=0.0002)"],
    "lstm:NextCharacter": ["minimize model Adam(lr=0.002)"],
    "gan:TrainGAN": [f"minimize generate {ADAM_GAN}", f"minimize judge {ADAM_GAN}"],
    "gan:TrainMinMaxGAN": [f"maximize judge {ADAM_GAN}", f"minimize generate {ADAM_GAN}"],
    "gan:FindDiscriminator": ["maximize judge Adam(lr=0.005)"],
    "gan:TrainConditionalGAN": [f"minimize generate {ADAM_GAN}", f"minimize judge {ADAM_GAN}"],
    "dcgan:TrainDCGAN": [f"minimize judge {ADAM_GAN}", f"minimize generate {ADAM_GAN}"],
    "flow:FitPoints": [f"maximize flow {ONE}"],
    "flow:FitImages": [f"minimize flow {ONE}"],
    "diffusion:TrainDiffusion": [f"minimize model {ONE}"],
    "continuous:MatchFlow": [f"minimize model {ONE}"],
    "continuous:MatchScore": [f"minimize model {ONE}"],
    "energy:Contrast": [f"minimize energy {ONE}"],
    "energy:Denoise": [f"minimize energy {ONE}"],
    "pix2pix:TrainPix2Pix": [f"minimize generate {ADAM_GAN}", f"minimize judge {ADAM_GAN}"],
    "cyclegan:TrainCycleGAN": [
        f"minimize to_b, to_a {ADAM_GAN}", f"minimize judge_a {ADAM_GAN}", f"minimize judge_b {ADAM_GAN}",
    ],
    "super_resolution:TrainESPCN": [f"minimize enlarge {ONE}"],
    "super_resolution:TrainSRGAN": [f"minimize enlarge {ADAM_GAN}", f"minimize judge {ADAM_GAN}"],
    "wgan:TrainWGAN": ["minimize judge RMSprop(lr=5e-05) clip 0.01 times 5", "minimize generate RMSprop(lr=5e-05)"],
    "wgan:TrainDenseWGAN": [
        "minimize judge RMSprop(lr=5e-05) clip 0.01 times 5", "minimize generate RMSprop(lr=5e-05)",
    ],
    "wgan:TrainDenseWGANGP": [f"minimize judge {ADAM_GAN} times 5", f"minimize generate {ADAM_GAN}"],
    "wgan:TrainPoints": [
        "maximize judge Adam(betas=(0.5, 0.9)) times 5", "maximize generate Adam(betas=(0.5, 0.9))",
    ],
    "wgan:TrainDigitWGANGP": [
        "minimize judge Adam(lr=0.0001, betas=(0.5, 0.9)) times 5", "minimize generate Adam(lr=0.0001, betas=(0.5, 0.9))",
    ],
    "lapgan:TrainFine": ["minimize judge SGD(lr=0.02)", "minimize generate SGD(lr=0.02)"],
    "lapgan:TrainResidual": [f"minimize judge {ONE}", f"minimize generate {ONE}"],
    "lapgan:TrainSmall": [f"minimize judge {ONE}", f"minimize generate {ONE}"],
    "progan:TrainProGAN": [
        "minimize judge Adam(betas=(0.0, 0.99))",
        "minimize generate Adam(betas=(0.0, 0.99))",
    ],
    "progan:TrainLabelled": [
        "minimize judge Adam(betas=(0.0, 0.99))",
        "minimize generate Adam(betas=(0.0, 0.99))",
    ],
    "stylegan:TrainStyleGAN": [
        "minimize judge Adam(betas=(0.0, 0.99))", "minimize generate Adam(betas=(0.0, 0.99))",
    ],
}  # fmt: skip
"""Of every shipped objective, in order; what an optimizer has by default is not shown."""


def training_of(name: str, settings: Mapping[str, Any] | None = None) -> Training:
    stem, _, train = name.partition(":")
    return elaborate_training(program(stem), train, settings)


def shown(training: Training) -> list[str]:
    lines: list[str] = []
    for update in training.updates:
        line = f"{update.direction} {', '.join(TrainingSummary(training).over(update))} {update.optimizer!r}"
        line += f" clip {update.limits.clip_weights}" if update.limits.clip_weights is not None else ""
        lines.append(line + (f" times {update.times}" if update.times > 1 else ""))
    return lines


def test_every_train_is_here() -> None:
    assert {f"{path.stem}:{name}" for path in FILES for name in program(path.stem).trains} == UPDATES.keys()


@pytest.mark.parametrize("name", UPDATES)
def test_updates(name: str) -> None:
    assert shown(training_of(name)) == UPDATES[name]


def test_inner_steps_are_a_setting() -> None:
    _, judge = training_of("gan:TrainGAN", {"inner_steps": 3}).updates
    first, _ = training_of("gan:TrainMinMaxGAN", {"K": 3}).updates
    assert judge.times == first.times == 3


class Case:
    """A train with weights and a batch; networks of it can be asked what they give for other inputs."""

    def __init__(self, name: str, settings: Mapping[str, Any], batch: int = 3) -> None:
        self.stem = name.partition(":")[0]
        self.graph = with_fixed_draws(training_of(name, settings).graph)
        generator = np.random.default_rng(7)
        self.weights = {
            path: draw(p, 0) if p.init.kind == "data" else random_weight(p, generator)
            for path, p in self.graph.parameters.items()
        }
        inputs = make_inputs(self.graph, {"N": batch})
        for value in self.graph.inputs:
            if value.type.dtype.is_float:
                inputs[value.name] = generator.uniform(0, 1, inputs[value.name].shape).astype(np.float32)
        if "step" in inputs:
            inputs["step"] = np.asarray(100)
        self.inputs = inputs
        self.data = {key: torch.from_numpy(np.asarray(array)) for key, array in inputs.items()}

    def objectives(self) -> dict[str, Array]:
        return run(to_bytes(build(self.graph, weights=self.weights)), self.inputs)

    def net(self, name: str, network: str, *inputs: Tensor, **settings: Any) -> list[Tensor]:
        stem, _, declared = f"{self.stem}:{network}".rpartition(":")
        graph = with_fixed_draws(graph_of(f"{stem.rpartition(':')[2]}:{declared}", settings))
        weights = {path: self.weights[f"{name}.{path}"] for path in graph.parameters}
        arrays = {value.name: tensor.numpy() for value, tensor in zip(graph.inputs, inputs, strict=True)}
        return [torch.from_numpy(array) for array in outputs_of(graph, weights, arrays)]


def divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    return -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum()


def bce(p: Tensor, answer: float) -> Tensor:
    return F.binary_cross_entropy(p, torch.full_like(p, answer))


def vae(case: Case) -> dict[str, Tensor]:
    reconstruction, mu, logvar = case.net("model", "VAE", case.data["image"])
    mismatch = F.binary_cross_entropy(reconstruction, case.data["image"].flatten(1), reduction="sum")
    return {"model": mismatch + divergence(mu, logvar)}


def annealed(weight: float) -> Callable[[Case], dict[str, Tensor]]:
    def formula(case: Case) -> dict[str, Tensor]:
        reconstruction, mu, logvar = case.net("model", "VAE", case.data["image"])
        mismatch = F.binary_cross_entropy(reconstruction, case.data["image"].flatten(1), reduction="sum")
        return {"model": (mismatch + weight * divergence(mu, logvar)) / 3}

    return formula


def cvae(case: Case) -> dict[str, Tensor]:
    reconstruction, mu, logvar, _ = case.net("model", "CVAE", case.data["image"], case.data["label"])
    mismatch = F.binary_cross_entropy(reconstruction, case.data["image"].flatten(1), reduction="sum")
    return {"model": (mismatch + divergence(mu, logvar)) / 3}


def conv_vae(case: Case) -> dict[str, Tensor]:
    reconstruction, mu, logvar = case.net("model", "ConvVAE", case.data["image"])
    return {"model": F.mse_loss(reconstruction, case.data["image"]) + 0.00025 * divergence(mu, logvar) / 3}


def contrast(case: Case) -> dict[str, Tensor]:
    """As OpenAI's code: the mean of both cross-entropies."""
    logits, _, _ = case.net("clip", "CLIPTiny", case.data["ids"], case.data["image"])
    own = torch.arange(len(logits))
    return {"clip": (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2}


def denoise(case: Case) -> dict[str, Tensor]:
    kept = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0)[500]
    noisy = kept.sqrt() * case.data["image"]
    (guess,) = case.net("model", "DDPMCifar10", noisy, torch.full((3,), 500), **LIGHT["ddpm:Denoise"])
    return {"model": (guess**2).mean()}


def next_character(case: Case) -> dict[str, Tensor]:
    text, state = case.data["text"], torch.zeros(2, 3, 32)
    logits, _, _ = case.net("model", "CharLM", text[:, :-1], state, state)
    return {"model": F.cross_entropy(logits.flatten(0, 1), text[:, 1:].flatten())}


def gan(saturating: bool) -> Callable[[Case], dict[str, Tensor]]:
    def formula(case: Case) -> dict[str, Tensor]:
        (fake,) = case.net("generate", "Generator", torch.zeros(3, 100))
        (on_fake,) = case.net("judge", "Discriminator", fake)
        (on_real,) = case.net("judge", "Discriminator", case.data["real"])
        taken = (1 - on_fake).log().mean() if saturating else bce(on_fake, 1)
        return {"generate": taken, "judge": (bce(on_real, 1) + bce(on_fake, 0)) / 2}

    return formula


def conditional_gan(case: Case) -> dict[str, Tensor]:
    wish = torch.full((3,), 5)
    (fake,) = case.net("generate", "ConditionalGenerator", torch.zeros(3, 100), wish)
    (on_fake,) = case.net("judge", "ConditionalDiscriminator", fake, wish)
    (on_real,) = case.net("judge", "ConditionalDiscriminator", case.data["real"], case.data["label"])
    zeros, ones = torch.zeros(3, 1), torch.ones(3, 1)
    return {
        "generate": F.mse_loss(on_fake, ones), "judge": (F.mse_loss(on_real, ones) + F.mse_loss(on_fake, zeros)) / 2
    }  # fmt: skip


def dcgan(case: Case) -> dict[str, Tensor]:
    (fake,) = case.net("generate", "Generator", torch.zeros(3, 100, 1, 1), features=4)
    (on_fake,) = case.net("judge", "Discriminator", fake, features=4)
    (on_real,) = case.net("judge", "Discriminator", case.data["real"], features=4)
    return {"judge": bce(on_real, 1) + bce(on_fake, 0), "generate": bce(on_fake, 1)}


def pix2pix(case: Case) -> dict[str, Tensor]:
    given, wanted = case.data["given"], case.data["wanted"]
    (made,) = case.net("generate", "Generator", given, width=2)
    (on_made,), (on_wanted,) = (case.net("judge", "Discriminator", x, given, width=2) for x in (made, wanted))
    taken = (on_made - 1).square().mean()
    return {
        "generate": taken + 100 * F.l1_loss(made, wanted),
        "judge": (on_made.square().mean() + (on_wanted - 1).square().mean()) / 2,
    }


def cyclegan(case: Case) -> dict[str, Tensor]:
    def to(side: str, image: Tensor) -> Tensor:
        return case.net(f"to_{side}", "Generator", image, **small)[0]

    def judge(side: str, image: Tensor, answer: int) -> Tensor:
        return (case.net(f"judge_{side}", "Discriminator", image, width=4)[0] - answer).square().mean()

    small = {"width": 4, "blocks": 1}
    a, b = case.data["a"], case.data["b"]
    made_a, made_b = to("a", b), to("b", a)
    taken = (judge("a", made_a, 1) + judge("b", made_b, 1)) / 2
    back = (F.l1_loss(to("a", made_b), a) + F.l1_loss(to("b", made_a), b)) / 2
    same = (F.l1_loss(to("a", a), a) + F.l1_loss(to("b", b), b)) / 2
    return {
        "to_b_to_a": taken + 10 * back + 5 * same,
        "judge_a": (judge("a", a, 1) + judge("a", made_a, 0)) / 2,
        "judge_b": (judge("b", b, 1) + judge("b", made_b, 0)) / 2,
    }


def espcn(case: Case) -> dict[str, Tensor]:
    (made,) = case.net("enlarge", "ESPCN", case.data["image"])
    return {"enlarge": F.mse_loss(made, case.data["large"])}


def srgan(case: Case) -> dict[str, Tensor]:
    (made,) = case.net("enlarge", "Generator", case.data["image"], width=8, blocks=1)
    large = case.data["large"]
    (of_made,), (of_large,) = (case.net("look", "VGGFeatures", x) for x in (made, large))
    (on_made,), (on_large,) = (case.net("judge", "Discriminator", x, width=8) for x in (made, large))
    return {
        "enlarge": F.l1_loss(of_made, of_large) + 1e-3 * (on_made - 1).square().mean(),
        "judge": (on_made.square().mean() + (on_large - 1).square().mean()) / 2,
    }


def wgan(case: Case) -> dict[str, Tensor]:
    (fake,) = case.net("generate", "Generator", torch.zeros(3, 100, 1, 1), features=4)
    (on_fake,) = case.net("judge", "Critic", fake, features=4)
    (on_real,) = case.net("judge", "Critic", case.data["real"], features=4)
    return {"judge": (on_real - on_fake).squeeze(), "generate": on_fake.squeeze()}


def dense_wgan(case: Case) -> dict[str, Tensor]:
    (fake,) = case.net("generate", "gan:Generator", torch.zeros(3, 100))
    (on_fake,) = case.net("judge", "gan:Discriminator", fake, probability=False)
    (on_real,) = case.net("judge", "gan:Discriminator", case.data["real"], probability=False)
    return {"judge": on_fake.mean() - on_real.mean(), "generate": -on_fake.mean()}


def fine(case: Case) -> dict[str, Tensor]:
    residual, coarse = (torch.from_numpy(a) for a in pyramid(case.data["image"].numpy()))
    (fake,) = case.net("generate", "Generator", torch.zeros(3, 1, 32, 32), coarse)
    (on_fake,) = case.net("judge", "Discriminator", fake, coarse)
    (on_real,) = case.net("judge", "Discriminator", residual, coarse)
    return {"judge": (bce(on_real, 1) + bce(on_fake, 0)) / 2, "generate": bce(on_fake, 1)}


def pyramid(image: Array) -> list[Array]:
    graph = graph_of("lapgan:Pyramid")
    return outputs_of(graph, {path: draw(p, 0) for path, p in graph.parameters.items()}, {"image": image})


def triplet(case: Case) -> dict[str, Tensor]:
    codes = [case.net("embed", "Embedder", case.data[name])[0] for name in ("anchor", "positive", "negative")]
    return {"embed": F.triplet_margin_loss(*codes)}


def contrastive(case: Case) -> dict[str, Tensor]:
    first, second = (case.net("embed", "Embedder", case.data[name])[0] for name in ("first", "second"))
    squared = (first - second).square().sum(1)
    same = case.data["same"]
    loss = same * squared + (1 - same) * F.relu(1 - (squared + 1e-9).sqrt()).square()
    return {"embed": loss.mean() / 2}


def classify(network: str) -> Callable[[Case], dict[str, Tensor]]:
    def formula(case: Case) -> dict[str, Tensor]:
        (logits,) = case.net("model", network, case.data["image"])
        return {"model": F.cross_entropy(logits, case.data["label"])}

    return formula


def localize(case: Case) -> dict[str, Tensor]:
    logits, box = case.net("model", "LeNet5Localizer", case.data["image"])
    distance = F.smooth_l1_loss(box, case.data["box"])
    return {"model": F.cross_entropy(logits, case.data["label"]) + 10 * distance}


def pca(case: Case) -> dict[str, Tensor]:
    reconstruction, _ = case.net("model", "PCA", case.data["x"])
    return {"model": F.mse_loss(reconstruction, case.data["x"])}


FORMULAS: dict[str, tuple[str, Mapping[str, Any], Callable[[Case], dict[str, Tensor]]]] = {
    "contrast": ("clip:Contrast", {}, contrast),
    "denoise": ("ddpm:Denoise", LIGHT["ddpm:Denoise"], denoise),
    "next_character": ("lstm:NextCharacter", {}, next_character),
    "VAE": ("vae:TrainVAE", {}, vae),
    "VAE, logistic annealing": (
        "vae:TrainAnnealedVAE", {"steps": 120, "slope": 0.1}, annealed(1 / (1 + np.exp(-0.1 * (100 - 120))))
    ),
    "VAE, linear annealing": ("vae:TrainAnnealedVAE", {"annealing": "linear", "steps": 400}, annealed(0.25)),
    "CVAE": ("vae:TrainCVAE", {}, cvae),
    "convolutional VAE": ("vae:TrainConvVAE", {}, conv_vae),
    "GAN": ("gan:TrainGAN", {}, gan(False)),
    "GAN, saturating": ("gan:TrainGAN", {"saturating": True}, gan(True)),
    "CGAN": ("gan:TrainConditionalGAN", {}, conditional_gan),
    "DCGAN": ("dcgan:TrainDCGAN", {"features": 4}, dcgan),
    "pix2pix": ("pix2pix:TrainPix2Pix", LIGHT["pix2pix:TrainPix2Pix"], pix2pix),
    "CycleGAN": ("cyclegan:TrainCycleGAN", LIGHT["cyclegan:TrainCycleGAN"], cyclegan),
    "ESPCN": ("super_resolution:TrainESPCN", {}, espcn),
    "SRGAN": ("super_resolution:TrainSRGAN", LIGHT["super_resolution:TrainSRGAN"], srgan),
    "WGAN": ("wgan:TrainWGAN", {"features": 4}, wgan),
    "dense WGAN": ("wgan:TrainDenseWGAN", {}, dense_wgan),
    "LAPGAN": ("lapgan:TrainFine", {}, fine),
    "triplet": ("siamese:TrainTriplet", {}, triplet),
    "contrastive": ("siamese:TrainContrastive", {}, contrastive),
    "MLP": ("mlp:Classify", {}, classify("MLP")),
    "LeNet": ("lenet:Classify", {}, classify("LeNet5")),
    "LeNet that localises": ("lenet:Localize", {}, localize),
    "harmonic network": ("hnet:Classify", {}, classify("HNet")),
    "PCA": ("latent:TrainPCA", {}, pca),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_equals_the_formula(name: str) -> None:
    train, settings, formula = FORMULAS[name]
    case = Case(train, settings)
    found, expected = case.objectives(), formula(case)
    assert found.keys() == expected.keys()
    for update, value in expected.items():
        assert found[update] == pytest.approx(value.item(), rel=1e-4, abs=1e-6), update
