"""Small trains, one for each thing a generated trainer has to do, and data for them."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor

from dlspec.ir.evaluation import evaluate
from dlspec.objectives.training import Training
from dlspec.pipeline import elaborate_training, open_source
from dlspec.source import Source

SIZES = {"N": 6, "M": 5}
CLASSES = 3

Batch: TypeAlias = dict[str, Tensor]

NETWORKS = """
network Generator(z: float[N, latent], latent = 4) -> point { z -> Linear(16) -> ReLU -> Linear(2) }
network Critic(point: float[N, 2]) -> score { point -> Linear(16) -> LeakyReLU(0.2) -> Linear(1) }
network Net(x: float[N, 3], width = 8) -> y { x -> fc: Linear(width) -> BatchNorm -> Tanh -> out: Linear(3) }
network Encoder(image: float[N, 1, 4, 4], latent = 2) -> mu, logvar {
    h = image -> Flatten -> fc1: Linear(8) -> ReLU
    mu = h -> fc21: Linear(latent)
    logvar = h -> fc22: Linear(latent)
}
network Decoder(z: float[N, latent], latent = 2) -> logits {
    z -> fc3: Linear(8) -> ReLU -> fc4: Linear(16) -> Unflatten(1, [1, 4, 4])
}
"""

TRAINS: dict[str, str] = {
    # The course's alternating loop.
    "gan": """
# Goodfellow's game, the discriminator three steps ahead.
train GAN(k = 3) {
    data real: float[N, 2]
    shared generate = Generator
    shared judge = Critic
    fake = normal([real.batch, 4]) -> generate
    maximize mean(log(sigmoid(real -> judge))) + mean(log(1 - sigmoid(fake -> judge)))
        over judge using SGD(lr=0.1, momentum=0.9) times k
    minimize -mean(log(sigmoid(fake -> judge))) over generate using Adam(lr=1e-2, betas=(0.5, 0.999))
}
""",
    "wgan": """
train WGAN {
    data real: float[N, 2]
    shared generate = Generator
    shared judge = Critic
    fake = normal([real.batch, 4]) -> generate
    maximize mean(real -> judge) - mean(fake -> judge)
        over judge using RMSprop(lr=5e-3, clip_weights=0.05) times 2
    maximize mean(fake -> judge) over generate using RMSprop(lr=5e-3)
}
""",
    "wgan_gp": """
train WGANGP {
    data real: float[N, 2]
    shared generate = Generator
    shared judge = Critic
    fake = normal([real.batch, 4]) -> generate
    t = uniform([real.batch, 1])
    mixed = t * real + (1 - t) * detach(fake)
    slope = grad(mixed -> judge, mixed)
    penalty = mean((sqrt(sum(slope ** 2, dim=1)) - 1) ** 2)
    minimize mean(fake -> judge) - mean(real -> judge) + 10 * penalty
        over judge using Adam(lr=1e-3, betas=(0.0, 0.9)) times 2
    minimize -mean(fake -> judge) over generate using Adam(lr=1e-3, betas=(0.0, 0.9))
}
""",
    "vae": """
train VAE(latent = 2) {
    data image: float[N, 1, 4, 4]
    shared encode = Encoder(latent)
    shared decode = Decoder
    beta = ramp(0.0, 1.0, steps=4)
    mu, logvar = image -> encode
    z = mu + exp(0.5 * logvar) * normal(mu.shape)
    reconstruction = binary_cross_entropy_with_logits(z -> decode, image, reduction="sum")
    kl = -0.5 * sum(1 + logvar - mu ** 2 - exp(logvar))
    minimize reconstruction + beta * kl over encode, decode using Adam(lr=1e-2)
}
""",
    "everything": """
