"""Examples of a batch that get among each other are warned of; what only looks like it is not."""

from __future__ import annotations

import pytest
from tests.elaborate.specs import found_in

X = "x: float[N, T, 64], m: float[N, T], g: float[N, 64], v: float[N]"
MEETS = {
    "a gate without its spatial axes": ("g: float[N, 16], x: float[N, 16, 16, 16]", "x * g", "`N == 16`"),
    "a mask without its last axis": (X, "x * m", "`N == T`"),
    "a vector beside matrices": (X, "g * v", "`N == 64`"),
    "an average of everything": (X, "softmax(x, 2) + mean(x, [1, 2])", "`N == 64`"),
    "scores": (X, "matmul(x, transpose(x, 1, 2)) + m", "`N == T`"),
    "heads": ("q: float[N, T, 8], k: float[N, 4, 8, T]", "matmul(q, k)", "`N == 4`"),
    "a weight that has a batch": (X, "param p: float[16, 64] = 0.1\n g + p", "`N == 16`"),
    "a shape with a number": (X, "reshape(g, [16, 64])", "`N == 16`"),
    "groups": (X, "reshape(g, [4, -1, 64])", "`N % 4 == 0`"),
    "the first of the batch": (X, "concat(g, g[0:4], 1)", "`N == 4`"),
    "labels beside predictions": (X, "(g -> Linear(1)) - v", "every example meets every other"),
    "a sum that keeps its axis": (X, "sum(g, 1, true) + sum(g, 1)", "every example meets every other"),
    "a chain of functions": (X, "exp(-abs(v - (g -> Linear(1) -> Tanh)))", "every example meets every other"),
    "a state from example to example": (X, "x -> LSTM(8)", "from example to example of the batch"),
    "within where": (X, "where(v > 0, g -> Linear(1), v)", "every example meets every other"),
    "another name of the batch": ("a: float[B, 8], b: float[B]", "(a -> Linear(1)) * b", "every example meets"),
}
CUTS = {
    "a size that is not what was thought": ("x: float[N, 16, 8, 8]", "x -> Reshape([-1, 256])"),
    "half of an example": ("x: float[N, 3, 44, 44]", "x -> Conv(6, 5) -> Reshape([-1, 6 * 20 * 40])"),
    "the batch at the end": ("x: float[N, 8]", "reshape(x, [8, -1])"),
    "a reshape for a transposition": ("x: float[T, N, 8]", "reshape(x, [x.shape[1], x.batch, 8])"),
    "after a transposition": ("x: float[N, T, 8]", "reshape(transpose(x, 0, 1), [x.batch, x.shape[1], 8])"),
}
MEANT = {
    "pairs of a matrix product": "s = matmul(g, transpose(g, 0, 1))\n s - sum(g * g, 1)[:, none]",
    "pairs by hand": "q = sum(g ** 2, 1)\n q[:, none] + q - 2 * matmul(g, transpose(g, 0, 1))",
    "pairs of vectors": "unsqueeze(g, 1) - unsqueeze(g, 0)",
    "a mask with its axis": "x * m[:, :, none]",
    "tokens as examples": 'cross_entropy(reshape(x, [-1, 64]), reshape(cast(m, "int"), [-1]))',
    "heads folded into the batch": (
        "h = unflatten(x, -1, [8, 8]) -> Permute([0, 2, 1, 3])\n"
        "h = reshape(h, [x.batch * 8, x.shape[1], 8])\n reshape(h, [x.batch, 8, x.shape[1], 8])"
    ),
    "sequences of a batch": "x -> GRU(8, batch_first=true)",
    "the time is the first axis": "x -> GRU(8, batch_first=false)",
    "the batch is the second axis": "transpose(x, 0, 1) -> LSTM(8)",
    "one sequence": "g -> RNN(8)",
    "one vector": "flatten(x, 0)",
    "stated": "expect v.batch == 64\n g * v",
    "divided as stated": "expect g.batch % 4 == 0\n reshape(g, [4, -1, 64])",
    "silenced": "g * v  # dlspec: ignore[DL0801]",
}


def warned(signature: str, body: str) -> list[tuple[str, str]]:
    text = f"network Net({signature}) -> y {{\n {body}\n}}\n"
    return [(found.code, found.message) for found in found_in(text)]


@pytest.mark.parametrize(("signature", "body", "message"), MEETS.values(), ids=MEETS)
def test_the_batch_meets_another_axis(signature: str, body: str, message: str) -> None:
    ((code, said),) = warned(signature, body)
    assert (code, message in said) == ("DL0801", True), said


@pytest.mark.parametrize(("signature", "body"), CUTS.values(), ids=CUTS)
def test_a_shape_cuts_across_examples(signature: str, body: str) -> None:
    assert [code for code, _ in warned(signature, body)] == ["DL0802"]


@pytest.mark.parametrize("body", MEANT.values(), ids=MEANT)
def test_what_is_meant_is_not_warned_of(body: str) -> None:
    assert warned(X, body) == []


def test_windows_are_folded_into_the_batch_and_come_back() -> None:
    body = """
    w = x -> Reshape([x.batch, x.shape[1] // 4, 4, x.shape[2] // 4, 4, 8]) -> Permute([0, 1, 3, 2, 4, 5])
    w = w -> Reshape([-1, 16, 8])
    w = reshape(w, [x.batch, x.shape[1] // 4, x.shape[2] // 4, 4, 4, 8])
    w -> Permute([0, 1, 3, 2, 4, 5]) -> Reshape([x.batch, x.shape[1], x.shape[2], 8])
    """
    assert warned("x: float[N, H, W, 8]", body) == []
