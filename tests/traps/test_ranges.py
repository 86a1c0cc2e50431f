"""Raw outputs as scales and probabilities, and divergences with the wrong sign."""

from __future__ import annotations

import pytest
from tests.elaborate.specs import found_in

SIGNATURE = "x: float[N, 8], t: float[N, 4], image: float[N, 3, 8, 8]"
RAW = [
    ("sample(Normal(t, x -> Linear(4)))", "`scale` of `Normal` takes positive numbers, and these may be negative"),
    ("sample(Normal(t, x -> Linear(4) -> Tanh))", "may be negative"),
    ("sample(Normal(t, x -> Linear(4) -> ReLU))", "may be 0"),
    ("sample(Normal(t, x -> Linear(4) -> LeakyReLU))", "may be negative"),
    ("sample(Normal(t, 0.5 * (x -> Linear(4) -> BatchNorm)))", "may be negative"),
    ("sample(Normal(t, (x -> Linear(4)) + (x -> Linear(4))))", "may be negative"),
    ("sample(Normal(t, -exp(x -> Linear(4))))", "may be negative"),
    ("sample(Normal(t, log(x[:, 0:4] -> Softmax(1))))", "may be negative"),
    ("sample(Laplace(t, (x -> Linear(8))[:, 0:4]))", "`scale` of `Laplace`"),
    ("sample(Normal(image, image -> Conv(3, 1)))", "may be negative"),
    (
        "log_prob(Bernoulli(x -> Linear(4)), t)",
        "`probs` of `Bernoulli` takes numbers from 0 to 1, and these may be negative",
    ),
    ("log_prob(Bernoulli(x -> Linear(4) -> Softplus), t)", "may be greater than 1"),
    ("log_prob(Bernoulli(logits=x -> Linear(4) -> Sigmoid), t)", "takes raw scores, and these are probabilities"),
    ("sample(Categorical(probs=x -> Linear(4)))", "`probs` of `Categorical`"),
    ("sample(Categorical(logits=x -> Linear(4) -> Softmax(1)))", "takes raw scores"),
    ("bernoulli(x -> Linear(4))", "`bernoulli` takes numbers from 0 to 1"),
    ("log(x -> Linear(4))", "`log` takes positive numbers, and these may be negative"),
    ("log(relu(x -> Linear(4)))", "`log` takes positive numbers, and these may be 0"),
    ("log(concat(exp(x), x -> Linear(4)))", "may be negative"),
    ("sqrt(x -> Linear(4))", "`sqrt` takes numbers that are not negative"),
    ("rsqrt(x -> Linear(4) -> GELU)", "may be negative"),
    ("log1p(x -> Linear(4))", "`log1p`"),
    ("log(x -> Linear(4) -> Dropout(0.1))", "may be negative"),
    ("binary_cross_entropy(x -> Linear(4), t)", "takes probabilities, and these are raw scores"),
    ("cross_entropy(x -> Linear(4) -> Softmax(1), t)", "takes raw scores, and these are probabilities"),
]
RIGHT = [
    "sample(Normal(t, exp(0.5 * (x -> Linear(4)))))",
    "sample(Normal(t, softplus(x -> Linear(4)) + 1e-6))",
    "sample(Normal(t, (x -> Linear(4) -> Sigmoid) * 2.0))",
    "sample(Normal(t, 1.0 + elu(x -> Linear(4))))",
    "sample(Normal(t, 1.001 + tanh(x -> Linear(4))))",
    "sample(Normal(t, relu(x -> Linear(4)) + 1e-3))",
    "sample(Normal(t, clamp(x -> Linear(4), min=1e-3)))",
    "sample(Normal(t, abs(x -> Linear(4)) + 1e-6))",
    "sample(Normal(t, sqrt(exp(x -> Linear(4)))))",
    "sample(Normal(t, exp(x -> Linear(4)) / mean(exp(x -> Linear(4)))))",
    "sample(Normal(t, maximum(x -> Linear(4), tensor(0.1))))",
    "sample(Normal(t, t))",
    "log_prob(Bernoulli(x -> Linear(4) -> Sigmoid), t)",
    "log_prob(Bernoulli(logits=x -> Linear(4)), t)",
    "sample(Categorical(probs=x -> Linear(4) -> Softmax(1)))",
    "log(1 - sigmoid(x -> Linear(4)) + 1e-8)",
    "log(softmax(x, 1))",
    "h = x -> Linear(4)\n sqrt(mean(h ** 2, 1) - mean(h, 1) ** 2)",
    "h = x -> Linear(4)\n sqrt(sum(h * h, 1))",
    "sqrt(sum((t - (x -> Linear(4))) ** 2, 1))",
    "sqrt(var(x -> Linear(4), 1))",
    "log(norm(x -> Linear(4), dim=1))",
    "h = x -> Linear(4)\n log(logsumexp(h, 1, true) - h)",
    "h = x -> Linear(4)\n log(max(h) - h + 1.0)",
    "h = x -> Linear(4)\n log(softplus(h) - h)",
    "log(x -> Linear(4))  # dlspec: ignore[DL0803]",
]


def warned(body: str) -> list[tuple[str, str]]:
    return [(found.code, found.message) for found in found_in(f"network Net({SIGNATURE}) -> y {{\n {body}\n}}")]


@pytest.mark.parametrize(("body", "message"), RAW, ids=[body for body, _ in RAW])
def test_numbers_that_are_not_what_is_made_of_them(body: str, message: str) -> None:
    ((code, said),) = warned(body)
    assert (code in ("DL0803", "DL0709"), message in said) == (True, True), said


@pytest.mark.parametrize("body", RIGHT)
def test_what_may_be_right_is_not_warned_of(body: str) -> None:
    assert warned(body) == []


KL = "kl(q, Normal(0.0, 1.0))"
OBJECTIVES = [
    (f"minimize loss - {KL}", ["DL0804"]),
    (f"minimize loss - 0.1 * {KL} / 8", ["DL0804"]),
    (f"minimize loss + -mean({KL})", ["DL0804"]),
    (f"maximize loss + {KL}", ["DL0804"]),
    (f"minimize -(-loss + {KL})", ["DL0804"]),
    ('minimize loss - kl_div(log_softmax(mu, 1), softmax(mu, 1), "batchmean")', ["DL0804"]),
    (f"minimize loss - ramp(0.0, 1.0, steps=10) * {KL}", ["DL0804"]),
    (f"minimize loss + cosine(1.0, 0.0, steps=10) * {KL}", []),
    (f"minimize loss - (x -> e -> {{ mean(x) }}) * {KL}", []),
    (f"minimize loss + {KL}", []),
    (f"minimize loss + 0.1 * {KL}", []),
    (f"maximize -loss - {KL}", []),
    (f"minimize -(-loss - {KL})", []),
    (f"minimize loss - {KL} + 2.0 * {KL}  # dlspec: ignore[DL0804]\n", []),
    ("minimize loss - mean(entropy(q))", []),
    ("minimize loss + mean(entropy(q))", []),
]


@pytest.mark.parametrize(("objective", "codes"), OBJECTIVES, ids=[objective for objective, _ in OBJECTIVES])
def test_a_divergence_is_not_made_greater(objective: str, codes: list[str]) -> None:
    train = f"""
    network Encode(x: float[N, 8]) -> mu {{ x -> Linear(2) }}
    train Fit {{
        data x: float[N, 8]
        shared e = Encode
        mu = x -> e
        q = Normal(mu, 1.0)
        loss = mean(mu ** 2)
        {objective}
            over e using Adam(lr=1e-3)
    }}
    """
    assert [found.code for found in found_in(train)] == codes
