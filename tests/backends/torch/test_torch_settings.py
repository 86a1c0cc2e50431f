"""The class of a network makes with other settings what dlspec makes of the network with them: the same weights and, on
tensors that have no values, the same shapes."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature

import pytest
from tests.backends.torch.settings import compared_with_others, root
from tests.backends.variants import telling

from dlspec.backends.torch.text.source import source
from dlspec.files import Disk
from dlspec.pipeline import elaborate, open_source
from dlspec.source import Source

PROGRAMS = {
    path.stem: open_source(Source(str(path), path.read_text(), path)) for path in Disk().library.glob("*.dlspec")
}
LARGE = {"WideResNet101_2", "Mamba130M", "WhisperLarge", "GPT2XL", "Mixtral8x7B", "Mistral7B"}
"""Of which a smaller variant is here, too."""
NETWORKS = [
    (file, name) for file, program in sorted(PROGRAMS.items()) for name in telling(program) if name not in LARGE
]
SOME = {
    "class number": 'network Net(i: int[N], k = 5) -> y { one_hot(i, k) -> Cast("float") -> Linear(3) }',
    "sizes in a list": "network Net(x: float[N, 12], w = 3) -> y { x -> Reshape([-1, w, 12 // w]) -> Conv(4, 1) }",
    "repeated": "network Net(x: float[N, 4], k = 1) -> y { tile(x, [1, k]) -> Linear(5) }",
    "a width of 1": "network Net(x: float[N, 4], w = 1) -> y { x + (x -> Linear(w)) -> Linear(5) }",
    "cut": "network Net(x: float[N, 64], w = 3) -> y { x[:, :w] -> Linear(5) }",
    "label of a setting": 'network Net(x: float[N, 4], d = 2) -> y { x -> "fc{d}": Linear(4) }',
    "label of a turn": 'network Net(x: float[N, 4], d = 2) -> y { x -> for i in [d, 9] { "fc{i}": Linear(4) } }',
    "label of a setting in a block": (
        'block Unit(d) { y = x -> "fc{d}": Linear(4)\n    y + (y -> "fc{d + 1}": Linear(4)) }\n'
        "network Net(x: float[N, 4], d = 2, s = 3) -> y {\n"
        '    x -> Unit(d) -> "{s}.{d}": Linear(4) -> "a{s}": { Linear(3) -> Tanh }\n}'
    ),
    "position in a named level behind a loop": (
        "network Net(x: float[N, 4], d = 3) -> y {\n"
        '    x -> body: { for i in range(d) { "fc{i}": Linear(4) } -> Linear(5) -> ReLU }\n}'
    ),
    "label in one turn": (
        "network Net(x: float[N, 4], d = 1) -> y {\n"
        '    x -> body: { for i in range(d) { ReLU -> "fc{2 * i}": Linear(4) } -> Linear(5) }\n}'
    ),
    "labels of a range": (
        "network Net(x: float[N, 4], a = 2, b = 7) -> y {\n    y = x\n"
        '    for i in range(a, b) { y = y + (y -> "fc{i}": Linear(4)) }\n'
        '    for i in range(0, b, a) { y = y -> "m{i}": Linear(4) }\n    y\n}'
    ),
    "position behind a loop": (
        "network Net(x: float[N, 4], d = 3) -> y {\n"
        "    y = x\n    repeat d { y = y + (y -> ReLU) }\n    z = y -> Linear(2)\n    y = z * (y -> Linear(2))\n}"
    ),
    "labels of turns": (
        "network Net(x: float[N, 4], d = 3, f = 2) -> y {\n"
        '    y = x\n    for i in range(d) { y = y + (y -> "fc{i + 1}": Linear(4)) }\n'
        '    for i in range(f) { y = y + (y -> "m{2 ** i}": Linear(4)) }\n    y\n}'
    ),
    "a list of what turns give": (
        "network Net(x: float[N, 4], d = 3) -> y {\n    f = []\n"
        '    for i in range(d) { f = f + [x -> "fc{i}": Linear(4)] }\n    y = concat(f)\n}'
    ),
    "initialiser behind a loop": (
        "network Net(x: float[N, 4], d = 3) -> y {\n"
        "    x -> repeat d { Linear(4) -> ReLU } -> Linear(2, weight_init=normal(0.0, 0.1))\n}"
    ),
    "initialiser in a loop": (
        "network Net(x: float[N, 4], d = 3) -> y { x -> repeat d { Linear(4, weight_init=normal(0.0, 0.1)) -> ReLU } }"
    ),
    "a size that a convolution changes": (
        "network Net(x: float[N, 3, n], n = 16) -> y, z { y = x -> Linear(4)\n    z = x -> Conv(4, 3) -> Linear(5) }"
    ),
    "sizes that are numbers": (
        "network Net(x: float[N, 3, n], n = 16, w = 4) -> y { x -> LocallyConnected(w, 3) -> LocallyConnected(w, 3) }"
    ),
    "one turn": (
        "block Stack(w, n) { repeat n { Conv(w, 1) -> ReLU } }\n"
        "network Net(x: float[N, 3, 4], n = 1, m = 1) -> y {\n"
        "    x -> Stack(4, n) -> repeat n { Conv(5, 1) } -> for i in range(m) { Conv(4 * i + 4, 1) } -> Conv(2, 1)\n}"
    ),
    "one turn of a block that decides by what flows in": (
        "block Unit(w) { Add { if x.channels != w { skip: Conv(w, 1) } | conv: Conv(w, 1) } }\n"
        "network Net(x: float[N, 3, 4], n = 1) -> y { x -> repeat n { Unit(4) } -> Conv(n + 2, 1) }"
    ),
    "one turn that decides by its number": (
        "network Net(x: float[N, 3, 8], n = 1, m = 1) -> y {\n"
        "    x -> for i in range(n) { if i > 0 { MaxPool(2) } -> Conv(4, 1) } -> repeat m { Conv(n, 1) }\n}"
    ),
    "what the only turn gives, in a list": (
        "network Net(x: float[N, 4], n = 1) -> y { h = x -> repeat n { Linear(4) -> Tanh }\n"
        "    y = concat([h, x]) -> Linear(3) }"
    ),
    "what the only turn gives, at the end of a list": (
        "block Stack(n) { h = x -> repeat n { Linear(4) -> Tanh }\n    concat([x, h]) }\n"
        "network Net(x: float[N, 4], n = 1) -> y { x -> Stack(n) -> Linear(4) -> Stack(1) }"
    ),
    "a list of what the only turn gives": (
        "network Net(x: float[N, 4], n = 1) -> y {\n    f = [x]\n"
        '    for i in range(n) { f = f + [x -> "fc{i}": Linear(4)] }\n    y = concat(f) -> Linear(2)\n}'
    ),
    "no turn": (
        "block Stack(w, n) { repeat n { Conv(w, 1) -> ReLU } -> Conv(5, 1) }\n"
        "network Net(x: float[N, 3, 4], n = 0, w = 4) -> y { x -> Stack(w, n) -> repeat n { Conv(7, 1) } -> Conv(n + w, 1) }"
    ),
    "no turn of a forward": (
        "network Net(x: float[N, 3], n = 0) -> y {\n    h = x\n"
        "    repeat n { h = h + (h -> Linear(3)) }\n    h -> Linear(n + 2)\n}"
    ),
    "lists of as many as a setting says": (
        "network Net(x: float[N, 3, 4], n = 3, w = 2) -> y {\n    fs = [x]\n    gs = []\n"
        "    for i in range(n) { f = fs -> Concat -> Conv(w, 1)\n        fs = fs + [f]\n"
        "        gs = gs + [x -> Conv(w + i, 1)] }\n"
        "    fs + gs -> Concat -> Conv(2, 1)\n}"
    ),
    "a stack of as many as a setting says": (
        "network Net(x: float[N, 4], n = 3) -> y {\n    fs = []\n"
        "    for i in range(n) { fs = fs + [x -> Linear(2)] }\n    fs -> Stack(2) -> Linear(5)\n}"
    ),
    "some of a list": (
        "network Net(x: float[N, 3, 4], n = 5, w = 2) -> y {\n    fs = []\n"
        "    for i in range(n) { fs = fs + [x -> Conv(w, 1)] }\n    [fs[0], fs[1], fs[n - 1]] -> Concat -> Conv(2, 1)\n}"
    ),
    "as many layers as a list has items": (
        "network Net(x: float[N, 3, 4], n = 3, w = 2) -> y {\n"
        "    fs = [x -> Conv(w + i, 1) for i in range(n)]\n    fs -> Concat -> Conv(n, 1)\n}"
    ),
    "a comprehension in a block, of several lengths": (
        'block Heads(n, w) { concat([x -> "heads.{i}": Linear(w * (i + 1)) for i in range(n)], dim=-1) }\n'
        "network Net(x: float[N, 4], n = 3, w = 2) -> y { x -> Heads(n, w) -> Heads(2, w) -> Heads(1, n) }"
    ),
    "a comprehension between others": (
        "network Net(x: float[N, 3, 4], n = 3, w = 2) -> y {\n"
        '    far = [x -> "c.{i + 1}": { Conv(w, 3, padding=r, dilation=r) -> ReLU } for i, r in enumerate([1, 2, n])]\n'
        '    [x -> "c.0": Conv(w, 1)] + far + [x -> "c.4": Conv(n, 1)] -> Concat -> Conv(2, 1)\n}'
    ),
    "a comprehension that leaves turns out": (
        "network Net(x: float[N, 4], n = 4) -> y {\n"
        '    [x -> "a{i}": Linear(2) -> Tanh for i in range(n) if i != 1] -> Concat -> Linear(3)\n}'
    ),
    "a comprehension of two loops": (
        "network Net(x: float[N, 4], n = 2, m = 3) -> y {\n"
        '    [x -> "a{i}_{j}": Linear(i + 2) for i in range(n) for j in range(m)] -> Concat -> Linear(3)\n}'
    ),
    "a comprehension without a turn": (
        "network Net(x: float[N, 4], n = 0) -> y { [x] + [x -> Linear(2) for i in range(n)] -> Concat -> Linear(3) }"
    ),
    "a comprehension in a loop": (
        "network Net(x: float[N, 4], n = 3, m = 2) -> y {\n    y = x\n    for i in range(n) {\n"
        '        y = y + (concat([y -> "l{i}.{k}": Linear(2 + k) for k in range(m)]) -> "o{i}": Linear(4))\n    }\n    y\n}'
    ),
    "a comprehension over tensors": (
        "network Net(x: float[N, 4], w = 3) -> y {\n    a = x -> Linear(w)\n"
        "    b, c = [each -> Linear(5) -> Tanh for each in [a, x]]\n    y = b + c\n}"
    ),
    "some of a list of tensors, by their numbers": (
        "network Net(x: float[N, 8, 4], w = 3) -> y, z {\n    parts = x -> Split(4)\n"
        "    y = [p * i -> Linear(w) for i, p in enumerate(parts) if i != 1] -> Concat\n"
        "    z = stack([sum(p) * i for i, p in enumerate(parts) if i > 1])\n}"
    ),
    "numbers in a list": (
        "network Net(x: float[N, 3, 8], n = 3, m = 6) -> y {\n    y = x\n"
        '    for i in range(n) { y = y + (y -> "convs.{i}": Conv(3, 3, padding=1)) }\n'
        '    for i in range(m) { y = y + (y -> "convs.{n + i}": Conv(3, 1)) }\n'
        '    y -> "convs.{n + m}": Conv(4, 1)\n}'
    ),
    "numbers in a list that are not their positions": (
        "network Net(x: float[N, 3, 8], n = 3, m = 2) -> y {\n    y = x\n"
        '    for i in range(n) { y = y + (y -> "convs.{i}": Conv(3, 3, padding=1)) }\n'
        '    y -> "convs.{2 * m - 1}": Conv(4, 1)\n}'
    ),
    "chunks of a size that they do not divide": (
        "block Halves(w) { a, b = chunk(x, 2, dim=1)\n    (a -> Linear(w)) + (b -> Linear(w)) }\n"
        "network Net(x: float[N, 8], n = 8, m = 7, w = 4) -> y, z {\n"
        "    y = (x -> Linear(n) -> Halves(w)) + (x -> Linear(2 * w) -> Halves(w))\n"
        "    a, b, c = x -> Linear(m) -> Chunk(3, dim=1)\n"
        "    z = (a -> Linear(4)) + (b -> Linear(4)) + (c -> Linear(m) -> Linear(4))\n}"
    ),
    "what is made of a list that turns give": (
        "block Mean(n) {\n    hs = []\n    h = x\n    for i in range(n) { h = tanh(h) * 2\n        hs = hs + [h] }\n"
        "    sum(stack([mean(h ** 2) for h in hs]))\n}\n"
        "network Net(x: float[N, 3, 4], n = 6) -> y {\n    hs = []\n    h = x\n"
        "    for i in range(n) { h = h -> Conv(8, 1) -> ReLU\n        hs = hs + [h] }\n"
        "    y = sum(stack([mean(h ** 2) for h in hs])) * (x -> Mean(6)) * (x -> Mean(n))\n}"
    ),
    "weights and layers of what settings make": (
        "block Deep(n, w) { repeat n { Linear(w) -> ReLU } }\n"
        "network Net(x: float[N, 8], n = 5, w = 4) -> y {\n    shared f = Deep(n, w)\n    h = x -> f\n"
        "    y = h * sum(stack([sum(v ** 2) for v in weights(f)])) * sum(stack([sum(l.bias) for l in layers(f, Linear)]))\n"
        "    for same in by_shape(weights(f)) { y = y + sum(stack(same)) }\n    y\n}"
    ),
    "layers of a list of settings": (
        "network Net(x: float[N, T, 4], heads = 4, kv = 2, size = 3) -> y {\n"
        '    q, k, v = [x -> "{name}_proj": Linear(many * size)\n'
        '        for name, many in [["q", heads], ["k", kv], ["v", kv]]]\n    [q, k, v] -> Concat(2) -> Linear(5)\n}'
    ),
    "an axis taken apart by a setting": (
        "network Net(x: float[N, T, 36], h = 4, w = 36) -> y {\n"
        '    x -> Linear(w) -> Rearrange("b t (h d) -> b h t d", h=h) -> Rearrange("b h t d -> b t (h d)") -> Linear(5)\n}'
    ),
    "a size of one of a list": (
        "block Head { wide = max(2, x[0].channels)\n    [x[0] -> Conv(wide, 1), x[1]] -> Concat -> Conv(wide, 1) }\n"
        "network Net(x: float[N, 3, 4], w = 4) -> y { a = x -> Conv(w, 1)\n    [a, x] -> Head }"
    ),
    "a padding that is put in another order": (
        "network Net(x: float[N, 3, 8], k = 2) -> y { x -> Pad([[k, 0]]) -> Conv(4, k) }"
    ),
    "the size of a draw": (
        "network Net(x: float[N, 4], w = 3, k = 2) -> y, v {\n    q = Normal(x -> Linear(w), 1.0)\n    y = sample(q, [k])\n"
        "    v = tile(x -> Linear(w), [1, k])\n}"
    ),
    "the size of a draw in a block": (
        "block Draw(k) { sample(Normal(x, 1.0), [k]) }\n"
        "network Net(x: float[N, 4], w = 3, k = 2) -> y { x -> Linear(w) -> Draw(k) }"
    ),
    "draws of a divergence": (
        "network Net(x: float[N, 4], w = 3) -> y { mu = x -> Linear(w)\n"
        '    kl(Normal(mu, 1.0), Laplace(mu, 1.0), samples=2, reduction="none") }'
    ),
    "classes of a distribution": (
        "network Net(x: float[N, 4], i: int[N], w = 3) -> y, z { q = Categorical(logits=x -> Linear(w))\n"
        '    y = log_prob(q, i)\n    z = sample(q) -> Cast("float") }'
    ),
    "equal by chance": (
        'block Stack(n) {\n    y = x\n    for i in range(n) { y = y + (y -> "l{i}": Linear(4)) }\n    y\n}\n'
        "network Net(x: float[N, 4], d = 3) -> y { x -> Stack(3) -> Stack(d) }"
    ),
}

CARRIED = [
    ("what flowed in is added anew", "x", "", 'h = concat(x, h -> "a{i}": Conv(4, 1))', 'h -> "b": Conv(5, 1)', 1),
    ("more is made of what flowed in", "x", "", 'h = concat(h, x -> "a{i}": Conv(4, 1))', 'h -> "b": Conv(5, 1)', 1),
    (
        "a loop begins with what a layer gives", 'x -> "s": Conv(5, 1)', "",
        'h = concat(h, h -> "a{i}": Conv(4, 1))', 'h -> "b": Conv(h.channels, 1)', 0,
    ),
    (
        "two names grow", "x", 'c = x -> "s": Conv(2, 1)',
        't = concat(h, c) -> "a{i}": Conv(h.channels + 1, 1)\n        '
        'c = concat(c, h) -> "b{i}": Conv(c.channels + 2, 1)\n        h = t',
        'concat(c, h) -> "c": Conv(5, 1)', 0,
    ),
    (
        "what a turn makes between grows too", "x", "",
        't = concat(h, h -> "a{i}": Conv(4, 1))\n        h = t -> "b{i}": Conv(t.channels + 1, 1)',
        'concat(t, h) -> "c": Conv(5, 1)', 9,
    ),
    ("what grows twofold", "x", "", 'h = concat(h, h -> "a{i}": Conv(h.channels, 1))', 'h -> "b": Conv(8, 1)', 9),
]  # fmt: skip
"""Loops in which names go from turn to turn: what they begin with, a turn, what comes behind, and up to how many turns the
text does not say what one more would do."""

PARAMETERS = {
    "patches": (
        "block Mlp(hidden) { Linear(hidden) -> GELU -> Linear(x.shape[-1]) }\n"
        "block Mixer(tokens) { x + (x -> Transpose(1, 2) -> Mlp(tokens) -> Transpose(1, 2)) }\n"
        "network Net(x: float[N, 3, size, size], patch = 8, size = 32, width = 6, tokens = 5, depth = 4) -> y {\n"
        "    x -> Conv(width, patch, stride=patch) -> Flatten(2) -> Transpose(1, 2)\n"
        "    -> blocks: { repeat depth { Mixer(tokens) } } -> Linear(2)\n}",
        "patch size width tokens depth",
    ),
    "a size that the block of a later turn asks for": (
        "block Half(w) { Linear(w) -> Tanh -> Linear(x.shape[-1]) }\n"
        "block Whole(w) { Transpose(1, 2) -> Half(w) -> Transpose(1, 2) }\n"
        "network Net(x: float[N, 3, 8], w = 6, depth = 4) -> y {\n"
        "    x -> Conv(w, 1) -> parts: { repeat depth { Whole(w) } }\n}",
        "w depth",
    ),
    "a loop of a forward that has the name of what it gives": (
        "block Keep { Linear(x.shape[-1]) -> GELU }\n"
        "network Net(x: float[N, 3, 8], w = 6, depth = 4) -> y {\n"
        "    y = x -> Linear(w) -> { x * 2 } -> repeat depth { Keep }\n}",
        "w depth",
    ),
    "a kernel in front of a flattened image": (
        "network Net(x: float[N, 1, 28, 28], width = 6, k = 5, s = 2) -> y {\n"
        "    x -> Conv(width, k, stride=s) -> ReLU -> MaxPool(2) -> Flatten -> Linear(10)\n}",
        "width k s",
    ),
    "a sum of what turns give": (
        "block R(w, d) { z = x -> conv: Conv(w, 3, padding=d, dilation=d) -> Tanh\n    [z + x, z -> skip: Conv(5, 1)] }\n"
        "network Net(x: float[N, 4, T = 12], depth = 4) -> y {\n    f = x\n    skips = []\n    for d in range(depth) {\n"
        '        f, s = f -> "layers.{d}": R(4, 2 ** d)\n        skips = skips + [s]\n    }\n    y = skips -> Add\n}',
        "depth",
    ),
    "a list of as many widths as a setting says": (
        "network Net(x: float[N, 3, 8], w = 6, m = 2, n = 3) -> y {\n"
        "    y = x -> for width in [w + i * m for i in range(n)] { Conv(width, 1) } -> Concat { Identity | Conv(m, 1) }\n"
        "    y -> Conv(2, 1)\n}",
        "w m n",
    ),
    "a kernel and a padding that here keep a size": (
        "network Net(x: float[N, 1, 30], k = 3, p = 1) -> y { x -> Conv(2, k, padding=p) -> Flatten -> Linear(4) }",
        "k p",
    ),
    "a padding by its name": (
        "network Net(x: float[N, 1, 30], k = 3, s = 2) -> y {\n"
        '    x -> Conv(2, k, padding="same", stride=s) -> Conv(2, k, padding="valid") -> Flatten -> Linear(4)\n}',
        "k s",
    ),
    "windows of several sorts": (
        "network Net(x: float[N, 1, 30], k = 3, p = 1, d = 2, q = 2) -> y {\n"
        "    y = x -> Conv(2, k, padding=p, dilation=d) -> Flatten -> Linear(4)\n"
        "    z = x -> MaxPool(k, stride=q) -> Flatten -> Linear(4)\n"
        "    w = x -> AvgPool(k, padding=p) -> Flatten -> Linear(4)\n    y + z + w\n}",
        "k p d q",
    ),
    **{
        f"{name}, {n} turns": (
            f"network Net(x: float[N, 3, L = 16], n = {n}) -> y {{\n    h = {begun}\n    {more}\n"
            f"    for i in range(n) {{\n        {body}\n    }}\n    {behind}\n}}",
            "n" if n > once else "",
        )
        for n in (1, 2, 4)
        for name, begun, more, body, behind, once in CARRIED
    },
}
"""Networks, and which of their settings their classes take."""


@pytest.mark.parametrize("name", PARAMETERS)
def test_which_settings_are_parameters(name: str) -> None:
    text, names = PARAMETERS[name]
    program = open_source(Source("settings.dlspec", text))
    assert list(signature(root(source(elaborate(program, "Net")))).parameters) == names.split()
    compared_with_others(program, "Net")


@pytest.mark.parametrize(("file", "name"), NETWORKS, ids=[f"{file}:{name}" for file, name in NETWORKS])
def test_shipped_networks(file: str, name: str, compared: Callable[[str, int], None]) -> None:
    count = compared_with_others(PROGRAMS[file], name)
    if count:
        compared("shapes of shipped networks with other settings", count)


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ("y = log_prob(Normal(x, exp(x)), x) * s", True),
        ("y = log_prob(Normal(x, s), x) * s", False),
        ("q = Normal(x, s)\n    y = kl(q, Normal(0.0, 1.0)) + s", False),
        ("y = kl(Normal(x, 1.0), Normal(x, 2.0 * s)) + s", False),
        ("y = log_prob(Independent(Normal(x, exp(x)), 1), x) * s", True),
    ],
)
def test_a_number_that_a_distribution_is_told_by_is_no_parameter(body: str, kept: bool) -> None:
    """It stands as a number in the formula that the compiler writes."""
    program = open_source(Source("settings.dlspec", f"network Net(x: float[N, 3], s = 0.5) -> y {{\n    {body}\n}}"))
    assert ("s" in signature(root(source(elaborate(program, "Net")))).parameters) == kept


def test_the_number_of_dimensions_in_a_density_is_no_parameter() -> None:
    """It is in a number of the formula, as no shape is."""
    body = "h = x -> Linear(w)\n    q = MultivariateNormal(h, eye(w))\n    y = log_prob(q, h) + sum(x -> Linear(w), 1)"
    program = open_source(Source("settings.dlspec", f"network Net(x: float[N, 4], w = 3) -> y {{\n    {body}\n}}"))
    assert "w" not in signature(root(source(elaborate(program, "Net")))).parameters


@pytest.mark.parametrize("name", SOME)
def test_settings(name: str) -> None:
    compared_with_others(open_source(Source("settings.dlspec", SOME[name])), "Net")
