"""Small specs that ask for all time or memory. Each is one file, or several, and the code it is refused with; none where it
is done."""

from __future__ import annotations

from typing import NamedTuple


class Bomb(NamedTuple):
    name: str
    code: str
    files: dict[str, str]
    command: tuple[str, ...] = ("check",)


def body(lines: str, signature: str = "image: float[N, 3, H = 32, W = 32]", before: str = "") -> dict[str, str]:
    return {"main": f"{before}\nnetwork A({signature}) -> out {{\n{lines}\n}}\n"}


def again(first: str, line: str, times: int, last: str = "image") -> dict[str, str]:
    return body("\n".join([first, *[line] * times, last]))


def value(expression: str) -> dict[str, str]:
    return body(f"y = {expression}\nimage")


def imports(count: int, last: str = "block B { x }") -> dict[str, str]:
    files = {f"f{i}": f"from .f{i + 1} import B\nblock C{i} {{ B }}\n" for i in range(1, count)}
    return {"main": "from .f1 import B\nblock C { B }\n", **files, f"f{count}": f"{last}\n"}


def circle(count: int) -> dict[str, str]:
    return imports(count, "from .main import B")


DOUBLING = "block B(n) { if n > 0 { B(n - 1) -> B(n - 1) } else { ReLU } }"
TRIPLING = "block B(n, k) { if n > 0 { B(n - 1, 2 * k) -> B(n - 1, 2 * k + 1) } else { ReLU } }"
ENDLESS = "block B(n) { x -> { B(n + 1) } }"
WRAPPED = f"block B(n) {{ if n > 0 {{ y = {'abs(' * 80}x -> B(n - 1){')' * 80}\ny }} else {{ ReLU }} }}"
MEASURED = "\n".join(f"network A{i}(x: float[N, 4]) -> y {{ x -> Linear(A{i + 1}.params + 1) }}" for i in range(3000))
FACTORS = " * ".join(
    f"({a} + {b})" for a, b in zip("ABCDEFGHIJKLMOPQRSTU", "abcdefghijklmopqrstu".upper()[::-1], strict=True)
)
MANY = ", ".join(f"{letter}{i}" for letter in "ABCDEFGH" for i in range(5))
LARGE = "\n".join(f"network A{i}(x: float[N, 4]) -> y {{ x -> repeat 9000 {{ ReLU -> Tanh }} }}" for i in range(50))
SHARED = "\n".join(["shared f0 = ReLU", *[f"shared f{i} = {{ f{i - 1} }}" for i in range(1, 2000)], "image -> f1999"])
R = "range(900)"
WEIGHTS = "i -> Linear(100_000_000) -> Linear(100_000_000)"
UNUSED = "\n".join(
    [f"name{i} = 1\nimage -> Conv(nome{i}, 1)\nimage -> Conv(nome{i}, 1)" for i in range(2000)] + ["image"]
)
GROWS = "image = image -> Conv(1, 3, stride=2) -> Upsample(scale_factor=3)"

