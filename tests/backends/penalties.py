"""A network of gradient penalties, of first and second order."""

from __future__ import annotations

CRITIC = """
network Critic(image: float[N, 3, 8, 8]) -> score {
    image -> Conv(4, 3, bias=false) -> LeakyReLU(0.2) -> Conv(1, 3) -> Tanh -> Flatten
}
"""
PENALTIES = (
    CRITIC
    + """
block Squared(f) {
    score = x -> f
    mean(square(grad(score, x)))
}
network Net(real: float[N, 3, 8, 8], fake: float[N, 3, 8, 8]) -> penalty, r1, in_block, of_hidden, cut {
    shared judge = Critic
    mixed = 0.25 * real + 0.75 * detach(fake)
    penalty = mean((norm(flatten(grad(mixed -> judge, mixed)), dim=1) - 1) ** 2)
    r1 = sum(square(grad(real -> judge, real)))
    in_block = fake -> Squared(judge)
    hidden = real -> stem: Conv(3, 1)
    of_hidden = sum(grad(sum(grad(sum(tanh(hidden) ** 2), hidden) ** 2), hidden) ** 2)
    cut = mean(detach(real -> judge) * (fake -> judge))
}
"""
)