train Everything {
    data x: float[N, 3]
    data wanted: float[N, 3]
    shared net = Net
    shared slow = moving_average(net, decay=0.9)
    shared teacher = freeze(Net(4))
    shared scale = Linear(3, bias=false, weight_init=normal(0, 0.5))
    param shift: float[3] = 0.25
    buffer offset: float[3] = [1.0, 2.0, 3.0]
    y = x -> net -> scale
    far = mse(y + shift, wanted)
    near = mean(((x -> net) - (x -> teacher)) ** 2) + mean(((x -> slow) - y) ** 2)
    minimize far + 0.1 * near over net, shift
        using SGD(lr=0.5, schedule=StepLR(2, gamma=0.5), clip_grad_norm=0.1)
    maximize -far - mean(offset) over scale
        using AdamW(lr=1e-2, schedule=CosineAnnealingLR(T_max=10), clip_grad_value=0.05)
}
""",
    # Langevin dynamics in a scan, of which one objective needs what another does not.
    "scan": """
train Contrast(turns = 4) {
    data x: float[N, 3]
    shared energy = { Linear(4) -> Tanh -> Linear(1) }
    shared other = Linear(3)
    start = x -> other
    scan size in full([turns], 0.1) along 0 with y = detach(start) {
        y = detach(y - size * grad(y -> energy, y) + 0.1 * normal(y.shape))
    }
    path = scan row in x along 0 with h = zeros([3]) { h = 0.5 * h + row; h }
    minimize mean(x -> energy) - mean(y -> energy) over energy using Adam(lr=1e-2)
    table = tensor([[1.0, 2.0], [3.0, 5.0]])[[[0, 1], [1, 1]]]
    minimize mean((start - path) ** 2) + mean(start[:, [0, 2]] * table[0, 0]) over other using SGD(lr=0.1)
}
""",
    # Rates: by an expression, one schedule after another, by the objective, by searching.
    "rates": """
train Rates {
    data x: float[N, 3]
    shared net = Net
    shared warm = Net
    shared flat = Net
    shared search = Linear(3)
    falling = cosine(1.0, 0.5, steps=4)
    minimize mean((x -> net) ** 2) over net using SGD(lr=falling * ramp(0.0, 0.5, steps=2)) times 2
    minimize mean((x -> warm) ** 2) over warm
        using SGD(lr=0.5, schedule=SequentialLR([LinearLR(0.1, total_iters=2), StepLR(1, gamma=0.5)], [2]))
    maximize -mean((x -> flat) ** 2) over flat using SGD(lr=0.5, schedule=ReduceLROnPlateau(patience=0, threshold=0.9))
    maximize -mean(((x -> search) - x) ** 2) over search using LBFGS(lr=0.5, max_iter=3, clip_grad_norm=1.0)
}
""",
    # Parts of a network: kept as they are, and trained by rates and decays of their own.
    "parts": """
network Deep(x: float[N, 3]) -> y {
    x -> stem: freeze({ Linear(4) -> BatchNorm -> Dropout(0.5) })
        -> body: { Linear(8) -> BatchNorm -> Tanh -> Linear(8) } -> neck: Linear(8) -> head: Linear(3)
}
train Parts {
    data x: float[N, 3]
    data wanted: float[N, 3]
    shared f = Deep
    shared slow = moving_average(f, decay=0.9)
    freeze(f.neck, f.body.3.bias)
    param shift: float[3] = 0.25
    rate = ramp(0.0, 0.1, steps=4)
    y = x -> f
    minimize mse(y + shift, wanted) over f.body(lr=0.1, weight_decay=0.05), f.head, f.body[3](lr=0.05), shift
        using SGD(lr=0.5, momentum=0.9, weight_decay=0.01, decay="weights", schedule=StepLR(2, gamma=0.5))
    minimize mean(y ** 2) over f(lr=0.5 * rate), f.body.0(lr=1e-3), f.head using AdamW(lr=rate, clip_grad_norm=0.1)
    minimize mean(y) over f.head using SGD(lr=0.1)
    minimize mean((x -> slow) - y) over f using SGD(lr=ramp(0.0, 0.1, steps=4), weight_decay=0.1, decay="weights")
}
""",
    "looked_at": """
train LookedAt {
    data x: float[N, 3]
    shared net = Net
    shared slow = moving_average(net, decay=0.5)
    shown = normal([5, 3]) -> slow
    close, far = [x -> net, shown]
    minimize mean(close ** 2) over net using SGD(lr=0.1)
}
""",
    "shared_outputs": """