BOMBS = [
    # Values
    Bomb("a list that doubles", "DL0407", again("f = [1]", "f = f + f", 60)),
    Bomb("a list of two of itself", "DL0407", again("f = [1]", "f = [f, f]", 60)),
    Bomb("a list in a list in a list", "DL0407", again("f = []", "for i in range(5000) { f = [f] }", 1)),
    Bomb("a list times a number", "DL0407", value("[0] * 1_000_000_000")),
    Bomb("a list of lists times a number", "DL0407", value("[[[0] * 1000] * 1000] * 1000")),
    Bomb("a string that doubles", "DL0407", again('f = "a"', "f = f + f", 60)),
    Bomb("a string of two of itself", "DL0407", again('f = "a"', 'f = "{f}{f}"', 60)),
    Bomb("a list as text", "DL0407", again("f = range(100000)", 'g = "{f}{f}{f}{f}{f}"', 40)),
    Bomb("ranges in a comprehension", "DL0407", value("[range(1000000) for i in range(1000000)]")),
    Bomb("comprehensions in each other", "DL0407", value(f"[[[k for k in {R}] for j in {R}] for i in {R}]")),
    Bomb("a range", "DL0407", value("range(10 ** 15)")),
    Bomb("lists that are compared", "DL0407", again("f = range(100000)", "for i in range(5000) { g = f == f }", 1)),
    Bomb("a list that is looked at", "DL0407", again("f = range(100000)", "for i in range(5000) { g = len(f) }", 1)),
    Bomb("a list that is cut", "DL0407", again("f = range(100000)", "for i in range(5000) { g = f[1:] }", 1)),
    Bomb("a list that is sorted", "DL0407", again("f = range(100000)", "for i in range(5000) { g = sorted(f) }", 1)),
    Bomb("a tower of powers", "DL0305", value("10 ** 10 ** 10")),
    Bomb("a power", "DL0305", value("2 ** 100_000_000_000")),
    Bomb("a power of a power", "DL0305", again("f = 3", "f = f ** 60", 10)),
    Bomb("a number that is squared", "DL0305", again("f = 3", "f = f * f", 60)),
    Bomb("a number that is rounded", "DL0305", value("round(5, -1_000_000_000)")),
    Bomb("a product", "DL0305", value("prod([2 ** 4000 for i in range(50000)])")),
    Bomb("tensors in a list", "", body("y = [image] * 100_000\ny -> Add", "image: float[N, 3]")),
    # Loops
    Bomb("loops in each other", "DL0407", body(f"y = 0\nfor i in {R} {{ for j in {R} {{ y = y + 1 }} }}\nimage")),
    Bomb("loops thrice", "DL0407", body(f"for i in {R} {{ for j in {R} {{ for k in {R} {{ y = i }} }} }}\nimage")),
    Bomb("repeats in each other", "DL0407", body("image -> repeat 100000 { repeat 100000 { x } }")),
    Bomb("smaller repeats in each other", "DL0407", body("image -> repeat 5000 { repeat 5000 { x -> ReLU } }")),
    Bomb("a repeat of layers", "DL0407", body("image -> repeat 1_000_000 { Conv(3, 1) -> ReLU }")),
    Bomb("a loop of layers", "DL0407", body("image -> for i in range(1_000_000) { Conv(3, 1) -> ReLU }")),
    Bomb("branches in a loop", "DL0407", body("image -> for i in range(100_000) { Add { ReLU | { Tanh -> Tanh } | x } }")),
    # Blocks
    Bomb("a block that doubles", "DL0407", body("image -> B(60)", before=DOUBLING)),
    Bomb("a block that doubles with other arguments", "DL0407", body("image -> B(60, 1)", before=TRIPLING)),
    Bomb("a block that never ends", "DL0402", body("image -> B(0)", before=ENDLESS)),
    Bomb("blocks in calls in blocks", "", body("image -> B(190)", before=WRAPPED)),
    # Layers
    Bomb("a chain of 3,000 layers", "", again("f = ReLU", "f = f -> ReLU", 3000, "image -> f")),
    Bomb("a chain of 100,000 layers", "DL0407", again("f = ReLU", "f = f -> ReLU", 100_000, "image -> f")),
    Bomb("a chain from its end", "", again("f = ReLU", "f = ReLU -> f", 3000, "image -> f")),
    Bomb("a chain in the middle", "", again("f = ReLU", "f = ReLU -> f -> Tanh", 3000, "image -> f")),
    Bomb("layers in braces in braces", "DL0402", again("f = ReLU", "f = { x -> f }", 3000, "image -> f")),
    Bomb("layers in repeats in repeats", "DL0407", again("f = ReLU", "f = repeat 2 { f }", 60, "image -> f")),
    Bomb("shared layers in each other", "DL0402", body(SHARED)),
    Bomb("a long chain", "", body("image" + " -> ReLU" * 20_000)),
    Bomb("defaults", "DL0407", body("default Conv(bias=false)\n" * 3000 + "image" + " -> Conv(3, 1)" * 3000)),
    # Sizes
    Bomb("sizes that grow", "DL0407", again("", GROWS, 60)),
    Bomb("sizes that are halved and trebled", "DL0407", again("s = H", "s = (3 * s + W) // 2", 60)),
    Bomb("the greatest of sizes that grow", "", again("s = H", "s = max(s + W, 2 * s - H)", 60)),
    Bomb("a large stride", "DL0206", body("image -> Conv(64, 7, stride=1_000_000_000) -> [N, 64, H // 2, _]")),
    # Text
    Bomb("parentheses", "DL0105", value("(" * 20_000 + "1" + ")" * 20_000)),
    Bomb("open parentheses", "DL0105", value("(" * 50_000)),
    Bomb("braces", "DL0105", body("image -> " + "{ " * 20_000 + "ReLU" + " }" * 20_000)),
    Bomb("lists as they are written", "DL0105", value("[" * 20_000 + "]" * 20_000)),
    Bomb("calls in calls", "DL0105", value("abs(" * 20_000 + "1" + ")" * 20_000)),
    Bomb("comprehensions as they are written", "DL0105", value("[" * 2000 + "1" + " for i in range(1)]" * 2000)),
    Bomb("a sum of many terms", "DL0105", value(" + ".join(["1"] * 50_000))),
    Bomb("powers of powers", "DL0105", value(" ** ".join(["1"] * 50_000))),
    Bomb("minus minus", "DL0105", value("-" * 50_000 + "1")),
    Bomb("not not", "DL0105", value("not " * 50_000 + "true")),
    Bomb("and and", "DL0105", value(" and ".join(["true"] * 50_000))),
    Bomb("else if", "DL0105", body("image -> " + " else ".join(["if false { ReLU }"] * 5000))),
    Bomb("indices of indices", "DL0105", value("f" + "[0]" * 20_000)),
    Bomb("attributes of attributes", "DL0105", value("image" + ".shape" * 20_000)),
    Bomb("a long string", "", value('"' + "a" * 1_000_000 + '"')),
    Bomb("a string of many parts", "", body('i = 1\ny = "' + "{i}" * 20_000 + '"\nimage')),
    Bomb("a long name", "DL0302", value("a" * 1_000_000)),
    Bomb("a long comment", "", body("# " + "a" * 3_000_000 + "\nimage")),
    Bomb("a long text", "DL0407", body("y = 1\n" * 300_000 + "image")),
    # Weights
    Bomb("weights to run", "DL0407", body(WEIGHTS, "i: float[N, 4]"), ("run",)),
    Bomb("weights to init", "DL0407", body(WEIGHTS, "i: float[N, 4]"), ("weights", "init", "-o", "out.pt")),
    Bomb("weights to write", "DL0407", body(WEIGHTS, "i: float[N, 4]"), ("compile", "-o", "out.onnx")),
    Bomb("weights to fold", "DL0407", body(WEIGHTS, "i: float[N, 4]"), ("compile", "--optimize", "-o", "out.onnx")),
    Bomb("weights to compare", "DL0407", body(WEIGHTS, "i: float[N, 4]"), ("verify",)),
    Bomb("a weight of too many columns", "DL0208", body("i -> Linear(1099511627776)", "i: float[N, 4]"), ("run",)),
    # Errors
    Bomb("unknown names", "DL0302", body("\n".join([f"b{i} = nope{i}" for i in range(20_000)] + ["image"]))),
    Bomb("unknown names like others", "DL0302", body("\n".join([f"b{i} = b{i + 1}" for i in range(20_000)] + ["image"]))),
    Bomb("unknown names like others that nothing uses", "DL0302", body(UNUSED)),
    Bomb("unknown names in a loop", "DL0302", body("for i in range(20_000) { y = nope }\nimage")),
    Bomb("unknown arguments", "DL0303", body("image" + " -> ReLU(nope=1)" * 8000)),
    Bomb("unused layers", "", body("\n".join(["y = image -> ReLU"] * 5000 + ["image"]))),
    # Imports
    Bomb("400 imports", "", imports(400)),
    Bomb("5,000 imports", "DL0407", imports(5000)),
    Bomb("a circle of 1,000 imports", "DL0403", circle(1000)),
    # Networks
    Bomb("networks that ask each other", "DL0402", {"main": MEASURED + "\nnetwork A3000(x: float[N, 4]) -> y { x }"}),
    Bomb("networks that each take much", "DL0407", {"main": LARGE}),
]  # fmt: skip