train Twice {
    data one: float[N, 1, 4, 4]
    data other: float[M, 1, 4, 4]
    shared encode = Encoder
    a, unused = one -> encode
    b, spread = other -> encode
    minimize mean((mean(a, 0) - mean(b, 0)) ** 2) + mean(spread) over encode using SGD(lr=0.1)
}
""",
    "two_steps_of_one": """
train Alternating {
    data x: float[N, 3]
    data label: int64[N]
    shared net = Net
    y = x -> net
    loss = cross_entropy(y, label)
    accuracy = mean(cast(argmax(y, dim=1) == label, "float"))
    minimize loss over net using SGD(lr=0.1)
    minimize mean(y ** 2) over net using SGD(lr=0.01) times 2
}
""",
    "noise_alone": """
train Noise {
    data label: int64[N]
    shared generate = Generator
    z = normal([N, 4]) + cast(step(1.0, 0.5, every=2), "float")
    hidden = bernoulli(full([8, 4], 0.5)) -> generate
    minimize mean((z -> generate) ** 2) + mean(hidden) + 0.0 * mean(cast(label, "float"))
        over generate using SGD(lr=0.1)
}
""",
    # Blocks, loops and conditions around shared networks.
    "structure": """
block Penalty(critic: layer, fake: tensor) {
    t = uniform([x.batch, 1])
    mixed = t * x + (1 - t) * fake
    slope = grad(mixed -> critic, mixed)
    mean((sqrt(sum(slope ** 2, dim=1)) - 1) ** 2)
}
block Hinge(other: tensor, margin = 0.2) { relu(margin + mean(x - other)) }
network Supervised(x: float[N, 2]) -> score, aux: training {
    h = x -> Linear(4) -> ReLU -> Dropout(0.1)
    score = h -> Linear(1)
    aux = h -> Linear(3)
}
train Structure(levels = 3, penalised = true) {
    data real: float[N, 2]
    shared generate = Generator
    shared judge = Critic
    shared second = Supervised
    shared mix = { Linear(2) -> Tanh -> Linear(2) }
    fake = normal([real.batch, 4]) -> generate
    total = mean(fake -> judge)
    for i in range(levels) { total = total + mean(fake * (i + 1.0) -> mix -> judge) / 2 }
    if penalised { total = total + 10 * (real -> Penalty(judge, fake)) }
    score, aux = real -> second
    close = real -> Hinge(fake)
    minimize total + mean(score) + mean(aux) over judge, second, mix using Adam(lr=1e-3) times 2
    minimize -mean(fake -> judge) + close over generate using Adam(lr=1e-3)
}
""",
    "hostile": '''
# A "quoted" doc \\ with """ and \\n
train Hostile {
    data self: float[N, 3]
    data lambda: float[N, 3]
    data parameters: float[N, 3]
    data objective: float[N, 3]
    data follow: float[N, 3]
    shared measure = Net
    shared type = Net
    shared net_objective = Net
    shared net = Net
    shared __odd = moving_average(type, decay=0.5)
    param train: float[3] = 1.0
    parameter = (self -> measure) + (lambda -> type) + (parameters -> net_objective) + (objective -> net) + train
    torch = parameter + (follow -> __odd)
    minimize mean(torch ** 2) over measure, type, net_objective, net, train
        using SGD(lr=0.1, clip_weights=0.5)
    minimize mean(torch) over net.fc, type.out using SGD(lr=0.1)
    freeze(type.fc)
}
''',
}
"""By what they show."""


def training(text: str, **settings: Any) -> Training:
    program = open_source(Source("trains.dlspec", NETWORKS + text))
    return elaborate_training(program, next(iter(program.trains)), settings)


def batches(made: Training, count: int = 20) -> list[Batch]:
    generator = torch.Generator().manual_seed(1)

    def tensor(shape: list[int], is_float: bool) -> Tensor:
        if is_float:
            return torch.rand(shape, generator=generator)
        return torch.randint(CLASSES, shape, generator=generator)

    shapes = {d.value.name: [evaluate(dim, SIZES) for dim in d.value.type.shape] for d in made.data}
    floats = {d.value.name: d.value.type.dtype.is_float for d in made.data}
    return [{name: tensor(shape, floats[name]) for name, shape in shapes.items()} for _ in range(count)]
